"""Allow-lists: every spelling of a network has one meaning or none, and every look-up agrees with ``ipaddress``."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.networks import Network, NetworkTable, neighbourhood, parse_network


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.7/32", "192.0.2.7/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:db8:7::/48", "2001:db8:7::/48"),
        ("2001:DB8:7:0::/48", "2001:db8:7::/48"),
        ("::1/128", "::1/128"),
        ("::/0", "::/0"),
        ("64:ff9b::/96", "64:ff9b::/96"),
        ("2002:c000:200::/40", "2002:c000:200::/40"),
        ("::/128", "::/128"),
    ],
)
def test_a_network_is_read(text: str, expected: str) -> None:
    assert parse_network(text) == ip_network(expected)


NO_NETWORK = "is not a network such as 192.0.2.0/24 or 2001:db8::/48"
OCTAL, FOUR, NAMES = (
    ": zeros in front mean octal to some programs; write ",
    ": write all four numbers of the address",
    ": names are not looked up",
)
REFUSED = [
    ("192.0.2.1", "has no prefix length: write 192.0.2.1/32"),
    ("2001:db8::1", "has no prefix length: write 2001:db8::1/128"),
    ("10.0.0.1/8", "has bits set behind its prefix: write 10.0.0.0/8"),
    ("10.0.0.1/0", "has bits set behind its prefix: write 0.0.0.0/0"),
    ("2001:db8::1/32", "has bits set behind its prefix: write 2001:db8::/32"),
    ("10.0.0.0/255.0.0.0", "has a mask instead of a prefix length: write 10.0.0.0/8"),
    ("10.0.0.0/0.255.255.255", "has a mask instead of a prefix length: write 10.0.0.0/8"),
    ("10.0.0.0/٨", "has a mask instead of a prefix length"),
    ("10.0.0.0/８", "has a mask instead of a prefix length"),
    ("10.0.0.0/+8", "has a mask instead of a prefix length"),
    ("10.0.0.0/8 ", "has a mask instead of a prefix length"),
    ("10.0.0.0/8\n", "has a mask instead of a prefix length"),
    ("10.0.0.0/1_0", "has a mask instead of a prefix length"),
    ("192.0.2.0/024", "has zeros in front of its prefix length: write 192.0.2.0/24"),
    ("2001:db8::/032", "has zeros in front of its prefix length: write 2001:db8::/32"),
    ("::ffff:10.0.0.0/104", "is IPv4 written as IPv6: write 10.0.0.0/8"),
    ("::ffff:a00:0/104", "is IPv4 written as IPv6: write 10.0.0.0/8"),
    ("::ffff:0:0/96", "is IPv4 written as IPv6: write 0.0.0.0/0"),
    ("::ffff:192.0.2.1/128", "is IPv4 written as IPv6: write 192.0.2.1/32"),
    ("::192.0.2.0/120", "is IPv4 in a form that no client has: write 192.0.2.0/24"),
    ("::c000:200/120", "is IPv4 in a form that no client has: write 192.0.2.0/24"),
    ("010.0.0.1", NO_NETWORK + OCTAL + "10.0.0.1/32"),
    ("010.0.0.0/8", NO_NETWORK + OCTAL + "10.0.0.0/8"),
    ("192.000.002.000/24", NO_NETWORK + OCTAL + "192.0.2.0/24"),
    ("10.1", NO_NETWORK + FOUR),
    ("10/8", NO_NETWORK + FOUR),
    ("10.0.0/8", NO_NETWORK + FOUR),
    ("127.1/8", NO_NETWORK + FOUR),
    ("0x7f.1", NO_NETWORK + FOUR),
    ("0x0a.0.0.0/8", NO_NETWORK + FOUR),
    ("167772160/8", NO_NETWORK + FOUR),
    ("10.0.0.0-10.0.0.255", NO_NETWORK + ": write 10.0.0.0/24"),
    ("192.0.2.1 - 192.0.2.4", NO_NETWORK + ": write 192.0.2.1/32, 192.0.2.2/31, 192.0.2.4/32"),
    ("10.0.0.1-11.255.255.254", NO_NETWORK + ": write 10.0.0.1/32, 10.0.0.2/31, "),
    ("10.0.0.9-10.0.0.1", NO_NETWORK),
    ("10.1.*.*", NO_NETWORK + ": write a prefix length instead of asterisks"),
    (" 10.0.0.0/8", NO_NETWORK + ": write 10.0.0.0/8, without blanks"),
    ("10.0.0.0 / 8", NO_NETWORK + ": write 10.0.0.0/8, without blanks"),
    ("fe80::1%eth0/128", NO_NETWORK + ": a zone is a matter of the machine"),
    ("fe80::%1/64", NO_NETWORK + ": a zone is a matter of the machine"),
    ("suite.internal/8", NO_NETWORK + NAMES),
    ("localhost", NO_NETWORK + NAMES),
    ("10.0.0.0/33", NO_NETWORK + ": the prefix length goes up to 32"),
    ("10.0.0.0/-1", NO_NETWORK),
    ("2001:db8::/129", NO_NETWORK + ": the prefix length goes up to 128"),
    *(
        (text, NO_NETWORK)
        for text in ("", "/8", "/", "10.0.0.0/", "10.0.0.256/32", "[2001:db8::]/32", "2001:db8::g/64", "١٠.0.0.0/8", "10.0.0.0\0/8")
    ),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED, ids=[repr(text) for text, _ in REFUSED])
def test_what_could_mean_two_networks_is_refused_and_says_what_to_write(text: str, expected: str) -> None:
    """N-01: 10.0.0.1/8 and wildcard masks are taken in silence by netaddr."""
    with pytest.raises(ValueError, match=f"^{re.escape(f'{text!r} {expected}')}"):
        parse_network(text)


V4 = st.integers(0, (1 << 32) - 1)
V6 = st.integers(0, (1 << 128) - 1)


def v4_networks(addresses: st.SearchStrategy[int] = V4, least_prefix: int = 0) -> st.SearchStrategy[Network]:
    return st.builds(lambda n, p: IPv4Network((n, p), strict=False), addresses, st.integers(least_prefix, 32))


def v6_networks() -> st.SearchStrategy[Network]:
    return st.builds(lambda n, p: IPv6Network((n, p), strict=False), V6, st.integers(0, 128))


#: Close together, so that networks touch, overlap and contain one another.
DENSE = st.lists(v4_networks(st.integers(0xC0000200, 0xC00002FF), 24), max_size=8)
MIXED = st.lists(v4_networks() | v6_networks(), max_size=12)
ADDRESSES = st.builds(IPv4Address, V4) | st.builds(IPv6Address, V6)


def edges(networks: list[Network]) -> list[IPv4Address | IPv6Address]:
    """First and last address of each network, and the ones outside."""
    numbers = {(n.version, int(end) + step) for n in networks for end in (n[0], n[-1]) for step in (-1, 0, 1)}
    kinds = {4: (IPv4Address, 32), 6: (IPv6Address, 128)}
    return [kinds[version][0](number) for version, number in numbers if 0 <= number < 1 << kinds[version][1]]


def oracle(networks: list[Network], address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)


@given(MIXED | DENSE, st.lists(ADDRESSES, max_size=5))
@example([ip_network("::/0")], [ip_address("255.255.255.255"), ip_address("::ffff:1.2.3.4"), ip_address("::")])
@example([ip_network("255.255.255.255/32"), ip_network("::/128")], [ip_address("::1")])
def test_look_ups_agree_with_ipaddress(networks: list[Network], more: list[IPv4Address | IPv6Address]) -> None:
    table = NetworkTable({"energie_nord": networks})
    for address in [*edges(networks), *more]:
        expected = oracle(networks, address)
        assert table.customer_has("energie_nord", str(address)) is expected
        assert table.anyone(str(address)) is expected


@given(DENSE, DENSE, st.integers(0xC00001FF, 0xC0000300).map(IPv4Address))
def test_a_customer_has_only_its_own_networks(mine: list[Network], theirs: list[Network], address: IPv4Address) -> None:
    table = NetworkTable({"energie_nord": mine, "stadtwerke_musterstadt": theirs})
    assert table.customer_has("energie_nord", str(address)) is oracle(mine, address)
    assert table.customer_has("stadtwerke_musterstadt", str(address)) is oracle(theirs, address)
    assert table.anyone(str(address)) is oracle(mine + theirs, address)


@given(v4_networks(), V4.map(IPv4Address))
def test_ipv4_mapped_into_ipv6_is_ipv4(network: Network, address: IPv4Address) -> None:
    """T-I1: ``::ffff:10.0.0.1`` is not in 10.0.0.0/8 for netaddr and ipaddress, and slips past lists of what is forbidden."""
    table = NetworkTable({"energie_nord": [network]})
    assert table.anyone(f"::ffff:{address}") is table.anyone(str(address)) is (address in network)


@pytest.mark.parametrize(
    ("network", "address", "expected"),
    [
        ("10.0.0.0/8", "::ffff:10.0.0.1", True),
        ("10.0.0.0/8", "::ffff:a00:1", True),
        ("10.0.0.0/8", "::FFFF:0A00:0001", True),
        ("10.0.0.0/8", "::10.0.0.1", False),  # IPv4-compatible: deprecated, and an address of its own
        ("10.0.0.0/8", "64:ff9b::10.0.0.1", False),  # NAT64
        ("10.0.0.0/8", "2002:a00:1::", False),  # 6to4
        ("::/0", "10.0.0.1", False),  # N-01
        ("::/0", "::ffff:10.0.0.1", False),
        ("0.0.0.0/0", "::1", False),
        ("fe80::/10", "fe80::1", True),
        ("fe80::/10", "fe80::1%eth0", False),  # a zone says which of our links, and nothing of whose address it is
        ("10.0.0.0/8", "010.0.0.1", False),
        ("10.0.0.0/8", "10.1", False),
        ("10.0.0.0/8", "167772161", False),
        ("10.0.0.0/8", "10.0.0.1 ", False),
        ("10.0.0.0/8", "10.0.0.1, 10.0.0.2", False),
        ("10.0.0.0/8", "localhost", False),
        ("0.0.0.0/0", "", False),
    ],
)
def test_an_address_is_what_the_kernel_writes_and_nothing_else(network: str, address: str, expected: bool) -> None:
    """T-I1"""
    table = NetworkTable({"energie_nord": [parse_network(network)]})
    assert table.anyone(address) is expected
    assert table.customer_has("energie_nord", address) is expected


@given(st.text(max_size=45) | st.text("0123456789abcdef.:%/ ", max_size=45))
def test_no_text_raises_or_is_let_in_without_a_network(address: str) -> None:
    assert NetworkTable({}).anyone(address) is False
    assert NetworkTable({"energie_nord": []}).customer_has("energie_nord", address) is False


def test_an_unknown_customer_has_no_networks() -> None:
    assert not NetworkTable({"energie_nord": [ip_network("0.0.0.0/0")]}).customer_has("stadtwerke_musterstadt", "192.0.2.1")


@given(st.text("0123456789abcdef.:/", max_size=24) | st.builds(str, v4_networks() | v6_networks()))
def test_what_is_taken_means_to_ipaddress_what_it_means_to_us(text: str) -> None:
    try:
        parsed = parse_network(text)
    except ValueError:
        return
    assert parsed == ip_network(text, strict=True)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:0:0:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("", "2001:db8::1", False),
    ],
)
def test_td2_neighbours_are_counted_as_one(one, other, same):
    assert (neighbourhood(one) == neighbourhood(other)) == same
