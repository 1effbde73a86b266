"""TLS between a socket's transport and the protocol above, over memory BIOs: asyncio's own does four things that a wall must not.

It closes without the alert that says why (C-08), it hides from the caller why a handshake failed, it works on as many handshakes in
one turn of the loop as a flood cares to send, and it decrypts records that carry nothing for as long as they come (T-M13). Here,
OpenSSL's alert goes out before the socket ends, handshakes take turns (``turnstile.py``), and records without a byte of content are
counted. Works on asyncio's transports and uvloop's alike.

What never may come in: whose certificate it is (``access.py`` judges that, on every request), or a byte of HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, cast

from gateway.networks import neighbourhood
from gateway.proxy.access import Peer
from gateway.proxy.tls import server_name
from gateway.proxy.turnstile import Turnstile

#: Bytes of a handshake until we have answered: a padded hello (T-M4).
HELLO_BYTES = 32 * 1024
#: And after that: twice the longest chain that we know of, four certificates of RSA-4096. OpenSSL would take 100 kB, which is 600 small
#: ones: 300 ms of nothing else but reading their keys, for a stranger, before it finds that it knows none of them (T-M12).
CERTIFICATE_BYTES = 16 * 1024
#: Bytes in a row that decrypt to nothing: four full records may be on their way, 2,400 KeyUpdates may not (T-M13).
IDLE_BYTES = 64 * 1024
#: And in all: records may carry one byte in their 22 of overhead, which an honest client that dribbles does; more is a flood.
IDLE_SHARE = 32
_PIECE = 64 * 1024


_NOWHERE = asyncio.Transport()  # before there is a socket: whoever asks it for anything fails


class _State(Enum):
    HANDSHAKE = auto()
    OPEN = auto()
    CLOSING = auto()  # we have said goodbye, and wait for the peer to have read it
    CLOSED = auto()


@dataclass(frozen=True, slots=True)
class Entrance:
    """What every connection of a listener shares. ``failed(address, reason)`` hears of each handshake that did not end well."""

    context: ssl.SSLContext
    protocol_factory: Callable[[], asyncio.Protocol]
    failed: Callable[[str, str], None]
    turnstile: Turnstile
    handshake: float  # seconds from the first byte to the end of the handshake
    goodbye: float  # seconds that a peer may take to read the last that was said to it


class TlsLayer(asyncio.Protocol):
    """Below: the socket's transport calls this. ``left`` is called once, when the handshake is over, however it ended;
    ``has_room`` then, with whom it proved to be; ``lost`` once, when the socket is gone."""

    def __init__(
        self, entrance: Entrance, address: str, left: Callable[[], None], has_room: Callable[[Peer], bool], lost: Callable[[], None]
    ) -> None:
        self.address = address
        self._entrance = entrance
        self._left, self._has_room, self._lost = left, has_room, lost
        self._state = _State.CLOSED  # until it is connected
        self.raw = _NOWHERE
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = entrance.context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._app: asyncio.Protocol | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._queued = self._paused = self._held = False
        self._idle = self._idle_total = self._content = 0  # bytes; those of a handshake count as idle ones
        self._most = HELLO_BYTES
        self._waiting = b""  # of a handshake: what OpenSSL has not seen yet

    # -- called by the socket's transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.raw, self._state = cast(asyncio.Transport, transport), _State.HANDSHAKE
        self._timer = asyncio.get_running_loop().call_later(self._entrance.handshake, self._handshake_is_late)

    def data_received(self, data: bytes) -> None:
        if self._state is _State.CLOSING:
            return
        if self._state is _State.OPEN:
            self._incoming.write(data)
            self._pump()
            return
        self._waiting += data
        if len(self._waiting) > self._most and not self._held:  # clients of TLS 1.3 send a long request right behind their handshake
            self._held = True
            self.raw.pause_reading()
        self._queue()

    def eof_received(self) -> bool:
        """Without a goodbye, or after one: nothing can come any more, so nothing is waited for. True: we end the transport ourselves."""
        if self._state is _State.HANDSHAKE:
            self._fail("client-gone")
        else:
            self._peer_leaves()
        self.raw.close()  # after what is written; a wait would hold the place of everybody who just hangs up
        return True

    def pause_writing(self) -> None:
        if self._app is not None:
            self._app.pause_writing()

    def resume_writing(self) -> None:
        if self._app is not None:
            self._app.resume_writing()
        if self._state is _State.CLOSING:
            self._wait_for_goodbye()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        if self._queued:
            self._entrance.turnstile.leave(neighbourhood(self.address), self._advance)
        if self._state is _State.HANDSHAKE:
            self._report("client-gone")
        self._state = _State.CLOSED
        app, self._app = self._app, None
        try:
            if app is not None:
                app.connection_lost(exc)
        finally:
            self._lost()

    # -- called by the transport above

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._state is not _State.OPEN:
            return  # as asyncio's transports do after close()
        view = memoryview(data).cast("B")
        try:
            while view:  # OpenSSL takes one record at a time: Python switches partial writes on
                view = view[self.tls.write(view) :]
        except ssl.SSLError:  # half a KeyUpdate was read: OpenSSL writes nothing before it has the rest, which may never come (T-M13)
            self._cut()
            return
        self._flush()

    def pause(self) -> None:
        self._paused = True
        with contextlib.suppress(RuntimeError):  # paused or closing already
            self.raw.pause_reading()

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            with contextlib.suppress(RuntimeError):
                self.raw.resume_reading()
            asyncio.get_running_loop().call_soon(self._pump)

    def close(self) -> None:
        """Say goodbye after what was written, and wait for the peer to have read it: a socket that is closed with unread bytes in
        it resets the connection, and what was sent last is lost with it (RFC 9112 section 9.6)."""
        if self._state is _State.OPEN:
            with contextlib.suppress(ssl.SSLError):  # it wants the peer's goodbye; ours is written
                self.tls.unwrap()
            self._end()

    def abort(self) -> None:
        """Nothing goes out any more, and nothing in: also not what was received and waits for its turn."""
        if self._state is _State.OPEN:
            self._state = _State.CLOSING
        if self._state is not _State.CLOSED:
            self.raw.abort()

    @property
    def closing(self) -> bool:
        return self._state in (_State.CLOSING, _State.CLOSED)

    # -- inside

    def _advance(self) -> None:
        self._queued = False
        if self._state is not _State.HANDSHAKE:
            return
        self._show()
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            if self._outgoing.pending:
                self._idle, self._most = 0, CERTIFICATE_BYTES
            self._flush()
            if self._waiting:
                self._fail("tls-flood") if self._idle >= self._most else self._queue()
        except ssl.SSLError as error:
            self._fail(reason_of(error))
        else:
            self._open()

    def _show(self) -> None:
        """To OpenSSL, no more than a handshake may have: it works on whatever it is shown."""
        share = self._most - self._idle
        shown, self._waiting = self._waiting[:share], self._waiting[share:]
        self._incoming.write(shown)
        self._idle += len(shown)
        if not self._waiting:
            self._read_on()

    def _read_on(self) -> None:
        if self._held:
            self._held = False
            self.raw.resume_reading()

    def _queue(self) -> None:
        if not self._queued:
            self._queued = True
            self._entrance.turnstile.enter(neighbourhood(self.address), self._advance)

    def _open(self) -> None:
        self._stop_timer()
        self._flush()
        self._incoming.write(self._waiting)  # what stands behind the handshake is content
        self._waiting = b""
        self._read_on()
        self._state, self._idle = _State.OPEN, 0
        transport = TlsTransport(self)
        if not self._has_room(transport.peer):
            self._report("connections-exceeded")
            self.close()
            return
        self._left()
        self._app = self._entrance.protocol_factory()
        self._app.connection_made(transport)
        self._pump()

    def _pump(self) -> None:
        while self._state is _State.OPEN and not self._paused and self._app is not None:
            before = self._incoming.pending
            if not (before or self.tls.pending()):
                break
            try:
                data = self.tls.read(_PIECE)
            except ssl.SSLWantReadError:
                self._idle += before - self._incoming.pending
                break
            except ssl.SSLError:  # a record that nobody who holds the keys has written, or one that is none
                self._end()
                return
            if not data:  # the peer's goodbye
                self._peer_leaves()
                return
            self._idle_total += self._idle + before - self._incoming.pending
            self._content += len(data)
            self._idle = 0
            if self._is_flood():
                return
            self._app.data_received(data)
        if self._state is _State.OPEN and not self._is_flood():
            self._flush()

    def _peer_leaves(self) -> None:
        if self._state is _State.OPEN and self._app is not None:
            self._app.eof_received()
            self.close()

    def _is_flood(self) -> bool:
        """Records that carried something end the run of those that carry nothing, but not the account of all of them (T-M13)."""
        if self._idle <= IDLE_BYTES and self._idle_total <= IDLE_BYTES + IDLE_SHARE * self._content:
            return False
        self._cut()
        return True

    def _cut(self) -> None:
        self._state = _State.CLOSING
        self._entrance.failed(self.address, "tls-flood")
        self.raw.abort()

    def _fail(self, reason: str) -> None:
        """The handshake ends here; OpenSSL has put the alert that says why among what is to be sent (C-08)."""
        self._report(reason)
        self._end()

    def _report(self, reason: str) -> None:
        self._left()
        self._entrance.failed(self.address, reason)

    def _end(self) -> None:
        self._stop_timer()
        self._state, self._waiting = _State.CLOSING, b""
        self._flush()
        with contextlib.suppress(OSError, RuntimeError):  # the peer may be gone
            if self.raw.can_write_eof():
                self.raw.write_eof()
            self.raw.resume_reading()
        self.raw.set_write_buffer_limits(0)  # so that ``resume_writing`` tells when all is out
        if not self.raw.get_write_buffer_size():
            self._wait_for_goodbye()

    def _wait_for_goodbye(self) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(self._entrance.goodbye, self.raw.abort)

    def _handshake_is_late(self) -> None:
        self._timer = None
        if self._state is _State.HANDSHAKE:
            self._report("tls-timeout")
            self._state = _State.CLOSING
            self.raw.abort()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self.raw.write(self._outgoing.read())

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class TlsTransport(asyncio.Transport):
    """Above: what the protocol of the application writes to. ``get_extra_info('peer')`` is the ``Peer``, taken once: without
    renegotiation and post-handshake authentication neither certificate nor server name can change under a connection."""

    __slots__ = ("_layer", "peer")

    def __init__(self, layer: TlsLayer) -> None:
        super().__init__()
        self._layer = layer
        self.peer = Peer(layer.address, layer.tls.getpeercert(binary_form=True), server_name(layer.tls))

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        layer = self._layer
        if name == "peer":
            return self.peer
        if name == "peername":
            return (layer.address, 0)  # behind a load balancer, the socket's own is the balancer's
        if name == "ssl_object":
            return layer.tls
        if name == "sslcontext":
            return layer.tls.context
        return layer.raw.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self._layer.write(data)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[Any]]) -> None:
        self._layer.write(b"".join(list_of_data))

    def close(self) -> None:
        self._layer.close()

    def abort(self) -> None:
        self._layer.abort()

    def is_closing(self) -> bool:
        return self._layer.closing or self._layer.raw.is_closing()

    def pause_reading(self) -> None:
        self._layer.pause()

    def resume_reading(self) -> None:
        self._layer.resume()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._layer.raw.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._layer.raw.get_write_buffer_size()

    def can_write_eof(self) -> bool:
        return False  # TLS before 1.3 has no half of a connection


#: OpenSSL's reasons → ours. A closed list: the exception's text quotes what the peer sent.
_TLS_REASONS = {
    "HTTP_REQUEST": "not-tls",
    "HTTPS_PROXY_REQUEST": "not-tls",
    "WRONG_VERSION_NUMBER": "not-tls",
    "UNSUPPORTED_PROTOCOL": "tls-version",
    "VERSION_TOO_LOW": "tls-version",
    "NO_SHARED_CIPHER": "tls-cipher",
    "NO_APPLICATION_PROTOCOL": "tls-protocol",
    "EXCESSIVE_MESSAGE_SIZE": "certificate-unsuitable",
}
_VERIFY_REASONS = {9: "certificate-expired", 10: "certificate-expired", 26: "certificate-unsuitable"}  # X509_V_ERR_…


def reason_of(error: ssl.SSLError) -> str:
    """One of a few fixed words for a failed handshake; never text that the peer had a part in."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY_REASONS.get(error.verify_code, "certificate-unknown")
    reason = getattr(error, "reason", None) or ""  # some are raised without one
    if "ALERT" in reason:
        return "tls-alert"  # the client did not like our certificate, or something else about us
    return _TLS_REASONS.get(reason, "handshake-failed")
