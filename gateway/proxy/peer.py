"""What the transport, and nothing in the request, says of the other end.

What never may come in: a forwarding header. They are written by whoever wants to be somebody else (T-I3, T-I8).
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any

from aiohttp.web import BaseRequest

from gateway.proxy.access import Peer


@lru_cache(maxsize=4096)
def canonical(address: str) -> str:
    """One spelling per address: IPv4 that arrived on an IPv6 socket is IPv4 (T-I1), and a zone says nothing of the peer."""
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(parsed)


def address_of(peername: Any) -> str:
    """The address of a socket's peer name; empty when there is none any more."""
    return canonical(peername[0]) if isinstance(peername, tuple) else ""


def peer_of(request: BaseRequest) -> Peer:
    """Raises ConnectionResetError when the client is already gone."""
    transport = request.transport
    if transport is None:
        raise ConnectionResetError
    peer = transport.get_extra_info("peer")
    return peer if isinstance(peer, Peer) else Peer(address_of(transport.get_extra_info("peername")), None, None)
