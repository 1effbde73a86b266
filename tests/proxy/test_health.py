"""Health checks: what is asked, what counts as well, and what becomes of it."""

import asyncio

import pytest

from gateway.policy.model import HealthCheck, Server, Upstream
from gateway.proxy import health
from gateway.proxy.circuit import CLOSED, OPENS_AT
from gateway.proxy.dialing import Dialer
from gateway.proxy.health import is_well, keep_checking
from gateway.proxy.upstream_servers import LiveUpstream

UPSTREAM = Upstream("http", "suite.localhost", 8080, "/nord", None, "forward", client_cert=True)
CHECK = HealthCheck("/healthz?deep=1", 10)


def answering(answer, seen=None):
    async def serve(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        if seen is not None:
            seen.append(head)
        writer.write(answer)
        await writer.drain()

    return serve


def status(line):
    return b"HTTP/1.1 %b\r\nContent-Length: 2\r\n\r\nok" % line


ANSWERS = [
    (status(b"200 OK"), True),
    (status(b"204 No Content").replace(b"2\r\n\r\nok", b"0\r\n\r\n"), True),
    (status(b"302 Found"), True),
    (status(b"404 Not Found"), False),
    (status(b"503 Service Unavailable"), False),
    (b"HTTP/1.1 103 Early Hints\r\n\r\n" + status(b"200 OK"), True),
    (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", False),
    (b"SSH-2.0-OpenSSH\r\n", False),
    (b"", False),
]


@pytest.mark.parametrize(("answer", "well"), ANSWERS)
async def test_what_counts_as_well(raw_server, answer, well):
    port = await raw_server(answering(answer))
    assert await is_well(Dialer(), UPSTREAM, Server("127.0.0.1", port), CHECK) is well


async def test_nothing_of_a_client_is_in_it(raw_server):
    """The whole request: no user, no password, no token, no certificate, and not the base path."""
    seen = []
    port = await raw_server(answering(status(b"200 OK"), seen))
    await is_well(Dialer(), UPSTREAM, Server("127.0.0.1", port), CHECK)
    assert seen == [
        b"GET /healthz?deep=1 HTTP/1.1\r\nHost: suite.localhost:8080\r\nUser-Agent: pii-gateway-health\r\nAccept: */*\r\n\r\n",
    ]


async def test_td6_a_silent_server_is_unwell_in_time(raw_server, monkeypatch):
    monkeypatch.setattr(health, "LONGEST", 0.05)

    async def silent(reader, writer):
        await reader.read()

    port = await raw_server(silent)
    assert not await is_well(Dialer(), UPSTREAM, Server("127.0.0.1", port), CHECK)


async def test_nobody_there(unused_tcp_port):
    assert not await is_well(Dialer(), UPSTREAM, Server("127.0.0.1", unused_tcp_port), CHECK)


def two(port, other):
    return LiveUpstream("nord", Upstream("http", "localhost", 80, "", None, "drop", servers=(Server("127.0.0.1", port), other)), 64)


async def until(true):
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.001)


async def test_the_unwell_are_left_out_and_the_open_closed(raw_server, unused_tcp_port):
    port = await raw_server(answering(status(b"200 OK")))
    live = two(port, Server("127.0.0.1", unused_tcp_port))
    for _ in range(OPENS_AT):
        live.choose(0.0, [live.servers[1]]).failed(0.0)
    task = asyncio.create_task(keep_checking(live, HealthCheck("/", 1), Dialer()))
    await until(lambda: live.servers[1].circuit.unwell)
    assert live.servers[0].circuit == CLOSED
    assert {id(live.choose(0.0).server) for _ in range(4)} == {id(live.servers[0])}
    task.cancel()


async def test_an_unforeseen_failure_ends_no_checks(caplog, monkeypatch):
    live, calls = two(1, Server("127.0.0.1", 2)), []

    async def broken(*_):
        calls.append(1)
        if len(calls) < 3:
            raise RuntimeError("geheim")
        return True

    monkeypatch.setattr(health, "is_well", broken)
    task = asyncio.create_task(keep_checking(live, HealthCheck("/", 0), Dialer()))
    await until(lambda: len(calls) > 6)
    task.cancel()
    assert "a health check failed: RuntimeError" in caplog.text and "geheim" not in caplog.text
