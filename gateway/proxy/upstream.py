"""The pool of connections to the upstreams: kept alive, and never shared between two customers (T-S5).

What belongs here: which connection carries an exchange, when one is kept, opened, tried again or thrown away. What never may:
a redirect followed, a cookie kept, a proxy taken from the environment, a request with a body sent twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import NamedTuple

from gateway.errors import Refused
from gateway.policy.model import Customer, HealthCheck, Upstream
from gateway.proxy.dialing import Dialer
from gateway.proxy.health import keep_checking
from gateway.proxy.rate import SLOWEST, Meter, Pace
from gateway.proxy.upstream_connection import DEFAULT_TIMEOUTS, Connection, RawHeaders, Timeouts, Unanswered, Upload, serialise
from gateway.proxy.upstream_servers import LiveServer, LiveUpstream, Trial

REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})  # safe methods (RFC 9110 section 9.2.1), and only without a body: H-06
BODY_EXPECTED = frozenset({"POST", "PUT", "PATCH"})

Body = bytes | Upload | None


class UpstreamKey(NamedTuple):
    """Two exchanges share a connection only when all of this is equal; the customer is part of it."""

    customer: str
    upstream: Upstream

    @classmethod
    def of(cls, customer: Customer) -> UpstreamKey:
        return cls(customer.name, customer.upstream)


class Request(NamedTuple):
    head: bytes
    body: Body
    method: str
    timeouts: Timeouts
    on_replay: Callable[[], None] | None

    @property
    def is_repeatable(self) -> bool:
        return self.body is None and self.method in REPEATABLE


class UpstreamResponse:
    """The head of an answer, and its body for as long as ``release`` was not called. Usable in a ``with`` statement."""

    __slots__ = ("_connection", "_idle", "_parser", "_pool", "_released", "_trial", "raw_headers", "replayed", "status")

    def __init__(self, pool: UpstreamPool, trial: Trial, connection: Connection, idle: float, *, replayed: bool) -> None:
        parser = connection.parser
        assert parser is not None
        self._pool, self._trial, self._connection, self._parser, self._idle = pool, trial, connection, parser, idle
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
            self._pool._give_back(self._trial, self._connection)

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

    def __init__(self, *, per_upstream: int = 64, kept_for: float = 4.0, dialer: Dialer | None = None) -> None:
        self._per_upstream = per_upstream
        self._kept_for = kept_for
        self._live: dict[UpstreamKey, LiveUpstream] = {}
        self.dialer = dialer or Dialer()
        self._sweeper: asyncio.TimerHandle | None = None
        self._checks: list[asyncio.Task[None]] = []
        self._closed = False

    def _live_of(self, key: UpstreamKey) -> LiveUpstream:
        live = self._live.get(key)
        if live is None:
            live = self._live[key] = LiveUpstream(key.customer, key.upstream, self._per_upstream)
        return live

    @property
    def opened(self) -> int:
        return self.dialer.opened

    @property
    def waiting(self) -> int:
        """Connections that wait for an exchange."""
        return sum(each.usable for live in self._live.values() for server in live.servers for each in server.idle)

    async def request(
        self,
        key: UpstreamKey,
        method: str,
        target: bytes,
        headers: RawHeaders,
        body: Body = None,
        *,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        on_replay: Callable[[], None] | None = None,
    ) -> UpstreamResponse:
        """Send one request and return when the head of its answer is here.

        ``headers`` hold exactly one Host and no framing: that is added here. Raises Refused('upstream-unreachable' |
        'upstream-left-alone' | 'upstream-timeout' | 'upstream-malformed' | 'header-malformed' | 'request-malformed'); what an
        upload raises goes through, after the request was broken off. ``on_replay`` is told before a request is sent again: that it
        may have been seen twice is true also where no answer comes (H-06).
        """
        head = serialise(method, target, headers, _framing(method, body))
        live = self._live.get(key) or self._live_of(key)
        if live.slots.locked():
            await _wait_for(live.slots, timeouts.connect)
        else:
            await live.slots.acquire()
        try:
            return await self._send(live, Request(head, body, method, timeouts, on_replay))
        except BaseException:  # whatever ended it, cancellation included: the slot is free again
            live.slots.release()
            raise

    def renew(self, customers: Iterable[Customer] = ()) -> None:
        """At the start and after a reload: trust files are read again, and no connection outlives what it was checked against."""
        self.dialer.renew()
        for task in self._checks:
            task.cancel()
        former, self._live = self._live, {}
        for live in former.values():
            live.retired = True
            for server in live.servers:
                server.keep_only(lambda connection: False)
        self._checks = [self._check(customer, customer.upstream.health) for customer in customers if customer.upstream.health]

    def _check(self, customer: Customer, check: HealthCheck) -> asyncio.Task[None]:
        live = self._live_of(UpstreamKey.of(customer))
        return asyncio.get_running_loop().create_task(keep_checking(live, check, self.dialer))

    def close(self) -> None:
        self._closed = True
        self.renew()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    async def _send(self, live: LiveUpstream, request: Request) -> UpstreamResponse:
        """Each server is connected to at most once, and a request leaves at most twice: the second time only if it is repeatable."""
        now = asyncio.get_running_loop().time
        live.requests += 1
        tried: list[LiveServer] = []
        replayed, reason = False, "upstream-left-alone"
        while True:
            began = now()
            trial = live.choose(began, tried)
            if trial is None:
                live.requests -= not tried and not replayed  # it has not left, and earns nobody a second try
                raise Refused(reason)
            kept = None if replayed else trial.server.take(began - self._kept_for)
            try:
                connection = kept or await self.dialer.dial(live.upstream, trial.server.server, request.timeouts.connect)
            except Refused as refused:
                trial.failed(now())
                tried.append(trial.server)
                reason = refused.reason
                continue  # nothing was sent: any request may go elsewhere
            except BaseException:  # a cancellation says nothing of the server: its place is given back, and nothing counted against it
                trial.abandoned()
                raise
            try:
                await connection.exchange(request.head, request.body, request.method, request.timeouts)
            except Unanswered:
                connection.abort()
                if kept is not None:  # the usual race with a server that closes what is idle: an earlier answer paid for it
                    trial.abandoned()
                else:
                    trial.failed(now())
                    tried.extend([trial.server] if len(live.servers) > 1 else [])
                if replayed or not request.is_repeatable or (kept is None and not live.may_repeat(now())):
                    raise Refused("upstream-unreachable") from None
                replayed, reason = True, "upstream-unreachable"
                if request.on_replay is not None:
                    request.on_replay()
            except BaseException as error:  # a refused body, a timeout, a cancellation: nobody may find half an exchange on it
                connection.abort()
                if isinstance(error, Refused) and error.reason == "upstream-timeout":
                    trial.failed(now())
                else:
                    trial.abandoned()
                raise
            else:
                trial.succeeded()
                return UpstreamResponse(self, trial, connection, request.timeouts.idle, replayed=replayed)

    def _give_back(self, trial: Trial, connection: Connection) -> None:
        trial.over()
        moved = connection.resolved is not None and self._has_moved(connection)
        if self._closed or trial.live.retired or moved or not connection.reusable:
            connection.abort()
            return
        loop = asyncio.get_running_loop()
        connection.park(loop.time())
        trial.server.idle.append(connection)
        if self._sweeper is None:
            self._sweeper = loop.call_later(self._kept_for, self._sweep)

    def _has_moved(self, connection: Connection) -> bool:
        """Its name leads elsewhere by now: without this, a connection that is always busy would stay with the old address for ever."""
        return connection.resolved is not None and not self.dialer.directory.holds(*connection.resolved)

    def _sweep(self) -> None:
        """One timer for the whole pool instead of one per connection and request. Names are asked for again on the way."""
        loop = asyncio.get_running_loop()
        oldest = loop.time() - self._kept_for
        waiting = [server for live in self._live.values() for server in live.servers if server.idle]
        for server in waiting:
            server.keep_only(lambda each: each.usable and each.idle_since > oldest and not self._has_moved(each))
        self.dialer.directory.refresh({each.resolved[0] for server in waiting for each in server.idle if each.resolved})
        self._sweeper = loop.call_later(self._kept_for, self._sweep) if any(server.idle for server in waiting) else None


async def _wait_for(slots: asyncio.Semaphore, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await slots.acquire()
    except TimeoutError:
        raise Refused("upstream-timeout") from None


def _framing(method: str, body: Body) -> bytes:
    if isinstance(body, bytes):
        return b"Content-Length: %d\r\n" % len(body)
    if body is not None and body.length is not None:
        return b"Content-Length: %d\r\n" % body.length
    if body is not None:
        return b"Transfer-Encoding: chunked\r\n"
    return b"Content-Length: 0\r\n" if method in BODY_EXPECTED else b""
