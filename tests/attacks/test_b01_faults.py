"""Whatever breaks, wherever it breaks: nothing is forwarded in the clear, nothing is revealed, and the client is told nothing.

The real gateway, vault and cipher in one process; then one of its functions raises what nobody expected.
"""

import asyncio
import contextlib
import io
import re
import socket
from pathlib import Path

import pytest
from rich.console import Console

import gateway.proxy.bodies
import gateway.proxy.handler
from gateway.demo.environment import Environment
from gateway.demo.story import OTHER
from gateway.errors import Refused, SessionEnded, Unavailable
from gateway.runtime.cipher_process import CipherRole
from gateway.runtime.snapshot import build_snapshot
from gateway.runtime.vault_process import VaultRole
from gateway.runtime.worker import Worker

SECRET = "Max Mustermann"
ORDER = {"household": {"name": SECRET}}


class Inside:
    """Everything of one gateway, to be broken."""

    def __init__(self, worker, vault, cipher):
        self.worker, self.vault, self.cipher = worker, vault, cipher
        self.gateway = worker.gateway


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = Environment.build(Path(tmp_path_factory.mktemp("faults")) / "run", Console(file=io.StringIO()), processes="one", workers=1)
    yield made
    made.stop()


@pytest.fixture
async def inside(folder, suite):
    policy = folder.config_file.parent / "policies" / "customers" / f"{OTHER}.yaml"
    policy.write_text(re.sub(r"http://127\.0\.0\.1:\d+/", f"http://127.0.0.1:{suite.port}/", policy.read_text()))
    config = folder.config
    cipher = CipherRole(config, folder.config_file, folder.passphrase_file.read_text().strip().encode())
    cipher.swap()
    vault = VaultRole(config, folder.config_file, cipher.service)
    worker = Worker(folder.config_file, build_snapshot(config), vault.vault)
    sock = socket.create_server(("127.0.0.1", 0))
    folder.url = f"https://localhost:{sock.getsockname()[1]}"
    listener = worker.listener(sock)
    await listener.start()
    yield Inside(worker, vault, cipher)
    await listener.stop()
    await worker.server.shutdown(1.0)
    await listener.end()
    await worker.gateway.drained()
    worker.upstreams.close()
    await vault.close()
    cipher.service.close()


@pytest.fixture
def client(folder, attacker):
    someone = type(attacker)(folder)

    async def ask(data):
        return await asyncio.to_thread(someone.ask, data)

    ask.post, ask.head = someone.post, someone.head
    yield ask
    someone.close()


class Unforeseen(Exception):
    """Its text is what logs and answers must never hold."""

    def __str__(self):
        return SECRET


FAULTS = {
    "unforeseen": Unforeseen,
    "KeyError": lambda: KeyError(SECRET),
    "MemoryError": lambda: MemoryError(SECRET),
    "RecursionError": lambda: RecursionError(SECRET),
    "UnicodeError": lambda: UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET),
    "OSError": lambda: OSError(28, SECRET),
    "TimeoutError": lambda: TimeoutError(SECRET),
    "assertion": lambda: AssertionError(SECRET),
    "StopIteration": lambda: StopAsyncIteration(SECRET),
    "unavailable": lambda: Unavailable("cipher-unavailable"),
    "session ended": SessionEnded,
}


def raising(fault):
    def fail(*_, **__):
        raise FAULTS[fault]()

    async def fail_later(*_, **__):
        raise FAULTS[fault]()

    return fail, fail_later


BEFORE = {
    "identify": (gateway.proxy.handler, "identify", 0),
    "check_host": (gateway.proxy.handler, "check_host", 0),
    "credentials": (gateway.proxy.handler, "basic_credentials", 0),
    "decide": (gateway.proxy.handler, "decide", 0),
    "read_request": (gateway.proxy.handler, "read_request", 1),
    "scan": (gateway.proxy.bodies, "scan", 0),
    "echo": (gateway.proxy.bodies, "echo", 0),
    "splice": (gateway.proxy.bodies, "splice", 0),
    "outbound": (gateway.proxy.handler, "outbound", 0),
    "open_session": ("vault.vault", "open_session", 1),
    "tokenize": ("vault.vault", "tokenize", 1),
    "seal": ("cipher.service", "seal", 1),
    "unlock": ("cipher.service", "unlock", 1),
    "begin record": ("vault.audit", "write", 0),
}
AFTER = {
    "inbound": (gateway.proxy.handler, "inbound", 0),
    "scan_answer": (gateway.proxy.handler, "scan_answer", 0),
    "restored": (gateway.proxy.handler, "restored", 0),
    "detokenize": ("vault.vault", "detokenize", 1),
    "open": ("cipher.service", "open", 1),
}


def broken(inside, monkeypatch, where, fault):
    target, name, later = where
    if isinstance(target, str):
        first, second = target.split(".")
        target = getattr(getattr(inside, first), second)
    monkeypatch.setattr(target, name, raising(fault)[later])


@pytest.mark.trap(
    "B-01",
    "Whatever raises before a request is forwarded, nothing of it reaches the upstream, and the client and the log are told nothing.",
)
@pytest.mark.parametrize("where", BEFORE)
async def test_nothing_leaves(inside, client, suite, monkeypatch, caplog, where):
    for fault in FAULTS:
        with monkeypatch.context() as patched:
            broken(inside, patched, BEFORE[where], fault)
            reply = await client(client.post(ORDER))
            await asyncio.sleep(0)
        assert reply.status == 503, fault
        assert suite.seen == []
        told_nothing(reply, caplog)


@pytest.mark.trap("B-01", "Whatever raises after the upstream answered, nothing is revealed.")
@pytest.mark.parametrize("where", AFTER)
async def test_nothing_is_revealed(inside, client, suite, answer_of, monkeypatch, caplog, where):
    assert (await client(client.post(ORDER))).status == 200
    suite.answer = answer_of(suite.seen[0].split(b"\r\n\r\n", 1)[1])
    assert (await client(client.head(b"GET /orders/1 HTTP/1.1"))).json() == ORDER
    for fault in FAULTS:
        with monkeypatch.context() as patched:
            broken(inside, patched, AFTER[where], fault)
            reply = await client(client.head(b"GET /orders/1 HTTP/1.1"))
        assert reply.status == 503, fault
        told_nothing(reply, caplog)


def told_nothing(reply, caplog):
    assert reply.values("content-type") == ["application/problem+json"]
    assert "Mustermann" not in reply.body.decode() + str(reply.headers)
    assert "Mustermann" not in caplog.text


@pytest.mark.trap("O-02", "No value is revealed whose reveal record could not be written.")
async def test_o02_no_reveal_without_its_record(inside, client, suite, answer_of, monkeypatch):
    await client(client.post(ORDER))
    suite.answer = answer_of(suite.seen[0].split(b"\r\n\r\n", 1)[1])
    written = inside.vault.audit.write

    def write(kind, record):
        if kind == "reveal":
            raise Unavailable("audit-unavailable")
        return written(kind, record)

    monkeypatch.setattr(inside.vault.audit, "write", write)
    reply = await client(client.head(b"GET /orders/1 HTTP/1.1"))
    assert reply.status == 503 and b"Mustermann" not in reply.body


async def test_an_answer_of_too_few_tokens_or_texts(inside, client, suite, answer_of, monkeypatch):
    tokenize = inside.vault.vault.tokenize

    async def short(*given):
        return (await tokenize(*given))[1:]

    monkeypatch.setattr(inside.vault.vault, "tokenize", short)
    assert (await client(client.post(ORDER))).status == 503
    assert suite.seen == []


@pytest.mark.parametrize("status", [400, 502])
async def test_a_refusal_from_the_vault_is_one_for_the_client(inside, client, suite, monkeypatch, status):
    reason = {400: "value-too-long", 502: "upstream-malformed"}[status]

    async def refuse(*_):
        raise Refused(reason)

    monkeypatch.setattr(inside.vault.vault, "tokenize", refuse)
    assert (await client(client.post(ORDER))).status == status
    assert suite.seen == []


async def test_an_event_that_cannot_be_written_is_named_by_its_exchange_alone(inside, client, suite, monkeypatch, caplog):
    broken(inside, monkeypatch, ("vault.vault", "record", 1), "unforeseen")
    assert (await client(client.post(ORDER))).status == 200
    await inside.gateway.drained()
    assert "could not be recorded" in caplog.text and "Mustermann" not in caplog.text


async def test_every_exchange_ends_in_the_log(inside, client, suite, monkeypatch):
    events = []
    record = inside.vault.vault.record

    async def listened(event):
        events.append(event)
        await record(event)

    monkeypatch.setattr(inside.vault.vault, "record", listened)
    suite.answer = b"nonsense\r\n\r\n"
    assert (await client(client.post(ORDER))).status == 502
    broken(inside, monkeypatch, BEFORE["splice"], "unforeseen")
    assert (await client(client.post(ORDER))).status == 503
    await inside.gateway.drained()
    assert [(event.kind, event.reason) for event in events] == [("end", "upstream-malformed"), ("end", "internal")]


async def test_clients_that_leave(inside, client, suite, folder, attacker, monkeypatch):
    """In the middle of a body, and before the answer: recorded as gone, and the connection is counted free."""
    events = []
    record = inside.vault.vault.record

    async def listened(event):
        events.append((event.kind, event.reason, event.status))
        await record(event)

    monkeypatch.setattr(inside.vault.vault, "record", listened)
    someone = type(attacker)(folder)

    async def leave(data):
        """Not before the request is being worked on: whoever is gone with the last byte of the handshake never asked."""
        line = await asyncio.to_thread(someone.connect)
        await asyncio.to_thread(line.send, data)
        await until(lambda: any(connection._request_in_progress for connection in inside.worker.server._live))
        line.close()

    whole = client.post(ORDER)
    await leave(whole[:-10])
    await until(lambda: events)
    assert events[0][:2] == ("refused", "client-gone") and suite.seen == []
    released = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(request):
        asyncio.run_coroutine_threadsafe(released.wait(), loop).result(20)
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

    suite.answer = slow
    await leave(whole)
    await until(lambda: suite.seen)
    released.set()
    await until(lambda: len(events) == 2)
    assert events[1][0] == "end"
    await until(lambda: not inside.worker.server._live)


async def until(condition):
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(15):
            while not condition():
                await asyncio.sleep(0.01)
    assert condition()
