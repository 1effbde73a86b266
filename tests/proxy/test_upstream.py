"""The pool against servers that behave, and servers that do not: raw sockets on both sides."""

import asyncio
import contextlib
import os
import socket
import ssl
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.errors import Refused
from gateway.policy.model import Certificates, Customer, CustomerKey, HealthCheck, Server, Upstream
from gateway.proxy import directory
from gateway.proxy.circuit import BUDGET_LEAST, BUDGET_SHARE, OPENS_AT
from gateway.proxy.dialing import Dialer
from gateway.proxy.directory import Directory
from gateway.proxy.upstream import Timeouts, UpstreamKey, UpstreamPool
from gateway.proxy.upstream_connection import Upload

HOST = [(b"Host", b"suite.internal")]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
QUICK = Timeouts(connect=1, answer=0.1, idle=0.1)


@pytest.fixture
async def pool():
    pool = UpstreamPool()
    yield pool
    pool.close()
    await asyncio.sleep(0.01)  # aborted transports tell their protocols in the next turn of the loop


def key(port, customer="stadtwerke_musterstadt", **more):
    fields = {"scheme": "http", "host": "127.0.0.1", "base_path": "", "ca": None, "authorization": "drop"}
    return UpstreamKey(customer, Upstream(port=port, **fields | more))


async def head_of(reader):
    return await reader.readuntil(b"\r\n\r\n")


def answering(*answers, seen=None):
    """A server that gives these answers on each connection, one per request, and then hangs up."""

    async def serve(reader, writer):
        for answer in answers:
            head = await head_of(reader)
            if seen is not None:
                seen.append(head)
            writer.write(answer)
            await writer.drain()

    return serve


async def get(pool, where, **options):
    response = await pool.request(where, options.pop("method", "GET"), b"/orders", HOST, options.pop("body", None), **options)
    return response.status, await response.read_all(1 << 20)


# --- requests as they leave ---


@pytest.mark.parametrize(
    ("method", "body", "framing"),
    [
        ("GET", None, b""),
        ("DELETE", None, b""),
        ("POST", None, b"Content-Length: 0\r\n"),
        ("POST", b"", b"Content-Length: 0\r\n"),
        ("PUT", b"abc", b"Content-Length: 3\r\n"),
    ],
)
async def test_a_request_has_one_canonical_form(pool, raw_server, method, body, framing):
    seen = []
    port = await raw_server(answering(OK, seen=seen))
    response = await pool.request(key(port), method, b"/a%2Fb?c=%20", [*HOST, (b"X-A", b"b")], body)
    assert await response.read_all(10) == b"ok"
    assert seen == [method.encode() + b" /a%2Fb?c=%20 HTTP/1.1\r\nHost: suite.internal\r\nX-A: b\r\n" + framing + b"\r\n"]


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET\r\nX: y", b"/", HOST),
        ("get", b"/", HOST),
        ("GET", b"/ HTTP/1.1\r\nX: y", HOST),
        ("GET", b"/a b", HOST),
        ("GET", b"/a#b", HOST),
        ("GET", b"/\xc3\xa4", HOST),
        ("GET", b"http://other/", HOST),
        ("GET", b"*", HOST),
        ("GET", b"", HOST),
        ("GET", b"/", []),
        ("GET", b"/", [*HOST, *HOST]),
        ("GET", b"/", [*HOST, (b"X", b"a\r\nY: b")]),
        ("GET", b"/", [*HOST, (b"X", b"a\nY: b")]),
        ("GET", b"/", [*HOST, (b"X", b"a\rb")]),
        ("GET", b"/", [*HOST, (b"X", b"a\x00b")]),
        ("GET", b"/", [*HOST, (b"X: a\r\nY", b"b")]),
        ("GET", b"/", [*HOST, (b"X\nY", b"b")]),
        ("GET", b"/", [*HOST, (b"X Y", b"b")]),
        ("GET", b"/", [*HOST, (b"", b"b")]),
        ("GET", b"/", [*HOST, (b"Content-Length", b"5")]),
        ("GET", b"/", [*HOST, (b"transfer-encoding", b"chunked")]),
        ("GET", b"/", [*HOST, (b"Connection", b"close")]),
        ("GET", b"/", [*HOST, (b"Upgrade", b"h2c")]),
        ("GET", b"/", [*HOST, (b"Expect", b"100-continue")]),
    ],
)
async def test_ts7_nothing_ends_a_line_early(pool, method, target, headers):
    with pytest.raises(Refused, match="malformed"):
        await pool.request(key(1), method, target, headers)


# --- keeping and not keeping connections ---


async def test_a_connection_carries_many_exchanges(pool):
    async def hello(request):
        return web.json_response({"path": request.path_qs, "body": (await request.read()).decode()})

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", hello)
    async with TestServer(app) as server:
        where = key(server.port)
        for number in range(20):
            response = await pool.request(where, "POST", b"/orders?n=%d" % number, HOST, b"x" * number)
            with response:
                assert await response.read_all(1000) == b'{"path": "/orders?n=%d", "body": "%s"}' % (number, b"x" * number)
        assert pool.opened == 1
        pool.close()


async def test_ts5_customers_never_share_a_connection(pool, raw_server):
    port = await raw_server(answering(OK, OK, OK))
    for customer in ("nord", "sued", "nord", "sued"):
        await get(pool, key(port, customer))
    assert pool.opened == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
)
async def test_a_connection_that_was_not_offered_is_not_kept(pool, raw_server, answer):
    port = await raw_server(answering(answer, answer))
    await get(pool, key(port))
    await get(pool, key(port))
    assert pool.opened == 2


async def test_ts6_bytes_that_nobody_asked_for_close_the_kept_connection(pool, raw_server):
    gone = asyncio.Event()

    async def serve(reader, writer):
        await head_of(reader)
        writer.write(OK)
        await writer.drain()
        await reply.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
        assert await reader.read() == b""
        gone.set()

    reply = asyncio.Event()
    port = await raw_server(serve)
    assert await get(pool, key(port)) == (200, b"ok")
    reply.set()
    await asyncio.wait_for(gone.wait(), 5)
    assert pool.waiting == 0


async def test_old_connections_are_swept(raw_server):
    port = await raw_server(answering(OK, OK))
    pool = UpstreamPool(kept_for=0.02)
    await get(pool, key(port))
    assert pool.waiting
    while pool.waiting:
        await asyncio.sleep(0.01)
    pool.close()


async def test_renew_drops_what_was_checked_against_older_trust(pool, raw_server):
    port = await raw_server(answering(OK, OK))
    await get(pool, key(port))
    pool.renew()
    await get(pool, key(port))
    assert pool.opened == 2


async def test_renew_closes_what_is_given_back_later(pool, raw_server):
    """An exchange that was under way at a reload ends with the connection that it had, and nobody gets it after that."""
    port = await raw_server(answering(OK, OK))
    response = await pool.request(key(port), "GET", b"/", HOST)
    pool.renew()
    assert await response.read_all(10) == b"ok"
    assert pool.waiting == 0
    await get(pool, key(port))
    assert pool.opened == 2


async def test_the_slow_suite_of_one_customer_holds_up_nobody_else(raw_server):
    release = asyncio.Event()

    async def serve(reader, writer):
        head = await head_of(reader)
        if b"slow" in head:
            await release.wait()
        writer.write(OK)
        await writer.drain()

    pool = UpstreamPool(per_upstream=1)
    port = await raw_server(serve)
    slow = asyncio.create_task(pool.request(key(port, "nord"), "GET", b"/slow", HOST))
    await asyncio.sleep(0.01)
    with pytest.raises(Refused, match="upstream-timeout"):
        await pool.request(key(port, "nord"), "GET", b"/", HOST, timeouts=Timeouts(connect=0.05))
    assert await get(pool, key(port, "sued")) == (200, b"ok")
    release.set()
    (await slow).release()
    assert await get(pool, key(port, "nord")) == (200, b"ok")
    pool.close()


# --- a kept connection that dies before an answer ---


def dying_second(seen):
    """Answers the first request of every connection, and hangs up on the second without a word."""

    async def serve(reader, writer):
        seen.append(await head_of(reader))
        writer.write(OK)
        await writer.drain()
        seen.append(await head_of(reader))

    return serve


async def test_h06_a_get_is_sent_again_once_and_says_so(pool, raw_server):
    seen = []
    port = await raw_server(dying_second(seen))
    assert await get(pool, key(port)) == (200, b"ok")
    response = await pool.request(key(port), "GET", b"/orders", HOST)
    assert (response.replayed, await response.read_all(10)) == (True, b"ok")
    assert len(seen) == 3 and pool.opened == 2


@pytest.mark.parametrize(("method", "body"), [("POST", b"x"), ("POST", None), ("PUT", b"x"), ("DELETE", None), ("GET", b"x")])
async def test_h06_nothing_else_is_ever_sent_twice(pool, raw_server, method, body):
    seen = []
    port = await raw_server(dying_second(seen))
    await get(pool, key(port))
    with pytest.raises(Refused, match="upstream-unreachable"):
        await pool.request(key(port), method, b"/orders", HOST, body)
    assert len(seen) == 2 and pool.opened == 1


async def hangs_up(reader, writer):
    await head_of(reader)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_h06_a_safe_request_that_a_new_connection_lost_is_sent_again(pool, raw_server, method):
    """With one server: a worker of it that died took the request along, and the next one answers."""
    seen = []

    async def serve(reader, writer):
        seen.append(await head_of(reader))
        if len(seen) > 1:
            writer.write(OK if method != "HEAD" else OK[:-2])
            await writer.drain()

    port = await raw_server(serve)
    response = await pool.request(key(port), method, b"/orders", HOST)
    assert (response.replayed, response.status, len(seen)) == (True, 200, 2)
    response.abort()


async def test_h06_no_request_leaves_more_than_twice(pool, raw_server):
    seen = []

    async def serve(reader, writer):
        seen.append(await head_of(reader))

    ports = [await raw_server(serve) for _ in range(3)]
    with pytest.raises(Refused, match="upstream-unreachable"):
        await get(pool, several(*ports))
    assert len(seen) == 2


async def test_h06_a_failing_upstream_is_not_hammered(pool, raw_server):
    """However many ask: a circuit that opens after five failures, all of one request's attempts counted."""
    seen = []
    port = await raw_server(answering(b"", seen=seen))
    reasons = []
    for _ in range(50):
        with pytest.raises(Refused) as refused:
            await get(pool, key(port))
        reasons.append(refused.value.reason)
    assert len(seen) == OPENS_AT
    assert reasons == ["upstream-unreachable"] * 3 + ["upstream-left-alone"] * 47


async def test_h06_what_is_sent_again_has_a_budget(pool, raw_server):
    """An upstream that loses every other connection sees three requests, or a fifth, more than were asked; not twice as many."""
    seen = []

    async def serve(reader, writer):
        seen.append(await head_of(reader))
        writer.write(CLOSING if len(seen) % 2 == 0 else b"")
        await writer.drain()

    port = await raw_server(serve)
    for _ in range(40):
        with contextlib.suppress(Refused):
            await get(pool, key(port))
    assert 40 + BUDGET_LEAST <= len(seen) <= 40 + 40 * BUDGET_SHARE


# --- several servers ---


def several(*ports, **more):
    return key(80, servers=tuple(Server("127.0.0.1", port) for port in ports), **more)


async def test_requests_are_shared_out(pool, raw_server):
    seen = [[], [], []]
    ports = [await raw_server(answering(*[OK] * 10, seen=each)) for each in seen]
    for _ in range(9):
        await get(pool, several(*ports))
    assert [len(each) for each in seen] == [3, 3, 3]
    assert pool.opened == 3


async def test_the_busy_one_is_left_in_peace(pool, raw_server):
    seen = [[], []]
    ports = [await raw_server(answering(*[OK] * 10, seen=each)) for each in seen]
    slow = await pool.request(several(*ports), "GET", b"/", HOST)
    for _ in range(4):
        await get(pool, several(*ports))
    assert sorted(len(each) for each in seen) == [1, 4]
    slow.release()


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("POST", b"x"), ("DELETE", None)])
async def test_a_request_that_could_not_be_sent_goes_elsewhere(pool, raw_server, unused_tcp_port, method, body):
    """Nothing of it has left, so it may be any: it is not sent twice."""
    seen = []
    port = await raw_server(answering(*[OK] * 10, seen=seen))
    where = several(unused_tcp_port, port)
    for _ in range(6):
        response = await pool.request(where, method, b"/", HOST, body)
        assert (await response.read_all(10), response.replayed) == (b"ok", False)
    assert len(seen) == 6


async def test_a_streamed_request_that_could_not_be_sent_is_whole_elsewhere(pool, raw_server, unused_tcp_port):
    received = []

    async def serve(reader, writer):
        await head_of(reader)
        received.append(await reader.readuntil(b"0\r\n\r\n"))
        writer.write(OK)
        await writer.drain()

    port = await raw_server(serve)
    for _ in range(2):
        assert await get(pool, several(unused_tcp_port, port), method="POST", body=upload(b"abc")) == (200, b"ok")
    assert received == [b"3\r\nabc\r\n0\r\n\r\n"] * 2


async def test_h06_a_safe_request_is_sent_again_elsewhere(pool, raw_server):
    lost, seen = [], []

    async def serve(reader, writer):
        lost.append(await head_of(reader))

    ports = [await raw_server(serve), await raw_server(answering(*[OK] * 10, seen=seen))]
    answers = [await pool.request(several(*ports), "GET", b"/", HOST) for _ in range(4)]
    assert sorted(answer.replayed for answer in answers) == [False] * 3 + [True]
    assert (len(lost), len(seen)) == (1, 4)  # once bitten: it is set aside
    for answer in answers:
        answer.abort()


@pytest.mark.parametrize(("method", "body"), [("POST", b"x"), ("POST", None), ("PUT", b"x"), ("DELETE", None), ("GET", b"x")])
async def test_h06_nothing_else_is_sent_again_elsewhere(pool, raw_server, method, body):
    seen = []

    async def serve(reader, writer):
        seen.append(await head_of(reader))

    where = several(await raw_server(serve), await raw_server(serve))
    with pytest.raises(Refused, match="upstream-unreachable"):
        await pool.request(where, method, b"/", HOST, body)
    assert len(seen) == 1


async def test_h06_part_of_an_answer_is_an_answer(pool, raw_server):
    """Who has said a byte has seen the request."""
    seen = []
    ports = [await raw_server(answering(b"HTTP/1.1 200", seen=seen)) for _ in range(2)]
    with pytest.raises(Refused, match="upstream-malformed"):
        await get(pool, several(*ports))
    assert len(seen) == 1


async def test_all_servers_are_down(pool, unused_tcp_port_factory):
    where = several(*(unused_tcp_port_factory() for _ in range(2)))
    for _ in range(OPENS_AT):
        with pytest.raises(Refused, match="upstream-unreachable"):
            await get(pool, where)
    with pytest.raises(Refused, match="upstream-left-alone"):
        await get(pool, where)


async def test_a_server_that_is_back_is_found(pool, raw_server, unused_tcp_port, monkeypatch):
    for _ in range(OPENS_AT):
        with pytest.raises(Refused, match="upstream-unreachable"):
            await get(pool, key(unused_tcp_port))
    await raw_server(answering(OK, OK), port=unused_tcp_port)
    with pytest.raises(Refused, match="upstream-left-alone"):
        await get(pool, key(unused_tcp_port))
    server = pool._live[key(unused_tcp_port)].servers[0]
    server.circuit = server.circuit._replace(until=0.0)  # its pause is over
    assert await get(pool, key(unused_tcp_port)) == (200, b"ok")


async def test_a_client_that_goes_away_says_nothing_about_a_server(pool, raw_server):
    port = await raw_server(silent)
    for _ in range(OPENS_AT + 1):
        task = asyncio.create_task(pool.request(key(port), "GET", b"/", HOST))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    server = pool._live[key(port)].servers[0]
    assert (server.busy, server.circuit.failures) == (0, 0)


async def test_ts5_a_circuit_is_its_customers_own(pool, raw_server):
    """One customer's user with a request that the application chokes on takes nothing from another customer."""
    port = await raw_server(chokes)
    for _ in range(OPENS_AT):
        with pytest.raises(Refused):
            await pool.request(key(port, "nord"), "POST", b"/choke", HOST, b"x")
    with pytest.raises(Refused, match="upstream-left-alone"):
        await pool.request(key(port, "nord"), "POST", b"/choke", HOST, b"x")
    assert await get(pool, key(port, "sued")) == (200, b"ok")


async def chokes(reader, writer):
    if b"choke" not in await head_of(reader):
        writer.write(OK)
        await writer.drain()


async def test_a_unix_socket(pool, raw_server, tmp_path):
    seen = []
    path = await raw_server(answering(OK, OK, seen=seen), path=str(tmp_path / "suite.sock"))
    where = key(80, host="localhost", servers=(Server("", 0, path),))
    assert [await get(pool, where) for _ in range(2)] == [(200, b"ok")] * 2
    assert (len(seen), pool.opened) == (2, 1)


# --- names that lead elsewhere ---


@pytest.fixture
def named():
    """A pool whose resolver says what ``named.address`` is, each time it is asked."""
    answers = {"suite.localhost": ("127.0.0.1",)}
    pool = UpstreamPool(dialer=Dialer(directory=Directory(lambda name: answers[name])), kept_for=0.05)
    pool.answers = answers
    yield pool
    pool.close()


async def test_idle_connections_to_an_old_address_end(named, raw_server, monkeypatch):
    """Nobody asks for anything meanwhile: the pool finds out by itself."""
    monkeypatch.setattr(directory, "AGAIN", 0.0)
    named._kept_for = 60.0
    port = await raw_server(answering(OK, OK))
    await get(named, key(port, host="suite.localhost"))
    named.answers["suite.localhost"] = ("127.0.0.2",)
    named._sweep()  # asks
    async with asyncio.timeout(10):
        while named.waiting:
            await asyncio.sleep(0.001)
            named._sweep()  # hears


async def test_a_connection_that_is_never_idle_is_not_kept_for_ever_either(named, raw_server):
    port = await raw_server(answering(OK, OK))
    response = await named.request(key(port, host="suite.localhost"), "GET", b"/", HOST)
    named.answers["suite.localhost"] = ("127.0.0.2",)
    named.dialer.directory._known.clear()
    await response.read_all(10)
    assert named.waiting == 0


def test_an_old_address_is_left_within_thirty_seconds():
    """From the change to the question, to its answer, to the sweep that hears it."""
    pool = UpstreamPool()
    assert directory.AGAIN + pool._kept_for + directory.LONGEST_LOOKUP + pool._kept_for <= 30


# --- health checks ---


async def test_checks_begin_and_end_with_the_policies(pool, raw_server):
    seen = []

    async def serve(reader, writer):
        seen.append(await head_of(reader))
        writer.write(b"HTTP/1.1 503 Not Ready\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    where = key(await raw_server(serve), health=HealthCheck("/healthz", 1))
    customer = Customer("nord", "suite", where.upstream, (), Certificates(None), CustomerKey(), {}, Path("nord.yaml"))
    pool.renew([customer])
    live = pool._live[UpstreamKey.of(customer)]
    async with asyncio.timeout(10):
        while not live.servers[0].circuit.unwell:
            await asyncio.sleep(0.001)
    (checks,) = pool._checks
    pool.renew()
    await asyncio.wait([checks])
    assert checks.cancelled() and not pool._checks and seen[0].startswith(b"GET /healthz ")


# --- failures ---


@pytest.mark.parametrize(
    ("transcript", "reason"),
    [
        (b"", "upstream-unreachable"),
        (b"HTTP/1.1 200", "upstream-malformed"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "upstream-malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", "upstream-malformed"),
        (b"HTTP/1.1 103 Early\r\n\r\n" * 20 + OK, "upstream-malformed"),
        (OK + b"more", "upstream-malformed"),
    ],
)
async def test_ts6_no_answer_or_a_bad_one(pool, raw_server, transcript, reason):
    port = await raw_server(answering(transcript))
    with pytest.raises(Refused, match=reason):
        await get(pool, key(port))
    assert not pool.waiting


@pytest.mark.parametrize(
    "transcript",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
    ],
)
async def test_a_body_that_breaks_off_is_never_complete(pool, raw_server, transcript):
    port = await raw_server(answering(transcript))
    with pytest.raises(Refused, match="upstream-malformed"):
        await get(pool, key(port))
    assert not pool.waiting


async def test_a_body_that_turns_bad_midway(pool, raw_server):
    async def serve(reader, writer):
        await head_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
        await began.wait()
        writer.write(b"zz\r\n")
        await writer.drain()

    began = asyncio.Event()
    response = await pool.request(key(await raw_server(serve)), "GET", b"/", HOST)
    chunks = response.chunks()
    assert await anext(chunks) == b"ok"
    began.set()
    with pytest.raises(Refused, match="upstream-malformed"):
        await anext(chunks)


async def test_an_answer_that_ends_with_its_connection(pool, raw_server):
    port = await raw_server(answering(b"HTTP/1.1 200 OK\r\n\r\nok"))
    assert await get(pool, key(port)) == (200, b"ok")
    assert not pool.waiting


async def test_head_leaves_a_usable_connection(pool, raw_server):
    port = await raw_server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", OK))
    assert await get(pool, key(port), method="HEAD") == (200, b"")
    assert await get(pool, key(port)) == (200, b"ok")
    assert pool.opened == 1


async def silent(reader, writer):
    await reader.read()


async def half(reader, writer):
    await head_of(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok")
    await reader.read()


async def dripping(reader, writer):
    """Interim answers for ever: each one alone would be in time."""
    await head_of(reader)
    while True:
        writer.write(b"HTTP/1.1 103 Early\r\nX: " if not dripping.begun else b"x")
        dripping.begun = True
        await asyncio.sleep(0.02)


async def dribbling(reader, writer):
    """A body whose bytes each come in time."""
    await head_of(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.02)


async def extending(reader, writer):
    """A chunk's extension for ever: bytes come, and none of them is of the body (T-D3)."""
    await head_of(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;")
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("serve", [silent, half, dripping, dribbling, extending])
async def test_td6_deadlines(pool, raw_server, serve):
    dripping.begun = False
    port = await raw_server(serve)
    with pytest.raises(Refused, match="upstream-timeout"):
        await get(pool, key(port), timeouts=QUICK)
    assert not pool.waiting


@pytest.mark.parametrize("host", ["127.0.0.1", "does-not-exist.invalid", "a..b", "x" * 300])
async def test_unreachable(pool, host, unused_tcp_port):
    with pytest.raises(Refused, match="upstream-unreachable"):
        await get(pool, key(unused_tcp_port, host=host))


@pytest.mark.parametrize("announced", [True, False])
async def test_too_large(pool, raw_server, announced):
    length = b"Content-Length: 100\r\n\r\n" if announced else b"Transfer-Encoding: chunked\r\n\r\n64\r\n"
    port = await raw_server(answering(b"HTTP/1.1 200 OK\r\n" + length + b"x" * 100 + (b"" if announced else b"\r\n0\r\n\r\n")))
    response = await pool.request(key(port), "GET", b"/", HOST)
    with pytest.raises(Refused, match="upstream-too-large"):
        await response.read_all(99)


# --- streams ---


async def pieces(*values):
    for value in values:
        if isinstance(value, Exception):
            raise value
        yield value


def upload(*values, length=None):
    return Upload(pieces(*values), length)


async def test_a_streamed_request(pool, raw_server):
    received = []

    async def serve(reader, writer):
        await head_of(reader)
        received.append(await reader.readuntil(b"0\r\n\r\n"))
        writer.write(OK)
        await reader.read()

    port = await raw_server(serve)
    assert await get(pool, key(port), method="POST", body=upload(b"abc", b"", b"de")) == (200, b"ok")
    assert received == [b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"]
    assert pool.waiting


async def test_a_broken_off_request_never_counts_as_complete(pool, raw_server):
    received = asyncio.get_running_loop().create_future()

    async def serve(reader, writer):
        await head_of(reader)
        data = b""
        try:
            while more := await reader.read(1000):
                data += more
        finally:
            received.set_result(data)

    port = await raw_server(serve)
    with pytest.raises(Refused, match="body-too-large"):
        await get(pool, key(port), method="POST", body=upload(b"abc", Refused("body-too-large")))
    assert not (await received).endswith(b"0\r\n\r\n")
    assert not pool.waiting


async def test_a_streamed_request_keeps_the_length_that_was_promised(pool, raw_server):
    """Many applications (WSGI, CGI) read no chunks."""
    received = []

    async def serve(reader, writer):
        received.append([*(await head_of(reader)).split(b"\r\n")[2:-2], await reader.readexactly(5)])
        writer.write(OK)
        await reader.read()

    port = await raw_server(serve)
    assert await get(pool, key(port), method="POST", body=upload(b"abc", b"", b"de", length=5)) == (200, b"ok")
    assert received == [[b"Content-Length: 5", b"abcde"]]
    assert pool.waiting


@pytest.mark.parametrize("values", [(b"abc", b"d"), (b"abc", b"def"), (b"abcdef",), ()], ids=len)
async def test_ts1_more_or_less_than_was_promised_is_broken_off(pool, raw_server, values):
    """More would be the next request; less would wait for it."""
    received = asyncio.get_running_loop().create_future()

    async def serve(reader, writer):
        await head_of(reader)
        data = b""
        try:
            while more := await reader.read(1000):
                data += more
        finally:
            received.set_result(data)

    port = await raw_server(serve)
    with pytest.raises(Refused, match="request-framing"):
        await get(pool, key(port), method="POST", body=upload(*values, length=5))
    assert len(await received) < 5
    assert not pool.waiting


async def test_ts4_an_early_answer_ends_the_request_and_the_connection(pool, raw_server):
    asked, closed = 0, False

    async def endless():
        nonlocal asked, closed
        try:
            while True:
                asked += 1
                yield b"x" * 10_000
                await asyncio.sleep(0)
        finally:
            closed = True

    async def serve(reader, writer):
        await head_of(reader)
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)

    port = await raw_server(serve)
    assert await get(pool, key(port), method="POST", body=Upload(endless())) == (413, b"")
    assert asked > 0 and closed and not pool.waiting


async def test_an_upstream_that_stops_reading_is_noticed(pool, raw_server):
    async def endless():
        while True:
            yield b"x" * 100_000

    async def serve(reader, writer):
        await asyncio.sleep(5)

    port = await raw_server(serve, limit=1000)
    with pytest.raises(Refused, match="upstream-timeout"):
        await get(pool, key(port), method="POST", body=Upload(endless()), timeouts=QUICK)


async def test_a_slow_reader_makes_the_upstream_wait(pool, raw_server):
    sent = 0

    async def serve(reader, writer):
        nonlocal sent
        await head_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(500):
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 100_000

    port = await raw_server(serve)
    response = await pool.request(key(port), "GET", b"/", HOST)
    before = -1
    while before != sent:  # until the upstream no longer gets on
        before = sent
        await asyncio.sleep(0.05)
    assert sent < 50_000_000
    assert response._parser.buffered < 2_000_000
    total = 0
    async for chunk in response.chunks():
        total += len(chunk)
    assert total == 50_000_000
    assert pool.waiting


async def test_abort_midway_and_release_unread(pool, raw_server):
    port = await raw_server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n" + b"x" * 20, b""))
    for end in ("abort", "release"):
        response = await pool.request(key(port), "GET", b"/", HOST)
        getattr(response, end)()
        assert not pool.waiting
        with pytest.raises(RuntimeError):
            await response.read_all(100)


async def test_cancelled_exchanges_leave_nothing_behind(raw_server):
    pool = UpstreamPool(per_upstream=1)
    port = await raw_server(silent)
    for _ in range(3):
        task = asyncio.create_task(pool.request(key(port), "GET", b"/", HOST))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not pool.waiting and not pool._live[key(port)].slots.locked()
    pool.close()


# --- TLS ---


@pytest.fixture
async def secure(new_authority, raw_server):
    authority = new_authority("suite")
    own = authority.issue("server", names=["localhost"], server=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate, own.key)
    return authority, await raw_server(answering(OK), ssl=context)


async def test_an_upstream_is_verified_against_its_authority(pool, secure):
    authority, port = secure
    assert await get(pool, key(port, scheme="https", host="localhost", ca=authority.file)) == (200, b"ok")


async def test_a_foreign_name_foreign_authority_or_missing_file_is_unreachable(pool, secure, new_authority, tmp_path):
    authority, port = secure
    for where in (
        key(port, scheme="https", host="127.0.0.1", ca=authority.file),
        key(port, scheme="https", host="localhost", ca=new_authority("other").file),
        key(port, scheme="https", host="localhost"),
        key(port, scheme="https", host="localhost", ca=tmp_path / "missing.pem"),
    ):
        with pytest.raises(Refused, match="upstream-unreachable"):
            await get(pool, where)


async def test_a_cut_never_passes_for_the_end_of_an_answer(pool, new_authority, raw_server):
    """An answer without a length ends with the connection; over TLS only close_notify says so, a bare FIN says nothing."""
    authority = new_authority("suite")
    own = authority.issue("server", names=["localhost"], server=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate, own.key)
    done = asyncio.Event()

    async def serve(reader, writer):
        head = await head_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nok")
        await writer.drain()
        if b"/cut" in head:
            with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as below:
                below.shutdown(socket.SHUT_WR)
            await done.wait()

    port = await raw_server(serve, ssl=context)
    where = key(port, scheme="https", host="localhost", ca=authority.file)
    assert await get(pool, where) == (200, b"ok")
    response = await pool.request(where, "GET", b"/cut", HOST)
    with pytest.raises(Refused, match="upstream-malformed"):
        await response.read_all(10)
    done.set()
