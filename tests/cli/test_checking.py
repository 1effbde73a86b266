"""``check`` and ``test``: everything that the gateway would refuse to start with, all at once."""

import json

import pytest

from tests.ca.pki import DAY, NOW, make_pki


def test_fine(on):
    checked = on("check")
    assert (checked.code, checked.out.startswith("fine: revision ")) == (0, True)
    told = json.loads(on("check", "--json").out)
    assert (told["ok"], told["customers"]) == (True, ["stadtwerke_musterstadt"])


def test_every_mistake_of_every_file_at_once(on, folder):
    folder.policy().write_text(folder.policy().read_text().replace("192.0.2.0/24", "192.0.2.1/24").replace("dispatcher}", "dispatchr}"))
    classes = folder.path / "policies" / "data_classes.yaml"
    classes.write_text(classes.read_text() + "unheard_of: 1\n")
    checked = on("check")
    assert checked.code == 78
    assert "stadtwerke_musterstadt.yaml:4:" in checked.err
    assert "stadtwerke_musterstadt.yaml:7:" in checked.err
    assert "data_classes.yaml:" in checked.err
    mistakes = json.loads(on("check", "--json").out)
    assert mistakes["ok"] is False
    assert {mistake["line"] for mistake in mistakes["mistakes"]} >= {4, 7}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: folder.config_file.unlink(),
        lambda folder: folder.config_file.write_text("listen: nowhere\n"),
        lambda folder: (folder.path / "certs" / "server.pem").unlink(),
        lambda folder: (folder.path / "certs" / "server.key").write_text("no key"),
        lambda folder: (folder.config.authority_dir("stadtwerke_musterstadt") / "ca.pem").write_text("no authority"),
    ],
)
def test_what_would_stop_the_start_is_found(on, folder, spoil):
    spoil(folder)
    checked = on("check")
    assert checked.code == 78, checked.err
    assert "Traceback" not in checked.err
    assert str(folder.path) in checked.err


PKI = make_pki(end=NOW + 60 * DAY)


def own(folder, crl, *more):
    (folder.path / "certs" / "own-ca.pem").write_bytes(PKI.pem)
    if crl is not None:
        (folder.path / "certs" / "own.crl").write_bytes(crl)
    named = "certs/own.crl" if crl is not None else "http://pki.example/ca.crl"
    text = ", ".join(["{file: certs/own-ca.pem", f'crl: "{named}"', "only: [{dns: import.example}]", *more]) + "}"
    folder.policy().write_text(folder.policy().read_text().replace("{authority: gateway}", text))


ENDED, SOON = PKI.crl(begin=NOW - 3 * DAY, end=NOW - DAY), PKI.crl(begin=NOW - 9 * DAY, end=NOW + DAY)


@pytest.mark.parametrize(
    ("crl", "more", "code", "said"),
    [
        (PKI.crl(begin=NOW - DAY, end=NOW + 7 * DAY), (), 0, ""),
        (SOON, (), 0, "own.crl ends on "),
        (ENDED, (), 78, "own.crl: the revocation list has expired: every client of this customer would be refused"),
        (ENDED, ("without_crl: accept",), 0, "own.crl ended on "),
        (None, (), 0, "no revocation list has come from http://pki.example/ca.crl yet"),
        (b"garbage", ("without_crl: accept",), 78, "own.crl: is neither PEM nor DER"),
    ],
    ids=["fine", "ends soon", "expired", "expired, accept", "never came", "garbage"],
)
def test_c05_revocation_lists_before_they_are_missed(on, folder, crl, more, code, said):
    own(folder, crl, *more)
    checked = on("check")
    assert checked.code == code, checked.err
    assert said in checked.err and bool(said) == bool(checked.err)
    told = json.loads(on("check", "--json").out)
    assert [said in warning for warning in told["warnings"]] == ([True] if said else []) if code == 0 else told["ok"] is False


def test_policy_examples_run(on, folder):
    ran = on("test", "--json")
    assert ran.code == 0
    assert {row["verdict"] for row in json.loads(ran.out)} == {"holds"}
    policy = folder.path / "policies" / "planning_suite.yaml"
    policy.write_text(
        policy.read_text().replace(
            "then_seen_by: {dispatcher: {household: {name: Max", "then_seen_by: {dispatcher: {household: {name: Moritz"
        )
    )
    assert on("test").code == 1


def test_as_a_reload_judges_an_expired_list_keeps_only_its_customer_out(on, folder):
    own(folder, ENDED)
    assert on("check").code == 78
    checked = on("check", "--running")
    assert (checked.code, "own.crl ended on " in checked.err) == (0, True)
