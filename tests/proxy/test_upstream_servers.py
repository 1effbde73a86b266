"""Which of a customer's servers is asked, and what the log says of them."""

import logging

import pytest

from gateway.policy.model import Server, Upstream
from gateway.proxy.circuit import LONGEST_PAUSE, OPENS_AT, checked
from gateway.proxy.upstream_servers import LiveUpstream


def live(count=3):
    servers = tuple(Server(f"suite-{number}.internal", 8443) for number in range(count))
    return LiveUpstream("nord", Upstream("https", "suite.internal", 443, "", None, "drop", servers=servers), 64)


async def test_equally_busy_servers_take_turns():
    upstream = live()
    chosen = []
    for _ in range(6):
        trial = upstream.choose(0.0)
        chosen.append(upstream.servers.index(trial.server))
        trial.abandoned()
    assert sorted(chosen) == [0, 0, 1, 1, 2, 2] and chosen[:3] == chosen[3:]


async def test_the_least_busy_is_asked():
    upstream = live()
    trials = [upstream.choose(0.0) for _ in range(9)]
    assert [server.busy for server in upstream.servers] == [3, 3, 3]
    for trial in trials:
        if trial.server is upstream.servers[1]:
            trial.abandoned()
    assert {id(upstream.choose(0.0).server) for _ in range(3)} == {id(upstream.servers[1])}


async def test_no_server_is_tried_twice():
    upstream = live()
    tried = []
    while trial := upstream.choose(0.0, tried):
        tried.append(trial.server)
    assert sorted(map(id, tried)) == sorted(map(id, upstream.servers))


@pytest.mark.parametrize("count", [1, 3])
async def test_one_request_finds_out_and_the_others_are_refused_meanwhile(count):
    upstream = live(count)
    for _ in range(OPENS_AT * count):
        upstream.choose(0.0).failed(0.0)
    assert upstream.choose(0.5) is None
    trials = [upstream.choose(LONGEST_PAUSE) for _ in range(count)]
    assert all(trial.probe for trial in trials) and len({id(trial.server) for trial in trials}) == count
    assert upstream.choose(LONGEST_PAUSE) is None
    trials[0].succeeded()
    assert upstream.choose(LONGEST_PAUSE).server is trials[0].server


async def test_the_log_says_which_server_and_no_address(caplog):
    caplog.set_level(logging.INFO)
    upstream = live(2)
    server = upstream.servers[1]
    for _ in range(OPENS_AT + 3):
        trial = upstream.choose(0.0, [upstream.servers[0]]) if server.circuit.failures < OPENS_AT else upstream.choose(99.0, [])
        trial.failed(0.0) if trial.server is server else trial.abandoned()
    server.judge(checked(server.circuit, False))
    server.judge(checked(server.circuit, True))
    assert [record.getMessage() for record in caplog.records] == [
        f"customer 'nord': server 2 of 2 is left alone after {OPENS_AT} failures in a row",
        "customer 'nord': server 2 of 2 fails its health check",
        "customer 'nord': server 2 of 2 answers again",
        "customer 'nord': server 2 of 2 passes its health check",
    ]


async def test_slots_are_given_back_once():
    upstream = live(1)
    await upstream.slots.acquire()
    trial = upstream.choose(0.0)
    trial.succeeded()
    trial.over()
    assert (upstream.servers[0].busy, upstream.slots._value) == (0, 64)
