"""aiohttp's server, with every way closed on which it would answer, log or wait by itself.

What belongs here: deadlines and limits of a connection, and what happens to requests that never reach the handler. What never
may: a byte of the peer in an answer or a log (H-04), or a decision about a request that was read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import HttpVersion10, HttpVersion11, http_exceptions, web
from aiohttp.streams import StreamReader
from aiohttp.web import BaseRequest, StreamResponse
from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo

from gateway.errors import Refused
from gateway.proxy import answers, framing
from gateway.proxy.access import Peer
from gateway.proxy.peer import address_of, peer_of

__all__ = ["GatewayServer", "check_framing", "peer_of"]

#: The only thing we say of ourselves. A version would tell which hole to try.
BANNER = "gateway"
HEAD_DEADLINE = 10.0  # seconds from the first byte of a head to its last (T-D6)
WRITE_DEADLINE = 60.0  # seconds that a client may take nothing of an answer that waits for it (T-D6)
LEAST_TAKEN = 16 * 1024  # bytes of it that show, within that time, that somebody reads; fewer are a dribble
KEEP_ALIVE = 75.0  # seconds a connection may be silent
FIRST_REQUEST = 1.0  # seconds that a connection which was just made may be silent when the end has begun
LINGER = 5.0  # seconds that the rest of a refused body may take, so that the client gets to read the answer

_log = logging.getLogger("gateway.server")

Handler = Callable[[BaseRequest], Awaitable[StreamResponse]]

_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (http_exceptions.TransferEncodingError, "request-framing"),
    (http_exceptions.ContentLengthError, "request-framing"),
    (http_exceptions.InvalidHeader, "header-malformed"),
    (http_exceptions.LineTooLong, "header-malformed"),
    (http_exceptions.HttpProcessingError, "request-malformed"),
    (web.HTTPRequestEntityTooLarge, "body-too-large"),
    (web.HTTPException, "request-malformed"),
)


def check_framing(request: BaseRequest) -> None:
    """``framing.check_framing``; and what it refuses is the last request of its connection. Raises Refused.

    Behind a head that two parsers read differently may stand what one of them takes for a request of its own.
    """
    try:
        framing.check_framing(request)
    except Refused:
        request.protocol.close()  # aiohttp: after the answer, and without reading on
        raise


class Connection(RequestHandler):
    """One client's connection."""

    __slots__ = ("_body", "_chunked", "_gateway", "_head_timer", "_last", "_tail", "_write_timer")

    def __init__(self, server: GatewayServer, **settings: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **settings)
        self._gateway = server
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._body: StreamReader | None = None  # of the request that the parser read last
        self._chunked = self._last = False  # is that body's end still awaited; is nothing behind it read any more
        self._tail = b""

    @property
    def draining(self) -> bool:
        return self._gateway.draining

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._gateway.remember(self)  # only now: a protocol whose handshake fails is made, but never connected or lost
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_timer()
        self._stop_write_timer()
        super().connection_lost(exc)
        self._gateway.forget(self)

    def data_received(self, data: bytes) -> None:
        if self._last:
            return
        # The bytes belong to a head when none has come yet, or when the loop in ``start`` waits for the next one.
        waiting = self._request_count == 0 or (self._waiter is not None and not self._waiter.done())
        before = len(self._messages)
        super().data_received(data)
        self._tail = data[-6:] if len(data) > 5 else (self._tail + data)[-6:]
        if len(self._messages) > before:
            self._note(before)
        if self._chunked and self._body is not None and self._body.is_eof():
            # Only so a body ends without trailers, and with nothing behind it in the same segment.
            self._chunked, self._last = False, self._last or self._tail != b"\n0\r\n\r\n"
        if self._messages:
            self._stop_timer()
        elif waiting and data and self._head_timer is None:
            self._head_timer = self._loop.call_later(self._gateway.head_deadline, self._head_is_late)

    def _note(self, before: int) -> None:
        """What aiohttp's C parser keeps to itself (both measured with 3.14.5, in ``test_ts1_segments.py``).

        Bytes that are no chunk: whoever reads that body must learn of it, or waits to its deadline (T-S2). And a trailer, which the
        parser would make the first header of the next request (T-S1): so behind a chunked body with trailers nothing is read.
        """
        for number in range(before, len(self._messages)):
            message, body = self._messages[number]
            if isinstance(message, _ErrInfo):
                self._last = True
                if self._body is not None and not self._body.is_eof():
                    self._body.set_exception(RequestPayloadError())
            elif self._chunked:  # in one segment with the end of the body before it: there may have been a trailer between them
                self._last = True
                while len(self._messages) > number:
                    self._messages.pop()
                return
            else:
                self._body, self._chunked = body, message.chunked

    def pause_writing(self) -> None:
        """Called when more waits for the client than the transport likes to hold; costs nothing while clients read."""
        super().pause_writing()
        self._stop_write_timer()
        self._watch_reader()

    def resume_writing(self) -> None:
        self._stop_write_timer()
        super().resume_writing()

    def end_unless(self, welcome: Callable[[Peer], bool]) -> None:
        """Break off what this connection is in the middle of, unless its peer is still welcome (T-M2): an answer may take hours.

        One that is idle stays: its next request is judged anyway, and gets an answer that says no.
        """
        peer = self.transport.get_extra_info("peer") if self.transport is not None and self._request_in_progress else None
        if peer is not None and not welcome(peer):
            self._gateway.on_malformed("certificate-revoked", peer.address)
            self._reset()

    def end_if_idle(self) -> None:
        """A request of which a part has come is one that was begun."""
        if not self._request_in_progress and not self._messages and self._head_timer is None:
            self.force_close()

    def cut(self) -> None:
        """Whatever is under way: what was begun must not count as complete."""
        self._reset()

    async def finish_response(self, request: BaseRequest, resp: StreamResponse, start_time: float | None) -> tuple[StreamResponse, bool]:
        if isinstance(resp, web.HTTPException):  # aiohttp's own answer, in words of its own
            resp = self.handle_error(request, exc=resp)
        if self.draining and isinstance(resp, StreamResponse):
            resp.force_close()  # also where its head is out already: then the connection ends without having been announced
        if self._last and not self._messages:
            self.close()  # nothing more will be read
        if isinstance(resp, StreamResponse) and not resp.prepared:
            resp.headers.setdefault("Server", BANNER)
            if self._close:
                resp.force_close()
            if request.version not in (HttpVersion10, HttpVersion11):
                request._cache["version"] = HttpVersion10  # or aiohttp answers in the version that the client made up (H-01)
        return await super().finish_response(request, resp, start_time)

    def handle_error(
        self, request: BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> StreamResponse:
        """Called by aiohttp for what its parser refused (400) and for what escaped the handler (500, 504); ``message`` quotes bytes."""
        if isinstance(exc, ConnectionError):  # the client is gone, or the handler broke the connection off on purpose
            self._break_off()
        reason = _reason_of(exc)
        self._gateway.on_malformed(reason, address_of(self.peername))
        if reason == "internal":
            _log.error("a request failed outside of its handler: %s", type(exc).__name__)
        if request.writer.output_size > 0:
            self._break_off()
        response = answers.refusal(reason, str(uuid.uuid4()))
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """aiohttp's own would print a traceback, and with it what the peer sent (T-A7)."""
        if not isinstance(kw.get("exc_info"), RequestPayloadError):  # a body that broke off while it was thrown away
            _log.error("a connection failed: %s", type(kw.get("exc_info")).__name__)

    def log_debug(self, *args: Any, **kw: Any) -> None:
        """Says nothing, for the same reason."""

    def _break_off(self) -> None:
        """A begun answer must never count as complete, also by a client that takes the end of the connection for its end: RST, no FIN."""
        self._reset()
        raise ConnectionResetError

    def _reset(self) -> None:
        if self.transport is not None:
            sock = self.transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()

    def _head_is_late(self) -> None:
        self._head_timer = None
        self._gateway.on_malformed("request-timeout", address_of(self.peername))
        self.force_close()

    def _watch_reader(self) -> None:
        waits = self.transport.get_write_buffer_size() if self.transport is not None else 0
        self._write_timer = self._loop.call_later(self._gateway.write_deadline, self._reader_is_late, waits)

    def _reader_is_late(self, waited: int) -> None:
        """Of a long answer that was written at once, ``resume_writing`` is called at its very end: until then what is taken counts."""
        self._write_timer = None
        if self.transport is not None and self.transport.get_write_buffer_size() <= waited - LEAST_TAKEN:
            self._watch_reader()
            return
        self._gateway.on_malformed("client-gone", address_of(self.peername))
        if self.transport is not None:
            self.transport.abort()  # not closed: that would wait for what the client does not take

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class _Request(BaseRequest):
    """One whose answer says ``Connection: close`` when its head is written while the server drains: also a streamed one's."""

    @property
    def keep_alive(self) -> bool:
        return super().keep_alive and not cast(Connection, self.protocol).draining


class GatewayServer(web.Server):
    """``on_malformed(reason, address)`` hears of every request that ``handler`` never saw.

    Handlers are not cancelled when their client leaves: what was begun upstream ends, and its end is recorded. They notice by
    the ConnectionError of their next read or write.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        on_malformed: Callable[[str, str], None],
        head_deadline: float = HEAD_DEADLINE,
        write_deadline: float = WRITE_DEADLINE,
        keep_alive: float = KEEP_ALIVE,
    ) -> None:
        super().__init__(handler, handler_cancellation=False)
        self.on_malformed = on_malformed
        self.head_deadline = head_deadline
        self.write_deadline = write_deadline
        self.draining = False
        self._live: set[Connection] = set()
        self._gone = asyncio.Event()
        self._settings: dict[str, Any] = {
            "keepalive_timeout": keep_alive,
            "tcp_keepalive": False,  # nobody is waited for longer than KEEP_ALIVE: the kernel's two hours find nobody (8 % of a handshake)
            "lingering_time": LINGER,
            "max_line_size": 8190,
            "max_field_size": 8190,
            "max_headers": 100,
            "auto_decompress": False,  # an unknown or stacked coding must be seen, and a bomb must not be inflated unseen (T-D1)
            "access_log": None,
            "logger": _log,
        }

    def __call__(self) -> Connection:
        return Connection(self, **self._settings)

    def remember(self, connection: Connection) -> None:
        self._live.add(connection)
        if self.draining:  # its handshake was under way when the end began: it may ask once
            asyncio.get_running_loop().call_later(FIRST_REQUEST, connection.end_if_idle)

    def _make_request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> BaseRequest:
        return _Request(message, payload, protocol, writer, task, self._loop)

    def end_unless(self, welcome: Callable[[Peer], bool]) -> None:
        """After a reload: whoever is no longer let in gets nothing more, also of an answer that is on its way."""
        for connection in list(self._live):
            connection.end_unless(welcome)

    def forget(self, connection: Connection) -> None:
        self._live.discard(connection)
        if not self._live:
            self._gone.set()

    def drain(self, silence: float = 0.0) -> None:
        """From here on every answer is the last one of its connection; those that are silent for ``silence`` seconds end without one."""
        self.draining = True
        for connection in list(self._live):
            if silence:
                asyncio.get_running_loop().call_later(silence, connection.end_if_idle)
            else:
                connection.end_if_idle()

    def cut(self) -> None:
        """Everything ends now, also what is under way."""
        for connection in list(self._live):
            connection.cut()

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  (aiohttp's signature)
        """Idle connections end now, busy ones with the answer they are working on; what is left after ``timeout`` is cut.

        aiohttp's own shutdown would stop reading bodies that are still on their way.
        """
        if not self.draining:
            self.drain()
        if self._live:
            self._gone.clear()
            try:
                async with asyncio.timeout(timeout):
                    await self._gone.wait()
            except TimeoutError:
                _log.warning("%d connections were cut at the end", len(self._live))
        await super().shutdown(1.0)


def _reason_of(exc: BaseException | None) -> str:
    for kind, reason in _REASONS:
        if isinstance(exc, kind):
            return reason
    return "internal"
