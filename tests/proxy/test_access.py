"""Certificate, network and host as a table: either alone opens nothing, and nothing in the request says who sent it."""

import pytest

from gateway.ca.trust import Identity
from gateway.errors import Refused
from gateway.networks import NetworkTable, parse_network
from gateway.policy.model import PolicySet
from gateway.proxy.access import Client, Peer, Snapshot, check_host, host_name, identify

OURS, OTHER = "stadtwerke_musterstadt", "energie_nord"
LEAVES = {b"ours": OURS, b"theirs": OTHER, b"shredded": "nobody_any_more"}
NETWORKS = {OURS: ["192.0.2.0/24", "2001:db8:7::/48"], OTHER: ["192.0.2.128/25", "198.51.100.0/24"]}


class Trust:
    """Knows leaves by what stands in them; the real one is tested in tests/ca."""

    def identify(self, leaf, now):
        if leaf == b"expired" and now > 100:
            raise Refused("certificate-expired")
        if leaf not in LEAVES:
            raise Refused("certificate-unknown")
        return Identity(LEAVES[leaf], f"sha256 of {leaf.decode()}", "01", 1e12)


@pytest.fixture
def snapshot():
    networks = NetworkTable({name: tuple(map(parse_network, texts)) for name, texts in NETWORKS.items()})
    policies = PolicySet("0" * 16, {}, {}, {OURS: None, OTHER: None}, networks)
    return Snapshot(policies, Trust(), frozenset({"gateway.example", "127.0.0.1"}), None)


@pytest.mark.parametrize(
    ("leaf", "address", "verdict", "learnt"),
    [
        (b"ours", "192.0.2.7", OURS, OURS),
        (b"ours", "2001:db8:7::1", OURS, OURS),
        (b"ours", "192.0.2.200", OURS, OURS),  # two customers' networks may overlap: the certificate says which
        (b"theirs", "192.0.2.200", OTHER, OTHER),
        (b"ours", "198.51.100.7", "network-foreign", OURS),
        (b"theirs", "192.0.2.7", "network-foreign", OTHER),
        (b"ours", "203.0.113.1", "network-foreign", OURS),
        (None, "192.0.2.7", "certificate-missing", ""),
        (b"unheard of", "192.0.2.7", "certificate-unknown", ""),
        (b"expired", "192.0.2.7", "certificate-expired", ""),
        (b"shredded", "192.0.2.7", "certificate-unknown", "nobody_any_more"),
    ],
)
def test_one_lock_with_two_bolts(snapshot, leaf, address, verdict, learnt):
    seen = []
    peer = Peer(address, leaf, "gateway.example")
    if verdict in (OURS, OTHER):
        client = identify(snapshot, peer, 200.0, lambda *told: seen.append(told))
        assert client == Client(verdict, address, f"sha256 of {leaf.decode()}", leaf)
    else:
        with pytest.raises(Refused, match=verdict):
            identify(snapshot, peer, 200.0, lambda *told: seen.append(told))
    assert [customer for customer, _ in seen] == ([learnt] if learnt else [])  # a refusal is recorded for whom it concerns


@pytest.mark.parametrize(
    ("host", "server_name", "ours"),
    [
        ("gateway.example", "gateway.example", True),
        ("gateway.example:8443", "gateway.example", True),
        ("GATEWAY.Example", "gateway.EXAMPLE", True),
        ("127.0.0.1:8443", None, True),
        ("gateway.example", None, True),
        ("gateway.example.", "gateway.example", False),  # T-M5: a trailing dot is another name
        ("gateway.example", "gateway.example.", False),
        ("other.example", "other.example", False),
        ("gateway.example", "other.example", False),
        ("127.0.0.1", "gateway.example", False),  # both ours, but not the same
        ("x.gateway.example", "gateway.example", False),
        ("gateway.example@evil.example", None, False),
        ("", None, False),
        (":8443", None, False),
        ("[::1]", None, False),
        ("*", None, False),
    ],
)
def test_t_m5_t_m6_host_and_server_name_are_ours_and_agree(snapshot, host, server_name, ours):
    if ours:
        check_host(snapshot, host, server_name)
    else:
        with pytest.raises(Refused, match="host-foreign"):
            check_host(snapshot, host, server_name)


@pytest.mark.parametrize(
    ("host", "name"),
    [("A.b:1", "a.b"), ("a.b", "a.b"), ("[2001:DB8::1]:8443", "[2001:db8::1]"), ("[::1", "[::1]"), ("a.b.", "a.b.")],
)
def test_the_name_in_a_host_header(host, name):
    assert host_name(host) == name
