"""A link over connections that come and go: what waits, what is asked again, and what is not."""

import asyncio

import msgspec
import pytest

from gateway.errors import Unavailable
from gateway.link import Link
from gateway.wire import Callee, Connection

SECRET = b"s" * 32

pytestmark = pytest.mark.both_loops


async def _echo(_: Connection, body: msgspec.Raw):
    return msgspec.msgpack.decode(body)


@pytest.fixture
def waiting_verbs():
    """``hold`` answers when ``go_on`` is set; ``asked`` says what was taken up."""
    go_on, asked = asyncio.Event(), []

    async def hold(_: Connection, body: msgspec.Raw):
        asked.append(msgspec.msgpack.decode(body))
        await go_on.wait()
        return asked[-1]

    return {"hold": hold, "echo": _echo}, go_on, asked


async def test_who_leaves_answers_what_was_asked_and_the_rest_is_asked_of_the_next(tmp_path, waiting_verbs):
    verbs, go_on, asked = waiting_verbs
    lost = []
    old, new = Callee(SECRET, verbs, lost.append), Callee(SECRET, {"echo": _echo})
    await old.listen(tmp_path / "x.sock")
    link = Link(tmp_path / "x.sock", SECRET, unavailable="vault-unavailable", patience=30)
    try:
        taken_up = asyncio.create_task(link.call("hold", 1))
        while not asked:
            await asyncio.sleep(0.001)
        next(iter(old.connections)).begun.add("an exchange")
        leaving = asyncio.create_task(old.drain(30))
        crossing = [asyncio.create_task(link.call("echo", n)) for n in range(50)]  # before the goodbye is read
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in (taken_up, leaving, *crossing))
        await new.listen(tmp_path / "x.sock")
        assert [msgspec.msgpack.decode(answer) for answer in await asyncio.gather(*crossing)] == list(range(50))
        go_on.set()
        assert msgspec.msgpack.decode(await taken_up) == 1
        await leaving
        assert lost == []  # the peer lives, and goes on elsewhere with what it began
    finally:
        link.close()
        await old.close()
        await new.close()


async def test_who_leaves_waits_only_so_long(tmp_path, waiting_verbs):
    verbs, _, asked = waiting_verbs
    callee = Callee(SECRET, verbs)
    await callee.listen(tmp_path / "x.sock")
    link = Link(tmp_path / "x.sock", SECRET, unavailable="vault-unavailable")
    call = asyncio.create_task(link.call("hold", 1))
    while not asked:
        await asyncio.sleep(0.001)
    await callee.drain(0.05)
    with pytest.raises(Unavailable):
        await call
    link.close()


async def test_after_a_loss_calls_wait_and_what_was_on_its_way_is_not_repeated(tmp_path, waiting_verbs):
    verbs, _, asked = waiting_verbs
    killed, again = Callee(SECRET, verbs), Callee(SECRET, verbs)
    await killed.listen(tmp_path / "x.sock")
    link = Link(tmp_path / "x.sock", SECRET, unavailable="vault-unavailable", patience=30)
    on_its_way = asyncio.create_task(link.call("hold", 1))
    while not asked:
        await asyncio.sleep(0.001)
    await killed.close()
    with pytest.raises(Unavailable):
        await on_its_way
    waiting = asyncio.create_task(link.call("echo", 2))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await again.listen(tmp_path / "x.sock")
    assert msgspec.msgpack.decode(await waiting) == 2
    assert asked == [1]
    link.close()
    await again.close()
