"""The vault across a socket: the same verbs, so that a proxy worker cannot tell local from remote.

The answering side keeps workers apart: what one began, no other continues, ends or takes along when it vanishes. What never may come
in: a decision about what a session may see.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.errors import Unavailable
from gateway.link import Link
from gateway.vault.interface import Account, AtRest, Clear, Event, Exchange, Session, Vault, Word
from gateway.wire import Connection, Handler

#: Exchanges of one worker that may be open at once: beyond any load of ours, and far from what the vault takes in all.
MOST_BEGUN = 20_000


class _OpenSession(msgspec.Struct, frozen=True, array_like=True):
    customer: Word
    user: str
    password: str
    address: Word


class _Tokenize(msgspec.Struct, frozen=True, array_like=True):
    session: bytes
    exchange: Exchange
    items: Sequence[Clear]


class _Detokenize(msgspec.Struct, frozen=True, array_like=True):
    session: bytes
    exchange: str
    items: Sequence[AtRest]


class _Account(msgspec.Struct, frozen=True, array_like=True):
    session: bytes
    exchange: str


class _ChangePassword(msgspec.Struct, frozen=True, array_like=True):
    session: bytes
    exchange: str
    current: str
    new: str | None
    overlap: int


class _MakeUser(msgspec.Struct, frozen=True, array_like=True):
    session: bytes
    exchange: str
    user: Word
    current: str
    new: str | None


_open_session = msgspec.msgpack.Decoder(_OpenSession)
_tokenize = msgspec.msgpack.Decoder(_Tokenize)
_detokenize = msgspec.msgpack.Decoder(_Detokenize)
_account_of = msgspec.msgpack.Decoder(_Account)
_change_password = msgspec.msgpack.Decoder(_ChangePassword)
_make_user = msgspec.msgpack.Decoder(_MakeUser)
_account = msgspec.msgpack.Decoder(Account)
_text = msgspec.msgpack.Decoder(str)
_event = msgspec.msgpack.Decoder(Event)
_session = msgspec.msgpack.Decoder(Session)
_texts = msgspec.msgpack.Decoder(list[str])


class RemoteVault:
    """The calling side. Raises Unavailable('vault-unavailable') whenever the vault process is not there."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def open_session(self, customer: str, user: str, password: str, address: str) -> Session:
        return _session.decode(await self._link.call("open_session", _OpenSession(customer, user, password, address)))

    async def tokenize(self, session: bytes, exchange: Exchange, items: Sequence[Clear]) -> list[str]:
        return _texts.decode(await self._link.call("tokenize", _Tokenize(session, exchange, items)))

    async def detokenize(self, session: bytes, exchange: str, items: Sequence[AtRest]) -> list[str]:
        return _texts.decode(await self._link.call("detokenize", _Detokenize(session, exchange, items)))

    async def record(self, event: Event) -> None:
        await self._link.call("record", event)

    async def account(self, session: bytes, exchange: str) -> Account:
        return _account.decode(await self._link.call("account", _Account(session, exchange)))

    async def change_password(self, session: bytes, exchange: str, current: str, new: str | None, overlap: int) -> str:
        return _text.decode(await self._link.call("change_password", _ChangePassword(session, exchange, current, new, overlap)))

    async def make_user(self, session: bytes, exchange: str, user: str, current: str, new: str | None) -> str:
        return _text.decode(await self._link.call("make_user", _MakeUser(session, exchange, user, current, new)))


def verbs(vault: Vault) -> dict[str, Handler]:
    """The answering side, for ``wire.Callee``. A connection remembers what it began: if its worker dies, the runtime ends it."""

    async def open_session(_: Connection, body: msgspec.Raw) -> Session:
        request = _open_session.decode(body)
        return await vault.open_session(request.customer, request.user, request.password, request.address)

    async def tokenize(connection: Connection, body: msgspec.Raw) -> list[str]:
        request = _tokenize.decode(body)
        _claim(connection, request.exchange.id)
        return await vault.tokenize(request.session, request.exchange, request.items)

    async def detokenize(_: Connection, body: msgspec.Raw) -> list[str]:
        request = _detokenize.decode(body)
        return await vault.detokenize(request.session, request.exchange, request.items)

    async def record(connection: Connection, body: msgspec.Raw) -> None:
        event = _event.decode(body)
        if connection.begun_elsewhere(event.exchange):
            raise Unavailable("policy-out-of-step")
        await vault.record(event)
        connection.begun.discard(event.exchange)

    return {"open_session": open_session, "tokenize": tokenize, "detokenize": detokenize, "record": record, **_account_verbs(vault)}


def _account_verbs(vault: Vault) -> dict[str, Handler]:
    async def account(_: Connection, body: msgspec.Raw) -> Account:
        request = _account_of.decode(body)
        return await vault.account(request.session, request.exchange)

    async def change_password(_: Connection, body: msgspec.Raw) -> str:
        request = _change_password.decode(body)
        return await vault.change_password(request.session, request.exchange, request.current, request.new, request.overlap)

    async def make_user(_: Connection, body: msgspec.Raw) -> str:
        request = _make_user.decode(body)
        return await vault.make_user(request.session, request.exchange, request.user, request.current, request.new)

    return {"account": account, "change_password": change_password, "make_user": make_user}


def _claim(connection: Connection, exchange: str) -> None:
    """From here on it belongs to this worker, also when what follows fails: then the worker's own event ends it."""
    if connection.begun_elsewhere(exchange):
        raise Unavailable("policy-out-of-step")
    if exchange not in connection.begun and len(connection.begun) >= MOST_BEGUN:
        raise Unavailable("vault-unavailable")
    connection.begun.add(exchange)
