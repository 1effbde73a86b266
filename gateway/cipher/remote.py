"""The cipher across a socket: the same verbs, so that the vault cannot tell local from remote."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.cipher.interface import Cipher, Sealed, ToOpen, ToSeal
from gateway.link import Link
from gateway.wire import Connection, Handler


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


class _ChangePassword(msgspec.Struct, frozen=True, array_like=True):
    customer: str
    user: str
    old: str
    new: str | None
    overlap: int


class _MakeUser(msgspec.Struct, frozen=True, array_like=True):
    customer: str
    by_user: str
    by_password: str
    user: str
    password: str | None


_unlock = msgspec.msgpack.Decoder(_Unlock)
_seal = msgspec.msgpack.Decoder(_Seal)
_open = msgspec.msgpack.Decoder(_Open)
_change_password = msgspec.msgpack.Decoder(_ChangePassword)
_make_user = msgspec.msgpack.Decoder(_MakeUser)
_text = msgspec.msgpack.Decoder(str)
_texts = msgspec.msgpack.Decoder(list[str])
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

    async def change_password(self, customer: str, user: str, old: str, new: str | None, overlap: int) -> str:
        return _text.decode(await self._link.call("change_password", _ChangePassword(customer, user, old, new, overlap)))

    async def make_user(self, customer: str, by_user: str, by_password: str, user: str, password: str | None) -> str:
        return _text.decode(await self._link.call("make_user", _MakeUser(customer, by_user, by_password, user, password)))

    async def users(self, customer: str) -> list[str]:
        return _texts.decode(await self._link.call("users", customer))


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

    async def change_password(_: Connection, body: msgspec.Raw) -> str:
        request = _change_password.decode(body)
        return await cipher.change_password(request.customer, request.user, request.old, request.new, request.overlap)

    async def make_user(_: Connection, body: msgspec.Raw) -> str:
        request = _make_user.decode(body)
        return await cipher.make_user(request.customer, request.by_user, request.by_password, request.user, request.password)

    async def users(_: Connection, body: msgspec.Raw) -> list[str]:
        return await cipher.users(_text.decode(body))

    return {
        "unlock": unlock,
        "seal": seal,
        "open": open,
        "change_password": change_password,
        "make_user": make_user,
        "users": users,
    }
