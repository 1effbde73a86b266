"""Setting up on real files: what fails leaves nothing behind, what is there is never overwritten."""

import pytest

from gateway.cipher.credentials import password, recovery
from gateway.cipher.customers import CustomerKeys
from gateway.errors import ConfigurationError, Unavailable
from gateway.policy.load import load_policies
from gateway.runtime import setup
from gateway.runtime.keys import open_operator_key
from tests.cli.conftest import CUSTOMER, PASSPHRASE


@pytest.fixture
def operator(folder):
    return open_operator_key(folder.config, PASSPHRASE.encode())


def add(folder, operator, name="neukunde", **changes):
    wishes = {"api": "planning_suite", "upstream": "http://127.0.0.1:9/neukunde", "ca": None, "networks": ["198.51.100.0/24"]}
    return setup.add_customer(folder.config, operator, name, users={"eva": "dispatcher"}, **{**wishes, **changes})


def files(folder):
    return {file: file.read_bytes() for file in folder.path.rglob("*") if file.is_file()}


def test_a_new_customer_opens_with_each_credential_of_its_own(folder, operator):
    new = add(folder, operator)
    assert load_policies(folder.config).customers["neukunde"].users == {"eva": "dispatcher"}
    tokens = [bytes(setup.keys_of(folder.config, operator, "neukunde").open(credential)) for credential in
              (password("eva", new.passwords["eva"]), recovery(new.recovery_code))]  # fmt: skip
    assert len(set(tokens)) == 1
    assert new.passwords["eva"] not in repr(new)
    assert new.recovery_code not in repr(new)


@pytest.mark.parametrize("fails_in", ["create", "open", "policy"])
def test_whatever_fails_nothing_stays_and_it_can_be_repeated(folder, operator, monkeypatch, fails_in):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    before = files(folder)
    with monkeypatch.context() as patched:
        if fails_in == "create":
            patched.setattr(CustomerKeys, "create", full)
        elif fails_in == "open":
            patched.setattr(CustomerKeys, "_write_slots", full)
        else:
            patched.setattr(setup, "replace_checked", interrupted)
        with pytest.raises((OSError, KeyboardInterrupt)):
            add(folder, operator)
    assert files(folder) == before
    assert add(folder, operator).name == "neukunde"


def test_the_policy_comes_last(folder, operator, monkeypatch):
    """It lets the customer in, and a running gateway reads it within a second: nothing of it may be missing by then."""
    seen = []
    checked = setup.replace_checked

    def noted(file, text, check):
        seen.append(setup.keys_of(folder.config, operator, "neukunde").exists())
        checked(file, text, check)

    monkeypatch.setattr(setup, "replace_checked", noted)
    add(folder, operator)
    assert seen == [True]


@pytest.mark.parametrize("left", ["state/customers/neukunde", "state/shares/neukunde"])
def test_keys_without_a_policy_are_never_taken_for_leftovers(folder, operator, left):
    """Perhaps somebody took the policy away for a day: the answer says both ways on, and destroys nothing."""
    path = folder.path / left
    path.mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=r"belongs to a customer that no policy names; put .* back, or, if it never held data"):
        add(folder, operator)
    assert path.is_dir()


def test_a_mistake_that_was_there_before_is_not_this_customers(folder, operator):
    broken = folder.policy("kaputt")
    broken.write_text("customer: kaputt\n")
    with pytest.raises(ConfigurationError, match=r"kaputt\.yaml"):
        add(folder, operator)
    broken.unlink()
    assert add(folder, operator)


@pytest.mark.parametrize("name", ["", "..", "../neukunde", "a/b", "Neukunde", "neu kunde", ".neu", "x" * 64])
def test_a_name_becomes_a_path_only_when_it_is_one(folder, operator, name):
    before = files(folder)
    with pytest.raises(ConfigurationError, match="is not a name for a customer"):
        add(folder, operator, name)
    assert files(folder) == before


def test_customers_share_no_file_and_no_key(folder, operator):
    add(folder, operator)
    one, two = (folder.config.customer_dir(name) for name in (CUSTOMER, "neukunde"))
    contents = [{file.read_bytes() for file in path.rglob("*") if file.is_file() and file.stat().st_size} for path in (one, two)]
    assert not contents[0] & contents[1]
    assert setup.authority_password(operator, CUSTOMER) != setup.authority_password(operator, "neukunde")


def test_another_operator_key_issues_no_certificate(folder, tmp_path):
    other = setup.FileOperatorKey.create(tmp_path / "other.key", "a thief's own")
    with pytest.raises(ConfigurationError, match="does not open"):
        setup.issue_certificate(folder.config, other, CUSTOMER, "import", tmp_path)


def test_shredding_can_be_repeated_when_it_was_interrupted(folder, operator):
    """The tombstone stands, the policy too: as a power cut leaves it. The second time ends what the first began."""
    setup.keys_of(folder.config, operator, CUSTOMER).shred()
    setup.shred(folder.config, operator, CUSTOMER)
    assert not folder.policy().exists()
    with pytest.raises(Unavailable):
        setup.keys_of(folder.config, operator, CUSTOMER).open(password("maria", folder.passwords["maria"]))


def test_a_user_whose_slot_cannot_be_made_stands_in_no_policy(folder, operator, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    before = files(folder)
    monkeypatch.setattr(CustomerKeys, "_write_slots", full)
    with pytest.raises(OSError, match="No space"):
        setup.add_user(folder.config, operator, CUSTOMER, "lena", "dispatcher", password("maria", folder.passwords["maria"]))
    assert files(folder) == before
