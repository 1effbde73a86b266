"""The load: keep-alive connections in a closed loop, each sends its next request when the answer to the last one is complete.

Answers are read as strictly as a measurement needs: the wrong status, an unread byte or a closed connection ends the run. What never may
come in: patience with an error, which would measure something else.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.backend import content_length


class WrongAnswer(Exception):
    """Status or framing, never the body."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to connect. ``tls``: None for plain TCP, as tests use it."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


class Load:
    """``requests``: makes the next request's bytes. ``status``: what every answer must have."""

    def __init__(self, requests: Callable[[], bytes], status: int) -> None:
        self._requests = requests
        self._expected = b"HTTP/1.1 %d " % status
        self._connections: list[_Connection] = []
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answered = 0

    async def connect(self, place: Place, connections: int) -> None:
        loop = asyncio.get_running_loop()
        name = place.host if place.tls else None
        for _ in range(connections):
            _, connection = await loop.create_connection(
                lambda: _Connection(self), place.host, place.port, ssl=place.tls, server_hostname=name
            )
            self._connections.append(connection)

    def begin(self) -> None:
        for connection in self._connections:
            connection.send(self._requests())

    async def go_on(self, seconds: float) -> tuple[int, float]:
        """Let it run; how many answers came in how many seconds."""
        answered, began = self.answered, time.perf_counter()
        await asyncio.wait([self._failed], timeout=seconds)
        if self._failed.done():
            self._failed.result()
        return self.answered - answered, time.perf_counter() - began

    def end(self) -> None:
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        if not self._failed.done():
            self._failed.cancel()

    def took(self, connection: _Connection, answer_head: bytes) -> None:
        if not answer_head.startswith(self._expected):
            self.fail(f"status line {answer_head[:16].decode('latin-1')!r} where {self._expected.decode()!r} was due")
            return
        self.answered += 1
        connection.send(self._requests())

    def fail(self, what: str) -> None:
        if not self._failed.done():
            self._failed.set_exception(WrongAnswer(what))


class _Connection(asyncio.Protocol):
    def __init__(self, load: Load) -> None:
        self._load = load
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream transport: the loop makes no other here

    def send(self, request: bytes) -> None:
        if self._transport is not None:
            self._transport.write(request)

    def close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or self._transport is None:
            return
        try:
            whole = end + 4 + content_length(self._buffer[:end])
        except ValueError:
            self._load.fail("an answer without a readable length")
            return
        if len(self._buffer) > whole:
            self._load.fail("bytes after an answer that nobody asked for")
        elif len(self._buffer) == whole:
            head, self._buffer = self._buffer[:end], b""
            self._load.took(self, head)

    def connection_lost(self, error: Exception | None) -> None:
        if self._transport is not None:
            self._load.fail("the connection was closed")
