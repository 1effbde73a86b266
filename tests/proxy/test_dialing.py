"""Connections to servers: real sockets and handshakes, names from a resolver that says what a test wants."""

import socket
import ssl

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, load_pem_private_key

from gateway.errors import ConfigurationError, Refused
from gateway.policy.model import Certificates, Customer, CustomerKey, OwnCertificate, Server, Upstream
from gateway.proxy import directory
from gateway.proxy.dialing import Dialer, check_certificates
from gateway.proxy.directory import Directory


async def quiet(reader, writer):
    await reader.read()


def at(scheme="http", host="suite.localhost", **more):
    return Upstream(scheme, host, 443, "", more.pop("ca", None), "drop", **more)


@pytest.fixture
def dialer():
    """Every name leads where ``answers`` says, and our own listeners are at two ports."""
    answers = {}
    made = Dialer([("0.0.0.0", 8443), ("127.0.0.1", 9443)], Directory(lambda name: answers.get(name, ())))
    made.answers = answers
    return made


async def opened(dialer, upstream, server, seconds=5):
    connection = await dialer.dial(upstream, server, seconds)
    try:
        return connection._transport.get_extra_info("peername"), connection.resolved
    finally:
        connection.abort()


# --- addresses ---


async def test_an_address_needs_no_resolver(dialer, raw_server):
    port = await raw_server(quiet)
    assert await opened(dialer, at(), Server("127.0.0.1", port)) == (("127.0.0.1", port), None)


async def test_all_addresses_are_tried_in_order(dialer, raw_server):
    port = await raw_server(quiet, host="127.0.0.103")  # nobody else in this run listens on these addresses
    dialer.answers["suite.internal"] = ("127.0.0.101", "127.0.0.102", "127.0.0.103")
    assert await opened(dialer, at(), Server("suite.internal", port)) == (("127.0.0.103", port), ("suite.internal", "127.0.0.103"))


async def test_td6_a_dead_address_leaves_time_for_the_next(dialer, raw_server):
    """A backlog that is full swallows connections as a dead machine does."""
    port = await raw_server(quiet, host="127.0.0.102")
    with socket.socket() as full:
        full.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        full.bind(("127.0.0.101", port))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.101", port))
        dialer.answers["suite.internal"] = ("127.0.0.101", "127.0.0.102")
        peer, _ = await opened(dialer, at(), Server("suite.internal", port), 0.5)
        assert peer == ("127.0.0.102", port)
        with pytest.raises(Refused, match="upstream-timeout"):
            await opened(dialer, at(), Server("127.0.0.101", port), 0.1)
        for each in waiting:
            each.close()


@pytest.mark.parametrize("addresses", [(), ("192.0.2.7",), ("8.8.8.8", "::ffff:192.0.2.7")], ids=["none", "elsewhere", "mapped"])
async def test_a_plain_request_never_leaves_this_machine(dialer, addresses):
    """``http://suite.localhost`` was loopback when the policy was loaded; the resolver may be of another mind (T-A4)."""
    dialer.answers["suite.localhost"] = addresses
    with pytest.raises(Refused, match="upstream-unreachable"):
        await opened(dialer, at(), Server("suite.localhost", 8000))
    assert dialer.opened == 0


OWN = [
    ("127.0.0.1", 8443),
    ("127.0.0.2", 8443),
    ("0.0.0.0", 8443),
    ("::1", 8443),
    ("::ffff:127.0.0.1", 8443),
    ("127.0.0.1", 9443),
    ("::", 9443),
]


@pytest.mark.parametrize(("address", "port"), OWN)
async def test_ta4_a_name_never_leads_to_our_own_listeners(dialer, address, port):
    dialer.answers["suite.internal"] = (address,)
    with pytest.raises(Refused, match="upstream-unreachable"):
        await opened(dialer, at("https", "suite.internal"), Server("suite.internal", port))
    assert dialer.opened == 0


async def test_ta4_nor_does_an_address_of_this_machine_that_nobody_wrote_down(raw_server, new_authority):
    """Listening on 0.0.0.0 is listening on every address: the kernel says when one of them was ours."""
    port = await raw_server(quiet)
    made = Dialer([("192.0.2.1", port)], Directory(lambda name: ()))
    made._may_be_reached = lambda *_: True  # as if 127.0.0.1 were an address of this machine like any other
    with pytest.raises(Refused, match="upstream-unreachable"):
        await opened(made, at(), Server("127.0.0.1", port))
    assert made.opened == 1


# --- UNIX sockets ---


async def test_a_unix_socket(dialer, raw_server, tmp_path):
    path = await raw_server(quiet, path=str(tmp_path / "suite.sock"))
    assert await opened(dialer, at(), Server("", 0, path)) == (path, None)
    with pytest.raises(Refused, match="upstream-unreachable"):
        await opened(dialer, at(), Server("", 0, str(tmp_path / "missing.sock")))


# --- certificates ---


@pytest.fixture
def suite(new_authority):
    """An application that asks who comes. Its port, its authority, and an authority whose certificates it takes."""

    class Suite:
        authority, ours = new_authority("suite"), new_authority("gateway")

        def context(self):
            own = self.authority.issue("server", names=["suite.localhost"], server=True)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(own.certificate, own.key)
            context.load_verify_locations(self.ours.file)
            context.verify_mode = ssl.CERT_REQUIRED
            context.maximum_version = ssl.TLSVersion.TLSv1_2  # in which a refused certificate fails the handshake, not the first read
            return context

    return Suite()


def own(issued):
    return OwnCertificate(issued.certificate, issued.key)


async def test_our_own_certificate_is_shown(dialer, raw_server, suite):
    port = await raw_server(quiet, ssl=suite.context())
    shown = at("https", ca=suite.authority.file, own_certificate=own(suite.ours.issue("gateway")))
    assert (await opened(dialer, shown, Server("127.0.0.1", port)))[0] == ("127.0.0.1", port)


async def test_a_certificate_is_read_again_after_a_reload(dialer, raw_server, suite, new_authority):
    """First one that the application does not know; then the files are replaced."""
    port = await raw_server(quiet, ssl=suite.context())
    files = new_authority("other").issue("gateway")
    upstream = at("https", ca=suite.authority.file, own_certificate=own(files))
    with pytest.raises(Refused, match="upstream-unreachable"):
        await opened(dialer, upstream, Server("127.0.0.1", port))
    better = suite.ours.issue("gateway")
    files.certificate.write_bytes(better.certificate.read_bytes())
    files.key.write_bytes(better.key.read_bytes())
    dialer.renew()
    await opened(dialer, upstream, Server("127.0.0.1", port))


def encrypted(issued):
    key = load_pem_private_key(issued.key.read_bytes(), None)
    issued.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"geheim")))


def absent(issued):
    issued.key.unlink()


def foreign(issued):
    issued.key.write_bytes(issued.certificate.with_name("gateway-other.key").read_bytes())


@pytest.mark.parametrize("spoil", [None, encrypted, absent, foreign], ids=["none-shown", "encrypted", "absent", "foreign-key"])
async def test_without_a_usable_certificate_nothing_is_sent(dialer, raw_server, suite, spoil):
    """An encrypted key asks nobody for its password: there is no terminal, and the worker would stand still."""
    port = await raw_server(quiet, ssl=suite.context())
    suite.ours.issue("other")
    issued = suite.ours.issue("gateway")
    if spoil is not None:
        spoil(issued)
    upstream = at("https", ca=suite.authority.file, own_certificate=own(issued) if spoil else None)
    with pytest.raises(Refused, match="upstream-unreachable"):
        await opened(dialer, upstream, Server("127.0.0.1", port))


@pytest.mark.parametrize("host", ["other.localhost", "127.0.0.1"])
async def test_a_server_proves_the_name_in_the_url_wherever_it_is_reached(dialer, raw_server, suite, host):
    port = await raw_server(quiet, ssl=suite.context())
    upstream = at("https", host, ca=suite.authority.file, own_certificate=own(suite.ours.issue("gateway")))
    with pytest.raises(Refused, match="upstream-unreachable"):
        await opened(dialer, upstream, Server("127.0.0.1", port))


async def test_two_customers_files_are_two_contexts(dialer, suite):
    """T-S5: what one customer's upstream is shown, another's never is."""
    mine, theirs = (at("https", own_certificate=own(suite.ours.issue(name))) for name in ("nord", "sued"))
    assert dialer._context(mine) is not dialer._context(theirs)
    assert dialer._context(mine) is dialer._context(mine)
    assert dialer._context(at()) is None


def test_what_could_not_be_shown_is_a_mistake_before_the_start(suite, tmp_path):
    """All of them at once; a customer without a certificate of ours is not looked at."""
    fine, broken = suite.ours.issue("fine"), suite.ours.issue("broken")
    encrypted(broken)

    def customer(name, shown):
        upstream = at("https", own_certificate=shown and own(shown))
        return Customer(name, "suite", upstream, (), Certificates(None), CustomerKey(), {}, tmp_path / f"{name}.yaml")

    check_certificates([customer("fine", fine), customer("none", None)])
    with pytest.raises(ConfigurationError) as raised:
        check_certificates([customer("fine", fine), customer("a", broken), customer("none", None), customer("b", broken)])
    assert [mistake.file.name for mistake in raised.value.mistakes] == ["a.yaml", "b.yaml"]
    assert "own_certificate: " in str(raised.value) and "geheim" not in str(raised.value)


def test_names_are_bounded_in_time():
    assert directory.LONGEST_LOOKUP <= 5
