"""Who may knock, who gets in, and what is said of those who do not: on asyncio and, where it is installed, uvloop."""

import asyncio
import contextlib
import errno
import itertools
import logging
import socket
import ssl
import struct

import pytest

from gateway.proxy.listener import Limits, Listener, Rules
from gateway.proxy.tls import server_context

LOOPS = [asyncio.new_event_loop]
with contextlib.suppress(ImportError):
    import uvloop

    LOOPS.append(uvloop.new_event_loop)


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        peer = self.transport.get_extra_info("peer")
        self.transport.write(f"{data.decode()} {peer.server_name} {peer.address}".encode())


class Door:
    """A listener on a free port, with everything it reports."""

    def __init__(self, context, admit=lambda address: True, is_balancer=lambda address: False, **limits):
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.closed = []
        self.known = lambda peer: "customer" if peer.leaf else ""
        self.rules = Rules(admit, is_balancer, lambda: self.context, lambda peer: self.known(peer))
        self.limits = Limits(**limits)
        self.listener = self.listening(self.sock)
        self.context = context

    def listening(self, sock):
        def closed(address, reason):
            self.closed.append((address, reason))

        return Listener(sock, self.rules, protocol_factory=Echo, on_closed=closed, limits=self.limits)

    async def __aenter__(self):
        await self.listener.start()
        return self

    async def __aexit__(self, *exc):
        await self.listener.stop()
        assert await self.listener.drain(5)

    async def connect(self, client=None, **options):
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=client, **options)


async def say(reader, writer, text=b"hallo"):
    writer.write(text)
    answer = await reader.read(100)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return answer


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture(params=LOOPS, ids=lambda factory: factory.__module__)
def run(request):
    """Runs a coroutine function on this loop, and fails if the loop had anything to complain about."""

    def run(main):
        complaints = []

        async def watched():
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
            await main()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(watched())
        assert complaints == []

    return run


@pytest.fixture
def own(new_authority):
    return new_authority("gateway")


@pytest.fixture
def customer(new_authority):
    return new_authority("customer")


@pytest.fixture
def context(own, customer):
    issued = own.issue("server", names=["localhost"], server=True)
    return server_context(issued.certificate, issued.key, customer.pem)


def test_an_admitted_address_is_served(run, own, customer, context):
    async def main():
        async with Door(context) as door:
            client = own.client_context(customer.issue("import"))
            assert await say(*await door.connect(client, server_hostname="localhost")) == b"hallo localhost 127.0.0.1"
            await until(lambda: door.listener.connections == 0)
            assert door.closed == []

    run(main)


def test_another_address_is_closed_before_any_tls(run, own, context):
    """Not one byte: a stranger learns neither a certificate nor that TLS is spoken here."""

    async def main():
        async with Door(context, admit=lambda address: False) as door:
            reader, writer = await door.connect()
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
            assert door.closed == [("127.0.0.1", "network-unknown")]

    run(main)


def test_a_broken_address_list_admits_nobody_and_ends_nothing(run, own, context):
    async def main():
        verdicts = iter([ValueError("broken"), True])

        def admit(address):
            verdict = next(verdicts)
            if isinstance(verdict, Exception):
                raise verdict
            return verdict

        async with Door(context, admit=admit) as door:
            reader, writer = await door.connect()
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
            assert await say(*await door.connect(own.client_context(), server_hostname="localhost")) == b"hallo localhost 127.0.0.1"

    run(main)


HELLOS = {
    "plain HTTP": (b"GET / HTTP/1.1\r\nHost: Mustermann\r\n\r\n", "not-tls"),
    "a PROXY line that nobody declared": (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "not-tls"),
    "noise": (b"\x16\x03\x01\x00\x05Max\x00\x00\x00\x00", "handshake-failed"),
    "nothing, and gone": (b"", "client-gone"),
}


@pytest.mark.parametrize("name", HELLOS)
def test_a_failed_handshake_has_a_fixed_reason(run, context, caplog, name):
    hello, reason = HELLOS[name]

    async def main():
        async with Door(context) as door:
            reader, writer = await door.connect()
            writer.write(hello)
            if not hello:
                writer.close()
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()
            await until(lambda: door.closed)
            assert door.closed == [("127.0.0.1", reason)]
            await until(lambda: door.listener.connections == 0)

    with caplog.at_level(logging.DEBUG):
        run(main)
    assert "Traceback" not in caplog.text and "Muster" not in caplog.text and "Max" not in caplog.text


@pytest.mark.parametrize(
    ("days", "known", "reason"),
    [((-1, 30), False, "certificate-unknown"), ((-30, -1), True, "certificate-expired"), ((1, 30), True, "certificate-expired")],
)
def test_a_refused_certificate_has_its_reason(run, own, customer, new_authority, context, days, known, reason):
    async def main():
        async with Door(context) as door:
            issuer = customer if known else new_authority("stranger")
            client = own.client_context(issuer.issue("import", days=days))
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                assert await say(*await door.connect(client, server_hostname="localhost")) == b""
            await until(lambda: door.closed)
            assert door.closed == [("127.0.0.1", reason)]

    run(main)


def test_td6_a_handshake_has_a_deadline(run, own, context):
    async def main():
        async with Door(context, handshake=0.1) as door:
            reader, writer = await door.connect()
            writer.write(b"\x16\x03")  # the beginning of a record that never ends (T-M4)
            assert await say(*await door.connect(own.client_context(), server_hostname="localhost")) == b"hallo localhost 127.0.0.1"
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
            await until(lambda: door.closed)
            assert door.closed == [("127.0.0.1", "tls-timeout")]

    run(main)


@pytest.mark.parametrize("first", ["a customer", "strangers"])
def test_td2_connections_of_a_customer_are_bounded_and_those_of_strangers_together(run, own, customer, context, first):
    """Whichever of them has too many, the other gets in."""

    async def main():
        async with Door(context, per_customer=2) as door:
            papers = [own.client_context(customer.issue("import")), own.client_context()]
            client, other = papers if first == "a customer" else reversed(papers)
            held = [await door.connect(client, server_hostname="localhost") for _ in range(2)]
            reader, writer = await door.connect(client, server_hostname="localhost")
            assert await reader.read() == b""  # a goodbye of TLS, no reset
            writer.close()
            await until(lambda: door.closed == [("127.0.0.1", "connections-exceeded")])
            assert await say(*await door.connect(other, server_hostname="localhost")) == b"hallo localhost 127.0.0.1"
            for reader, writer in held:
                assert await say(reader, writer) == b"hallo localhost 127.0.0.1"
            await until(lambda: door.listener.connections == 0)
            assert await say(*await door.connect(client, server_hostname="localhost")) == b"hallo localhost 127.0.0.1"

    run(main)


@pytest.mark.parametrize("limits", [{"connections": 2}, {"per_address": 2}])
def test_td2_connections_are_bounded_and_come_back(run, own, context, limits):
    async def main():
        async with Door(context, **limits) as door:
            client = own.client_context()
            held = [await door.connect(client, server_hostname="localhost") for _ in range(2)]
            await until(lambda: door.listener.connections == 2)
            reader, writer = await door.connect()
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
            assert door.closed == [("127.0.0.1", "connections-exceeded")]
            for reader, writer in held:
                assert await say(reader, writer) == b"hallo localhost 127.0.0.1"
            await until(lambda: door.listener.connections == 0)
            assert await say(*await door.connect(client, server_hostname="localhost")) == b"hallo localhost 127.0.0.1"

    run(main)


def test_a_reload_is_seen_by_the_next_connection(run, own, customer, context):
    async def main():
        async with Door(context) as door:
            issued = own.issue("other", names=["other.example"], server=True)
            door.context = server_context(issued.certificate, issued.key, customer.pem)
            client = own.client_context()
            with pytest.raises(ssl.SSLCertVerificationError):
                await door.connect(client, server_hostname="localhost")
            assert await say(*await door.connect(client, server_hostname="other.example")) == b"hallo other.example 127.0.0.1"

    run(main)


def test_stop_breaks_off_handshakes_and_leaves_connections(run, own, context):
    async def main():
        door = Door(context)
        await door.listener.start()
        reader, writer = await door.connect(own.client_context(), server_hostname="localhost")
        silent_reader, silent_writer = await door.connect()
        await until(lambda: door.listener.connections == 2)
        await door.listener.stop()
        with contextlib.suppress(ConnectionError):
            assert await silent_reader.read() == b""
        silent_writer.close()
        assert not await door.listener.drain(0)
        assert await say(reader, writer) == b"hallo localhost 127.0.0.1"
        assert await door.listener.drain(5)
        with pytest.raises(OSError):
            await door.connect()

    run(main)


async def test_out_of_descriptors_is_waited_out(monkeypatch, caplog, own, context):
    door = Door(context)
    loop = asyncio.get_running_loop()
    real, failures = loop.sock_accept, iter([errno.EMFILE, errno.ECONNABORTED, errno.ENOBUFS, errno.ENFILE])

    async def failing(sock):
        for number in failures:
            raise OSError(number, "no")
        return await real(sock)

    monkeypatch.setattr(loop, "sock_accept", failing)
    async with door:
        assert await say(*await door.connect(own.client_context(), server_hostname="localhost")) == b"hallo localhost 127.0.0.1"
    assert "out of descriptors" in caplog.text and "Traceback" not in caplog.text


V1 = b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 443\r\n"


async def through(door, header, client, pieces=1):
    """A load balancer that speaks ``header`` and then lets the client's TLS pass, in so many pieces."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    size = -(-len(header) // pieces)
    for at in range(0, len(header), size):
        writer.write(header[at : at + size])
        await asyncio.sleep(0)
    await writer.start_tls(client, server_hostname="localhost")
    return reader, writer


@pytest.mark.parametrize("pieces", [1, 2, len(V1)])
def test_behind_a_load_balancer_the_client_is_who_the_header_says(run, own, context, pieces):
    async def main():
        asked = []
        async with Door(context, admit=lambda address: not asked.append(address), is_balancer="127.0.0.1".__eq__) as door:
            assert await say(*await through(door, V1, own.client_context(), pieces)) == b"hallo localhost 192.0.2.7"
            assert (asked, door.closed) == (["192.0.2.7"], [])
            await until(lambda: door.listener.connections == 0)

    run(main)


ARRIVALS = {
    "no header (T-I9)": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", ("127.0.0.1", "proxy-header-missing")),
    "a broken one": (b"PROXY TCP4 192.0.2.7\r\n", ("127.0.0.1", "proxy-header-malformed")),
    "one that does not end": (b"PROXY ", ("127.0.0.1", "proxy-header-missing")),
    "of nobody whom we know": (b"PROXY TCP4 198.51.100.1 192.0.2.1 40000 443\r\n", ("198.51.100.1", "network-unknown")),
    "of somebody who has too many": (V1, ("192.0.2.7", "connections-exceeded")),
}


@pytest.mark.parametrize("name", ARRIVALS)
def test_ti9_what_comes_from_a_load_balancer_is_closed_without_a_word(run, own, context, name):
    sent, told = ARRIVALS[name]

    async def main():
        async with Door(context, "192.0.2.7".__eq__, "127.0.0.1".__eq__, proxy_header=0.1, per_address=1) as door:
            held = await through(door, V1, own.client_context()) if "too many" in name else None
            reader, writer = await door.connect()
            writer.write(sent)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
            await until(lambda: door.closed == [told])
            if held:
                await say(*held)
            await until(lambda: door.listener.connections == 0)

    run(main)


def test_td2_a_flood_of_strangers_leaves_turns_to_others(run, own, context):
    """asyncio's ``sock_accept`` gives no turn away while somebody waits; 200 wait here, and nobody else would have been served before."""

    async def main():
        door = Door(context, admit=lambda address: False)
        door.sock.listen(200)
        waiting = [socket.create_connection(("127.0.0.1", door.port)) for _ in range(200)]
        turns = []
        async with door:
            while len(door.closed) < 200:
                turns.append(len(door.closed))
                await asyncio.sleep(0)
        assert max(after - before for before, after in itertools.pairwise(turns)) <= 16
        for sock in waiting:
            sock.close()

    run(main)


def test_td2_a_connection_that_is_gone_waits_for_no_turn(run, own, context):
    async def main():
        async with Door(context) as door:
            turnstile = door.listener._turnstile
            turnstile._scheduled = True  # a turnstile that never turns
            _, writer = await door.connect()
            writer.write(b"\x16\x03\x01")
            await until(lambda: turnstile._waiting)
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            await until(lambda: not door.listener.connections)
            assert not turnstile._waiting


def test_who_refuses_loses_nobody_and_lets_handshakes_end(run, own, context):
    """What was not accepted stays in the kernel's queue, for another process that listens on the same socket."""

    async def main():
        door = Door(context)
        other = door.sock.dup()
        await door.listener.start()
        _, silent_writer = await door.connect()
        await until(lambda: door.listener.connections == 1)
        await door.listener.refuse()
        waiting = asyncio.create_task(door.connect(own.client_context(), server_hostname="localhost"))
        await door.listener.arrived(0.05)
        assert door.listener.connections == 1
        await door.listener.stop()
        door.sock = other
        door.listener = door.listening(other)
        await door.listener.start()
        assert await say(*await waiting) == b"hallo localhost 127.0.0.1"
        silent_writer.close()
        await door.listener.stop()

    run(main)
