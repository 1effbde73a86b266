"""The load against the backend, over plain TCP: it counts what was answered, and is patient with nothing."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.backend import PAGE_LENGTH, serve
from benchmarks.load import Load, Place, WrongAnswer

ORDER = b'{"household":{"name":"Max Mustermann"}}'
POST = b"POST /nord/orders HTTP/1.1\r\nHost: suite\r\nContent-Length: %d\r\n\r\n" % len(ORDER) + ORDER
GET = b"GET /nord/orders HTTP/1.1\r\nHost: suite\r\n\r\n"


async def answers(requests: bytes, status: int, enough: int) -> int:
    server = await serve()
    load = Load(lambda: requests, status)
    try:
        await load.connect(Place("127.0.0.1", server.sockets[0].getsockname()[1]), 4)
        load.begin()
        while load.answered < enough:
            await load.go_on(0.01)
        return load.answered
    finally:
        load.end()
        server.close()


@pytest.mark.parametrize(("requests", "status"), [(POST, 201), (GET, 200)])
async def test_every_answer_is_counted_and_followed_by_the_next_request(requests: bytes, status: int) -> None:
    assert await answers(requests, status, 200) >= 200


async def test_a_wrong_status_ends_the_run() -> None:
    with pytest.raises(WrongAnswer, match="status line"):
        await answers(GET, 201, 1)


BAD = {
    "bytes after the answer": (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxx", "nobody asked for"),
    "no readable length": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "readable length"),
    "closed in the middle": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nxx", "closed"),
}


@pytest.mark.parametrize(("answer", "complaint"), BAD.values(), ids=BAD)
async def test_bad_framing_ends_the_run(answer: bytes, complaint: str) -> None:
    async def behave_badly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(behave_badly, "127.0.0.1", 0) as server:
        load = Load(lambda: GET, 200)
        await load.connect(Place("127.0.0.1", server.sockets[0].getsockname()[1]), 1)
        load.begin()
        with pytest.raises(WrongAnswer, match=complaint):
            await load.go_on(10)
        load.end()


async def test_the_page_holds_the_first_orders_as_they_arrived() -> None:
    server = await serve()
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(POST * (PAGE_LENGTH + 1) + GET)
    for _ in range(PAGE_LENGTH + 1):
        await reader.readuntil(b'1c11"}')
    assert (await reader.readuntil(b"null}")).count(ORDER) == PAGE_LENGTH
    writer.close()
    server.close()
