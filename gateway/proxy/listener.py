"""The accept loop: address and number of connections are judged before a byte is read, and a failed handshake has a reason.

What belongs here: everything before the first byte of HTTP, by way of ``arrival.py`` (who is behind the load balancer) and
``tls_transport.py``. What never may: a word of what the peer sent. ``create_server`` of asyncio would hide failed handshakes (C-08)
and begin TLS before anybody could ask who is there (dependencies 4.3).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.proxy.access import Peer
from gateway.proxy.arrival import Arrival
from gateway.proxy.peer import address_of
from gateway.proxy.places import Place, Places
from gateway.proxy.tls_transport import Entrance, TlsLayer
from gateway.proxy.turnstile import Turnstile

_log = logging.getLogger("gateway.listener")

#: Connections accepted in one turn of the loop. asyncio's ``sock_accept`` gives no turn to anybody while somebody waits at the door, so
#: that a flood of connections, also of strangers, would be all that is ever worked on. More than the handshakes that fit into a turn.
_PER_TURN = 16

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_GONE = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSOCK})


@dataclass(frozen=True, slots=True)
class Limits:
    """``per_address`` leaves room for an office behind one address: 150 dispatchers with the six connections of a browser;
    ``per_customer`` for two of them, and to three other customers for as much."""

    connections: int = 8192
    per_address: int = 1024
    per_customer: int = 2048
    proxy_header: float = 5.0  # seconds from accept to the end of a load balancer's header, which it sends at once (T-I9)
    handshake: float = 10.0  # seconds from there to the end of the handshake (T-D6)
    goodbye: float = 2.0  # seconds that a closing peer may take to read the last that was said


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Rules:
    """What a listener asks at each connection, so that a reload is seen by the next one.

    ``admit``: may this address be spoken to at all? ``is_balancer``: must it say first for whom it speaks? ``tls``: with which context?
    ``customer_of``: who counts for it, once the handshake has ended; "" is nobody.
    """

    admit: Callable[[str], bool]
    is_balancer: Callable[[str], bool]
    tls: Callable[[], ssl.SSLContext]
    customer_of: Callable[[Peer], str] = lambda peer: ""


class Listener:
    """Accepts on ``sock``, which is bound and listening already.

    ``on_closed(address, reason)`` hears of everything that ended before there was a request.
    """

    def __init__(
        self,
        sock: socket.socket,
        rules: Rules,
        *,
        protocol_factory: Callable[[], asyncio.Protocol],
        on_closed: Callable[[str, str], None],
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._rules = rules
        self._protocol_factory, self._on_closed = protocol_factory, on_closed
        self._limits = limits
        self._places = Places(limits.connections, limits.per_address, limits.per_customer)
        self._turnstile = Turnstile()
        self._accepting: asyncio.Task[None] | None = None
        self._refusing = False
        self._connecting: set[asyncio.Task[None]] = set()
        self._arriving: set[Arrival | TlsLayer] = set()  # whose header or handshake is under way
        self._layers: set[TlsLayer] = set()

    @property
    def connections(self) -> int:
        """Open ones, those in their handshake included."""
        return self._places.taken

    async def start(self) -> None:
        self._accepting = asyncio.get_running_loop().create_task(self._accept())

    async def refuse(self) -> None:
        """Accept nothing more. What the kernel has queued stays there, for whoever else accepts on this socket.

        Not by cancelling alone: a connection that was accepted in this very turn of the loop would be lost with the answer.
        """
        self._refusing = True
        with contextlib.suppress(ValueError, OSError):  # the socket is gone
            asyncio.get_running_loop().remove_reader(self._sock)
        for _ in range(2):  # from the future to the task that waits for it
            await asyncio.sleep(0)
        if self._accepting is not None:
            self._accepting.cancel()

    async def arrived(self, seconds: float) -> None:
        """Wait until those whose header or handshake is under way are in, or out."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (self._connecting or self._arriving) and loop.time() < end:  # noqa: ASYNC110  (several places empty them, once in a life)
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Accept nothing more, and break off the handshakes that are under way; open connections live on."""
        tasks = [*self._connecting, *([self._accepting] if self._accepting else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for arriving in list(self._arriving):
            arriving.abort()
        self._sock.close()

    async def end(self) -> None:
        """At the very last: those who are saying goodbye may finish; what is left then is cut."""
        if not await self.drain(self._limits.goodbye):
            for layer in list(self._layers):
                layer.abort()
            await asyncio.sleep(0)  # the loop tells their protocols in its next turn

    async def drain(self, seconds: float) -> bool:
        """Wait until all connections are closed; False when some are left."""
        try:
            async with asyncio.timeout(seconds):
                await self._places.empty.wait()
        except TimeoutError:
            return False
        return True

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        pause = 0.0
        for number in itertools.count(1):
            if not number % _PER_TURN:
                await asyncio.sleep(0)
            if self._refusing:
                return
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
        address = address_of(peername)
        balancer = bool(address) and self._says(self._rules.is_balancer, address)
        place = None
        if not balancer and not self._says(self._rules.admit, address):
            self._on_closed(address, "network-unknown")
        elif (place := self._places.take("" if balancer else address)) is None:
            self._on_closed(address, "connections-exceeded")
        if place is None:
            sock.close()
            return
        task = asyncio.get_running_loop().create_task(self._connect(sock, address, place, balancer))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def _says(self, rule: Callable[[str], bool], address: str) -> bool:
        try:
            return bool(address) and rule(address)
        except Exception:  # a broken address list admits nobody, and must not end the accept loop
            _log.exception("an address could not be judged")
            return False

    async def _connect(self, sock: socket.socket, address: str, place: Place, balancer: bool) -> None:
        protocol = self._arrival(address, place) if balancer else self._layer(address, place)
        connected = False
        try:
            with contextlib.suppress(OSError):  # a peer that has gone already is found out below
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # From here on the socket is the loop's to close: closed under its transport, its number would soon be another's.
            await asyncio.get_running_loop().connect_accepted_socket(lambda: protocol, sock)
            connected = True
        except OSError:
            self._on_closed(address, "client-gone")
        finally:
            if not connected:
                self._arriving.discard(protocol)
                self._layers -= {protocol}
                place.free()

    def _layer(self, address: str, place: Place) -> TlsLayer:
        """TLS for one connection of a client that is let in so far."""
        limits = self._limits
        entrance = Entrance(self._rules.tls(), self._protocol_factory, self._on_closed, self._turnstile, limits.handshake, limits.goodbye)

        def lost() -> None:
            self._layers.discard(layer)
            place.free()

        def has_room(peer: Peer) -> bool:
            return place.is_of(self._rules.customer_of(peer))

        layer = TlsLayer(entrance, address, lambda: self._arriving.discard(layer), has_room, lost)
        self._arriving.add(layer)
        self._layers.add(layer)
        return layer

    def _arrival(self, balancer: str, place: Place) -> Arrival:
        """A load balancer's connection; the client behind it is judged as if it had come by itself."""

        def admit(address: str) -> TlsLayer | None:
            self._arriving.discard(arrival)
            if not self._says(self._rules.admit, address):
                self._on_closed(address, "network-unknown")
            elif not place.belongs_to(address):
                self._on_closed(address, "connections-exceeded")
            else:
                return self._layer(address, place)
            return None

        def lost() -> None:
            self._arriving.discard(arrival)
            place.free()

        arrival = Arrival(self._limits.proxy_header, admit, lambda reason: self._on_closed(balancer, reason), lost)
        self._arriving.add(arrival)
        return arrival
