"""Two hundred clients that send or read slowly: who does neither is served by just as much work, and each of them is cut in its time.

Counted, never timed: what the loop is told of, and what the vault and the application are asked for.
"""

import asyncio
import collections
import contextlib
import socket

import pytest
from aiohttp import web

from gateway.proxy import bodies, server, tls_transport
from gateway.proxy.rate import Pace
from tests.cli.conftest import folder, made  # noqa: F401 - fixtures
from tests.proxy.crossing import HOST, crossing

#: More than may be under way of one customer: all of them hold the same certificate as the client that is good.
HEADS, BODIES, READERS = 60, 80, 60
GOOD = 10
ORDER = b'{"meter_number": "1ESY1160123456", "household": {"name": "Max Mustermann"}}'
PIECE = bytes(1 << 20)


@pytest.fixture
async def here(folder, monkeypatch):  # noqa: F811
    async with crossing(folder) as it:
        yield it


class Work:
    """Of the worker: pieces that it was told of, by layer."""

    def __init__(self, here, monkeypatch):
        self.here, self.count = here, collections.Counter()
        for layer in (tls_transport.TlsLayer, server.Connection):
            self._watch(layer, monkeypatch)

    def _watch(self, layer, monkeypatch):
        real = layer.data_received

        def counted(it, data):
            self.count[layer.__name__] += 1
            return real(it, data)

        monkeypatch.setattr(layer, "data_received", counted)

    async def of_a_good_client(self):
        """On one connection, so many orders one after the other."""
        here = self.here
        reader, writer = await here.connect()
        lines = {"Content-Type": "application/json", "Content-Length": str(len(ORDER)), "Connection": "keep-alive"}
        request = here.head("POST", "/orders", "maria", None, lines).encode() + ORDER
        for _ in range(2):  # the first opens the session, and reads what comes behind a handshake
            await self._order(reader, writer, request)
        self.count.clear()
        asked = len(here.vault.calls), len(here.received)
        for _ in range(GOOD):
            await self._order(reader, writer, request)
        await here.worker.gateway.drained()
        writer.transport.abort()
        return dict(self.count), len(here.vault.calls) - asked[0], len(here.received) - asked[1]

    async def _order(self, reader, writer, request):
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 201 ")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))


async def slow(here, sent, count):
    """So many clients that have sent this, and do not read."""
    lines = []
    for _ in range(count):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", here.port))
        reader, writer = await asyncio.open_connection(sock=sock, ssl=here.context, server_hostname=HOST)
        reader._limit = 1  # the stream stops reading from its transport as soon as there is anything
        writer.write(sent)
        lines.append((reader, writer))
    return lines


async def endless(request):
    """As much as is taken."""
    response = web.StreamResponse(headers={"Content-Type": "application/pdf"})
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(PIECE)
    return response


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.trap(
    "T-D6", "200 clients with slow heads, slow bodies and slow reading change nothing for one that is good, of the same customer."
)
async def test_td6_a_good_client_costs_the_same_while_two_hundred_are_slow(here, monkeypatch):
    work = Work(here, monkeypatch)
    alone = await work.of_a_good_client()
    assert alone[0]["TlsLayer"] == alone[2] == GOOD
    head = here.head("POST", "/orders", "maria", None, {"Content-Type": "application/json", "Content-Length": "1000"}).encode()
    lines = await slow(here, head[: len(head) // 2], HEADS)
    lines += await slow(here, head + b'{"notes": ', BODIES)
    await until(lambda: here.worker.server.requests_count >= BODIES + GOOD + 2)
    here.answer = endless
    lines += await slow(here, here.head("GET", "/orders/4711/documents", "maria", None, {}).encode(), READERS)
    await until(lambda: sum(line._write_timer is not None for line in here.worker.server._live) == READERS)
    here.answer = None
    await until(lambda: not here.worker.gateway._admission._total)
    assert len(here.worker.server._live) == HEADS + BODIES + READERS
    assert await work.of_a_good_client() == alone
    for _, writer in lines:
        writer.transport.abort()
    await until(lambda: not here.worker.server._live)


@pytest.mark.trap("T-D6", "Each kind of slow client is cut by the deadline of its phase, and the reason is recorded.")
@pytest.mark.parametrize("kind", ["slow head", "slow body", "slow reader"])
async def test_td6_each_kind_is_cut_with_its_reason(here, monkeypatch, kind):
    gateway, worker = here.worker.server, here.worker
    head = here.head("POST", "/orders", "maria", None, {"Content-Type": "application/json", "Content-Length": "1000"}).encode()
    if kind == "slow head":
        gateway.head_deadline = 0.05
        ((reader, writer),) = await slow(here, head[:50], 1)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        assert worker._closed == {("127.0.0.1", "request-timeout"): 1}
    elif kind == "slow body":
        monkeypatch.setattr(bodies, "REQUEST_BODY", Pace(first=0.05, most=0.05, slowest=1000))
        ((reader, writer),) = await slow(here, head + b"{", 1)
        assert await reader.read(13) == b"HTTP/1.1 400 "
        assert [event["reason"] for event in await here.ended()] == ["request-timeout"]
    else:
        gateway.write_deadline = 0.05
        here.answer = endless
        ((_, writer),) = await slow(here, here.head("GET", "/orders/4711/documents", "maria", None, {}).encode(), 1)
        assert [event["reason"] for event in await here.ended()] == ["client-gone"]
        assert worker._closed == {("127.0.0.1", "client-gone"): 1}
    writer.transport.abort()
    assert not worker.gateway._admission._total


@pytest.mark.trap(
    "T-D3", "A chunk extension without end is no sign of life: its bytes are none of the body, and the body's deadline ends it."
)
async def test_td3_an_extension_without_end_is_cut(here, monkeypatch):
    monkeypatch.setattr(bodies, "REQUEST_BODY", Pace(first=0.2, most=0.2, slowest=1000))
    head = here.head("POST", "/orders", "maria", None, {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}).encode()
    ((reader, writer),) = await slow(here, head + b"5;a=", 1)

    async def extending():
        while True:
            writer.write(b"x" * 100)
            await asyncio.sleep(0.005)

    sending = asyncio.create_task(extending())
    assert await reader.read(13) == b"HTTP/1.1 400 "
    sending.cancel()
    writer.transport.abort()
    assert [event["reason"] for event in await here.ended()] == ["request-timeout"]
    assert not here.received and not here.worker.gateway._admission._total
