"""One connection to an upstream: writes a request canonically, reads one answer at a time, with back-pressure both ways.

What belongs here: the protocol object and the serialisation of requests. What never may: the choice of a connection, or a
second attempt; that is ``upstream.py``'s. One protocol object serves the connection for its whole life, and a request costs
one future and one timer, because futures and tasks were the larger part of a client session's cost (design section 11).
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import cast

from gateway.errors import Refused
from gateway.proxy.upstream_parser import ResponseParser

RawHeaders = Sequence[tuple[bytes, bytes]]

HIGH_WATER = 256 * 1024  # answer bytes held for a reader that is slower than the upstream
SEPARATE = 64 * 1024  # bodies above this are written after their head instead of copied behind it

_METHOD = re.compile(r"[A-Z]+")
_TARGET = re.compile(rb"/[\x21\x22\x24-\x7e]*")  # origin form, no blank, no fragment (T-P2)
_NAMES = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z\n-]+")
_VALUES = re.compile(rb"[\t\x20-\x7e\x80-\xff\n]*")
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect"})


@dataclass(frozen=True, slots=True)
class Upload:
    """A body that is sent while it comes. ``length`` is what its sender promised, and what the application is promised in turn: many
    (WSGI, CGI) read no chunks. None: chunked. Only an exception of ``pieces`` ends it early, and then it never counts as complete.
    """

    pieces: AsyncIterator[bytes]
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds. ``answer``: from the request's last byte to the end of the answer's head; ``idle``: between two pieces."""

    connect: float = 5.0
    answer: float = 60.0
    idle: float = 60.0


DEFAULT_TIMEOUTS = Timeouts()


class Unanswered(Exception):
    """The connection ended before one byte of the answer came: the upstream may or may not have seen the request."""


def serialise(method: str, target: bytes, headers: RawHeaders, framing: bytes) -> bytes:
    """The request head. Refuses what could end a line early (T-S7): everything was checked before, and is proved here."""
    names = b"\n".join([name for name, _ in headers])
    values = b"\n".join([value for _, value in headers])
    if not _METHOD.fullmatch(method) or not _TARGET.fullmatch(target):
        raise Refused("request-malformed")
    # Joined by LF, so that one expression checks all of them: exactly one LF fewer than headers means that none came in one.
    if not _NAMES.fullmatch(names) or not _VALUES.fullmatch(values):
        raise Refused("header-malformed")
    if names.count(b"\n") != len(headers) - 1 or values.count(b"\n") != len(headers) - 1:
        raise Refused("header-malformed")
    lower = names.lower().split(b"\n")
    if b"" in lower or lower.count(b"host") != 1 or not _FRAMING.isdisjoint(lower):
        raise Refused("header-malformed")
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    return b"%b %b HTTP/1.1\r\n%b%b\r\n" % (method.encode(), target, lines, framing)


class Connection(asyncio.Protocol):
    """``kept`` connections have carried an exchange before. At most one coroutine waits for an answer."""

    __slots__ = (
        "_failure",
        "_loop",
        "_paused",
        "_room",
        "_sent_all",
        "_transport",
        "_waiter",
        "_writing_paused",
        "idle_since",
        "kept",
        "parser",
        "resolved",
    )

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None  # an upload's, beside whoever waits for its answer
        self._failure = ""
        self._paused = self._writing_paused = False
        self._sent_all = True
        self.parser: ResponseParser | None = None
        self.kept = False
        self.idle_since = 0.0
        self.resolved: tuple[str, str] | None = None  # the name that was asked for, and the address that it had

    # --- what the pool and the response use ---

    @property
    def usable(self) -> bool:
        """Open, and nothing of an earlier exchange is left on it."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def is_to_this_machine(self) -> bool:
        """Connecting to an address of one's own, the kernel takes that address on both sides."""
        ends = (self._transport.get_extra_info(end) for end in ("sockname", "peername")) if self._transport is not None else ()
        return len({end[0] for end in ends}) < 2

    @property
    def reusable(self) -> bool:
        parser = self.parser
        return self.usable and self._sent_all and parser is not None and parser.complete and parser.keep_alive and not self._failure

    async def exchange(self, head: bytes, body: bytes | Upload | None, method: str, timeouts: Timeouts) -> None:
        """Send one request and wait for the answer's head, in ``parser``. Raises Refused, Unanswered; what ``body`` raises goes through."""
        self.parser = parser = ResponseParser(method)
        self._failure = ""
        self._write(head, body if isinstance(body, bytes) else b"")
        if isinstance(body, Upload):
            await self._upload(body, parser, timeouts.idle)
        deadline = self._loop.time() + timeouts.answer
        while not parser.head_done:
            if self._failure:
                raise self._broken(parser)
            await self._wait(deadline - self._loop.time())
        if self._failure:
            raise Refused(self._failure)

    async def piece(self, idle: float) -> bytes:
        """The next bytes of the answer's body; empty at its proven end. Raises Refused when it breaks off."""
        parser = self.parser
        assert parser is not None
        deadline = 0.0
        while True:
            if self._failure:
                raise Refused(self._failure)
            if parser.buffered:
                self._resume()
                return parser.take()
            if parser.complete:
                return b""
            now = self._loop.time()
            deadline = deadline or now + idle  # once: what comes may also be an extension without end, and none of the body (T-D3)
            await self._wait(deadline - now)

    def park(self, now: float) -> None:
        """Back to the pool: from now on every byte or end from the upstream closes the connection."""
        self.parser, self.kept, self.idle_since = None, True, now
        self._resume()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # --- sending ---

    def _write(self, head: bytes, body: bytes) -> None:
        assert self._transport is not None
        if len(body) <= SEPARATE:
            return self._transport.write(head + body)
        self._transport.write(head)
        return self._transport.write(body)

    async def _upload(self, upload: Upload, parser: ResponseParser, idle: float) -> None:
        """Until it is sent or answered. Answered early, the rest stays unsent, and the connection is not used again (T-S4).

        In a task of its own: the answer may come while the client sends nothing, because it waits for that very answer.
        """
        self._sent_all = False
        sending = self._loop.create_task(self._send_pieces(upload, idle))
        sending.add_done_callback(self._upload_ended)
        try:
            while not (sending.done() or self._failure or parser.head_done):
                await self._wait(None)
        finally:
            sending.cancel()
            await asyncio.wait([sending])  # whoever reads the client's connection next must be the only one
        if not (sending.cancelled() or self._failure or parser.head_done):
            sending.result()

    def _upload_ended(self, sending: asyncio.Task[None]) -> None:
        if not sending.cancelled():
            sending.exception()  # asked for, or the loop would print it where an early answer made it pointless
        self._wake()

    async def _send_pieces(self, upload: Upload, idle: float) -> None:
        """An exception on the way leaves the last chunk, or bytes of the length, unsent: the request can never count as complete."""
        assert self._transport is not None
        missing = upload.length
        try:
            async for piece in upload.pieces:
                if missing is not None:
                    missing -= len(piece)
                    if missing < 0:
                        raise Refused("request-framing")  # the rest would be the next request on this connection (T-S1)
                    self._transport.write(piece)
                elif piece:  # an empty chunk would be the last one
                    self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                if self._writing_paused:
                    await self._writable(idle)
        finally:
            if isinstance(upload.pieces, AsyncGenerator):
                await upload.pieces.aclose()  # what feeds it must not wait for the garbage collector
        if missing:
            raise Refused("request-framing")
        if missing is None:
            self._transport.write(b"0\r\n\r\n")
        self._sent_all = True

    async def _writable(self, seconds: float) -> None:
        self._room = self._loop.create_future()
        timer = self._loop.call_later(seconds, self._expire)
        try:
            await self._room
        finally:
            timer.cancel()
            self._room = None

    def _broken(self, parser: ResponseParser) -> Exception:
        if not parser.begun and self._failure == "upstream-unreachable":
            return Unanswered()
        return Refused(self._failure)

    # --- waiting ---

    async def _wait(self, seconds: float | None) -> None:
        self._waiter = self._loop.create_future()
        timer = self._loop.call_later(max(seconds, 0), self._expire) if seconds is not None else None
        try:
            await self._waiter
        finally:
            if timer is not None:
                timer.cancel()
            self._waiter = None

    def _expire(self) -> None:
        self._fail("upstream-timeout")

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, reason: str) -> None:
        if not self._failure:
            self._failure = reason
        self.abort()
        self._wake()

    def _resume(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    # --- called by the event loop ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its type

    def data_received(self, data: bytes) -> None:
        parser = self.parser
        if parser is None or parser.complete:
            return self.abort()  # nobody asked: the next exchange would take it for its own answer
        try:
            parser.feed(data)
        except Refused as refused:
            return self._fail(refused.reason)
        if parser.buffered > HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        if parser.head_done:
            self._wake()
        return None

    def eof_received(self) -> None:
        if self.parser is not None and self.parser.begun and self._transport is not None:
            try:
                if self.parser.until_eof and not _ended_in_order(self._transport):
                    raise Refused("upstream-malformed")
                self.parser.eof()
            except Refused as refused:
                return self._fail(refused.reason)
            self._wake()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        parser = self.parser
        if parser is not None and not parser.complete:
            self._fail("upstream-malformed" if parser.begun else "upstream-unreachable")
        self._wake()

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._room is not None and not self._room.done():
            self._room.set_result(None)


def _ended_in_order(transport: asyncio.Transport) -> bool:
    """Over TLS only close_notify ends an answer: anybody on the way can forge a FIN, and asyncio reports both alike."""
    encrypted = transport.get_extra_info("ssl_object")
    if encrypted is None:
        return True
    try:
        return not encrypted.read(1)  # nothing, for ever: OpenSSL has seen close_notify
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:  # "want read": more could have come
        return False
