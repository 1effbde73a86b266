"""Keyslots as values: what opens, what does not, and which kind of no it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.cipher import keyslots
from gateway.cipher.credentials import Credential, generate_recovery_code, password, recovery
from gateway.cipher.keyslots import Slot, SlotList
from gateway.cipher.primitives import Argon2Parameters
from gateway.errors import Refused, Unavailable

CHEAP = Argon2Parameters(memory=8, iterations=1, lanes=1)
TOKEN = bytearray(range(32))
NOW = 1_790_000_000
MARIA, JOB, CODE = password("maria", "Käthe-und-Möhre"), password("import_job", "nachts um drei"), recovery(generate_recovery_code())


def a_list(customer: str = "energie_nord", token: bytearray = TOKEN) -> SlotList:
    slots = tuple(keyslots.new_slot(customer, each, token, CHEAP) for each in (MARIA, JOB, CODE))
    return SlotList(customer, 1, slots).authenticated(token)


def opened(slots: SlotList, credential: Credential, now: float = NOW) -> bytearray:
    return keyslots.open_list(slots, credential, CHEAP, now)[0]


@pytest.fixture(scope="module")
def slots() -> SlotList:
    return a_list()


@pytest.mark.parametrize("credential", [MARIA, JOB, CODE], ids=["password", "other-user", "recovery"])
def test_every_credential_opens_the_same_token(slots: SlotList, credential: object) -> None:
    assert opened(slots, credential) == TOKEN


@pytest.mark.parametrize(
    ("user", "secret"),
    [
        ("maria", "Käthe-und-Mohre"),
        ("maria", ""),
        ("maria", "\ud800"),
        ("Maria", MARIA.secret),
        ("import_job", MARIA.secret),
        ("", MARIA.secret),
        ("", CODE.secret),
        ("nobody", MARIA.secret),
        ("maria", CODE.secret),
        ("a:*()\0\n\u202e" + "x" * 1_000_000, "x"),  # T-A5
    ],
    # Named, because the code is drawn anew by every process that collects, and workers must agree on what is collected.
    ids=["nearly", "empty", "surrogate", "case", "other-user", "no-user", "no-user-code", "nobody", "code-as-password", "endless"],
)
def test_everything_else_is_refused_in_one_way(slots: SlotList, user: str, secret: str) -> None:
    with pytest.raises(Refused, match="password-wrong"):
        opened(slots, password(user, secret))


def test_a_password_is_no_recovery_code(slots: SlotList) -> None:
    with pytest.raises(Refused):
        opened(slots, recovery(MARIA.secret))


def test_an_unknown_user_costs_what_a_wrong_password_costs(slots: SlotList, monkeypatch: pytest.MonkeyPatch) -> None:
    """T-A1: the same Argon2 work, counted instead of timed; at the slots' own cost, whatever the default is by now."""
    work: list[Argon2Parameters] = []
    real = keyslots.stretch

    def counting(secret: bytes, salt: bytes, cost: Argon2Parameters) -> bytearray:
        work.append(cost)
        return real(secret, salt, cost)

    monkeypatch.setattr(keyslots, "stretch", counting)
    for user, secret in (("maria", "wrong password"), ("nobody", "wrong password"), ("maria", ""), ("", CODE.secret)):
        with pytest.raises(Refused):
            keyslots.open_list(slots, password(user, secret), Argon2Parameters(), NOW)
    assert work == [CHEAP] * 4


NEW = password("maria", "ein ganz neues Passwort")


def overlapping(slots: SlotList, expires: int) -> SlotList:
    old = slots.find("maria")
    assert old is not None
    added = keyslots.new_slot("energie_nord", NEW, TOKEN, Argon2Parameters(), old)
    return keyslots.with_slot(slots, added, replace(old, expires=expires)).authenticated(TOKEN)


def test_t_a1_two_slots_cost_what_one_and_none_cost(slots: SlotList, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user whose old password still opens, one whose has ended, one with a single slot and one that does not exist: the same work."""
    both, ended = overlapping(slots, NOW + 60), overlapping(slots, NOW)
    work: list[object] = []
    stretch, unwrap = keyslots.stretch, keyslots.unwrap
    monkeypatch.setattr(keyslots, "stretch", lambda secret, salt, cost: (work.append(cost), stretch(secret, salt, cost))[1])
    monkeypatch.setattr(keyslots, "unwrap", lambda *arguments: (work.append("unwrap"), unwrap(*arguments))[1])
    done = []
    for each, user in ((both, "maria"), (ended, "maria"), (slots, "maria"), (slots, "nobody"), (both, "nobody"), (both, "import_job")):
        work.clear()
        with pytest.raises(Refused):
            opened(each, password(user, "wrong password"))
        done.append(tuple(work))
    assert set(done) == {(CHEAP, "unwrap", "unwrap")}


def test_an_overlap_shares_salt_and_cost_so_that_one_argon2_tries_both(slots: SlotList) -> None:
    old, new = overlapping(slots, NOW + 60).valid("maria", NOW)
    assert (old.salt, old.cost) == (new.salt, new.cost)
    assert {old.id, old.public_key}.isdisjoint({new.id, new.public_key})


def test_an_end_cannot_be_moved_by_who_holds_the_operator_key(slots: SlotList) -> None:
    both = overlapping(slots, NOW + 60)
    assert opened(both, MARIA) == opened(both, NEW) == TOKEN
    for expires in (0, NOW + 1_000_000, 1):
        moved = tuple(replace(slot, expires=expires) if slot.expires else slot for slot in both.slots)
        with pytest.raises(Unavailable):
            opened(replace(both, slots=moved), NEW)
    with pytest.raises(Refused):
        opened(both, MARIA, NOW + 60)
    assert opened(both, NEW, NOW + 60) == TOKEN


def test_ends_come_back_from_their_bytes(slots: SlotList) -> None:
    both = overlapping(slots, NOW + 60)
    assert keyslots.decode("energie_nord", both.encode()) == both
    assert both.users() == ["import_job", "maria"]
    assert keyslots.without_expired(both, NOW + 60).valid("maria", 0) == keyslots.without_expired(both, NOW + 60).valid("maria", NOW)


def test_the_list_comes_back_from_its_bytes(slots: SlotList) -> None:
    assert keyslots.decode("energie_nord", slots.encode()) == slots
    assert slots.users() == ["maria", "import_job"]


def test_any_byte_that_an_operator_changes_inside_the_envelope_never_gives_a_token(slots: SlotList) -> None:
    """The envelope would notice first; this is the wall behind it, against one who holds the operator key."""
    content = slots.encode()
    for position in range(0, len(content), 3):
        changed = content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]
        with pytest.raises((Refused, Unavailable)):
            opened(keyslots.decode("energie_nord", changed), MARIA)


@pytest.mark.parametrize("cut", [0, 1, 9, 50, -1, -32])
def test_a_cut_list_is_unavailable(slots: SlotList, cut: int) -> None:
    with pytest.raises(Unavailable):
        keyslots.decode("energie_nord", slots.encode()[:cut])


def test_more_than_a_list_is_unavailable(slots: SlotList) -> None:
    with pytest.raises(Unavailable):
        keyslots.decode("energie_nord", slots.encode() + b"\0")


def test_a_slot_of_another_customer_does_not_open(slots: SlotList) -> None:
    moved = replace(slots, slots=a_list("stadtwerke").slots)
    with pytest.raises(Refused):
        opened(moved, MARIA)
    with pytest.raises(Refused):
        opened(replace(a_list("stadtwerke"), customer="energie_nord"), MARIA)


def renamed(slots: SlotList) -> tuple[Slot, ...]:
    maria, job, code = slots.slots
    return (replace(job, user="maria"), replace(maria, user="import_job"), code)


def cheaper(slots: SlotList) -> tuple[Slot, ...]:
    return tuple(replace(slot, cost=Argon2Parameters(16, 1, 1)) for slot in slots.slots)


@pytest.mark.parametrize("change", [renamed, cheaper])
def test_a_changed_slot_does_not_open(slots: SlotList, change: object) -> None:
    with pytest.raises(Refused):
        opened(replace(slots, slots=change(slots)), MARIA)  # type: ignore[operator]


@pytest.mark.parametrize("order", [(0,), (0, 2), (1, 0, 2), (0, 1, 2, 2)])
def test_a_list_that_the_customer_side_did_not_write_is_unavailable(slots: SlotList, order: tuple[int, ...]) -> None:
    """A slot dropped, reordered or doubled by one who holds the operator key: the password is right, the list is not."""
    changed = replace(slots, slots=tuple(slots.slots[index] for index in order))
    with pytest.raises(Unavailable):
        opened(changed, MARIA)


def test_nobody_can_add_a_slot_without_the_token(slots: SlotList) -> None:
    """The operator makes himself a slot with a token of his own: the list does not authenticate under it, nor under the true one."""
    mallory = password("mallory", "bribed operator")
    own = bytearray(32)
    slot = keyslots.new_slot("energie_nord", mallory, own, CHEAP)
    for added in (keyslots.with_slot(slots, slot), replace(slots, slots=(*slots.slots, slot))):
        for who in (mallory, MARIA):
            with pytest.raises(Unavailable):
                opened(added, who)


def test_a_new_password_is_a_new_slot_and_the_old_one_is_gone(slots: SlotList) -> None:
    new = password("maria", "ein ganz neues Passwort")
    changed = keyslots.with_slot(slots, keyslots.new_slot("energie_nord", new, TOKEN, CHEAP)).authenticated(TOKEN)
    before, after = slots.find("maria"), changed.find("maria")
    assert before is not None
    assert after is not None
    assert {before.id, before.salt, before.public_key}.isdisjoint({after.id, after.salt, after.public_key})
    assert (len(changed.slots), changed.generation) == (3, 2)
    assert opened(changed, new) == TOKEN
    with pytest.raises(Refused):
        opened(changed, MARIA)


def test_a_removed_user_is_gone_and_the_recovery_code_stays(slots: SlotList) -> None:
    changed = keyslots.without_user(slots, "maria").authenticated(TOKEN)
    with pytest.raises(Refused):
        opened(changed, MARIA)
    for credential in (JOB, CODE):
        assert opened(changed, credential) == TOKEN
    assert keyslots.without_user(slots, "").find(None) is not None


def test_a_slot_shows_neither_token_nor_password(slots: SlotList) -> None:
    content = slots.encode()
    assert bytes(TOKEN) not in content
    assert all(each.secret.encode() not in content for each in (MARIA, JOB, CODE))


def test_an_unchecked_credential_is_a_mistake_of_ours(slots: SlotList) -> None:
    with pytest.raises(ValueError, match="unchecked"):
        keyslots.new_slot("energie_nord", password("maria", ""), TOKEN, CHEAP)
