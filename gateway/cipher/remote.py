"""The cipher across a socket: the same three verbs, so that the vault cannot tell local from remote."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.cipher.interface import Cipher, Sealed, ToOpen, ToSeal
from gateway.wire import Connection, Handler, Link


class _Unlock(msgspec.Struct, frozen=True, array_like=True):
    customer: str
    user: str
    password: str


class _Seal(msgspec.Struct, frozen=True, array_like=True):
    customer: str
    items: Sequence[ToSeal]


class _Open(msgspec.Struct, frozen=True, array_like=True):
    customer: str
    items: Sequence[ToOpen]


_unlock = msgspec.msgpack.Decoder(_Unlock)
_seal = msgspec.msgpack.Decoder(_Seal)
_open = msgspec.msgpack.Decoder(_Open)
_sealed = msgspec.msgpack.Decoder(list[Sealed])
_opened = msgspec.msgpack.Decoder(list[str | None])


class RemoteCipher:
    """The calling side. Raises Unavailable('cipher-unavailable') whenever the cipher process is not there."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def unlock(self, customer: str, user: str, password: str) -> None:
        await self._link.call("unlock", _Unlock(customer, user, password))

    async def seal(self, customer: str, items: Sequence[ToSeal]) -> list[Sealed]:
        return _sealed.decode(await self._link.call("seal", _Seal(customer, items)))

    async def open(self, customer: str, items: Sequence[ToOpen]) -> list[str | None]:
        return _opened.decode(await self._link.call("open", _Open(customer, items)))


def verbs(cipher: Cipher) -> dict[str, Handler]:
    """The answering side, for ``wire.Callee``."""

    async def unlock(_: Connection, body: msgspec.Raw) -> None:
        request = _unlock.decode(body)
        await cipher.unlock(request.customer, request.user, request.password)

    async def seal(_: Connection, body: msgspec.Raw) -> list[Sealed]:
        request = _seal.decode(body)
        return await cipher.seal(request.customer, request.items)

    async def open(_: Connection, body: msgspec.Raw) -> list[str | None]:
        request = _open.decode(body)
        return await cipher.open(request.customer, request.items)

    return {"unlock": unlock, "seal": seal, "open": open}
