"""Names and addresses: a resolver that is slow, silent, or of another mind than a minute ago."""

import asyncio
import socket
import threading

import pytest

from gateway.errors import Refused
from gateway.proxy import directory
from gateway.proxy.directory import MOST_ADDRESSES, MOST_LOOKUPS, Directory, look_up


class Resolver:
    """``answers``: name → addresses, or an exception. ``hold`` keeps every question waiting."""

    def __init__(self, **answers):
        self.answers, self.asked, self.hold = answers, [], threading.Event()
        self.hold.set()

    def __call__(self, name):
        self.asked.append(name)
        self.hold.wait(20)
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def at_once(monkeypatch):
    """No answer is fresh: what would take seconds is asked in the next line."""
    monkeypatch.setattr(directory, "FRESH", 0.0)
    monkeypatch.setattr(directory, "AGAIN", 0.0)


async def settled(names):
    async with asyncio.timeout(10):
        while names._asking:
            await asyncio.sleep(0.001)


NO_NAME = socket.gaierror(socket.EAI_NONAME, "x")
NOT_NOW = socket.gaierror(socket.EAI_AGAIN, "x")


async def test_an_answer_serves_for_a_while():
    resolver = Resolver(suite=("192.0.2.1",))
    names = Directory(resolver)
    assert [await names.addresses("suite") for _ in range(3)] == [("192.0.2.1",)] * 3
    assert resolver.asked == ["suite"]


async def test_changes_are_noticed(at_once):
    resolver = Resolver(suite=("192.0.2.1", "192.0.2.2"))
    names = Directory(resolver)
    await names.addresses("suite")
    resolver.answers["suite"] = ("192.0.2.2", "192.0.2.3")
    assert await names.addresses("suite") == ("192.0.2.2", "192.0.2.3")
    assert [names.holds("suite", f"192.0.2.{last}") for last in (1, 2, 3)] == [False, True, True]
    resolver.answers["suite"] = ("192.0.2.9",)
    names.refresh(["suite"])
    await settled(names)
    assert names.holds("suite", "192.0.2.9") and not names.holds("suite", "192.0.2.2")


@pytest.mark.parametrize("failure", [NO_NAME, OSError("x"), UnicodeError("x"), ()], ids=["no-name", "os", "unicode", "nothing"])
async def test_a_name_that_leads_nowhere_is_unreachable_and_forgotten(at_once, failure):
    resolver = Resolver(suite=("192.0.2.1",))
    names = Directory(resolver)
    await names.addresses("suite")
    resolver.answers["suite"] = failure
    with pytest.raises(Refused, match="upstream-unreachable"):
        await names.addresses("suite")
    assert not names.holds("suite", "192.0.2.1")


async def test_a_resolver_without_an_answer_leaves_the_last_one(at_once, monkeypatch):
    resolver = Resolver(suite=("192.0.2.1",))
    names = Directory(resolver)
    await names.addresses("suite")
    resolver.answers["suite"] = NOT_NOW
    assert await names.addresses("suite") == ("192.0.2.1",)
    monkeypatch.setattr(directory, "STALE", 0.0)
    with pytest.raises(Refused, match="upstream-unreachable"):
        await names.addresses("suite")


async def test_td6_a_silent_resolver_holds_up_a_request_for_a_bounded_time(monkeypatch):
    monkeypatch.setattr(directory, "LONGEST_LOOKUP", 0.02)
    resolver = Resolver(suite=("192.0.2.1",))
    resolver.hold.clear()
    names = Directory(resolver)
    for _ in range(3):
        with pytest.raises(Refused, match="upstream-timeout"):
            await names.addresses("suite")
    assert resolver.asked == ["suite"]  # one question, however many wait for its answer
    resolver.hold.set()
    await settled(names)
    assert await names.addresses("suite") == ("192.0.2.1",)


async def test_td7_a_silent_resolver_takes_a_bounded_number_of_threads(monkeypatch):
    monkeypatch.setattr(directory, "LONGEST_LOOKUP", 0.02)
    many = [f"suite-{number}" for number in range(3 * MOST_LOOKUPS)]
    resolver = Resolver(**dict.fromkeys(many, ("192.0.2.1",)))
    resolver.hold.clear()
    names = Directory(resolver)
    asked = await asyncio.gather(*(names.addresses(name) for name in many), return_exceptions=True)
    names.refresh(many)
    assert {str(answer) for answer in asked} == {"upstream-timeout"}
    assert len(resolver.asked) == MOST_LOOKUPS
    resolver.hold.set()
    await settled(names)


async def test_one_that_gives_up_waiting_does_not_take_the_answer_from_the_others():
    resolver = Resolver(suite=("192.0.2.1",))
    resolver.hold.clear()
    names = Directory(resolver)
    first, second = (asyncio.create_task(names.addresses("suite")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    resolver.hold.set()
    assert await second == ("192.0.2.1",)
    with pytest.raises(asyncio.CancelledError):
        await first


def test_an_answer_after_the_loop_has_ended_is_nobodys():
    resolver = Resolver(suite=("192.0.2.1",))
    resolver.hold.clear()
    names = Directory(resolver)

    async def ask():
        task = asyncio.create_task(names.addresses("suite"))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(ask())
    lookups = [thread for thread in threading.enumerate() if thread.name == "lookup"]
    resolver.hold.set()
    for thread in lookups:
        thread.join(10)  # an exception in a thread would be a warning, and warnings are errors


def test_the_systems_resolver(monkeypatch):
    assert "127.0.0.1" in look_up("localhost")
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{last}", 0)) for last in (1, 1, *range(2, 100))]
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [*found[:2], (socket.AF_INET6, 1, 6, "", ("fe80::1%eth0", 0, 0, 2)), *found[2:]]
    )
    assert look_up("suite.internal") == ("192.0.2.1", "fe80::1", *(f"192.0.2.{last}" for last in range(2, MOST_ADDRESSES)))
