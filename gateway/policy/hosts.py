"""Hosts in URLs that policies name: an address or a name, and never a spelling that only a resolver understands (T-A4).

What never may come in: asking a resolver.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address

_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?", re.ASCII)


def address_in(host: str) -> IPv4Address | IPv6Address | None:
    """The address that ``host`` is, IPv4 as such however it is written into IPv6."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def is_host(host: str) -> bool:
    """An address, or a name: ``127.1`` and ``0x7f000001`` are neither here, and this machine to the resolver (T-A4)."""
    if address_in(host) is not None:
        return "%" not in host
    last = host.rpartition(".")[2]
    return _HOST.fullmatch(host) is not None and ".." not in host and not re.fullmatch("[0-9]+|0x[0-9a-f]*", last)


def is_loopback(host: str) -> bool:
    address = address_in(host)
    return address.is_loopback if address is not None else host == "localhost" or host.endswith(".localhost")


def is_own_door(host: str, port: int, doors: Collection[tuple[str, int]]) -> bool:
    """One of our own listeners, ``doors``: through it a customer's request would come out at another lock, from loopback (T-A4)."""
    address = address_in(host)
    here = is_loopback(host) or (address is not None and address.is_unspecified)  # 0.0.0.0 is this machine to connect()
    return any(port == own_port and (here or str(address or host) == own_host) for own_host, own_port in doors)
