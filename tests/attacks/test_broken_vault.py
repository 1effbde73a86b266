"""A broken-into vault: it has the link to the cipher and every database. It reads what customers at work have there, and no more."""

import secrets

import pytest

from gateway.cipher.data_keys import MOST_CLASSES
from gateway.cipher.interface import ToOpen, ToSeal
from gateway.cipher.remote import RemoteCipher, verbs
from gateway.cipher.service import IDLE
from gateway.errors import Refused, SessionEnded, Unavailable
from gateway.link import Link
from gateway.wire import Callee
from tests.vault.house import OTHERS, OURS, build, password

SECRET = b"s" * 32


@pytest.fixture
async def house(tmp_path):
    house = build(tmp_path)
    yield house
    await house.close()


@pytest.fixture
async def link(house, tmp_path):
    callee = Callee(SECRET, verbs(house.cipher))
    await callee.listen(tmp_path / "run" / "cipher.sock")
    link = Link(tmp_path / "run" / "cipher.sock", SECRET, unavailable="cipher-unavailable")
    yield link
    link.close()
    await callee.close()


@pytest.fixture
def cipher(link):
    return RemoteCipher(link)


async def sealed(house, customer=OURS, data_class="note"):
    await house.cipher.unlock(customer, "maria", password("maria"))
    return (await house.cipher.seal(customer, [ToSeal(data_class, "Hund im Garten")]))[0]


@pytest.mark.parametrize(
    "verb", ["operator_part", "data_keys", "lock", "sweep", "share", "add_user", "set_password", "create", "shred", ""]
)
async def test_there_is_no_verb_for_keys_and_none_that_writes_a_slot(link, verb):
    with pytest.raises(Unavailable, match="internal"):
        await link.call(verb, [OURS, "maria", password("maria")])


async def test_a_customer_who_is_away_stays_closed(house, cipher):
    row = await sealed(house)
    for end in ("idle", "locked"):
        if end == "idle":
            house.clock.now += IDLE + 1
        else:
            await house.cipher.unlock(OURS, "maria", password("maria"))
            house.cipher.lock(OURS)
        for attempt in (cipher.open(OURS, [ToOpen("note", row.sealed)]), cipher.seal(OURS, [ToSeal("note", "x", "search")])):
            with pytest.raises(SessionEnded):
                await attempt


async def test_asking_for_one_customer_keeps_no_other_open(house, cipher):
    row = await sealed(house)
    await house.cipher.unlock(OTHERS, "maria", password("maria"))
    for _ in range(4):
        house.clock.now += IDLE / 3
        await cipher.seal(OTHERS, [ToSeal("note", "x", "search")])
    assert house.cipher.sweep() == [OURS]
    assert house.cipher.open_customers() == [OTHERS]
    with pytest.raises(SessionEnded):
        await cipher.open(OURS, [ToOpen("note", row.sealed)])


async def test_a_row_opens_only_where_it_was_sealed(house, cipher):
    row = await sealed(house)
    await sealed(house, OTHERS)
    assert await cipher.open(OURS, [ToOpen("note", row.sealed)]) == ["Hund im Garten"]
    assert await cipher.open(OTHERS, [ToOpen("note", row.sealed)]) == [None]
    await cipher.seal(OURS, [ToSeal("name", "x")])
    assert await cipher.open(OURS, [ToOpen("name", row.sealed)]) == [None]
    assert await cipher.open(OURS, [ToOpen("no such class", row.sealed)]) == [None]


async def test_no_changed_byte_of_a_row_opens(house, cipher):
    row = (await sealed(house)).sealed
    forged = [row[:at] + bytes([row[at] ^ 1]) + row[at + 1 :] for at in range(len(row))] + [row[:cut] for cut in range(1, len(row))]
    forged += [row + b"\0", secrets.token_bytes(len(row))]
    assert set(await cipher.open(OURS, [ToOpen("note", each) for each in forged])) == {None}


async def test_data_classes_without_end_do_not_fill_the_disk(house, cipher):
    await sealed(house)
    with pytest.raises(Unavailable, match="keys-unavailable"):
        await cipher.seal(OURS, [ToSeal(f"class {number}", "x", "search") for number in range(MOST_CLASSES + 1)])
    for name in ("", "x" * 1_000):
        with pytest.raises((Unavailable, SessionEnded)):
            await cipher.seal(OURS, [ToSeal(name, "x", "search")])
    assert (await sealed(house)).sealed


@pytest.mark.parametrize("guess", ["", "Musterstadt2026!", "x" * 100_000, "\0", "Möhre-und-Maria"])
async def test_guessing_opens_nothing(house, cipher, guess):
    for user in ("maria", "", "niemand"):
        with pytest.raises(Refused, match="password-wrong"):
            await cipher.unlock(OURS, user, guess)
    assert house.cipher.open_customers() == []
