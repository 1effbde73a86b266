"""One customer's keys on disk, both keys together: who gets in, what a thief of some of the parts has, and changes at once."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.cipher import envelope
from gateway.cipher.credentials import Credential, password, recovery
from gateway.cipher.customers import OLD_SLOTS, SLOTS, CustomerKeys
from gateway.cipher.files import CustomerFiles
from gateway.cipher.primitives import Argon2Parameters
from gateway.cipher.providers import FileOperatorKey
from gateway.errors import ConfigurationError, Refused, Unavailable

Created = tuple[CustomerKeys, str]
KeysOf = Callable[[str], CustomerKeys]

MARIA = password("maria", "Käthe-und-Möhre-42")
JOB = password("import_job", "nachts um drei Uhr")
NEW = "ein ganz neues Passwort"


def test_every_credential_opens_the_same_random_token(stadtwerke: Created, energie: Created) -> None:
    keys, code = stadtwerke
    tokens = {bytes(keys.open(each)) for each in (MARIA, JOB, recovery(code))}
    assert len(tokens) == 1
    assert len(tokens.pop()) == 32
    assert keys.open(MARIA) != energie[0].open(MARIA)


def test_files_are_private(stadtwerke: Created) -> None:
    paths = stadtwerke[0].files
    assert [path.stat().st_mode & 0o777 for path in (paths.keyslots, paths.data_keys, paths.share)] == [0o600] * 3
    assert paths.share.parent.stat().st_mode & 0o777 == 0o700


def test_no_file_says_who_the_users_are(stadtwerke: Created) -> None:
    keys, _ = stadtwerke
    assert keys.users() == ["maria", "import_job"]
    assert b"maria" not in keys.files.keyslots.read_bytes()


@pytest.mark.parametrize("customer", ["energie_nord", "..", "../customers/stadtwerke_musterstadt", "a\0b", ""])
def test_an_unknown_customer_is_a_wrong_password(stadtwerke: Created, keys_of: KeysOf, customer: str) -> None:
    """T-A1; and a name never becomes a path that leads elsewhere."""
    with pytest.raises(Refused, match="password-wrong"):
        keys_of(customer).open(MARIA)


@pytest.mark.parametrize("credential", [password("maria", "falsch"), password("nobody", "falsch"), recovery("0" * 28)])
def test_wrong_credentials(stadtwerke: Created, credential: Credential) -> None:
    with pytest.raises(Refused, match="password-wrong"):
        stadtwerke[0].open(credential)


# -- a thief with some of the parts (threat model)


def parts(keys: CustomerKeys) -> dict[str, Path]:
    return {"keyslots": keys.files.keyslots, "data_keys": keys.files.data_keys, "share": keys.files.share}


@pytest.mark.parametrize(
    ("without", "who", "refusal"),
    [
        ("operator", MARIA, Unavailable),  # a stolen state folder with its shares, even with the right password
        ("share", MARIA, Unavailable),  # a backup without the shares, operator key and password in hand
        ("keyslots", MARIA, Refused),  # no slots: nothing that a password could open
        ("password", password("maria", "falsch"), Refused),  # everything but a credential: left with guessing
        (None, MARIA, None),
    ],
)
def test_stolen_parts_open_nothing(
    stadtwerke: Created, tmp_path: Path, without: str | None, who: Credential, refusal: type[Exception] | None
) -> None:
    keys, _ = stadtwerke
    stolen = CustomerFiles(*(tmp_path / "stolen" / name for name in ("keyslots", "data_keys", "share", "tombstone")))
    (tmp_path / "stolen").mkdir()
    for name, path in parts(keys).items():
        if name != without:
            shutil.copy(path, tmp_path / "stolen" / name)
    operator = FileOperatorKey({1: bytearray(b"guess" * 6 + b"12")}) if without == "operator" else keys.operator
    thief = CustomerKeys(keys.customer, stolen, operator)
    if refusal is None:
        assert thief.open(who) == keys.open(who)
        return
    with pytest.raises(refusal):
        thief.open(who)


def test_a_thief_without_the_operator_key_cannot_even_guess(stadtwerke: Created) -> None:
    """Right and wrong passwords get one answer, before any Argon2: there is nothing to test a guess against."""
    keys = replace(stadtwerke[0], operator=FileOperatorKey({1: bytearray(32)}))
    answers = set()
    for credential in (MARIA, password("maria", "falsch"), password("nobody", "falsch")):
        with pytest.raises(Unavailable) as refusal:
            keys.open(credential)
        answers.add(str(refusal.value))
    assert answers == {"keys-unavailable"}


@pytest.mark.parametrize("name", ["keyslots", "data_keys", "share"])
def test_files_of_another_customer_do_not_fit(stadtwerke: Created, energie: Created, name: str) -> None:
    """Copied, swapped or restored into the wrong folder."""
    mine, other = stadtwerke[0], energie[0]
    token = mine.open(MARIA)
    shutil.copy(parts(other)[name], parts(mine)[name])
    with pytest.raises(Unavailable):
        mine.open(MARIA) if name != "data_keys" else mine.data_keys(token)


@pytest.mark.parametrize("name", ["keyslots", "data_keys", "share"])
def test_every_changed_byte_fails_closed(stadtwerke: Created, name: str) -> None:
    keys, _ = stadtwerke
    token, path = keys.open(MARIA), parts(keys)[name]
    keys.draw_data_keys({"name"}, token)
    content = path.read_bytes()
    for position in range(0, len(content), 1 if name == "share" else 7):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x80]) + content[position + 1 :])
        with pytest.raises(Unavailable, match="keys-unavailable"):
            keys.data_keys(token) if name == "data_keys" else keys.open(MARIA)
    path.write_bytes(content)
    assert keys.data_keys(keys.open(MARIA)).classes() == {"name"}


# -- made


def test_creating_never_overwrites(stadtwerke: Created) -> None:
    keys, _ = stadtwerke
    before = {name: path.read_bytes() for name, path in parts(keys).items()}
    for gone in (None, "keyslots", "data_keys"):
        if gone:
            parts(keys)[gone].unlink()
        with pytest.raises(ConfigurationError, match="never overwritten"):
            keys.create({"mallory": "mein eigenes Passwort"})
    assert keys.files.share.read_bytes() == before["share"]


@pytest.mark.parametrize("users", [{"maria": "kurz"}, {"": NEW}, {"a:b": NEW}, {"a\n": NEW}, {"x" * 129: NEW}])
def test_bad_users_create_nothing(keys_of: KeysOf, users: dict[str, str]) -> None:
    keys = keys_of("energie_nord")
    with pytest.raises((ConfigurationError, Refused)) as refusal:
        keys.create(users)
    assert not any(path.exists() for path in parts(keys).values())
    assert NEW not in str(refusal.value)


def test_a_failed_creation_can_be_repeated(keys_of: KeysOf, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = keys_of("energie_nord")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(CustomerKeys, "_write_slots", full)
        with pytest.raises(OSError, match="No space left"):
            keys.create({"maria": MARIA.secret})
    keys.create({"maria": MARIA.secret})
    assert keys.open(MARIA)


# -- changed


CHANGES: dict[str, Callable[[CustomerKeys, Credential], object]] = {
    "add": lambda keys, authority: keys.add_user("mallory", NEW, authorised_by=authority),
    "set": lambda keys, authority: keys.set_password("maria", NEW, authorised_by=authority),
    "remove": lambda keys, authority: keys.remove_user("maria", authorised_by=authority),
    "recovery": lambda keys, authority: keys.replace_recovery_code(authorised_by=authority),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_needs_a_credential_of_this_customer(stadtwerke: Created, energie: Created, change: str) -> None:
    """Never an open session, and no other customer's credential: the operator cannot give himself a slot."""
    keys, other_code = stadtwerke[0], energie[1]
    content = keys.files.keyslots.read_bytes()
    for authority in (password("mallory", NEW), password("maria", "falsch"), recovery(other_code), recovery("0" * 28)):
        with pytest.raises(Refused, match="password-wrong"):
            CHANGES[change](keys, authority)
    assert keys.files.keyslots.read_bytes() == content


@pytest.mark.parametrize("authority", ["maria", "recovery"])
def test_users_come_change_and_go(stadtwerke: Created, authority: str) -> None:
    keys, code = stadtwerke
    who = MARIA if authority == "maria" else recovery(code)
    token = keys.open(who)
    keys.add_user("jörg", NEW, authorised_by=who)
    assert keys.open(password("jörg", NEW)) == token
    keys.set_password("jörg", NEW + "!", authorised_by=who)
    assert keys.open(password("jörg", NEW + "!")) == token
    with pytest.raises(Refused):
        keys.open(password("jörg", NEW))
    keys.remove_user("jörg", authorised_by=who)
    with pytest.raises(Refused):
        keys.open(password("jörg", NEW + "!"))
    assert sorted(keys.users()) == ["import_job", "maria"]


def test_with_all_passwords_lost_the_recovery_code_still_opens_and_can_be_replaced(stadtwerke: Created) -> None:
    keys, code = stadtwerke
    keys.set_password("maria", NEW, authorised_by=recovery(code.lower()))
    second = keys.replace_recovery_code(authorised_by=password("maria", NEW))
    assert keys.open(recovery(second)) == keys.open(password("maria", NEW))
    with pytest.raises(Refused):
        keys.open(recovery(code))


def test_changes_that_make_no_sense_change_nothing(stadtwerke: Created) -> None:
    keys, _ = stadtwerke
    content = keys.files.keyslots.read_bytes()
    for change in (
        lambda: keys.add_user("import_job", NEW, authorised_by=MARIA),
        lambda: keys.add_user("", NEW, authorised_by=MARIA),
        lambda: keys.add_user("jörg", "kurz", authorised_by=MARIA),
        lambda: keys.set_password("nobody", NEW, authorised_by=MARIA),
        lambda: keys.set_password("maria", "kurz", authorised_by=MARIA),
        lambda: keys.remove_user("nobody", authorised_by=MARIA),
    ):
        with pytest.raises((ConfigurationError, Refused)):
            change()
    assert keys.files.keyslots.read_bytes() == content


def test_a_new_password_is_another_one(stadtwerke: Created) -> None:
    keys, code = stadtwerke
    with pytest.raises(Refused, match="password-unchanged"):
        keys.set_password("maria", MARIA.secret, authorised_by=MARIA)
    with pytest.raises(Refused, match="password-unchanged"):  # typed on another machine (RFC 8265)
        keys.set_password("maria", unicodedata.normalize("NFD", MARIA.secret), authorised_by=MARIA)
    keys.set_password("maria", MARIA.secret, authorised_by=recovery(code))  # nobody knows that it is the same one


# -- overlap


class Today:
    def __init__(self) -> None:
        self.now = 1_790_000_000.5

    def __call__(self) -> float:
        return self.now


def test_both_passwords_open_for_the_stated_time_and_then_the_new_one_alone(stadtwerke: Created) -> None:
    today = Today()
    keys = replace(stadtwerke[0], clock=today)
    keys.set_password("maria", NEW, authorised_by=MARIA, overlap=3600)
    assert keys.open(MARIA) == keys.open(password("maria", NEW))
    assert keys.open_until(MARIA)[1] == 1_790_003_600
    assert keys.open_until(password("maria", NEW))[1] == 0
    assert sorted(keys.users()) == ["import_job", "maria"]
    today.now += 3600
    with pytest.raises(Refused, match="password-wrong"):
        keys.open(MARIA)
    assert keys.open(password("maria", NEW))


def test_an_ended_slot_goes_with_the_next_change_whosever_it_is(stadtwerke: Created) -> None:
    today = Today()
    keys = replace(stadtwerke[0], clock=today)
    keys.set_password("maria", NEW, authorised_by=MARIA, overlap=60)
    keys.set_password("import_job", NEW, authorised_by=JOB)
    assert len(keys._slots().slots) == 4  # the overlap holds: maria twice, the job, the recovery code
    today.now += 60
    keys.set_password("import_job", JOB.secret, authorised_by=password("import_job", NEW))
    assert len(keys._slots().slots) == 3
    today.now -= 60  # also a clock that is put back does not bring it back
    with pytest.raises(Refused):
        keys.open(MARIA)


def test_a_second_change_ends_the_first_overlap(stadtwerke: Created) -> None:
    keys, third = stadtwerke[0], "das dritte in einer Woche"
    keys.set_password("maria", NEW, authorised_by=MARIA, overlap=3600)
    keys.set_password("maria", third, authorised_by=password("maria", NEW), overlap=3600)
    assert keys.open(password("maria", NEW)) == keys.open(password("maria", third))
    with pytest.raises(Refused):
        keys.open(MARIA)
    keys.set_password("maria", MARIA.secret, authorised_by=password("maria", third))
    for old in (NEW, third):
        with pytest.raises(Refused):
            keys.open(password("maria", old))


@pytest.mark.parametrize("change", [*CHANGES, "other"])
def test_a_replaced_password_changes_nothing(stadtwerke: Created, change: str) -> None:
    """Whoever learned it, and is the reason for the change, must not be able to lock the new one out or to make himself a user."""
    keys, _ = stadtwerke
    keys.set_password("maria", NEW, authorised_by=MARIA, overlap=3600)
    content = keys.files.keyslots.read_bytes()
    other = lambda keys, authority: keys.set_password("import_job", "und wieder ein anderes", authorised_by=authority)  # noqa: E731
    with pytest.raises(Refused, match="password-replaced"):
        CHANGES.get(change, other)(keys, MARIA)
    assert keys.files.keyslots.read_bytes() == content


@pytest.mark.parametrize("overlap", [-1, 7 * 24 * 3600 + 1])
def test_an_overlap_is_a_week_at_most(stadtwerke: Created, overlap: int) -> None:
    with pytest.raises(Refused, match="overlap-too-long"):
        stadtwerke[0].set_password("maria", NEW, authorised_by=MARIA, overlap=overlap)


def test_a_removed_user_has_no_old_password_left(stadtwerke: Created) -> None:
    keys, _ = stadtwerke
    keys.set_password("maria", NEW, authorised_by=MARIA, overlap=3600)
    keys.remove_user("maria", authorised_by=JOB)
    for secret in (MARIA.secret, NEW):
        with pytest.raises(Refused):
            keys.open(password("maria", secret))


def test_a_list_from_before_opens_and_becomes_the_newest_with_its_next_change(stadtwerke: Created) -> None:
    keys, code = stadtwerke
    token, share = keys.open(MARIA), keys._share()
    first = replace(keys._slots(), version=1)
    first = replace(first, mac=first._list_mac(token))
    keys.files.keyslots.write_bytes(envelope.close(*OLD_SLOTS, keys.customer, first.encode(), keys.operator, share))
    for credential in (MARIA, JOB, recovery(code)):
        assert keys.open(credential) == token
    assert keys.files.keyslots.read_bytes()[:8] == b"GWSLOTS\x01"
    keys.set_password("maria", NEW, authorised_by=MARIA, overlap=60)
    assert keys.files.keyslots.read_bytes()[:8] == b"GWSLOTS\x02"
    assert keys.open(MARIA) == keys.open(password("maria", NEW)) == keys.open(recovery(code)) == token


def test_a_list_of_one_format_is_none_of_the_other(stadtwerke: Created) -> None:
    """By somebody who holds the operator key: the ends of slots cannot be taken off by calling the list an old one."""
    keys, _ = stadtwerke
    keys.set_password("maria", NEW, authorised_by=MARIA, overlap=60)
    share = keys._share()
    without_ends = replace(keys._slots(), version=1)
    for kind, slots in ((OLD_SLOTS, without_ends), (OLD_SLOTS, keys._slots()), (SLOTS, without_ends)):
        keys.files.keyslots.write_bytes(envelope.close(*kind, keys.customer, slots.encode(), keys.operator, share))
        for credential in (MARIA, JOB):
            with pytest.raises(Unavailable, match="keys-unavailable"):
                keys.open(credential)


def test_a_customer_that_is_not_there_has_no_users(keys_of: KeysOf) -> None:
    keys = keys_of("energie_nord")
    for change in (keys.users, lambda: keys.add_user("maria", NEW, authorised_by=MARIA), keys.shred):
        with pytest.raises(ConfigurationError):
            change()


def test_users_added_at_the_same_moment_are_all_there(stadtwerke: Created) -> None:
    keys, _ = stadtwerke
    names = [f"user_{number}" for number in range(12)]
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda name: keys.add_user(name, NEW, authorised_by=MARIA), names))
    assert set(keys.users()) == {*names, "maria", "import_job"}
    assert len({bytes(keys.open(password(name, NEW))) for name in names}) == 1


def test_a_slot_keeps_the_cost_that_it_was_made_with(stadtwerke: Created) -> None:
    keys, _ = stadtwerke
    dearer = replace(keys, cost=Argon2Parameters(memory=32, iterations=2, lanes=1))
    dearer.set_password("maria", NEW, authorised_by=MARIA)
    for each in (keys, dearer):
        assert each.open(password("maria", NEW)) == each.open(JOB)


# -- data keys


def test_data_keys_are_drawn_once_and_stay(stadtwerke: Created) -> None:
    keys, _ = stadtwerke
    token = keys.open(MARIA)
    assert keys.data_keys(token).classes() == set()
    first = keys.draw_data_keys({"name"}, token)
    both = keys.draw_data_keys({"name", "street"}, token)
    assert set(first.keys) < set(both.keys)
    assert keys.data_keys(token) == both
    content = keys.files.data_keys.read_bytes()
    keys.draw_data_keys({"street"}, token)
    assert keys.files.data_keys.read_bytes() == content


def test_processes_that_draw_at_the_same_moment_draw_the_same_keys(stadtwerke: Created) -> None:
    keys, _ = stadtwerke
    token = keys.open(MARIA)
    with ThreadPoolExecutor(6) as threads:
        drawn = list(threads.map(lambda number: keys.draw_data_keys({"name", f"class_{number}"}, token), range(12)))
    assert len({tuple(each.of_class("name")) for each in drawn}) == 1
    assert len(keys.data_keys(token).classes()) == 13


def test_a_lost_list_of_data_keys_is_never_begun_anew(stadtwerke: Created) -> None:
    """New keys would look like a working gateway while the old data is lost."""
    keys, _ = stadtwerke
    token = keys.open(MARIA)
    keys.files.data_keys.unlink()
    for read in (lambda: keys.data_keys(token), lambda: keys.draw_data_keys({"name"}, token)):
        with pytest.raises(Unavailable):
            read()
    assert not keys.files.data_keys.exists()


def test_rotating_a_data_key_takes_a_credential(stadtwerke: Created) -> None:
    keys, _ = stadtwerke
    keys.draw_data_keys({"name"}, keys.open(MARIA))
    assert [keys.rotate_data_key("name", authorised_by=MARIA) for _ in range(2)] == [2, 3]
    with pytest.raises(Refused):
        keys.rotate_data_key("name", authorised_by=password("maria", "falsch"))
    with pytest.raises(ConfigurationError):
        keys.rotate_data_key("street", authorised_by=MARIA)
