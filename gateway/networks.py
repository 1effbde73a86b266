"""Allow-lists: which address belongs to which customer's networks.

Compiled to sorted borders, so that a look-up is a bisection however many networks there are. IPv4 that arrives mapped into IPv6
is IPv4 (T-I1); other ways of writing IPv4 into IPv6 (6to4, NAT64) are addresses of their own. What never may come in: an address
taken from a header.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network
from socket import AF_INET, AF_INET6, inet_pton

import netaddr

Network = IPv4Network | IPv6Network
_Table = Mapping[int, list[bytes]]  # 4 and 16, how many bytes an address has → borders; bytes of one length compare as numbers do
_MAPPED = bytes(10) + b"\xff\xff"


def parse_network(text: str) -> Network:
    """A network in CIDR notation. Raises ValueError with what to write instead (N-01)."""
    try:
        parsed = netaddr.IPNetwork(text)
    except (netaddr.AddrFormatError, ValueError):
        raise ValueError(f"{text!r} is not a network such as 192.0.2.0/24 or 2001:db8::/48{_hint(text)}") from None
    _, slash, length = text.rpartition("/")
    if not slash:
        raise ValueError(f"{text!r} has no prefix length: write {parsed.ip}/{parsed.prefixlen}")
    if not (length.isascii() and length.isdigit()):
        raise ValueError(f"{text!r} has a mask instead of a prefix length: write {parsed.cidr}")
    if length != str(int(length)):
        raise ValueError(f"{text!r} has zeros in front of its prefix length: write {parsed.cidr}")
    if parsed.ip != parsed.network:
        raise ValueError(f"{text!r} has bits set behind its prefix: write {parsed.cidr}")
    network = ip_network(str(parsed.cidr))
    if isinstance(network, IPv6Network):
        _refuse_other_forms(text, network)
    return network


def _refuse_other_forms(text: str, network: IPv6Network) -> None:
    """IPv4 inside IPv6: mapped addresses are looked up as IPv4 (T-I1), and the compatible ones (RFC 4291, 2.5.5.1) reach nobody."""
    first = network.network_address
    if network.prefixlen >= 96 and first.ipv4_mapped is not None:
        raise ValueError(f"{text!r} is IPv4 written as IPv6: write {first.ipv4_mapped}/{network.prefixlen - 96}")
    if network.prefixlen >= 96 and 1 < int(first) < 1 << 32:
        raise ValueError(f"{text!r} is IPv4 in a form that no client has: write {IPv4Address(int(first))}/{network.prefixlen - 96}")


def _hint(text: str) -> str:
    """What somebody may have meant by it. Never taken for it: each of these means something else to some other program."""
    plain = "".join(text.split())
    address, slash, length = plain.partition("/")
    if plain != text and _is_network(plain):
        return f": write {plain}, without blanks"
    if "%" in address:
        return ": a zone is a matter of the machine that has it; write the network without it"
    if "-" in plain and ":" not in plain:
        return _range_hint(*plain.partition("-")[::2])
    if "*" in address:
        return ": write a prefix length instead of asterisks, such as 10.1.0.0/16 for 10.1.*.*"
    decimal = ".".join(part.lstrip("0") or "0" for part in address.split("."))
    if decimal != address and _is_network(f"{decimal}/{length or 32}"):
        return f": zeros in front mean octal to some programs; write {decimal}/{length or 32}"
    if (re.fullmatch(r"[0-9a-fx.]+", address) and address.count(".") < 3) or "0x" in address:
        return ": write all four numbers of the address, in decimal"
    if re.search("[g-z]", address.lower()):
        return ": names are not looked up; write addresses"
    return f": the prefix length goes up to {128 if ':' in address else 32}" if slash else ""


def _range_hint(first: str, last: str) -> str:
    try:
        networks = netaddr.iprange_to_cidrs(first, last)
    except (netaddr.AddrFormatError, ValueError):
        return ""
    return ": write " + ", ".join(str(network) for network in networks[:8]) + (" …" if len(networks) > 8 else "")


def _is_network(text: str) -> bool:
    try:
        parse_network(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=8192)
def packed(address: str) -> bytes | None:
    """An address as 4 or 16 bytes, IPv4 also where it is mapped into IPv6; None for what is no plain address (a zone, a name).

    ``inet_pton`` knows one spelling of IPv4 only, and costs 0.4 µs; ``ipaddress`` would take 3 to 10, which is more than all other
    checks of an address together.
    """
    try:
        if ":" not in address:
            return inet_pton(AF_INET, address)
        long = inet_pton(AF_INET6, address)
    except (OSError, ValueError):  # ValueError: a NUL, half of a surrogate pair
        return None
    return long[12:] if long.startswith(_MAPPED) else long


def neighbourhood(address: str) -> str:
    """Who is counted as one: an IPv4 address, and the whole /64 of an IPv6 one, in which a single machine takes as many as it likes."""
    known = packed(address)
    return address if known is None or len(known) == 4 else known[:8].hex()


def _compiled(networks: Iterable[Network]) -> _Table:
    found: dict[int, list[tuple[int, int]]] = {4: [], 16: []}
    for network in networks:
        first = int(network.network_address)
        found[network.max_prefixlen >> 3].append((first, first + (1 << network.max_prefixlen - network.prefixlen)))
    return {length: _borders(sorted(ranges), length) for length, ranges in found.items()}


def _borders(ranges: Iterable[tuple[int, int]], length: int) -> list[bytes]:
    """Where the networks begin and end, in turn: an address that has passed an odd number of borders lies inside of one."""
    borders: list[int] = []
    for start, end in ranges:
        if borders and start <= borders[-1]:
            borders[-1] = max(borders[-1], end)
        else:
            borders += (start, end)
    if borders and borders[-1] == 1 << 8 * length:
        borders.pop()  # beyond the last address there is none
    return [border.to_bytes(length, "big") for border in borders]


class NetworkTable:
    """Immutable: the networks of all customers."""

    __slots__ = ("_all", "_by_customer")

    def __init__(self, networks: Mapping[str, Iterable[Network]]) -> None:
        self._by_customer = {customer: _compiled(of_customer) for customer, of_customer in networks.items()}
        self._all = _compiled(network for of_customer in networks.values() for network in of_customer)

    def anyone(self, address: str) -> bool:
        """Does the address lie in some customer's networks? Asked before TLS: whoever says no to this gets no handshake."""
        known = packed(address)
        return known is not None and bisect_right(self._all[len(known)], known) & 1 == 1

    def customer_has(self, customer: str, address: str) -> bool:
        """Does it lie in this customer's networks?"""
        known = packed(address)
        table = self._by_customer.get(customer)
        return known is not None and table is not None and bisect_right(table[len(known)], known) & 1 == 1
