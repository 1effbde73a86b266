"""The cipher service: unlocking, recognising, closing in time, and the three verbs."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Callable

import pytest

from gateway.cipher import keyslots
from gateway.cipher import service as service_module
from gateway.cipher.credentials import password, recovery
from gateway.cipher.customers import CustomerKeys
from gateway.cipher.files import CustomerFiles
from gateway.cipher.interface import ToOpen, ToSeal
from gateway.cipher.primitives import Argon2Parameters
from gateway.cipher.providers import FileOperatorKey
from gateway.cipher.service import CHANGING, IDLE, LONGEST, WAITING, CipherService
from gateway.errors import Refused, SessionEnded, Unavailable

CHEAP = Argon2Parameters(memory=8, iterations=1, lanes=1)
STADTWERKE, ENERGIE = "stadtwerke_musterstadt", "energie_nord"
SECRET = "Käthe-und-Möhre-42"
NAME = ToSeal("name", "Max Mustermann", opaque=True)

Created = tuple[CustomerKeys, str]


@pytest.fixture
def argon2(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every password that Argon2 really ran for."""
    ran: list[bytes] = []
    real = keyslots.stretch

    def counting(secret: bytes, salt: bytes, cost: Argon2Parameters) -> bytearray:
        ran.append(secret)
        return real(secret, salt, cost)

    monkeypatch.setattr(keyslots, "stretch", counting)
    return ran


async def seal_and_open(service: CipherService, customer: str = STADTWERKE) -> str | None:
    [sealed] = await service.seal(customer, [NAME])
    [value] = await service.open(customer, [ToOpen("name", sealed.sealed, sealed.token)])
    return value


# -- in and out


async def test_nothing_is_sealed_or_opened_before_the_password(service: CipherService, stadtwerke: Created) -> None:
    for verb in (service.seal(STADTWERKE, [NAME]), service.open(STADTWERKE, []), service.seal("nobody", [])):
        with pytest.raises(SessionEnded):
            await verb
    await service.unlock(STADTWERKE, "maria", SECRET)
    assert await seal_and_open(service) == "Max Mustermann"


async def test_one_customer_open_does_not_open_another(service: CipherService, stadtwerke: Created, energie: Created) -> None:
    await service.unlock(STADTWERKE, "maria", SECRET)
    [sealed] = await service.seal(STADTWERKE, [NAME])
    with pytest.raises(SessionEnded):
        await service.open(ENERGIE, [ToOpen("name", sealed.sealed)])
    await service.unlock(ENERGIE, "maria", SECRET)
    await service.seal(ENERGIE, [NAME])
    assert await service.open(ENERGIE, [ToOpen("name", sealed.sealed), ToOpen("name", sealed.sealed, sealed.token)]) == [None, None]


async def test_a_batch_keeps_its_order_and_one_bad_item_spoils_no_other(service: CipherService, stadtwerke: Created) -> None:
    await service.unlock(STADTWERKE, "maria", SECRET)
    values = [("name", "Max Mustermann"), ("street", "Musterweg 1"), ("name", ""), ("note", "klingeln bei Müller")]
    sealed = [each.sealed for each in await service.seal(STADTWERKE, [ToSeal(c, v) for c, v in values])]
    items = [ToOpen(c, s) for (c, _), s in zip(values, sealed, strict=True)]
    assert await service.open(STADTWERKE, items) == [value for _, value in values]
    moved = [ToOpen("street", sealed[0]), items[1], ToOpen("unheard-of", sealed[0])]
    assert await service.open(STADTWERKE, moved) == [None, "Musterweg 1", None]


async def test_what_was_sealed_opens_after_a_restart(
    service: CipherService, stadtwerke: Created, operator: FileOperatorKey, files_of: Callable[[str], CustomerFiles]
) -> None:
    await service.unlock(STADTWERKE, "maria", SECRET)
    sealed = await service.seal(STADTWERKE, [NAME, ToSeal("note", "geheim", "sealed")])
    fresh = CipherService(operator, files_of)
    await fresh.unlock(STADTWERKE, "import_job", "nachts um drei Uhr")
    items = [ToOpen("name", sealed[0].sealed, sealed[0].token), ToOpen("note", b"", sealed[1].token)]
    assert await fresh.open(STADTWERKE, items) == ["Max Mustermann", "geheim"]
    fresh.close()


# -- passwords


@pytest.mark.parametrize(
    ("customer", "user", "secret"),
    [
        (STADTWERKE, "maria", "falsch"),
        (STADTWERKE, "nobody", SECRET),
        (STADTWERKE, "", SECRET),
        (STADTWERKE, "maria", "\ud800"),
        ("unknown", "maria", SECRET),
        ("../../etc", "maria", SECRET),
        ("a\0b", "maria", SECRET),
        ("\ud800", "maria", SECRET),
    ],
)
async def test_refused_after_one_argon2_whatever_is_wrong(
    service: CipherService, stadtwerke: Created, argon2: list[bytes], customer: str, user: str, secret: str
) -> None:
    """T-A1."""
    with pytest.raises(Refused, match="password-wrong"):
        await service.unlock(customer, user, secret)
    assert len(argon2) == 1
    assert service.open_customers() == []


async def test_the_recovery_code_is_no_password_at_the_door(service: CipherService, stadtwerke: Created) -> None:
    for user in ("", "maria", "recovery"):
        with pytest.raises(Refused):
            await service.unlock(STADTWERKE, user, stadtwerke[1])


async def test_a_repeated_password_is_recognised(service: CipherService, stadtwerke: Created, argon2: list[bytes]) -> None:
    for _ in range(5):
        await service.unlock(STADTWERKE, "maria", SECRET)
    assert len(argon2) == 1


async def test_recognising_confuses_nobody(service: CipherService, keys_of: Callable[[str], CustomerKeys], argon2: list[bytes]) -> None:
    """T-A2: the parts are length-prefixed and the customer is one of them."""
    keys_of("a").create({"bc": "d und noch viel mehr", "b": "cd und noch viel mehr"})
    keys_of("ab").create({"c": "d und noch viel mehr"})
    argon2.clear()
    await service.unlock("a", "bc", "d und noch viel mehr")
    await service.unlock("ab", "c", "d und noch viel mehr")
    await service.unlock("a", "b", "cd und noch viel mehr")
    assert len(argon2) == 3
    with pytest.raises(Refused):
        await service.unlock("ab", "bc", "d und noch viel mehr")


async def test_a_wrong_password_is_not_recognised_while_the_customer_is_open(service: CipherService, stadtwerke: Created) -> None:
    await service.unlock(STADTWERKE, "maria", SECRET)
    for user, secret in (("maria", "falsch"), ("import_job", SECRET)):
        with pytest.raises(Refused):
            await service.unlock(STADTWERKE, user, secret)
    assert await seal_and_open(service) == "Max Mustermann"


@pytest.mark.parametrize("change", ["password", "removed"])
async def test_a_changed_slot_is_not_recognised(service: CipherService, stadtwerke: Created, change: str) -> None:
    keys, code = stadtwerke
    await service.unlock(STADTWERKE, "maria", SECRET)
    if change == "password":
        keys.set_password("maria", "ein ganz neues Passwort", authorised_by=recovery(code))
    else:
        keys.remove_user("maria", authorised_by=recovery(code))
    with pytest.raises(Refused):
        await service.unlock(STADTWERKE, "maria", SECRET)
    await service.unlock(STADTWERKE, "import_job", "nachts um drei Uhr")


async def test_the_same_password_at_the_same_moment_costs_one_argon2(
    service: CipherService, stadtwerke: Created, argon2: list[bytes]
) -> None:
    """A browser opens six connections at once."""
    await asyncio.gather(*(service.unlock(STADTWERKE, "maria", SECRET) for _ in range(6)))
    assert len(argon2) == 1


async def test_one_that_hangs_up_does_not_take_the_others_with_it(service: CipherService, stadtwerke: Created) -> None:
    first = asyncio.create_task(service.unlock(STADTWERKE, "maria", SECRET))
    second = asyncio.create_task(service.unlock(STADTWERKE, "maria", SECRET))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert service.open_customers() == [STADTWERKE]


async def test_a_flood_of_guesses_is_bounded_and_hurts_its_own_customer_only(
    service: CipherService, stadtwerke: Created, energie: Created, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A-01."""
    gate = threading.Event()
    real = service_module._open

    def held(keys: CustomerKeys, user: str, secret: str) -> object:
        gate.wait(10)
        return real(keys, user, secret)

    monkeypatch.setattr(service_module, "_open", held)
    guesses = [asyncio.create_task(service.unlock(STADTWERKE, "maria", f"Versuch {n}")) for n in range(WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Refused, match="throttled") as refusal:
        await service.unlock(STADTWERKE, "maria", SECRET)
    assert refusal.value.retry_after == 1
    other = asyncio.create_task(service.unlock(ENERGIE, "maria", SECRET))
    await asyncio.sleep(0)
    gate.set()
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    await other
    assert {str(each) for each in answers} == {"password-wrong"}
    await service.unlock(STADTWERKE, "maria", SECRET)  # the queue is empty again


# -- changing


async def test_a_change_leaves_the_event_loop_and_waits_in_the_same_queue(
    service: CipherService, stadtwerke: Created, energie: Created, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A-01: changing has a bound of its own, within the other one; a full queue is one customer's, and stops nobody who signs in."""
    gate = threading.Event()
    real = CustomerKeys.set_password

    def held(keys: CustomerKeys, *arguments: object, **options: object) -> None:
        gate.wait(10)
        real(keys, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(CustomerKeys, "set_password", held)
    changes = [asyncio.create_task(service.change_password(STADTWERKE, "maria", f"Versuch {n}", None, 0)) for n in range(CHANGING)]
    await asyncio.sleep(0)
    for more in (
        service.change_password(STADTWERKE, "maria", SECRET, None, 0),
        service.make_user(STADTWERKE, "maria", SECRET, "nele", None),
    ):
        with pytest.raises(Refused, match="throttled") as refusal:
            await more
        assert refusal.value.retry_after == 1
    for customer in (STADTWERKE, ENERGIE):  # while all of them are held: changes have a thread of their own
        await service.unlock(customer, "maria", SECRET)
    gate.set()
    answers = await asyncio.gather(*changes, return_exceptions=True)
    assert {str(each) for each in answers} == {"password-wrong"}
    await service.unlock(STADTWERKE, "maria", SECRET)


async def test_a_change_is_finished_although_who_asked_has_gone(service: CipherService, stadtwerke: Created) -> None:
    change = asyncio.create_task(service.change_password(STADTWERKE, "maria", SECRET, "Lauch, Möhre & Sellerie", 0))
    await asyncio.sleep(0)
    change.cancel()
    assert service._changing == {STADTWERKE: 1}  # its place in the queue is taken until it is really done
    await asyncio.gather(*service._working)
    await service.unlock(STADTWERKE, "maria", "Lauch, Möhre & Sellerie")
    assert not service._waiting
    assert not service._changing


async def test_an_overlap_ends_also_for_who_is_recognised(
    operator: FileOperatorKey, files_of: Callable[[str], CustomerFiles], stadtwerke: Created, clock: object
) -> None:
    """The keyslot file does not change at that moment; and the customer's token stays open for others."""
    today = 1_790_000_000.0
    service = CipherService(operator, files_of, cost=CHEAP, clock=clock, today=lambda: today)  # type: ignore[arg-type]
    new = await service.change_password(STADTWERKE, "maria", SECRET, None, 60)
    for _ in range(2):
        await service.unlock(STADTWERKE, "maria", SECRET)
        await service.unlock(STADTWERKE, "maria", new)
    today += 60
    with pytest.raises(Refused, match="password-wrong"):
        await service.unlock(STADTWERKE, "maria", SECRET)
    await service.unlock(STADTWERKE, "maria", new)
    assert await seal_and_open(service) == "Max Mustermann"
    service.close()


async def test_a_full_disk_changes_nothing(service: CipherService, stadtwerke: Created, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("gateway.cipher.files.os.fsync", full)
        with pytest.raises(Unavailable, match="keys-unavailable"):
            await service.change_password(STADTWERKE, "maria", SECRET, None, 0)
    await service.unlock(STADTWERKE, "maria", SECRET)


# -- closing


async def test_idle_closes_and_use_keeps_open(service: CipherService, stadtwerke: Created, clock: object) -> None:
    await service.unlock(STADTWERKE, "maria", SECRET)
    for _ in range(3):
        clock.now += IDLE - 1  # type: ignore[attr-defined]
        assert await seal_and_open(service) == "Max Mustermann"
    clock.now += IDLE  # type: ignore[attr-defined]
    with pytest.raises(SessionEnded):
        await service.open(STADTWERKE, [])


async def test_longest_closes_whatever_the_use(service: CipherService, stadtwerke: Created, clock: object, argon2: list[bytes]) -> None:
    await service.unlock(STADTWERKE, "maria", SECRET)
    end = clock.now + LONGEST  # type: ignore[attr-defined]
    while clock.now + IDLE / 2 < end:  # type: ignore[attr-defined]
        clock.now += IDLE / 2  # type: ignore[attr-defined]
        await service.unlock(STADTWERKE, "maria", SECRET)
    assert len(argon2) == 1
    clock.now = end  # type: ignore[attr-defined]
    with pytest.raises(SessionEnded):
        await service.seal(STADTWERKE, [NAME])
    await service.unlock(STADTWERKE, "maria", SECRET)
    assert len(argon2) == 2


async def test_sweep_closes_and_wipes_by_each_customers_own_terms(
    stadtwerke: Created, energie: Created, operator: FileOperatorKey, files_of: Callable[[str], CustomerFiles], clock: object
) -> None:
    idle = {STADTWERKE: 60.0, ENERGIE: 600.0}
    service = CipherService(operator, files_of, idle_of=idle.__getitem__, clock=clock)  # type: ignore[arg-type]
    for customer in idle:
        await service.unlock(customer, "maria", SECRET)
    token = service._opened[STADTWERKE]._token
    assert service.sweep() == []
    clock.now += 60  # type: ignore[attr-defined]
    assert service.sweep() == [STADTWERKE]
    assert token == bytes(32)
    assert service.open_customers() == [ENERGIE]
    assert service.sweep(clock.now + 600) == [ENERGIE]  # type: ignore[attr-defined]
    service.close()


async def test_locking_ends_at_once(service: CipherService, stadtwerke: Created) -> None:
    await service.unlock(STADTWERKE, "maria", SECRET)
    service.lock(STADTWERKE)
    service.lock("nobody")
    with pytest.raises(SessionEnded):
        await service.open(STADTWERKE, [])


# -- keys that go away


async def test_a_shredded_customer_closes_while_open_and_a_backup_does_not_help(service: CipherService, stadtwerke: Created) -> None:
    """V-13."""
    keys, _ = stadtwerke
    paths = (keys.files.keyslots, keys.files.data_keys, keys.files.share)
    await service.unlock(STADTWERKE, "maria", SECRET)
    assert await seal_and_open(service) == "Max Mustermann"
    token = service._opened[STADTWERKE]._token
    for path in paths:
        shutil.copy2(path, f"{path}.backup")
    keys.shred()
    for path in paths:
        shutil.move(f"{path}.backup", path)
    with pytest.raises(Unavailable, match="keys-unavailable"):
        await service.seal(STADTWERKE, [NAME])
    assert token == bytes(32)
    with pytest.raises(SessionEnded):
        await service.seal(STADTWERKE, [NAME])
    with pytest.raises(Unavailable, match="keys-unavailable"):
        await service.unlock(STADTWERKE, "maria", SECRET)


async def test_sweep_finds_who_was_shredded_while_open(service: CipherService, stadtwerke: Created) -> None:
    await service.unlock(STADTWERKE, "maria", SECRET)
    stadtwerke[0].shred()
    assert service.sweep() == [STADTWERKE]


@pytest.mark.parametrize("gone", ["share", "data_keys"])
async def test_missing_keys_are_unavailable_and_nothing_is_made_instead(service: CipherService, stadtwerke: Created, gone: str) -> None:
    path = getattr(stadtwerke[0].files, gone)
    path.unlink()
    with pytest.raises(Unavailable, match="keys-unavailable"):
        await service.unlock(STADTWERKE, "maria", SECRET)
        await service.seal(STADTWERKE, [NAME])
    assert not path.exists()


async def test_a_full_disk_is_unavailable_and_never_a_key_in_memory_only(
    service: CipherService, stadtwerke: Created, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.unlock(STADTWERKE, "maria", SECRET)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("gateway.cipher.files.os.fsync", full)
        with pytest.raises(Unavailable, match="keys-unavailable"):
            await service.seal(STADTWERKE, [NAME])
    await service.unlock(STADTWERKE, "maria", SECRET)
    assert await seal_and_open(service) == "Max Mustermann"


async def test_a_key_rotated_by_the_command_line_is_used_at_once(service: CipherService, stadtwerke: Created) -> None:
    await service.unlock(STADTWERKE, "maria", SECRET)
    [before] = await service.seal(STADTWERKE, [NAME])
    stadtwerke[0].rotate_data_key("name", authorised_by=password("maria", SECRET))
    [after] = await service.seal(STADTWERKE, [NAME])
    assert (before.sealed[1:3], after.sealed[1:3]) == (b"\0\1", b"\0\2")
    items = [ToOpen("name", each.sealed, each.token) for each in (before, after)]
    assert await service.open(STADTWERKE, items) == ["Max Mustermann"] * 2
    assert before.fingerprint == after.fingerprint
