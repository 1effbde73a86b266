"""A broken-into process of the same user at the sockets between ours: it may rename them, bind its own, relay, and send anything."""

import asyncio
import secrets
import subprocess
import sys

import msgspec
import pytest

from gateway import wire
from gateway.errors import Unavailable
from gateway.link import Link
from gateway.wire import Callee

SECRET = b"s" * 32
pytestmark = pytest.mark.both_loops

#: What a thief runs: takes the place of a socket, and passes on every byte between whoever connects and the one whose place it took.
RELAY = """
import os, socket, sys, threading
path = sys.argv[1]
os.rename(path, path + ".real")
here = socket.socket(socket.AF_UNIX); here.bind(path); here.listen()
print("listening", flush=True)
def pass_on(source, target):
    while data := source.recv(65536):
        target.sendall(data)
        sys.stdout.buffer.write(data); sys.stdout.buffer.flush()
    target.shutdown(socket.SHUT_WR)
while True:
    caller, _ = here.accept()
    callee = socket.socket(socket.AF_UNIX); callee.connect(path + ".real")
    for pair in ((caller, callee), (callee, caller)):
        threading.Thread(target=pass_on, args=pair, daemon=True).start()
"""


async def _echo(_, body):
    return msgspec.msgpack.decode(body)


@pytest.fixture
async def callee(tmp_path):
    callee = Callee(SECRET, {"echo": _echo})
    await callee.listen(tmp_path / "x.sock")
    yield callee
    await callee.close()


async def connected(callee, tmp_path):
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "x.sock"))
    nonce = (await reader.readexactly(4 + wire.NONCE))[4:]
    return reader, writer, nonce


async def test_who_stands_between_two_processes_hears_nothing(callee, tmp_path):
    """The secret is proven by both ends, but each must also see the other one: a relay would read passwords and values."""
    relay = subprocess.Popen([sys.executable, "-c", RELAY, str(tmp_path / "x.sock")], stdout=subprocess.PIPE)
    try:
        assert relay.stdout is not None
        assert await asyncio.to_thread(relay.stdout.readline) == b"listening\n"
        link = Link(tmp_path / "x.sock", SECRET, unavailable="cipher-unavailable")
        with pytest.raises(Unavailable, match="cipher-unavailable"):
            await link.call("echo", "Max Mustermann")
        link.close()
    finally:
        relay.kill()
        overheard, _ = await asyncio.to_thread(relay.communicate)
    assert b"Mustermann" not in overheard


async def test_without_a_relay_the_same_call_is_answered(callee, tmp_path):
    link = Link(tmp_path / "x.sock", SECRET, unavailable="cipher-unavailable")
    assert msgspec.msgpack.decode(await link.call("echo", "Max Mustermann")) == "Max Mustermann"
    link.close()
    await asyncio.sleep(0)


async def test_a_proof_is_worth_nothing_on_another_connection(callee, tmp_path):
    _, first, nonce = await connected(callee, tmp_path)
    reader, second, _ = await connected(callee, tmp_path)
    ends = wire.ends_seen_by_caller(second.get_extra_info("socket"))
    shown = wire.proof(SECRET, "caller", nonce, ends) + secrets.token_bytes(wire.NONCE) + ends
    second.write(len(shown).to_bytes(4, "big") + shown)
    assert await reader.read() == b""
    for writer in (first, second):
        writer.close()


@pytest.mark.parametrize("length", [wire.MAX_UNPROVEN + 1, wire.MAX_FRAME, 2**32 - 1])
async def test_who_has_proven_nothing_makes_us_keep_nothing(callee, tmp_path, length):
    """Else every connection of a stranger could make us gather 64 MiB."""
    reader, writer, _ = await connected(callee, tmp_path)
    writer.write(length.to_bytes(4, "big") + bytes(64))
    assert await reader.read() == b""
    writer.close()


async def test_who_proves_nothing_does_not_stay(callee, tmp_path, monkeypatch):
    """Descriptors: silent connections would use them up."""
    monkeypatch.setattr(wire, "PROVEN_WITHIN", 0.0)
    reader, writer, _ = await connected(callee, tmp_path)
    assert await reader.read() == b""
    writer.close()


async def test_one_peer_cannot_fill_the_memory_with_calls(callee, tmp_path, monkeypatch):
    monkeypatch.setattr(wire, "MAX_WAITING", 10)
    link = Link(tmp_path / "x.sock", SECRET, unavailable="vault-unavailable")
    await link.call("echo", 1)
    caller = link._caller
    assert caller is not None
    frame = msgspec.msgpack.encode([wire.Call(n, "echo", msgspec.Raw(b"\xc0")) for n in range(11)])
    caller._send_raw(frame)
    while caller.transport is not None:
        await asyncio.sleep(0.001)  # until the callee has dropped us
    link.close()


async def test_large_bodies_that_wait_together_do_not_break_the_link(callee, tmp_path, monkeypatch):
    """A customer with many large requests at once would have failed everybody's calls of that moment."""
    monkeypatch.setattr(wire, "MAX_FRAME", 10_000)
    link = Link(tmp_path / "x.sock", SECRET, unavailable="vault-unavailable")
    answers = await asyncio.gather(*(link.call("echo", "x" * 4_000) for _ in range(20)))
    assert {msgspec.msgpack.decode(answer) for answer in answers} == {"x" * 4_000}
    link.close()
    await asyncio.sleep(0)
