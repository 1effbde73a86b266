"""A load balancer's connection until its PROXY header has been read: then it is the client's, and TLS begins.

What never may come in: a byte sent before it is known who is there, or a byte of TLS taken for a part of the header. Whoever is
declared as a load balancer and sends none is closed: a direct connection from there is somebody who found a way around (T-I9).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from gateway.errors import Refused
from gateway.proxy.proxy_header import read_header

#: Called with the address that the header names and what was read behind it; gives the protocol that goes on, or None: not let in.
Admit = Callable[[str], asyncio.Protocol | None]


class Arrival(asyncio.Protocol):
    """``admit`` judges the address as if it had connected by itself. ``failed`` hears the reason; ``lost`` that the socket is gone."""

    def __init__(self, seconds: float, admit: Admit, failed: Callable[[str], None], lost: Callable[[], None]) -> None:
        self._seconds, self._admit, self._failed, self._lost = seconds, admit, failed, lost
        self._data = b""
        self._raw: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = cast(asyncio.Transport, transport)
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._refuse, "proxy-header-missing")

    def data_received(self, data: bytes) -> None:
        if self._timer is None:  # refused already; the transport is on its way out
            return
        self._data += data
        try:
            header = read_header(self._data)
        except Refused as refused:
            self._refuse(refused.reason)
            return
        if header is not None:
            self._go_on(header.address, self._data[header.length :])

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._failed("client-gone")
        self._lost()

    def abort(self) -> None:
        if self._raw is not None:
            self._raw.abort()

    def _go_on(self, address: str, rest: bytes) -> None:
        self._stop_timer()
        protocol = self._admit(address)
        if protocol is None or self._raw is None:
            self.abort()
            return
        self._raw.set_protocol(protocol)  # from here on its events, the last one too, are the other's
        protocol.connection_made(self._raw)
        if rest:
            protocol.data_received(rest)

    def _refuse(self, reason: str) -> None:
        self._stop_timer()
        self._failed(reason)
        self.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
