"""Who may knock, who gets in, and what is said of those who do not: on asyncio and, where it is installed, uvloop."""

import asyncio
import contextlib
import errno
import logging
import socket
import ssl

import pytest

from gateway.proxy.listener import Limits, Listener, reason_of
from gateway.proxy.tls import server_context, server_name

LOOPS = [asyncio.new_event_loop]
with contextlib.suppress(ImportError):
    import uvloop

    LOOPS.append(uvloop.new_event_loop)


class Echo(asyncio.Protocol):
    def __init__(self, free):
        self._free = free

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        encrypted = self.transport.get_extra_info("ssl_object")
        self.transport.write(data + (server_name(encrypted) or "").encode() if encrypted else data)

    def connection_lost(self, exc):
        self._free()


class Door:
    """A listener on a free port, with everything it reports."""

    def __init__(self, context=None, admit=lambda address: True, **limits):
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.refused, self.failed = [], []
        self.listener = Listener(
            self.sock,
            admit=admit,
            tls=lambda: self.context,
            protocol_factory=Echo,
            on_refused=self.refused.append,
            on_handshake_failed=lambda address, reason: self.failed.append((address, reason)),
            limits=Limits(**limits),
        )
        self.context = context

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
            assert await say(*await door.connect(client, server_hostname="localhost")) == b"hallolocalhost"
            await until(lambda: door.listener.connections == 0)
            assert (door.refused, door.failed) == ([], [])

    run(main)


def test_another_address_is_closed_before_any_tls(run, own, context):
    """Not one byte: a stranger learns neither a certificate nor that TLS is spoken here."""

    async def main():
        async with Door(context, admit=lambda address: False) as door:
            reader, writer = await door.connect()
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
            assert door.refused == ["127.0.0.1"]
            assert (door.listener.refused, door.listener.failed) == (1, 0)

    run(main)


def test_a_broken_address_list_admits_nobody_and_ends_nothing(run):
    async def main():
        verdicts = iter([ValueError("broken"), True])

        def admit(address):
            verdict = next(verdicts)
            if isinstance(verdict, Exception):
                raise verdict
            return verdict

        async with Door(admit=admit) as door:
            reader, writer = await door.connect()
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
            assert await say(*await door.connect()) == b"hallo"

    run(main)


HELLOS = {
    "plain HTTP": (b"GET / HTTP/1.1\r\nHost: Mustermann\r\n\r\n", "not-tls"),
    "a PROXY line that nobody declared": (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "not-tls"),
    "noise": (b"\x16\x03\x01\x00\x05Max\x00\x00\x00\x00", "protocol-error"),
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
            await until(lambda: door.failed)
            assert [address for address, _ in door.failed] == ["127.0.0.1"]
            assert door.failed[0][1] in (reason, "protocol-error") if name.startswith("a PROXY") else door.failed[0][1] == reason
            await until(lambda: door.listener.connections == 0)

    with caplog.at_level(logging.DEBUG):
        run(main)
    assert "Traceback" not in caplog.text and "Muster" not in caplog.text and "Max" not in caplog.text


@pytest.mark.parametrize(
    ("days", "known", "reason"),
    [((-1, 30), False, "certificate-unknown"), ((-30, -1), True, "certificate-expired"), ((1, 30), True, "certificate-not-yet-valid")],
)
def test_a_refused_certificate_has_its_reason(run, own, customer, new_authority, context, days, known, reason):
    async def main():
        async with Door(context) as door:
            issuer = customer if known else new_authority("stranger")
            client = own.client_context(issuer.issue("import", days=days))
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                assert await say(*await door.connect(client, server_hostname="localhost")) == b""
            await until(lambda: door.failed)
            assert door.failed == [("127.0.0.1", reason)]

    run(main)


def test_td6_a_handshake_has_a_deadline(run, own, context):
    async def main():
        async with Door(context, handshake=0.1) as door:
            reader, writer = await door.connect()
            writer.write(b"\x16\x03")  # the beginning of a record that never ends (T-M4)
            assert await say(*await door.connect(own.client_context(), server_hostname="localhost")) == b"hallolocalhost"
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
            await until(lambda: door.failed)
            assert door.failed == [("127.0.0.1", "timeout")]

    run(main)


@pytest.mark.parametrize("limits", [{"connections": 2}, {"per_address": 2}])
def test_td2_connections_are_bounded_and_come_back(run, limits):
    async def main():
        async with Door(**limits) as door:
            held = [await door.connect() for _ in range(2)]
            await until(lambda: door.listener.connections == 2)
            reader, writer = await door.connect()
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
            assert door.listener.overflowed == 1
            for reader, writer in held:
                assert await say(reader, writer) == b"hallo"
            await until(lambda: door.listener.connections == 0)
            assert await say(*await door.connect()) == b"hallo"

    run(main)


def test_a_reload_is_seen_by_the_next_connection(run, own, customer, context):
    async def main():
        async with Door(context) as door:
            issued = own.issue("other", names=["other.example"], server=True)
            door.context = server_context(issued.certificate, issued.key, customer.pem)
            client = own.client_context()
            with pytest.raises(ssl.SSLCertVerificationError):
                await door.connect(client, server_hostname="localhost")
            assert await say(*await door.connect(client, server_hostname="other.example")) == b"halloother.example"

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
        assert await say(reader, writer) == b"hallolocalhost"
        assert await door.listener.drain(5)
        with pytest.raises(OSError):
            await door.connect()

    run(main)


async def test_out_of_descriptors_is_waited_out(monkeypatch, caplog):
    door = Door()
    loop = asyncio.get_running_loop()
    real, failures = loop.sock_accept, iter([errno.EMFILE, errno.ECONNABORTED, errno.ENOBUFS, errno.ENFILE])

    async def failing(sock):
        for number in failures:
            raise OSError(number, "no")
        return await real(sock)

    monkeypatch.setattr(loop, "sock_accept", failing)
    async with door:
        assert await say(*await door.connect()) == b"hallo"
    assert "out of descriptors" in caplog.text and "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionResetError("Max Mustermann"), "client-gone"),
        (ConnectionAbortedError("SSL handshake is taking longer than 10.0 seconds"), "timeout"),
        (TimeoutError(), "timeout"),
        (ssl.SSLError(1, "Max Mustermann"), "protocol-error"),
        (OSError("Max Mustermann"), "client-gone"),
    ],
)
def test_reasons_are_a_closed_list(error, reason):
    assert reason_of(error) == reason
