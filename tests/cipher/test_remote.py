"""The boundary's contract, on both forms: the vault must not be able to tell a local cipher from one across a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.cipher.customers import CustomerKeys
from gateway.cipher.interface import Cipher, ToOpen, ToSeal
from gateway.cipher.remote import RemoteCipher, verbs
from gateway.cipher.service import CipherService
from gateway.errors import Refused, SessionEnded, Unavailable
from gateway.link import Link
from gateway.wire import Callee

CUSTOMER, SECRET = "stadtwerke_musterstadt", "Käthe-und-Möhre-42"
LINK_SECRET = b"s" * 32


@pytest.fixture(params=["local", "remote"])
async def cipher(
    request: pytest.FixtureRequest, service: CipherService, stadtwerke: tuple[CustomerKeys, str], tmp_path: Path
) -> AsyncIterator[Cipher]:
    if request.param == "local":
        yield service
        return
    callee = Callee(LINK_SECRET, verbs(service))
    await callee.listen(tmp_path / "run" / "cipher.sock")
    link = Link(tmp_path / "run" / "cipher.sock", LINK_SECRET, unavailable="cipher-unavailable")
    yield RemoteCipher(link)
    link.close()
    await callee.close()
    await asyncio.sleep(0)


async def test_values_come_back(cipher: Cipher) -> None:
    await cipher.unlock(CUSTOMER, "maria", SECRET)
    items = [
        ToSeal("name", "Max Mustermann", opaque=True),
        ToSeal("note", "klingeln", "sealed"),
        ToSeal("name", "Max Mustermann", "search"),
    ]
    stored, carried, searched = await cipher.seal(CUSTOMER, items)
    assert stored.fingerprint == searched.fingerprint
    opened = [ToOpen("name", stored.sealed, stored.token), ToOpen("note", b"", carried.token), ToOpen("note", stored.sealed)]
    assert await cipher.open(CUSTOMER, opened) == ["Max Mustermann", "klingeln", None]
    assert await cipher.seal(CUSTOMER, []) == []


@pytest.mark.parametrize(
    ("customer", "user", "secret"), [(CUSTOMER, "maria", "falsch"), (CUSTOMER, "nobody", SECRET), ("nobody", "maria", SECRET)]
)
async def test_a_wrong_credential_is_refused(cipher: Cipher, customer: str, user: str, secret: str) -> None:
    with pytest.raises(Refused, match="password-wrong"):
        await cipher.unlock(customer, user, secret)


async def test_a_closed_customer_is_an_ended_session(cipher: Cipher) -> None:
    with pytest.raises(SessionEnded):
        await cipher.seal(CUSTOMER, [ToSeal("name", "Max Mustermann")])
    with pytest.raises(SessionEnded):
        await cipher.open(CUSTOMER, [])


async def test_missing_keys_are_unavailable(cipher: Cipher, stadtwerke: tuple[CustomerKeys, str]) -> None:
    stadtwerke[0].files.share.unlink()
    with pytest.raises(Unavailable, match="keys-unavailable"):
        await cipher.unlock(CUSTOMER, "maria", SECRET)


NEW = "Lauch, Möhre & Sellerie"


async def test_a_password_is_changed_with_the_current_one_in_the_same_call(cipher: Cipher) -> None:
    assert await cipher.change_password(CUSTOMER, "maria", SECRET, NEW, 0) == NEW
    await cipher.unlock(CUSTOMER, "maria", NEW)
    with pytest.raises(Refused, match="password-wrong"):
        await cipher.unlock(CUSTOMER, "maria", SECRET)
    generated = await cipher.change_password(CUSTOMER, "maria", NEW, None, 3600)
    for secret in (NEW, generated):
        await cipher.unlock(CUSTOMER, "maria", secret)


async def test_a_user_is_made_with_the_password_of_another(cipher: Cipher) -> None:
    assert await cipher.make_user(CUSTOMER, "maria", SECRET, "nele", NEW) == NEW
    await cipher.unlock(CUSTOMER, "nele", NEW)
    generated = await cipher.make_user(CUSTOMER, "nele", NEW, "ole", None)
    await cipher.unlock(CUSTOMER, "ole", generated)
    assert await cipher.users(CUSTOMER) == ["maria", "import_job", "nele", "ole"]


async def test_users_are_named_while_the_customer_is_open(cipher: Cipher) -> None:
    with pytest.raises(SessionEnded):
        await cipher.users(CUSTOMER)
    with pytest.raises(SessionEnded):
        await cipher.users("nobody")
    await cipher.unlock(CUSTOMER, "maria", SECRET)
    assert await cipher.users(CUSTOMER) == ["maria", "import_job"]


@pytest.mark.parametrize("opened", [False, True], ids=["closed", "while-open"])
@pytest.mark.parametrize(
    ("customer", "user", "old", "new", "overlap", "reason"),
    [
        (CUSTOMER, "maria", "falsch", NEW, 0, "password-wrong"),  # never an open session
        (CUSTOMER, "maria", "", NEW, 0, "password-wrong"),
        (CUSTOMER, "nobody", SECRET, NEW, 0, "password-wrong"),
        ("nobody", "maria", SECRET, NEW, 0, "keys-unavailable"),
        ("../../etc", "maria", SECRET, NEW, 0, "password-wrong"),
        (CUSTOMER, "maria", SECRET, "kurz", 0, "password-too-short"),
        (CUSTOMER, "maria", SECRET, "Sommer2024Sommer2024", 0, "password-guessable"),
        (CUSTOMER, "maria", SECRET, SECRET, 0, "password-unchanged"),
        (CUSTOMER, "maria", SECRET, NEW, 604_801, "overlap-too-long"),
        (CUSTOMER, "maria", SECRET, NEW, -1, "overlap-too-long"),
    ],
)
async def test_what_changes_nothing_says_why(
    cipher: Cipher,
    stadtwerke: tuple[CustomerKeys, str],
    opened: bool,
    customer: str,
    user: str,
    old: str,
    new: str,
    overlap: int,
    reason: str,
) -> None:
    if opened:
        await cipher.unlock(CUSTOMER, "maria", SECRET)
    before = stadtwerke[0].files.keyslots.read_bytes()
    with pytest.raises((Refused, Unavailable), match=reason):
        await cipher.change_password(customer, user, old, new, overlap)
    assert stadtwerke[0].files.keyslots.read_bytes() == before


@pytest.mark.parametrize(
    ("by", "secret", "user", "new", "reason"),
    [
        ("maria", "falsch", "nele", NEW, "password-wrong"),
        ("nobody", SECRET, "nele", NEW, "password-wrong"),
        ("maria", SECRET, "import_job", NEW, "user-has-password"),
        ("maria", SECRET, "maria", NEW, "user-has-password"),
        ("maria", SECRET, "nele", "kurz", "password-too-short"),
        ("maria", SECRET, "ne:le", NEW, "keys-unavailable"),
    ],
)
async def test_who_is_not_made_and_why(
    cipher: Cipher, stadtwerke: tuple[CustomerKeys, str], by: str, secret: str, user: str, new: str, reason: str
) -> None:
    before = stadtwerke[0].files.keyslots.read_bytes()
    with pytest.raises((Refused, Unavailable), match=reason):
        await cipher.make_user(CUSTOMER, by, secret, user, new)
    assert stadtwerke[0].files.keyslots.read_bytes() == before


async def test_a_cipher_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    link = Link(tmp_path / "nothing.sock", LINK_SECRET, unavailable="cipher-unavailable")
    with pytest.raises(Unavailable, match="cipher-unavailable"):
        await RemoteCipher(link).unlock(CUSTOMER, "maria", SECRET)
    link.close()
