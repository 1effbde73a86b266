"""Allow-lists: which address belongs to which customer's networks.

Compiled to sorted ranges, so that a look-up is a bisection however many networks there are. IPv4 that arrives mapped into IPv6
is IPv4 (T-I1); other ways of writing IPv4 into IPv6 (6to4, NAT64) are addresses of their own. What never may come in: an address
taken from a header.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import netaddr

Network = IPv4Network | IPv6Network
_Ranges = tuple[list[int], list[int]]
_V6 = 1 << 128  # IPv4 and IPv6 on one line: version 6 lies above all of version 4


def parse_network(text: str) -> Network:
    """A network in CIDR notation. Raises ValueError with what to write instead (N-01)."""
    try:
        parsed = netaddr.IPNetwork(text)
    except (netaddr.AddrFormatError, ValueError):
        raise ValueError(f"{text!r} is not a network such as 192.0.2.0/24 or 2001:db8::/48") from None
    _, slash, length = text.rpartition("/")
    if not slash:
        raise ValueError(f"{text!r} has no prefix length: write {parsed.ip}/{parsed.prefixlen}")
    if not (length.isascii() and length.isdigit()):
        raise ValueError(f"{text!r} has a mask instead of a prefix length: write {parsed.cidr}")
    if parsed.ip != parsed.network:
        raise ValueError(f"{text!r} has bits set behind its prefix: write {parsed.cidr}")
    network = ip_network(str(parsed.cidr))
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None and network.prefixlen >= 96:
        plain = f"{network.network_address.ipv4_mapped}/{network.prefixlen - 96}"
        raise ValueError(f"{text!r} is IPv4 written as IPv6: write {plain}")
    return network


@lru_cache(maxsize=8192)
def _number(address: str) -> int | None:
    """Where an address lies on the line; None for what is no plain address (a zone, a name)."""
    if "%" in address:
        return None
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address):
        return int(parsed.ipv4_mapped) if parsed.ipv4_mapped is not None else _V6 + int(parsed)
    return int(parsed)


def _compiled(networks: Iterable[Network]) -> _Ranges:
    """Sorted, merged, closed ranges, as starts and ends."""
    offset = {4: 0, 6: _V6}
    ranges = sorted((offset[n.version] + int(n.network_address), offset[n.version] + int(n.broadcast_address)) for n in networks)
    starts: list[int] = []
    ends: list[int] = []
    for start, end in ranges:
        if ends and start <= ends[-1] + 1 and (start < _V6) == (ends[-1] < _V6):
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    return starts, ends


def _contains(ranges: _Ranges, number: int) -> bool:
    at = bisect_right(ranges[0], number) - 1
    return at >= 0 and number <= ranges[1][at]


class NetworkTable:
    """Immutable: the networks of all customers."""

    __slots__ = ("_all", "_by_customer")

    def __init__(self, networks: Mapping[str, Iterable[Network]]) -> None:
        self._by_customer = {customer: _compiled(of_customer) for customer, of_customer in networks.items()}
        self._all = _compiled(network for of_customer in networks.values() for network in of_customer)

    def anyone(self, address: str) -> bool:
        """Does the address lie in some customer's networks? Asked before TLS: whoever says no to this gets no handshake."""
        number = _number(address)
        return number is not None and _contains(self._all, number)

    def customer_has(self, customer: str, address: str) -> bool:
        """Does it lie in this customer's networks?"""
        number = _number(address)
        ranges = self._by_customer.get(customer)
        return number is not None and ranges is not None and _contains(ranges, number)
