"""``doctor`` at a terminal and for programs: 0 when nothing is wrong, 1 when something is, and never a word of a secret."""

import json

import pytest


@pytest.fixture
def quiet(folder):
    """On ports that are free whoever else runs here."""
    folder.config_file.write_text(folder.config_file.read_text().replace("0.0.0.0:8443", "127.0.0.1:0"))
    return folder


def test_all_fine(on, quiet):
    told = on("doctor")
    assert (told.code, told.err) == (0, "")
    assert "HTTP parser" in told.out
    assert told.out.splitlines()[-1].startswith("0 wrong, ")


def test_as_json(on, quiet):
    quiet.config.private_key.chmod(0o644)
    told = on("doctor", "--json")
    answer = json.loads(told.out)
    assert (told.code, answer["ok"]) == (1, False)
    assert {"check", "outcome", "found", "remedy"} == set(answer["findings"][0])
    assert [finding["check"] for finding in answer["findings"] if finding["outcome"] == "wrong"] == ["modes of secrets"]


def test_a_configuration_that_cannot_be_read_is_a_finding(run, tmp_path):
    """What can be said of program and machine is said all the same."""
    told = run("doctor", "--config", tmp_path / "missing.yaml")
    assert told.code == 1
    assert "missing.yaml" in told.out
    assert "HTTP parser" in told.out
    assert "Traceback" not in told.err


def test_no_secret_is_shown(on, quiet):
    quiet.config.operator_key.chmod(0o644)
    told = on("doctor", "--json")
    key = quiet.config.private_key.read_text().splitlines()[1]
    assert key not in told.out
    assert not any(password in told.out for password in quiet.passwords.values())
