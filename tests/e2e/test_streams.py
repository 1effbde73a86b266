"""Routes that are passed, as transcripts over real sockets: what goes in at one end comes out at the other, while it comes.

The worker runs in this process; client and application are bare sockets.
"""

import asyncio
import contextlib
import hashlib

import pytest

from tests.cli.conftest import folder, made  # noqa: F401 - fixtures
from tests.proxy.crossing import crossing

ROUTES = """
  POST /files:       {roles: [dispatcher], request: pass, response: pass}
  PUT /files/{name}: {roles: [dispatcher], request: pass}
  GET /files/{name}: {roles: [dispatcher], response: pass}
"""
MIB = 1 << 20
LARGE = 96 * MIB  # more than all buffers of sockets together hold
END = b"0\r\n\r\n"
DONE = b"HTTP/1.1 204 No Content\r\n\r\n"


class Application:
    """``script(reader, writer, head)`` for each request; ``heads`` are those that came."""

    def __init__(self):
        self.heads, self.script, self.failed = [], None, None

    async def serve(self, reader, writer):
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    self.heads.append(head)
                    await self.script(reader, writer, head)
                    await writer.drain()
        finally:
            writer.close()

    def header(self, name, at=-1):
        lines = self.heads[at].decode("latin-1").split("\r\n")[1:]
        return [line.partition(": ")[2] for line in lines if line.lower().startswith(name.lower() + ":")]


@pytest.fixture
async def application():
    return Application()


@pytest.fixture
async def here(folder, application, monkeypatch):  # noqa: F811
    monkeypatch.setattr("gateway.proxy.server.LINGER", 0.2)
    policy = folder.path / "policies" / "planning_suite.yaml"
    policy.write_text(policy.read_text().replace("\nlimits:", ROUTES + "\nlimits:"))
    async with crossing(folder, application.serve) as it:
        yield it


@contextlib.asynccontextmanager
async def client(here):
    reader, writer = await here.connect()
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def asking(here, first, *, body=b"", **headers):
    method, target = first.split(" ")
    lines = {"Connection": "keep-alive", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return here.head(method, target, "maria", None, lines).encode() + body


async def answer_of(reader, *, until=b"\r\n\r\n"):
    async with asyncio.timeout(20):
        return await reader.readuntil(until)


def chunked(body):
    return b"%x\r\n%b\r\n" % (len(body), body)


# -- uploads


async def reading(reader, head):
    """The body of a request as an application reads it: whole, or IncompleteReadError."""
    if b"transfer-encoding: chunked" not in head.lower():
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return await reader.readexactly(length)
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    assert await reader.readexactly(2) == b"\r\n"
    return body


@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_an_upload_arrives_framed_as_it_was_sent(here, application, framing):
    got = []

    async def script(reader, writer, head):
        got.append(await reading(reader, head))
        writer.write(DONE)

    application.script = script
    body = b"%PDF-1.7" * 1000
    async with client(here) as (reader, writer):
        if framing == "length":
            writer.write(asking(here, "PUT /files/a", Content_Length=str(len(body)), Content_Encoding="x-own, gzip", body=body))
        else:
            sent = chunked(body[:10]) + chunked(body[10:]) + b"0\r\nX-Sum: 1\r\n\r\n"
            writer.write(
                asking(here, "PUT /files/a", Transfer_Encoding="chunked", Trailer="X-Sum", Content_Encoding="x-own, gzip", body=sent)
            )
        assert (await answer_of(reader)).startswith(b"HTTP/1.1 204 No Content\r\n")
    assert got == [body]
    assert application.header("content-length") == ([str(len(body))] if framing == "length" else [])
    assert application.header("content-encoding") == ["x-own, gzip"]  # not looked into, so not judged
    assert application.header("trailer") == application.header("x-sum") == []  # H-02: by rule, docs/policy.md


@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_an_upload_of_any_size_waits_for_its_reader(here, application, framing):
    """B-07, T-D1: nothing of it stays here. While the application reads nothing, the client cannot send."""
    go, came = asyncio.Event(), hashlib.sha256()

    async def script(reader, writer, head):
        await go.wait()
        if framing == "length":
            left = LARGE
            while left:
                piece = await reader.read(min(left, MIB))
                left -= len(piece)
                came.update(piece)
        else:
            while size := int(await reader.readline(), 16):
                came.update((await reader.readexactly(size + 2))[:-2])
            await reader.readexactly(2)
        writer.write(DONE)

    application.script = script
    block = bytes(range(256)) * 256
    async with client(here) as (reader, writer):
        headers = {"Content_Length": str(LARGE)} if framing == "length" else {"Transfer_Encoding": "chunked"}
        writer.write(asking(here, "PUT /files/a", **headers))
        sent, wanted = 0, hashlib.sha256()

        async def send():
            nonlocal sent
            while sent < LARGE:
                writer.write(block if framing == "length" else chunked(block))
                await writer.drain()
                wanted.update(block)
                sent += len(block)
            if framing == "chunks":
                writer.write(END)

        sending = asyncio.create_task(send())
        before = -1
        while before != sent:  # until the client no longer gets on
            before = sent
            await asyncio.sleep(0.2)
        assert 0 < sent < LARGE / 2
        go.set()
        assert (await answer_of(reader)).startswith(b"HTTP/1.1 204")
        await sending
    assert came.digest() == wanted.digest()


@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_ts4_an_upload_that_breaks_off_never_counts_as_complete(here, application, framing):
    begun, ended = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def script(reader, writer, head):
        begun.set()
        try:
            await reading(reader, head)
        except (asyncio.IncompleteReadError, ConnectionError, ValueError) as error:
            ended.set_result(type(error))
            raise ConnectionError from error
        ended.set_result("complete")

    application.script = script
    async with client(here) as (_, writer):
        headers = {"Content_Length": "10000"} if framing == "length" else {"Transfer_Encoding": "chunked"}
        body = b"x" * 5000 if framing == "length" else chunked(b"x" * 5000)
        writer.write(asking(here, "PUT /files/a", body=body, **headers))
        await begun.wait()
    assert await asyncio.wait_for(ended, 20) != "complete"
    (event,) = await here.ended()
    assert (event["kind"], event["reason"]) in {("end", "client-gone"), ("end", "request-framing")}


async def test_ts4_an_early_answer_is_the_answer_and_the_last(here, application):
    async def script(_, writer, head):
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nContent-Type: text/plain\r\n\r\nmuch")

    application.script = script
    async with client(here) as (reader, writer):
        writer.write(asking(here, "POST /files", Content_Length=str(LARGE), body=b"x" * 1000))
        await answer_of(reader)
        writer.write(b"x" * 1000)  # what is still on its way
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        async with asyncio.timeout(20):
            assert await reader.readexactly(4) == b"much"
            assert await reader.read() == b""
    assert len(application.heads) == 1


async def test_ts4_a_streamed_body_is_invited_after_the_decision(here, application):
    async def script(reader, writer, head):
        await reading(reader, head)
        writer.write(DONE)

    application.script = script
    async with client(here) as (reader, writer):
        writer.write(asking(here, "PUT /files/a", Content_Length="3", Expect="100-continue"))
        assert await answer_of(reader) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert (await answer_of(reader)).startswith(b"HTTP/1.1 204")
        writer.write(asking(here, "PUT /elsewhere/a", Content_Length="3", Expect="100-continue"))
        assert (await answer_of(reader)).startswith(b"HTTP/1.1 404")
    assert len(application.heads) == 1 and application.header("expect") == []


# -- downloads


async def test_a_download_waits_for_its_reader(here, application):
    sent = 0

    async def script(_, writer, head):
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
        while sent < LARGE:
            writer.write(bytes(MIB))
            await writer.drain()
            sent += MIB

    application.script = script
    async with client(here) as (reader, writer):
        writer.write(asking(here, "GET /files/a"))
        assert b"\r\nContent-Length: %d\r\n" % LARGE in await answer_of(reader)
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.2)
        assert 0 < sent < LARGE / 2
        got = 0
        while got < LARGE:
            got += len(await reader.read(MIB))
    assert got == LARGE


async def test_b07_events_arrive_while_the_next_ones_are_still_to_come(here, application):
    heard = asyncio.Semaphore(0)

    async def script(_, writer, head):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(3):
            await heard.acquire()
            writer.write(chunked(b"data: %d\n\n" % number))
        writer.write(END)

    application.script = script
    async with client(here) as (reader, writer):
        writer.write(asking(here, "GET /files/a", Accept="text/event-stream"))
        assert b"text/event-stream" in await answer_of(reader)  # before there is any event
        for number in range(3):
            heard.release()
            assert (await answer_of(reader, until=b"\n\n")).endswith(b"data: %d\n\n" % number)


PART = b'HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-4/9\r\nContent-Length: 3\r\nETag: "v7"\r\n\r\nabc'


async def test_parts_and_conditions_are_between_client_and_application(here, application):
    async def script(_, writer, head):
        writer.write(PART)

    application.script = script
    conditions = {
        "Range": "bytes=2-4",
        "If_Range": '"v7"',
        "If_Modified_Since": "Wed, 25 Nov 2026 08:00:00 GMT",
        "If_None_Match": 'W/"v6", "v5"',
    }
    async with client(here) as (reader, writer):
        writer.write(asking(here, "GET /files/a", Accept_Encoding="br;q=1, x-own", **conditions))
        head = await answer_of(reader)
        assert await reader.readexactly(3) == b"abc"
    assert head.startswith(b"HTTP/1.1 206 ")
    for line in (b"Content-Range: bytes 2-4/9", b"Content-Length: 3", b'ETag: "v7"'):
        assert b"\r\n" + line + b"\r\n" in head
    assert {name: application.header(name.replace("_", "-")) for name in conditions} == {
        name: [value] for name, value in conditions.items()
    }
    assert application.header("accept-encoding") == ["br;q=1, x-own"]


ANSWERS = {
    "a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
        b"3\r\nabc\r\n0\r\n\r\n",
    ),
    "no body": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "not modified": (b'HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\nETag: "v7"\r\n\r\n', b""),
    "empty": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    "empty chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"),
    "interim": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
    "coded": (b"HTTP/1.1 200 OK\r\nContent-Encoding: x-own\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x00", b"\x1f\x8b\x00"),
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_tb3_answers_are_framed_truly_and_the_connection_stays_in_step(here, application, case):
    """Pipelined: what comes behind an answer must be the next one's head."""
    answer, wanted = ANSWERS[case]

    async def script(_, writer, head):
        writer.write(answer.split(b"\r\n\r\n")[-2] + b"\r\n\r\n" if head.startswith(b"HEAD") and case == "a length" else answer)

    application.script = script
    async with client(here) as (reader, writer):
        writer.write(asking(here, "GET /files/a") + asking(here, "GET /files/b") + asking(here, "GET /orders/nothing/at/all"))
        for _ in range(2):
            head = await answer_of(reader)
            assert await reader.readexactly(len(wanted)) == wanted
            assert b"X-Sum" not in head and b"Connection: close" not in head
            assert (b"Transfer-Encoding: chunked" in head) == wanted.endswith(END)
            assert (b"Content-Encoding: x-own" in head) == (case == "coded")
        assert (await answer_of(reader)).startswith(b"HTTP/1.1 404")
    assert [head.split(b" ")[1] for head in application.heads] == [b"/musterstadt/files/a", b"/musterstadt/files/b"]


@pytest.mark.parametrize("length", [b"Content-Length: 500\r\n", b"Transfer-Encoding: chunked\r\n", b""])
async def test_tb3_head_says_what_get_would_say_and_has_no_body(here, application, length):
    async def script(_, writer, head):
        writer.write(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n")

    application.script = script
    async with client(here) as (reader, writer):
        for _ in range(2):
            writer.write(asking(here, "HEAD /files/a"))
            head = await answer_of(reader)
            assert head.startswith(b"HTTP/1.1 200")
            assert (b"\r\nContent-Length: 500\r\n" in head) == (b"500" in length)
            assert b"chunked" not in head


# -- versions and ends of connections


@pytest.mark.parametrize(
    ("line", "connection", "stays"),
    [
        ("HTTP/1.1", "keep-alive", True),
        ("HTTP/1.1", "close", False),
        ("HTTP/1.0", "keep-alive", True),
        ("HTTP/1.0", "close", False),
        ("HTTP/1.0", None, False),
    ],
)
async def test_connections_stay_or_end_as_the_client_asked(here, application, line, connection, stays):
    async def script(_, writer, head):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")

    application.script = script
    async with client(here) as (reader, writer):
        request = asking(here, "GET /files/a", Connection=connection).replace(b" HTTP/1.1", b" " + line.encode())
        for _ in range(2 if stays else 1):
            writer.write(request)
            head = await answer_of(reader)
            assert head.startswith(line.encode() + b" 200 ") and await reader.readexactly(3) == b"abc"
        if not stays:
            async with asyncio.timeout(20):
                assert await reader.read() == b""


@pytest.mark.parametrize("whole", [True, False])
async def test_an_http_1_0_client_gets_chunks_as_a_body_that_ends_with_the_connection(here, application, whole):
    """And one that breaks off ends with a reset: the client has no other way to tell."""

    async def script(_, writer, head):
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"abc"))
        if not whole:
            raise ConnectionError
        writer.write(END)

    application.script = script
    async with client(here) as (reader, writer):
        writer.write(asking(here, "GET /files/a").replace(b" HTTP/1.1", b" HTTP/1.0"))
        head = await answer_of(reader)
        assert head.startswith(b"HTTP/1.0 200 ") and b"chunked" not in head and b"keep-alive" not in head.lower()
        assert await reader.readexactly(3) == b"abc"
        async with asyncio.timeout(20):
            if whole:
                assert await reader.read() == b""
            else:
                with pytest.raises(ConnectionError):
                    await reader.read()


async def test_cookies_of_several_lines_stay_several(here, application):
    async def script(_, writer, head):
        cookies = b"".join(b"Set-Cookie: %b\r\n" % line for line in (b"a=1; Domain=suite.internal", b"b=2; Path=/", b"a=3"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + cookies + b"\r\n")

    application.script = script
    async with client(here) as (reader, writer):
        writer.write(asking(here, "GET /files/a", Cookie="b=2; a=1"))
        head = await answer_of(reader)
    assert [line for line in head.split(b"\r\n") if line.startswith(b"Set-Cookie")] == [
        b"Set-Cookie: a=1; Secure", b"Set-Cookie: b=2; Path=/; Secure", b"Set-Cookie: a=3; Secure",
    ]  # fmt: skip
    assert application.header("cookie") == ["b=2; a=1"]
