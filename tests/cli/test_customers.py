"""``customer add|list|shred``: shown once, repeatable after a failure, and gone for good after shredding."""

import json

import pytest

import gateway.cli.customers
from gateway.audit import read
from gateway.errors import Unavailable


def files(folder):
    return {file: file.read_bytes() for file in folder.path.rglob("*") if file.is_file()}


NEW = ("customer", "add", "neukunde", "--upstream", "http://127.0.0.1:9/neukunde", "--network", "198.51.100.0/24")


def test_add_shows_passwords_and_recovery_code_once(on, folder):
    added = on(*NEW, "--user", "eva:dispatcher", "--user", "job:importer", "--json", operator=True)
    assert (added.code, added.err) == (0, "")
    told = json.loads(added.out)
    assert (told["customer"], set(told["passwords"])) == ("neukunde", {"eva", "job"})
    secrets = [*told["passwords"].values(), told["recovery_code"]]
    assert min(map(len, secrets)) >= 20
    files = [file.read_bytes() for file in folder.path.rglob("*") if file.is_file()]
    assert not [secret for secret in secrets for content in files if secret.encode() in content]
    assert folder.policy("neukunde").read_text().startswith("customer: neukunde\n")
    assert [record["reason"] for record in read(folder.config.audit_dir)] == ["customer-added"]


def test_a_table_for_people(on):
    added = on(*NEW, "--user", "eva:dispatcher", operator=True)
    assert added.code == 0
    assert "eva" in added.out
    assert "Recovery code" in added.out


def test_what_was_shown_once_is_shown_before_anything_else_can_fail(on, monkeypatch):
    def fails(*_, **__):
        raise Unavailable("audit-unavailable")

    monkeypatch.setattr(gateway.cli.customers, "note", fails)
    added = on(*NEW, "--user", "eva:dispatcher", "--json", operator=True)
    assert added.code == 1
    assert "audit log" in added.err
    assert json.loads(added.out)["recovery_code"]


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"neukunde": "stadtwerke_musterstadt"}, 78, "this customer exists already"),
        ({"neukunde": "../../draussen"}, 78, "is not a name for a customer"),
        ({"neukunde": "Neukunde"}, 78, "is not a name for a customer"),
        ({"198.51.100.0/24": "198.51.100.7/24"}, 78, "neukunde.yaml:"),
        ({"http://127.0.0.1:9/neukunde": "http://suite.internal/neukunde"}, 78, "must be https://"),
        ({"http://127.0.0.1:9/neukunde": "http://127.0.0.1:9/musterstadt"}, 78, "is also that of"),
        ({"eva:dispatcher": "eva:dispatchr"}, 78, "dispatcher"),
        ({"eva:dispatcher": "eva"}, 2, "is not USER:ROLE"),
        ({"eva:dispatcher": ":dispatcher"}, 2, "is not USER:ROLE"),
    ],
)
def test_a_failed_attempt_leaves_nothing_and_can_be_repeated(on, folder, changes, code, said):
    before = files(folder)
    words = [changes.get(word, word) for word in (*NEW, "--user", "eva:dispatcher")]
    failed = on(*words, operator=True)
    assert (failed.code, said in failed.err) == (code, True), failed.err
    assert "Traceback" not in failed.err
    assert files(folder) == before
    assert on(*NEW, "--user", "eva:dispatcher", operator=True).code == 0


def test_usage_names_what_is_missing(on):
    missing = on("customer", "add", "neukunde", operator=True)
    assert missing.code == 2
    assert "--upstream" in missing.err


def test_a_wrong_passphrase_is_said(on, tmp_path):
    (tmp_path / "wrong").write_text("wrong")
    refused = on(*NEW, "--user", "eva:dispatcher", "--passphrase-file", tmp_path / "wrong")
    assert refused.code == 78
    assert "does not open this operator key" in refused.err


def test_list(on):
    listed = on("customer", "list", "--json")
    assert json.loads(listed.out) == [
        {
            "customer": "stadtwerke_musterstadt",
            "api": "planning_suite",
            "networks": "192.0.2.0/24",
            "users": "import_job:importer, maria:dispatcher",
        }
    ]
    assert "stadtwerke_musterstadt" in on("customer", "list").out


def test_shred_asks_first(on, folder):
    aborted = on("customer", "shred", "stadtwerke_musterstadt", operator=True, stdin="n\n")
    assert aborted.code != 0
    assert folder.config.keyslots("stadtwerke_musterstadt").exists()


def test_shredded_is_shredded(on, folder):
    done = on("customer", "shred", "stadtwerke_musterstadt", "--yes", "--json", operator=True)
    assert json.loads(done.out) == {"customer": "stadtwerke_musterstadt", "shredded": True}
    config = folder.config
    assert not config.keyslots("stadtwerke_musterstadt").exists()
    assert not config.share("stadtwerke_musterstadt").exists()
    assert config.tombstone("stadtwerke_musterstadt").exists()
    again = on(*(word.replace("neukunde", "stadtwerke_musterstadt") for word in NEW), "--user", "eva:dispatcher", operator=True)
    assert again.code == 78
    assert "was shredded; the name is never used again" in again.err
    assert on("customer", "shred", "stadtwerke_musterstadt", "--yes", operator=True).code == 78
