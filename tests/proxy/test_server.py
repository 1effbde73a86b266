"""The server from raw sockets: what it answers, says of itself, logs and cuts when requests are not what they should be."""

import asyncio
import contextlib
import json
import logging

import pytest
from aiohttp import web

from gateway.errors import Refused
from gateway.proxy.answers import refusal
from gateway.proxy.server import GatewayServer, check_framing, peer_of

GET = b"GET /orders HTTP/1.1\r\nHost: gateway.example\r\n\r\n"
EXCHANGE = "3f0c0a52-0000-4000-8000-000000000000"


class Edge:
    """A server on a free port with a handler that does what the real one does first."""

    def __init__(self, handler=None, **options):
        self.reached, self.malformed = [], []
        self.server = GatewayServer(handler or self.handle, on_malformed=lambda *told: self.malformed.append(told), **options)

    async def handle(self, request):
        try:
            check_framing(request)
        except Refused as refused:
            return refusal(refused.reason, EXCHANGE)
        self.reached.append((request.method, request.raw_path, peer_of(request).address))
        return web.Response(body=await request.read())

    async def __aenter__(self):
        self.listening = await asyncio.get_running_loop().create_server(self.server, "127.0.0.1", 0)
        self.port = self.listening.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc):
        self.listening.close()
        await self.server.shutdown(0)
        await self.listening.wait_closed()

    async def say(self, data):
        """Send, and return everything that comes until the server hangs up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        answer = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(5):
                while more := await reader.read(65536):
                    answer += more
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return answer


def closing(data):
    return data.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)


async def test_a_request_arrives_and_the_answer_shows_no_banner():
    async with Edge() as edge:
        answer = await edge.say(closing(GET))
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\nServer: gateway\r\n" in answer
        assert b"aiohttp" not in answer and b"Python" not in answer
        assert edge.reached == [("GET", "/orders", "127.0.0.1")]


BAD = {
    "not HTTP": b"\x16\x03\x01Mustermann\r\n\r\n",
    "HTTP/2 preface (T-D8)": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/2.0 (H-01)": b"GET /Mustermann HTTP/2.0\r\nHost: a\r\nConnection: close\r\n\r\n",
    "HTTP/0.9 (H-01)": b"GET /Mustermann HTTP/0.9\r\nHost: a\r\nConnection: close\r\n\r\n",
    "no version": b"GET /Mustermann\r\n\r\n",
    "lower-case method": b"get /Mustermann HTTP/1.1\r\nHost: a\r\n\r\n",
    "unknown method": b"MUSTERMANN / HTTP/1.1\r\nHost: a\r\n\r\n",
    "absolute form (H-03)": b"GET http://Mustermann/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "CONNECT (T-S5)": b"CONNECT mustermann:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    "OPTIONS * (H-03)": b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: Mustermann\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
    "a list of lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\nab",
    "CL and TE": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "gzip, chunked (H-02)": b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked on 1.0 (H-02)": b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "obs-fold": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n Mustermann\r\n\r\n",
    "bare LF": b"GET / HTTP/1.1\nHost: Mustermann\n\n",
    "bare LF in the head": b"GET / HTTP/1.1\r\nHost: a\nX: Mustermann\r\n\r\n",
    "blank before the colon": b"GET / HTTP/1.1\r\nHost : Mustermann\r\n\r\n",
    "NUL": b"GET / HTTP/1.1\r\nHost: a\r\nX: Muster\x00mann\r\n\r\n",
    "a name with brackets": b"GET / HTTP/1.1\r\nHost: a\r\nX(Mustermann): a\r\n\r\n",
    "bytes that are not UTF-8 (N-02)": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: Muster\xffmann\r\n\r\n",
    "a long header": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"Mustermann" * 2000 + b"\r\n\r\n",
    "a long target": b"GET /" + b"Mustermann" * 2000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "200 headers (T-D2)": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: Mustermann\r\n" * 200 + b"\r\n",
    "Upgrade (T-S5)": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: mustermann\r\n\r\n",
    "a PROXY line": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + GET,
}


@pytest.mark.parametrize("name", BAD)
async def test_h04_a_bad_request_gets_a_fixed_answer_and_leaves_no_trace_of_itself(caplog, name):
    with caplog.at_level(logging.DEBUG):
        async with Edge() as edge:
            answer = await edge.say(BAD[name])
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert b"Content-Type: application/problem+json" in head and b"Server: gateway" in head and b"aiohttp" not in head
    document = json.loads(body)
    assert (document["status"], document["type"]) == (400, "urn:pii-gateway:problem:malformed-request")
    assert document["instance"].startswith("urn:uuid:")
    assert edge.reached == []
    for text in (answer, caplog.text.encode(), repr(edge.malformed).encode()):
        assert b"muster" not in text.lower()
    assert "Traceback" not in caplog.text
    assert all(reason in ("request-malformed", "request-framing", "header-malformed") for reason, _ in edge.malformed)


@pytest.mark.parametrize("name", ["not HTTP", "two lengths", "obs-fold", "a long header"])
async def test_h04_what_the_handler_never_saw_is_reported(name):
    async with Edge() as edge:
        await edge.say(BAD[name])
        assert [address for _, address in edge.malformed] == ["127.0.0.1"]


@pytest.mark.parametrize(
    "name", ["two lengths", "gzip, chunked (H-02)", "chunked on 1.0 (H-02)", "Upgrade (T-S5)", "two Hosts", "OPTIONS * (H-03)"]
)
async def test_a_bad_request_ends_its_connection(name):
    """Behind it may stand what an attacker wants to be read as a request of its own."""
    async with Edge() as edge:
        answer = await edge.say(BAD[name].replace(b"Connection: close\r\n", b"") + GET)
        assert answer.count(b"HTTP/1.") == 1
        assert edge.reached == []


class _Surprise(Exception):
    pass


@pytest.mark.parametrize(
    ("raised", "status", "problem"),
    [
        (_Surprise("Max Mustermann"), 503, "temporarily-unavailable"),
        (TimeoutError("Max Mustermann"), 503, "temporarily-unavailable"),
        (web.HTTPRequestEntityTooLarge(max_size=1, actual_size=2), 413, "body-too-large"),
    ],
)
async def test_what_escapes_a_handler_says_nothing(caplog, raised, status, problem):
    async def handler(request):
        raise raised

    with caplog.at_level(logging.DEBUG):
        async with Edge(handler) as edge:
            answer = await edge.say(closing(GET))
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["type"].endswith(problem)
    assert b"Muster" not in answer and "Muster" not in caplog.text and "Traceback" not in caplog.text


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_a_begun_answer_that_fails_never_counts_as_complete(version):
    async def handler(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"Stadtwerke")
        raise _Surprise

    async with Edge(handler) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(GET.replace(b"1.1", version))
        with pytest.raises(ConnectionResetError):  # not an end of file, which 1.0 clients take for the end of the answer
            while await reader.read(100):
                pass
        writer.close()


async def test_a_handler_that_broke_the_connection_off_is_not_answered_for():
    async def handler(request):
        request.transport.abort()
        raise ConnectionResetError

    async with Edge(handler) as edge:
        assert await edge.say(GET) == b""
        assert edge.malformed == []


@pytest.mark.parametrize("begun", [b"G", b"GET / HTTP/1.1\r\nHost: a\r\n", GET + b"GET / HT"])
async def test_td6_a_head_has_a_deadline(begun):
    async with Edge(head_deadline=0.1, keep_alive=0.3) as edge:
        late = asyncio.create_task(edge.say(begun))
        assert (await edge.say(closing(GET))).startswith(b"HTTP/1.1 200")  # a good client is still served
        assert (await late).count(b"HTTP/1.1 200") == begun.count(b"\r\n\r\n")
        # Half a head behind a whole one is cut with the silent ones, and is not worth a word.
        assert edge.malformed == ([] if begun.startswith(GET) else [("request-timeout", "127.0.0.1")])


async def test_td6_a_dripped_head_is_cut_at_its_deadline_not_at_its_last_drip():
    async with Edge(head_deadline=0.15) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        with contextlib.suppress(ConnectionError):
            for byte in b"GET /" + b"a" * 1000:
                writer.write(bytes([byte]))
                await writer.drain()
                if reader.at_eof():
                    break
                await asyncio.sleep(0.01)
        assert edge.malformed == [("request-timeout", "127.0.0.1")]
        writer.close()


async def test_td6_a_silent_connection_is_closed_after_a_while():
    async with Edge(keep_alive=0.1) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()


async def test_a_slow_body_is_no_late_head():
    async with Edge(head_deadline=0.1) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        for _ in range(2):
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
            for byte in b"abcd":
                await asyncio.sleep(0.05)
                writer.write(bytes([byte]))
            assert (await reader.readuntil(b"abcd")).startswith(b"HTTP/1.1 200")
        assert edge.malformed == []
        writer.close()


async def test_pipelined_requests_are_answered_in_turn():
    async with Edge() as edge:
        answer = await edge.say(GET * 40 + closing(GET))
        assert answer.count(b"HTTP/1.1 200 OK") == 41
        assert len(edge.reached) == 41


async def test_shutdown_finishes_what_was_begun_and_closes_what_is_idle():
    began, go_on = asyncio.Event(), asyncio.Event()

    async def handler(request):
        began.set()
        body = await request.read()
        await go_on.wait()
        return web.Response(body=body)

    async with Edge(handler) as edge:
        idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", edge.port)
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
        await began.wait()
        ending = asyncio.create_task(edge.server.shutdown(5))
        assert await idle_reader.read() == b""
        writer.write(b"cd")  # the rest of a body that was under way is still read
        go_on.set()
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"abcd") and b"Connection: close" in answer
        await ending
        writer.close()
        idle_writer.close()


async def test_shutdown_cuts_what_does_not_end():
    async def handler(request):
        await asyncio.sleep(60)

    async with Edge(handler) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(GET)
        await asyncio.sleep(0.02)
        await edge.server.shutdown(0.01)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()


async def test_draining_without_haste_answers_once_more_and_says_so():
    """Where another process serves already: a connection that is kept gets an answer that tells it to go on elsewhere."""
    async with Edge() as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        silent_reader, silent_writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(GET)
        assert b"Connection" not in await reader.readuntil(b"\r\n\r\n")
        edge.server.drain(0.3)
        writer.write(GET)
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200") and b"\r\nConnection: close\r\n" in answer
        assert await silent_reader.read() == b""
        await edge.server.shutdown(5)
        for end in (writer, silent_writer):
            end.close()


async def test_a_streamed_answer_that_begins_while_draining_says_so_too():
    began, go_on = asyncio.Event(), asyncio.Event()

    async def handler(request):
        began.set()
        await go_on.wait()
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"ab")
        await response.write_eof()
        return response

    async with Edge(handler) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(GET)
        await began.wait()
        edge.server.drain()
        go_on.set()
        assert b"\r\nConnection: close\r\n" in await reader.read()
        writer.close()


async def test_a_stream_that_began_before_ends_its_connection_when_it_is_whole():
    began, go_on = asyncio.Event(), asyncio.Event()

    async def handler(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"ab")
        began.set()
        await go_on.wait()
        await response.write_eof(b"cd")
        return response

    async with Edge(handler) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(GET)
        await began.wait()
        ending = asyncio.create_task(edge.server.shutdown(30))
        go_on.set()
        assert (await reader.read()).endswith(b"2\r\ncd\r\n0\r\n\r\n")
        await ending
        writer.close()


async def test_a_head_of_which_a_part_has_come_is_waited_for():
    async with Edge() as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(GET[:20])
        await asyncio.sleep(0.02)
        ending = asyncio.create_task(edge.server.shutdown(30))
        await asyncio.sleep(0.02)
        writer.write(GET[20:])
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        await ending
        writer.close()


async def test_cutting_breaks_off_what_was_begun():
    began = asyncio.Event()

    async def handler(request):
        began.set()
        await asyncio.sleep(60)

    async with Edge(handler) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(GET)
        await began.wait()
        ending = asyncio.create_task(edge.server.shutdown(60))
        await asyncio.sleep(0)
        edge.server.cut()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        await asyncio.wait_for(ending, 30)
        writer.close()
