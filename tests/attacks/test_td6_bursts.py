"""A customer that sends all at once, or whose application hangs: its own requests wait and are told so, and nobody else's notice."""

import asyncio
import contextlib

import pytest
from aiohttp import web

from gateway.proxy.admission import Admission, Shares
from tests.cli.conftest import CUSTOMER, folder, made  # noqa: F401 - fixtures
from tests.proxy.crossing import crossing

DOCUMENTS = "/orders/4711/documents"
NEIGHBOURS = ("energie_nord", "netze_sued")


@pytest.fixture
async def here(folder):  # noqa: F811
    async with crossing(folder) as it:
        yield it


class Held:
    """An application that answers when it is told to. ``arrived`` counts what it was asked."""

    def __init__(self):
        self.free, self.arrived = asyncio.Event(), asyncio.Semaphore(0)

    async def __call__(self, request):
        self.arrived.release()
        await self.free.wait()
        return web.Response(body=b"%PDF", content_type="application/pdf")

    async def has(self, count):
        async with asyncio.timeout(20):
            for _ in range(count):
                await self.arrived.acquire()


def shared(here, **shares):
    here.worker.gateway._admission = admission = Admission(Shares(**shares))
    return admission


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.mark.trap(
    "T-D6", "A customer's burst waits in a line of its own, of a length that is bounded; what comes on top is 503 with Retry-After."
)
@pytest.mark.trap("A-01", "What waits for its turn has cost no password's check yet, and what is turned away never does.")
async def test_td6_a_burst_waits_behind_itself_and_is_told(here):
    admission = shared(here, each=2, waiting=3, patience=60)
    here.answer = held = Held()
    under_way = [asyncio.create_task(here.ask("GET", DOCUMENTS)) for _ in range(2)]
    await held.has(2)
    waiting = [asyncio.create_task(here.ask("GET", DOCUMENTS)) for _ in range(3)]
    await until(lambda: len(admission._waiting.get(CUSTOMER, ())) == 3)
    opened = here.vault.calls.count("open_session")
    told = [await here.ask("GET", DOCUMENTS, password="geraten") for _ in range(4)]
    assert [(each.status, each.headers["retry-after"]) for each in told] == [(503, "60")] * 4
    assert here.vault.calls.count("open_session") == opened and len(here.received) == 2
    held.free.set()
    assert {(await each).status for each in (*under_way, *waiting)} == {200}
    events = await here.ended(9)
    assert sorted(event["reason"] for event in events if event.get("reason")) == ["customer-busy"] * 4
    assert not admission._total


@pytest.mark.trap("T-D6", "A worker that two customers have filled serves a third at once: its share is certain.")
async def test_td6_neighbours_who_fill_the_worker_starve_nobody(here):
    admission = shared(here, each=6, total=12, certain=2)
    turns = [admission.enter(neighbour) for neighbour in NEIGHBOURS for _ in range(6)]
    assert all(turns) and not any(admission.enter(neighbour) for neighbour in NEIGHBOURS)
    here.answer = held = Held()
    held.free.set()
    assert {(await here.ask("GET", DOCUMENTS)).status for _ in range(20)} == {200}
    assert admission._total == 12 and not admission._waiting


async def test_an_answer_that_streams_is_no_exchange_under_way(here):
    """Server-sent events of a whole office must not be the reason why nothing else of it gets in."""
    admission = shared(here, each=1, certain=1, waiting=0)
    free = asyncio.Event()

    async def streaming(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        await free.wait()
        return response

    here.answer = streaming
    lines = []
    for _ in range(3):
        reader, writer = await here.connect()
        writer.write(here.head("GET", DOCUMENTS, "maria", None, {}).encode())
        await reader.readuntil(b"data: 1\n\n")
        lines.append((reader, writer))
    assert not admission._total
    free.set()
    for reader, writer in lines:
        await reader.read()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    assert [event["status"] for event in await here.ended(3)] == [200] * 3


async def test_whoever_leaves_while_he_waits_is_not_asked_for_upstream(here):
    admission = shared(here, each=1, certain=1, waiting=5, patience=60)
    here.answer = held = Held()
    first = asyncio.create_task(here.ask("GET", DOCUMENTS))
    await held.has(1)
    _, writer = await here.connect()
    writer.write(here.head("GET", DOCUMENTS, "maria", None, {}).encode())
    await until(lambda: admission._waiting)
    writer.transport.abort()
    await until(lambda: len(here.worker.server._live) == 1)
    held.free.set()
    assert (await first).status == 200
    events = await here.ended(2)
    assert {event.get("reason", "") for event in events} == {"", "client-gone"} and len(here.received) == 1
    assert not admission._total
