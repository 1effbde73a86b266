"""The accept loop: address and number of connections are judged before a byte is read, and a failed handshake has a reason.

What belongs here: everything before the first byte of HTTP. What never may: a word of what the peer sent. ``create_server``
of asyncio would hide failed handshakes (C-08) and begin TLS before anybody could ask who is there (dependencies 4.3).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.proxy.peer import address_of

_log = logging.getLogger("gateway.listener")

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_GONE = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSOCK})

#: OpenSSL's reasons → ours. A closed list: the exception's text quotes what the peer sent.
_TLS_REASONS = {
    "HTTP_REQUEST": "not-tls",
    "HTTPS_PROXY_REQUEST": "not-tls",
    "WRONG_VERSION_NUMBER": "not-tls",
    "UNSUPPORTED_PROTOCOL": "version",
    "VERSION_TOO_LOW": "version",
    "NO_SHARED_CIPHER": "cipher",
    "NO_APPLICATION_PROTOCOL": "protocol",
    "CERTIFICATE_VERIFY_FAILED": "certificate-unknown",
    "EXCESSIVE_MESSAGE_SIZE": "certificate-unsuitable",
}
_VERIFY_REASONS = {9: "certificate-not-yet-valid", 10: "certificate-expired", 26: "certificate-unsuitable"}  # X509_V_ERR_…

ProtocolFactory = Callable[[Callable[[], None]], asyncio.Protocol]


@dataclass(frozen=True, slots=True)
class Limits:
    """``per_address`` leaves room for an office behind one address: 150 dispatchers with the six connections of a browser."""

    connections: int = 8192
    per_address: int = 1024
    handshake: float = 10.0  # seconds from accept to the end of the handshake (T-D6)
    goodbye: float = 2.0  # seconds that a closing peer may take to say so


DEFAULT_LIMITS = Limits()


class Listener:
    """Accepts on ``sock``, which is bound and listening already.

    ``admit``: may this address be spoken to at all? ``tls``: the context of this moment, so a reload is seen by the next
    connection. ``protocol_factory``: called with what the protocol calls when its connection is lost.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        admit: Callable[[str], bool],
        tls: Callable[[], ssl.SSLContext | None],
        protocol_factory: ProtocolFactory,
        on_refused: Callable[[str], None],
        on_handshake_failed: Callable[[str, str], None],
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._admit, self._tls, self._protocol_factory = admit, tls, protocol_factory
        self._on_refused, self._on_handshake_failed = on_refused, on_handshake_failed
        self._limits = limits
        self._live: Counter[str] = Counter()
        self._open = 0
        self._accepting: asyncio.Task[None] | None = None
        self._starting: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self.refused = 0  # by address
        self.overflowed = 0  # by the limits on connections
        self.failed = 0  # handshakes

    @property
    def connections(self) -> int:
        """Open ones, those in their handshake included."""
        return self._open

    async def start(self) -> None:
        self._accepting = asyncio.get_running_loop().create_task(self._accept())

    async def stop(self) -> None:
        """Accept nothing more, and break off the handshakes that are under way; open connections live on."""
        tasks = [*self._starting, *([self._accepting] if self._accepting else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._sock.close()

    async def drain(self, seconds: float) -> bool:
        """Wait until all connections are closed; False when some are left."""
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        pause = 0.0
        while True:
            try:
                sock, peername = await loop.sock_accept(self._sock)
            except OSError as error:
                if error.errno in _GONE:
                    _log.error("the listening socket is gone")
                    return
                pause = await self._back_off(error, pause)
                continue
            pause = 0.0
            self._receive(sock, peername)

    async def _back_off(self, error: OSError, pause: float) -> float:
        """Out of descriptors: the peer stays in the queue, and asking again at once would only burn the processor."""
        if error.errno not in _EXHAUSTED:
            return 0.0  # ECONNABORTED and the like: that peer is gone, the next one is not
        if not pause:
            _log.error("out of descriptors or memory: accepting more slowly")
        pause = min(pause * 2 or 0.05, 1.0)
        await asyncio.sleep(pause)
        return pause

    def _receive(self, sock: socket.socket, peername: Any) -> None:
        try:
            address = address_of(peername)
            admitted = bool(address) and self._admit(address)
        except Exception:  # a broken address list admits nobody, and must not end the accept loop
            _log.exception("an address could not be judged")
            address, admitted = "", False
        if not admitted:
            self.refused += 1
            sock.close()
            self._on_refused(address)
        elif self._open >= self._limits.connections or self._live[address] >= self._limits.per_address:
            self.overflowed += 1
            sock.close()
        else:
            task = asyncio.get_running_loop().create_task(self._shake_hands(sock, address))
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _shake_hands(self, sock: socket.socket, address: str) -> None:
        free = self._occupy(address)
        context = self._tls()
        connected = False
        try:
            with contextlib.suppress(OSError):  # a peer that has gone already is found out below
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # From here on the socket is the loop's to close: closed under its transport, its number would soon be another's.
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._protocol_factory(free),
                sock,
                ssl=context,
                ssl_handshake_timeout=self._limits.handshake if context else None,
                ssl_shutdown_timeout=self._limits.goodbye if context else None,
            )
            connected = True
        except OSError as error:
            self.failed += 1
            self._on_handshake_failed(address, reason_of(error))
        finally:
            if not connected:
                free()

    def _occupy(self, address: str) -> Callable[[], None]:
        """Count a connection; what is returned uncounts it, once, however often it is called."""
        self._open += 1
        self._live[address] += 1
        self._empty.clear()
        occupied = True

        def free() -> None:
            nonlocal occupied
            if not occupied:
                return
            occupied = False
            self._open -= 1
            self._live[address] -= 1
            if not self._live[address]:
                del self._live[address]
            if not self._open:
                self._empty.set()

        return free


def reason_of(error: BaseException) -> str:
    """One of a few fixed words for a failed handshake; never text that the peer had a part in."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY_REASONS.get(error.verify_code, "certificate-unknown")
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or ""  # some are raised without one
        if "ALERT" in reason:
            return "alert"  # the client did not like our certificate, or something else about us
        return _TLS_REASONS.get(reason, "protocol-error")
    if isinstance(error, ConnectionAbortedError | TimeoutError):
        return "timeout"  # asyncio's way of saying that the handshake took too long
    return "client-gone"
