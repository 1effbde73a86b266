"""The sockets between our processes: who may speak, what an error becomes, and that waiting calls share a frame."""

import asyncio
import secrets

import msgspec
import pytest

from gateway import wire
from gateway.errors import Refused, SessionEnded, Unavailable
from gateway.link import Link
from gateway.wire import Callee, Connection

SECRET = b"s" * 32


pytestmark = pytest.mark.both_loops


async def _echo(_: Connection, body: msgspec.Raw):
    return msgspec.msgpack.decode(body)


def _raising(error):
    async def verb(_: Connection, body: msgspec.Raw):
        raise error

    return verb


@pytest.fixture
async def callee(tmp_path):
    verbs = {
        "echo": _echo,
        "refuse": _raising(Refused("throttled", retry_after=7)),
        "unavailable": _raising(Unavailable("audit-unavailable")),
        "ended": _raising(SessionEnded()),
        "break": _raising(ValueError("Max Mustermann")),
    }
    callee = Callee(SECRET, verbs)
    await callee.listen(tmp_path / "run" / "x.sock")
    yield callee
    await callee.close()


@pytest.fixture
async def link(callee, tmp_path):
    link = Link(tmp_path / "run" / "x.sock", SECRET, unavailable="vault-unavailable")
    yield link
    link.close()
    await asyncio.sleep(0)


@pytest.mark.parametrize("value", [None, "ä", b"\x00\xff", [1, ["x", None]], "x" * 3_000_000])
async def test_a_value_comes_back_as_it_went(link, value):
    assert msgspec.msgpack.decode(await link.call("echo", value)) == value


async def test_calls_of_one_loop_turn_travel_in_one_frame(link, monkeypatch):
    await link.call("echo", 0)
    frames = []
    written = wire._encode
    monkeypatch.setattr(wire, "_encode", lambda entry: frames.append(entry) or written(entry))
    answers = await asyncio.gather(*(link.call("echo", n) for n in range(100)))
    assert [msgspec.msgpack.decode(answer) for answer in answers] == list(range(100))
    assert [len(entry) for entry in frames if isinstance(entry, list) and entry and isinstance(entry[0], wire.Call)] == [100]


async def test_what_the_other_side_raised_is_raised_here(link, caplog):
    with pytest.raises(Refused) as refused:
        await link.call("refuse", None)
    assert (refused.value.reason, refused.value.retry_after) == ("throttled", 7)
    with pytest.raises(Unavailable) as unavailable:
        await link.call("unavailable", None)
    assert unavailable.value.reason == "audit-unavailable"
    with pytest.raises(SessionEnded):
        await link.call("ended", None)
    for verb in ("break", "no-such-verb"):
        with pytest.raises(Unavailable) as internal:
            await link.call(verb, None)
        assert internal.value.reason == "internal"
    assert "Mustermann" not in caplog.text


async def test_without_the_secret_nobody_speaks(callee, tmp_path, caplog):
    stranger = Link(tmp_path / "run" / "x.sock", secrets.token_bytes(32), unavailable="cipher-unavailable")
    with pytest.raises(Unavailable):
        await stranger.call("echo", 1)
    stranger.close()


async def test_a_callee_without_the_secret_is_not_believed(tmp_path):
    impostor = Callee(b"other" * 8, {"echo": _echo})
    await impostor.listen(tmp_path / "i.sock")
    link = Link(tmp_path / "i.sock", SECRET, unavailable="vault-unavailable")
    with pytest.raises(Unavailable):
        await link.call("echo", "the password")
    await impostor.close()


async def test_loss_fails_what_waits_and_the_next_call_connects_again(tmp_path):
    path = tmp_path / "x.sock"
    begun = asyncio.Event()

    async def hang(_: Connection, body: msgspec.Raw):
        begun.set()
        await asyncio.Event().wait()

    lost = []
    first = Callee(SECRET, {"hang": hang, "echo": _echo}, lost.append)
    await first.listen(path)
    link = Link(path, SECRET, unavailable="vault-unavailable")
    waiting = asyncio.ensure_future(link.call("hang", None))
    await begun.wait()
    for connection in first.connections:
        connection.begun.add("an exchange")
    await first.close()
    with pytest.raises(Unavailable) as unavailable:
        await waiting
    assert unavailable.value.reason == "vault-unavailable"
    with pytest.raises(Unavailable):
        await link.call("echo", 1)
    await asyncio.sleep(0)
    assert [connection.begun for connection in lost] == [{"an exchange"}]
    second = Callee(SECRET, {"echo": _echo})
    await second.listen(path)
    assert msgspec.msgpack.decode(await link.call("echo", 2)) == 2
    link.close()
    await second.close()


async def test_the_socket_is_for_its_owner_alone_and_may_lie_deep(tmp_path):
    path = tmp_path.joinpath(*["deep" * 10] * 4) / "x.sock"
    callee = Callee(SECRET, {"echo": _echo})
    await callee.listen(path)
    assert path.stat().st_mode & 0o777 == 0o600
    link = Link(path, SECRET, unavailable="vault-unavailable")
    assert msgspec.msgpack.decode(await link.call("echo", 1)) == 1
    link.close()
    await callee.close()


@pytest.mark.parametrize("bytes_", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\x00", b"\x00\x00\x00\x40" + b"x" * 64])
async def test_garbage_closes_the_connection(callee, tmp_path, bytes_):
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "run" / "x.sock"))
    await reader.readexactly(4 + wire.NONCE)
    writer.write(bytes_)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await reader.readexactly(1)
    writer.close()
