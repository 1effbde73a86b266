"""T-I1, N-01: one address, however it is written or arrives; and no network that is wider than it looks."""

import asyncio
import contextlib
import socket
from dataclasses import replace
from ipaddress import ip_network

import pytest

from gateway.networks import NetworkTable
from gateway.policy.explain import explain_address
from gateway.policy.load import load_policies
from gateway.runtime.snapshot import build_snapshot
from gateway.runtime.worker import Worker
from tests.cli.conftest import CUSTOMER, folder, made, run

__all__ = ["folder", "made", "run"]


class Seen(Worker):
    """A worker that remembers what its listener said of a connection."""

    def _count(self, address, reason):
        self.told = (address, reason)
        self.ended.set()


async def reached(folder, networks, source):
    """A connection from ``source`` to a worker that listens on IPv6 and IPv4 at once: what it was called, and how far it came."""
    snapshot = build_snapshot(folder.config)
    table = NetworkTable({CUSTOMER: [ip_network(network) for network in networks]})
    worker = Seen(folder.config_file, replace(snapshot, policies=replace(snapshot.policies, networks=table)), vault=None)
    worker.ended = asyncio.Event()
    sock = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    listener = worker.listener(sock)
    await listener.start()
    try:
        target = source if ":" in source else "127.0.0.1"
        _, writer = await asyncio.open_connection(target, sock.getsockname()[1], local_addr=(source, 0))
        with contextlib.suppress(OSError):
            writer.write(b"GET / HTTP/1.0\r\n\r\n")  # no TLS: it says how far the connection came
            await asyncio.wait_for(worker.ended.wait(), 30)
        writer.close()
    finally:
        await listener.stop()
        worker.upstreams.close()
    return worker.told


@pytest.mark.trap("T-I1", "An IPv4 address that arrives on an IPv6 socket is the IPv4 address, for lists that let in.")
@pytest.mark.parametrize(
    ("networks", "source", "inside"),
    [
        (["127.0.0.7/32"], "127.0.0.7", True),
        (["127.0.0.0/29"], "127.0.0.8", False),
        (["::fffe:0:0/95"], "127.0.0.7", False),
        (["::/0"], "127.0.0.7", False),
        (["0.0.0.0/0"], "127.0.0.7", True),
        (["127.0.0.0/8"], "::1", False),
        (["::1/128"], "::1", True),
    ],
)
async def test_ti1_on_a_socket_of_both_kinds(folder, networks, source, inside):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    address, reason = await reached(folder, networks, source)
    assert (address, reason != "network-unknown") == (source, inside), reason


@pytest.mark.trap("T-I1", "6to4, NAT64, Teredo, compatible and zoned addresses are never read as the IPv4 address that they carry.")
@pytest.mark.parametrize(
    ("written", "inside"),
    [
        ("192.0.2.7", True),
        ("::ffff:192.0.2.7", True),
        ("::ffff:c000:0207", True),
        ("0:0:0:0:0:FFFF:192.0.2.7", True),
        ("::192.0.2.7", False),
        ("::ffff:0:192.0.2.7", False),
        ("64:ff9b::192.0.2.7", False),
        ("64:ff9b:1::192.0.2.7", False),
        ("2002:c000:0207::", False),
        ("2001:0:c000:207:0:0:3fff:fdf8", False),
        ("fe80::5efe:192.0.2.7", False),
        ("::fffe:192.0.2.7", False),
    ],
)
def test_ti1_other_forms_carry_nobody_in(folder, written, inside):
    policies = load_policies(folder.config)
    assert policies.networks.anyone(written) == policies.networks.customer_has(CUSTOMER, written) == inside
    assert explain_address(folder.config, policies, written).admits(CUSTOMER) == inside


SPELLINGS = [
    "::ffff:192.0.2.7%eth0",
    "192.0.2.7%0",
    "192.0.2.07",
    "0300.0.2.7",
    "192.0.519",
    "192.0.2.7 ",
    "192.0.2.7\0",
    "３.0.2.7",
    "3221225991",
]


@pytest.mark.trap("T-I1", "What is not the kernel's own spelling of an address is in nobody's networks.")
@pytest.mark.parametrize("written", SPELLINGS)
def test_ti1_odd_spellings_are_nowhere(written):
    everywhere = NetworkTable({CUSTOMER: [ip_network("0.0.0.0/0"), ip_network("::/0")]})
    assert not everywhere.anyone(written) and not everywhere.customer_has(CUSTOMER, written)


@pytest.mark.trap("N-01", "A network with host bits, a mask, a mapped prefix or an odd spelling is refused with what to write instead.")
@pytest.mark.parametrize(
    ("network", "write"),
    [
        ("10.0.0.1/8", "write 10.0.0.0/8"),
        ("10.0.0.0/255.0.0.0", "write 10.0.0.0/8"),
        ("10.0.0.0/0.0.0.255", "write 10.0.0.0/24"),
        ("010.0.0.0/8", "write 10.0.0.0/8"),
        ("10.1", "write all four numbers"),
        ("10.0.0.0-10.0.0.255", "write 10.0.0.0/24"),
        ("::ffff:10.0.0.0/104", "write 10.0.0.0/8"),
        ("fe80::%eth0/64", "a zone"),
        ("10.0.0.5", "write 10.0.0.5/32"),
    ],
)
def test_n01_a_network_that_could_mean_another_stops_the_start(run, folder, network, write):
    for file, old, new in (
        (folder.policy(), "192.0.2.0/24", network),
        (folder.config_file, "proxy_protocol: []", f'proxy_protocol: ["{network}"]'),
    ):
        text = file.read_text()
        changed = text.replace(old, new) if old in text else f'{text}proxy_protocol: ["{network}"]\n'
        file.write_text(changed)
        refused = run("check", "--config", folder.config_file)
        assert (refused.code, write in refused.err) == (78, True), refused.err
        file.write_text(text)


@pytest.mark.trap("N-01", "Every IPv6 network together holds no IPv4 address, and the other way round.")
def test_n01_the_two_kinds_are_apart():
    v4, v6 = NetworkTable({CUSTOMER: [ip_network("0.0.0.0/0")]}), NetworkTable({CUSTOMER: [ip_network("::/0")]})
    assert [table.anyone(address) for table in (v4, v6) for address in ("10.0.0.1", "::ffff:10.0.0.1", "::10.0.0.1", "2001:db8::1")] == [
        *(True, True, False, False),
        *(False, False, True, True),
    ]
