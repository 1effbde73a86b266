"""Another kind of load: connect, a full TLS handshake with a client certificate, goodbye, and again; no request at all.

The goodbye is answered only by a server that has read the client's last flight, so each one counted was finished on both sides. Never
may: a session that is kept, which would skip what is measured.
"""

from __future__ import annotations

import asyncio
import time

from benchmarks.load import Place, WrongAnswer


class Handshakes:
    """So many at a time, in a closed loop. The same methods as ``load.Load``."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._place: Place | None = None
        self._count = 0
        self.answered = 0

    async def connect(self, place: Place, connections: int) -> None:
        self._place, self._count = place, min(connections, 16)  # as many as keep a core busy; more only queue

    def begin(self) -> None:
        self._tasks = [asyncio.ensure_future(self._again_and_again()) for _ in range(self._count)]

    async def go_on(self, seconds: float) -> tuple[int, float]:
        answered, began = self.answered, time.perf_counter()
        done, _ = await asyncio.wait(self._tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # it ends by an error only
        return self.answered - answered, time.perf_counter() - began

    def end(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _again_and_again(self) -> None:
        place, loop = self._place, asyncio.get_running_loop()
        assert place is not None and place.tls is not None
        while True:
            transport, goodbye = await loop.create_connection(
                _Goodbye, place.host, place.port, ssl=place.tls, server_hostname=place.host, ssl_shutdown_timeout=5
            )
            transport.close()
            await goodbye.said
            self.answered += 1


class _Goodbye(asyncio.Protocol):
    def __init__(self) -> None:
        self.said: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_lost(self, error: Exception | None) -> None:
        if self.said.done():
            return
        if error is None:
            self.said.set_result(None)
        else:
            self.said.set_exception(WrongAnswer("the server ended it before the client said goodbye"))
