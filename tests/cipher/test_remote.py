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
from gateway.wire import Callee, Link

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


async def test_a_cipher_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    link = Link(tmp_path / "nothing.sock", LINK_SECRET, unavailable="cipher-unavailable")
    with pytest.raises(Unavailable, match="cipher-unavailable"):
        await RemoteCipher(link).unlock(CUSTOMER, "maria", SECRET)
    link.close()
