"""``python -m benchmarks.slow_clients``: what a good client's requests take at the median, alone and beside 500 slow clients (T-D6).

A third of them have sent half a head, a third a part of a body, and a third read nothing of an answer of 900 kB; all with certificate
and password of the good client's own customer. They come again when the gateway has cut them. Rounds alternate, so that what the
machine does meanwhile meets both. Only the ratio inside one run means anything, and none where the spread alone is as large.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import socket
import statistics
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import cast

import click

from benchmarks import loop
from benchmarks.backend import content_length
from benchmarks.candidates import GatewayCandidate, Target
from benchmarks.orders import posts

#: Bytes of an answer that fits into no buffer between, with what the slow reader's own kernel takes of it.
LARGE = 900_000


class Slow(asyncio.Protocol):
    """Sends what it has, and then neither sends nor reads. Comes again when it is cut."""

    def __init__(self, crowd: Crowd, sent: bytes) -> None:
        self._crowd, self._sent = crowd, sent

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast(asyncio.Transport, transport)  # uvloop's is one in all but its type
        self._crowd.here[self] = stream
        stream.write(self._sent)
        stream.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._crowd.left(self, self._sent)


class Crowd:
    """So many slow clients."""

    def __init__(self, target: Target, count: int) -> None:
        self._target = target
        self.here: dict[Slow, asyncio.Transport] = {}
        self.cut = 0
        self._coming: set[asyncio.Task[None]] = set()
        self._gone = False
        head = posts(target.path, target.headers)().partition(b"\r\n\r\n")[0]
        large = b'{"meter_number":"%b"}' % (b"1" * LARGE)  # and so is the answer
        kinds = (
            head[: len(head) // 2],
            head + b'\r\n\r\n{"meter_number":',
            re.sub(rb"Content-Length: [0-9]+", b"Content-Length: %d" % len(large), head) + b"\r\n\r\n" + large,
        )
        self._sent = [kinds[number % len(kinds)] for number in range(count)]

    async def come(self) -> None:
        for at in range(0, len(self._sent), 20):  # in small groups: what is measured is not their handshakes
            await asyncio.gather(*(self._connect(sent) for sent in self._sent[at : at + 20]))

    async def _connect(self, sent: bytes) -> None:
        place = self._target.place
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        running = asyncio.get_running_loop()
        with suppress(OSError):
            await running.sock_connect(sock, ("127.0.0.1", place.port))
            await running.create_connection(lambda: Slow(self, sent), sock=sock, ssl=place.tls, server_hostname=place.host)

    def left(self, slow: Slow, sent: bytes) -> None:
        self.here.pop(slow, None)
        if not self._gone:
            self.cut += 1
            task = asyncio.get_running_loop().create_task(self._connect(sent))
            self._coming.add(task)
            task.add_done_callback(self._coming.discard)

    async def go(self) -> None:
        self._gone = True
        for transport in list(self.here.values()):
            transport.abort()
        await asyncio.gather(*self._coming, return_exceptions=True)
        await asyncio.sleep(0.5)  # the gateway hears of it


async def good(target: Target, seconds: float) -> list[float]:
    """Milliseconds of one order after the other on one connection."""
    place, took = target.place, []
    reader, writer = await asyncio.open_connection("127.0.0.1", place.port, ssl=place.tls, server_hostname=place.host)
    requests, until = posts(target.path, target.headers), time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(requests())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 201 "):
            raise click.ClickException(f"the good client got {head[:16].decode('latin-1')!r}")
        await reader.readexactly(content_length(head[:-4]))
        took.append((time.perf_counter() - began) * 1000)
    writer.transport.abort()
    return took[len(took) // 10 :]  # the first ones open the session


async def compare(target: Target, rounds: int, window: float, count: int) -> dict[str, object]:
    alone, beside, cut = [], [], 0
    for _ in range(rounds):
        alone.append(statistics.median(await good(target, window)))
        crowd = Crowd(target, count)
        await crowd.come()
        await asyncio.sleep(2.0)  # what the slow ones asked for has been done
        beside.append(statistics.median(await good(target, window)))
        cut += crowd.cut
        await crowd.go()
    return {
        "slow clients": count,
        "rounds": rounds,
        "alone, ms": [round(each, 3) for each in alone],
        "beside them, ms": [round(each, 3) for each in beside],
        "ratio of the medians": round(statistics.median(beside) / statistics.median(alone), 3),
        "spread alone": round(max(alone) / min(alone), 3),
        "cut meanwhile": cut,
    }


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--window", type=click.FloatRange(0.2), default=3.0, show_default=True, help="Seconds of each measurement.")
@click.option("--clients", "count", type=click.IntRange(3), default=500, show_default=True, help="Slow ones, a third of each kind.")
@click.option("--json", "as_json", is_flag=True)
def main(rounds: int, window: float, count: int, as_json: bool) -> None:
    """A good client's median, alone and beside slow ones."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-bench-")))
        gateway = GatewayCandidate(folder / "gateway-run", 1)
        stack.callback(gateway.stop)
        found = loop.run(compare(gateway.start(), rounds, window, count))
    out = io.StringIO()
    if as_json:
        json.dump(found, out, indent=2)
    else:
        out.writelines(f"{name:>22}  {value}\n" for name, value in found.items())
    click.echo(out.getvalue().rstrip())


if __name__ == "__main__":
    main()
