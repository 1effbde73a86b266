"""The pool of connections to the upstreams: kept alive, and never shared between two customers (T-S5).

What belongs here: which connection carries an exchange, when one is kept, opened, tried again or thrown away. What never may:
a redirect followed, a cookie kept, a proxy taken from the environment, a request with a body sent twice.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from gateway.errors import Refused
from gateway.policy.model import Customer
from gateway.proxy.rate import SLOWEST, Meter, Pace
from gateway.proxy.upstream_connection import Connection, RawHeaders, Stale, Upload, serialise
from gateway.proxy.upstream_parser import ResponseParser

REPEATABLE = frozenset({"GET", "HEAD"})  # and only without a body: H-06
BODY_EXPECTED = frozenset({"POST", "PUT", "PATCH"})


class UpstreamKey(NamedTuple):
    """Two exchanges share a connection only when all of this is equal; the customer is part of it."""

    customer: str
    scheme: str
    host: str
    port: int
    ca: Path | None = None

    @classmethod
    def of(cls, customer: Customer) -> UpstreamKey:
        upstream = customer.upstream
        return cls(customer.name, upstream.scheme, upstream.host, upstream.port, upstream.ca)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds. ``answer``: from the request's last byte to the end of the answer's head; ``idle``: between two pieces."""

    connect: float = 5.0
    answer: float = 60.0
    idle: float = 60.0


DEFAULT_TIMEOUTS = Timeouts()


class UpstreamResponse:
    """The head of an answer, and its body for as long as ``release`` was not called. Usable in a ``with`` statement."""

    __slots__ = ("_connection", "_idle", "_key", "_parser", "_pool", "_released", "raw_headers", "replayed", "status")

    def __init__(
        self, pool: UpstreamPool, key: UpstreamKey, connection: Connection, parser: ResponseParser, idle: float, replayed: bool
    ) -> None:
        self._pool, self._key, self._connection, self._parser, self._idle = pool, key, connection, parser, idle
        self._released = False
        self.status = parser.status
        self.raw_headers: list[tuple[bytes, bytes]] = parser.headers
        self.replayed = replayed  # the upstream may have seen this request twice; goes into the audit log (H-06)

    async def read_all(self, limit: int) -> bytes:
        """The whole body. Raises Refused('upstream-too-large'), or when its end is not proven."""
        if self._parser.length is not None and self._parser.length > limit and not self._parser.complete:
            self.abort()
            raise Refused("upstream-too-large")
        pieces: list[bytes] = []
        size = 0
        # What is held in memory must also come at a pace; what is streamed may say a word now and then for hours (server-sent events).
        meter, loop = Meter(Pace(self._idle, self._idle, SLOWEST)), asyncio.get_running_loop()
        began = loop.time()
        while piece := await self._piece(meter.patience):
            now = loop.time()
            meter.took(now - began, len(piece))
            began = now
            size += len(piece)
            if size > limit:
                self.abort()
                raise Refused("upstream-too-large")
            pieces.append(piece)
        self.release()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes; ends only at its proven end. While nobody iterates, the upstream has to wait."""
        while piece := await self._piece(self._idle):
            yield piece
        self.release()

    async def _piece(self, seconds: float) -> bytes:
        if self._released:
            raise RuntimeError("the answer was released before it was read")
        try:
            return await self._connection.piece(seconds)
        except BaseException:  # cancellation too: a connection with an unread answer must not live on
            self.abort()
            raise

    def release(self) -> None:
        """The exchange is over. The connection is kept only when the answer was read to its end."""
        if not self._released:
            self._released = True
            self._pool._give_back(self._key, self._connection)

    def abort(self) -> None:
        """Break off: nothing more is read, and the connection is closed."""
        if not self._released:
            self._connection.abort()
        self.release()

    def __enter__(self) -> UpstreamResponse:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


class UpstreamPool:
    """``per_upstream`` bounds the connections of one key, so that one customer's slow suite starves nobody else.

    ``kept_for`` (seconds) stays below the shortest idle time of common servers (Node.js: 5 s): a request that meets a closing
    connection cannot be sent again unless it is a plain GET.
    """

    def __init__(self, *, per_upstream: int = 64, kept_for: float = 4.0) -> None:
        self._per_upstream = per_upstream
        self._kept_for = kept_for
        self._idle: dict[UpstreamKey, list[Connection]] = {}
        self._slots: dict[UpstreamKey, asyncio.Semaphore] = {}
        self._contexts: dict[Path | None, ssl.SSLContext] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False
        self.opened = 0  # connections, ever: reuse shows as requests minus opened

    async def request(
        self,
        key: UpstreamKey,
        method: str,
        target: bytes,
        headers: RawHeaders,
        body: bytes | Upload | None = None,
        *,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
    ) -> UpstreamResponse:
        """Send one request and return when the head of its answer is here.

        ``headers`` hold exactly one Host and no framing: that is added here. Raises Refused('upstream-unreachable' |
        'upstream-timeout' | 'upstream-malformed' | 'header-malformed' | 'request-malformed'); what an upload
        raises goes through, after the request was broken off.
        """
        head = serialise(method, target, headers, _framing(method, body))
        await self._enter(key, timeouts.connect)
        try:
            return await self._send(key, method, head, body, timeouts)
        except BaseException:  # whatever ended it, cancellation included: the slot is free again
            self._slots[key].release()
            raise

    def renew(self) -> None:
        """After a reload: trust files are read again, and no connection outlives what it was checked against."""
        self._contexts.clear()
        idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.abort()

    def close(self) -> None:
        self._closed = True
        self.renew()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    async def _enter(self, key: UpstreamKey, seconds: float) -> None:
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = asyncio.Semaphore(self._per_upstream)
        if not slot.locked():
            await slot.acquire()
            return
        try:
            async with asyncio.timeout(seconds):
                await slot.acquire()
        except TimeoutError:
            raise Refused("upstream-timeout") from None

    async def _send(self, key: UpstreamKey, method: str, head: bytes, body: bytes | Upload | None, timeouts: Timeouts) -> UpstreamResponse:
        kept = self._take(key)
        if kept is not None:
            try:
                return await self._exchange(key, kept, method, head, body, timeouts, replayed=False)
            except Stale:
                if method not in REPEATABLE or body is not None:
                    raise Refused("upstream-unreachable") from None
        fresh = await self._open(key, timeouts.connect)
        return await self._exchange(key, fresh, method, head, body, timeouts, replayed=kept is not None)

    async def _exchange(
        self,
        key: UpstreamKey,
        connection: Connection,
        method: str,
        head: bytes,
        body: bytes | Upload | None,
        timeouts: Timeouts,
        *,
        replayed: bool,
    ) -> UpstreamResponse:
        try:
            parser = await connection.exchange(head, body, method, idle=timeouts.idle, answer=timeouts.answer)
        except BaseException:  # a refused body, a timeout, a cancellation: nobody may find half an exchange on it
            connection.abort()
            raise
        return UpstreamResponse(self, key, connection, parser, timeouts.idle, replayed)

    def _take(self, key: UpstreamKey) -> Connection | None:
        idle = self._idle.get(key)
        now = asyncio.get_running_loop().time()
        while idle:
            connection = idle.pop()  # the youngest: the others may grow old and go
            if connection.usable and now - connection.idle_since < self._kept_for:
                return connection
            connection.abort()
        return None

    async def _open(self, key: UpstreamKey, seconds: float) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            context = self._context(key.ca) if key.scheme == "https" else None
            name = key.host if context is not None else None
            async with asyncio.timeout(seconds):
                _, connection = await loop.create_connection(Connection, key.host, key.port, ssl=context, server_hostname=name)
        except TimeoutError:
            raise Refused("upstream-timeout") from None
        except (OSError, UnicodeError, ValueError):  # name, route, refusal, certificate; the last two: names that IDNA refuses
            raise Refused("upstream-unreachable") from None
        self.opened += 1
        return connection

    def _context(self, ca: Path | None) -> ssl.SSLContext:
        context = self._contexts.get(ca)
        if context is None:
            context = ssl.create_default_context(cafile=None if ca is None else str(ca))
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.set_alpn_protocols(["http/1.1"])
            self._contexts[ca] = context
        return context

    def _give_back(self, key: UpstreamKey, connection: Connection) -> None:
        self._slots[key].release()
        if self._closed or not connection.reusable:
            connection.abort()
            return
        loop = asyncio.get_running_loop()
        connection.park(loop.time())
        self._idle.setdefault(key, []).append(connection)
        if self._sweeper is None:
            self._sweeper = loop.call_later(self._kept_for, self._sweep)

    def _sweep(self) -> None:
        """One timer for the whole pool instead of one per connection and request."""
        loop = asyncio.get_running_loop()
        oldest = loop.time() - self._kept_for
        for key, connections in list(self._idle.items()):
            young = [each for each in connections if each.usable and each.idle_since > oldest]
            for connection in set(connections).difference(young):
                connection.abort()
            if young:
                self._idle[key] = young
            else:
                del self._idle[key]
        self._sweeper = loop.call_later(self._kept_for, self._sweep) if self._idle else None


def _framing(method: str, body: bytes | Upload | None) -> bytes:
    if isinstance(body, bytes):
        return b"Content-Length: %d\r\n" % len(body)
    if body is not None and body.length is not None:
        return b"Content-Length: %d\r\n" % body.length
    if body is not None:
        return b"Transfer-Encoding: chunked\r\n"
    return b"Content-Length: 0\r\n" if method in BODY_EXPECTED else b""
