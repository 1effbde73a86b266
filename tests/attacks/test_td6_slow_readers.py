"""A client that asks for much and reads nothing: it holds a connection, an answer in memory and a place at the suite, and not for ever."""

import asyncio
import contextlib
import socket

import pytest
from aiohttp import web

from gateway.proxy.server import GatewayServer

MUCH = bytes(1 << 20)
GET = b"GET / HTTP/1.1\r\nHost: gateway.example\r\n\r\n"


async def whole(request):
    return web.Response(body=MUCH * 16)


async def streamed(request):
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(MUCH)


@contextlib.asynccontextmanager
async def serving(handler, **settings):
    ended, told, loop = asyncio.Queue(), [], asyncio.get_running_loop()

    async def watched(request):
        try:
            return await handler(request)
        except ConnectionError:
            ended.put_nowait("handler")
            raise

    class Forgetting(GatewayServer):
        def forget(self, connection):
            super().forget(connection)
            ended.put_nowait("connection")

    server = Forgetting(watched, on_malformed=lambda reason, address: told.append(reason), **settings)
    listening = await loop.create_server(server, "127.0.0.1", 0)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    await loop.sock_connect(client, listening.sockets[0].getsockname())
    with client:
        yield client, ended, told
    listening.close()
    await server.shutdown(0.0)


@pytest.mark.trap("T-D6", "A client that takes nothing of its answer is cut.")
@pytest.mark.both_loops
@pytest.mark.parametrize("handler", [whole, streamed])
async def test_td6_whoever_reads_nothing_is_cut(handler):
    async with serving(handler, write_deadline=0.1) as (client, ended, told):
        await asyncio.get_running_loop().sock_sendall(client, GET)
        async with asyncio.timeout(20):
            while await ended.get() != "connection":
                pass
        assert told == ["client-gone"]


@pytest.mark.trap("T-D6", "A client that reads slowly, but reads, gets the whole of its answer however long that takes.")
@pytest.mark.both_loops
async def test_whoever_reads_slowly_is_served():
    """Each pause is shorter than the deadline, all of them together are longer: counted is a standstill, not the whole."""
    loop = asyncio.get_running_loop()
    async with serving(whole, write_deadline=1.5) as (client, _, told):
        await loop.sock_sendall(client, GET)
        size = 0
        async with asyncio.timeout(20):
            while size < 16 * len(MUCH):
                piece = await loop.sock_recv(client, 1 << 16)
                assert piece, "cut"  # a socket at its end never waits, so that no deadline would end this loop
                if (size + len(piece)) // len(MUCH) > size // len(MUCH):
                    await asyncio.sleep(0.1)
                size += len(piece)
        assert told == []


@pytest.mark.trap("T-D2", "Requests that are pipelined behind a slow one are left in the socket.")
async def test_td2_requests_behind_a_slow_one_wait_outside():
    """What is pipelined behind a request that takes its time is left in the socket, not parsed into memory."""
    free = asyncio.Event()
    begun = []

    async def slow(request):
        begun.append(request.path)
        await free.wait()
        return web.Response()

    async with serving(slow) as (client, _, told):
        loop = asyncio.get_running_loop()
        flood = GET.replace(b"gateway.example", b"gateway.example\r\nX-Padding: " + b"x" * 4000) * 10_000
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await loop.sock_sendall(client, flood)
        assert begun == ["/"] and told == []
        free.set()
