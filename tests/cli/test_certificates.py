"""``cert issue|list|revoke``: portable files, never overwritten, and the operator knows exactly which ones there are."""

import json
import ssl
from pathlib import Path

import pytest

OURS = "stadtwerke_musterstadt"


def issue(on, out, label="import-job", *words):
    return on("cert", "issue", OURS, label, "--out", out, "--json", *words, operator=True)


def test_issued_listed_revoked(on, tmp_path):
    files = json.loads(issue(on, tmp_path / "new").out)
    assert set(files) == {"certificate", "private_key", "pkcs12", "pkcs12_password"}
    modes = {name: Path(files[name]).stat().st_mode & 0o777 for name in ("certificate", "private_key", "pkcs12")}
    assert modes == {"certificate": 0o644, "private_key": 0o600, "pkcs12": 0o600}
    ssl.create_default_context().load_cert_chain(files["certificate"], files["private_key"])
    (listed,) = json.loads(on("cert", "list", OURS, "--json").out)
    assert (listed["label"], listed["revoked"]) == ("import-job", None)
    revoked = on("cert", "revoke", OURS, listed["serial"], "--json")
    assert json.loads(revoked.out) == {"serial": listed["serial"], "revoked": True}
    assert json.loads(on("cert", "list", OURS, "--json").out)[0]["revoked"]
    assert on("cert", "revoke", OURS, listed["serial"]).code == 0  # said twice is no failure: the answer is still yes


def test_tables_for_people(on, tmp_path):
    issued = on("cert", "issue", OURS, "import-job", "--out", tmp_path / "new", operator=True)
    assert "pkcs12 password" in issued.out
    assert "import-job" in on("cert", "list", OURS).out


def test_nothing_is_overwritten_and_nothing_stands_in_the_ledger_for_it(on, tmp_path):
    assert issue(on, tmp_path).code == 0
    again = issue(on, tmp_path)
    assert (again.code, again.out) == (78, "")
    assert again.err.count("is never overwritten") == 3
    assert len(json.loads(on("cert", "list", OURS, "--json").out)) == 1


@pytest.mark.parametrize("label", ["../draussen", "a b", "", "x" * 65, "\u202etxt"])
def test_a_label_becomes_a_file_name(on, tmp_path, label):
    refused = issue(on, tmp_path / "new", label)
    assert refused.code == 78
    assert "Traceback" not in refused.err
    assert json.loads(on("cert", "list", OURS, "--json").out) == []


def test_a_folder_that_cannot_be_written_is_said(on, tmp_path):
    (tmp_path / "file").write_text("")
    refused = issue(on, tmp_path / "file" / "below")
    assert refused.code == 1
    assert "gateway: " in refused.err
    assert json.loads(on("cert", "list", OURS, "--json").out) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("cert", "list", "nobody"), 78, "there is no such customer"),
        (("cert", "revoke", "nobody", "1"), 78, "there is no such customer"),
        (("cert", "revoke", OURS, "0123"), 1, "gateway cert list"),
        (("cert", "issue", OURS, "x", "--days", "9999"), 2, "--days"),
    ],
)
def test_mistakes_are_said(on, words, code, said):
    refused = on(*words)
    assert (refused.code, said in refused.err) == (code, True), refused.err
