"""``user add|password|recovery-code|remove``: each writes a keyslot, so each needs a credential of that customer."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from gateway.cipher.credentials import password
from gateway.cli import users
from gateway.errors import Refused, Unavailable
from gateway.runtime.keys import open_operator_key
from gateway.runtime.setup import keys_of

OURS = "stadtwerke_musterstadt"


def opens(folder, user, secret):
    keys = keys_of(folder.config, open_operator_key(folder.config, folder.passphrase_file.read_text().strip().encode()), OURS)
    try:
        return bool(keys.open(password(user, secret)))
    except Refused:
        return False


@pytest.fixture(params=["password", "recovery"])
def allowed(request, folder, tmp_path):
    """The two credentials that let a keyslot be written, as options."""
    file = tmp_path / "credential"
    file.write_text(folder.passwords["maria"] if request.param == "password" else folder.recovery_code)
    by = ("--authorised-by", "maria") if request.param == "password" else ("--recovery",)
    return (*by, "--credential-file", file)


def test_a_user_comes_and_goes(on, folder, allowed):
    added = on("user", "add", OURS, "lena", "--role", "dispatcher", *allowed, "--json", operator=True)
    told = json.loads(added.out)
    assert (added.code, told["user"], told["role"]) == (0, "lena", "dispatcher")
    assert opens(folder, "lena", told["password"])
    assert "lena: dispatcher" in folder.policy().read_text()
    removed = on("user", "remove", OURS, "lena", *allowed, "--json", operator=True)
    assert (removed.code, json.loads(removed.out)) == (0, {"user": "lena", "removed": True})
    assert not opens(folder, "lena", told["password"])
    assert "lena" not in folder.policy().read_text()


def test_a_new_password_generated_or_given(on, folder, allowed, tmp_path):
    generated = json.loads(on("user", "password", OURS, "import_job", *allowed, "--json", operator=True).out)
    assert opens(folder, "import_job", generated["password"])
    assert not opens(folder, "import_job", folder.passwords["import_job"])
    (tmp_path / "new").write_text("nachts um drei Uhr\n")
    given = on("user", "password", OURS, "import_job", "--new-password-file", tmp_path / "new", *allowed, "--json", operator=True)
    assert json.loads(given.out) == {"user": "import_job", "password": None, "old_password_valid_until": None}
    assert "nachts" not in given.out + given.err
    assert opens(folder, "import_job", "nachts um drei Uhr")


def test_an_old_password_goes_on_for_the_stated_time(on, folder, allowed):
    told = json.loads(on("user", "password", OURS, "import_job", "--overlap", "24h", *allowed, "--json", operator=True).out)
    left = datetime.fromisoformat(told["old_password_valid_until"]) - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(hours=24)
    assert opens(folder, "import_job", told["password"])
    assert opens(folder, "import_job", folder.passwords["import_job"])
    shown = on("user", "password", OURS, "import_job", "--overlap", "1h", *allowed, operator=True)
    assert "The old one is valid until 20" in shown.out
    assert not opens(folder, "import_job", folder.passwords["import_job"])
    assert opens(folder, "import_job", told["password"])


@pytest.mark.parametrize(("overlap", "code", "said"), [("8d", 1, "at most seven days"), ("soon", 2, "such as 15m, 24h or 7d")])
def test_an_overlap_has_an_end(on, folder, allowed, overlap, code, said):
    refused = on("user", "password", OURS, "import_job", "--overlap", overlap, *allowed, operator=True)
    assert (refused.code, said in refused.err) == (code, True), refused.err


def test_a_new_recovery_code_voids_the_old_one(on, folder, allowed):
    told = json.loads(on("user", "recovery-code", OURS, *allowed, "--json", operator=True).out)
    (folder.path / "code").write_text(told["recovery_code"])
    for code, file in ((1, folder.recovery_code), (0, told["recovery_code"])):
        (folder.path / "code").write_text(file)
        by = ("--recovery", "--credential-file", folder.path / "code")
        assert on("user", "password", OURS, "maria", *by, operator=True).code == code


COMMANDS = [("add", "eve", "--role", "dispatcher"), ("password", "import_job"), ("remove", "import_job"), ("recovery-code",)]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_wrong_credential_changes_nothing(on, folder, words, tmp_path):
    (tmp_path / "wrong").write_text("wrong wrong wrong")
    before = {file: file.read_bytes() for file in folder.path.rglob("*") if file.is_file() and "audit" not in file.parts}
    verb, *rest = words
    refused = on("user", verb, OURS, *rest, "--authorised-by", "maria", "--credential-file", tmp_path / "wrong", operator=True)
    assert refused.code == 1
    assert "open no keyslot" in refused.err
    assert {file: file.read_bytes() for file in folder.path.rglob("*") if file.is_file() and "audit" not in file.parts} == before


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_the_operator_alone_writes_no_keyslot(on, words):
    verb, *rest = words
    refused = on("user", verb, OURS, *rest, operator=True)
    assert refused.code == 2
    assert "only the customer can let a keyslot be written" in refused.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("add", OURS, "lena", "--role", "dispatchr"), 78, "did you mean 'dispatcher'"),
        (("add", OURS, "maria", "--role", "dispatcher"), 78, "has a keyslot already"),
        (("add", OURS, "le:na", "--role", "dispatcher"), 78, "mistake"),
        (("add", "stadtwerke_mustrstadt", "lena", "--role", "dispatcher"), 78, "known are: stadtwerke_musterstadt"),
        (("password", OURS, "nobody"), 78, "has no keyslot"),
        (("remove", OURS, "nobody"), 78, "there is no such user"),
    ],
)
def test_mistakes_are_said_and_leave_the_policy_as_it_was(on, folder, allowed, words, code, said):
    before = folder.policy().read_text()
    failed = on("user", *words, *allowed, operator=True)
    assert (failed.code, said in failed.err) == (code, True), failed.err
    assert folder.policy().read_text() == before


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("kurz", "at least 15 characters"),
        ("Sommer2024-Sommer2024", "guessed first"),
        ("import_job import_job", "guessed first"),
        ("stadtwerke musterstadt", "guessed first"),
    ],
)
def test_a_password_that_anybody_could_guess_is_refused(on, folder, allowed, tmp_path, secret, said):
    (tmp_path / "new").write_text(secret)
    refused = on("user", "password", OURS, "import_job", "--new-password-file", tmp_path / "new", *allowed, operator=True)
    assert refused.code == 1
    assert said in refused.err and secret not in refused.err
    assert opens(folder, "import_job", folder.passwords["import_job"])


def test_removing_can_be_repeated_when_it_was_interrupted(on, folder, allowed):
    """Out of the policy already, its keyslot still there: as a power cut between the two leaves it."""
    folder.policy().write_text(folder.policy().read_text().replace("import_job: importer, ", ""))
    assert on("user", "remove", OURS, "import_job", *allowed, operator=True).code == 0
    assert not opens(folder, "import_job", folder.passwords["import_job"])


def test_a_user_without_a_keyslot_can_be_removed(on, folder, allowed):
    folder.policy().write_text(folder.policy().read_text().replace("users: {", "users: {ghost: importer, "))
    assert on("user", "remove", OURS, "ghost", *allowed, operator=True).code == 0
    assert "ghost" not in folder.policy().read_text()


def test_a_password_is_shown_also_when_the_audit_log_fails(on, folder, allowed, monkeypatch):
    def fails(*_, **__):
        raise Unavailable("audit-unavailable")

    monkeypatch.setattr(users, "note", fails)
    added = on("user", "add", OURS, "lena", "--role", "dispatcher", *allowed, "--json", operator=True)
    assert added.code == 1
    assert opens(folder, "lena", json.loads(added.out)["password"])


def test_two_secrets_do_not_fit_into_one_standard_input(run, folder):
    both = run("user", "remove", OURS, "maria", "--recovery", "--credential-file", "-", "--config", folder.config_file,
               "--passphrase-file", "-", stdin=folder.recovery_code)  # fmt: skip
    assert both.code == 2
    assert "one secret only" in both.err
