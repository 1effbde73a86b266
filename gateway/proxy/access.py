"""Who is it: certificate, network and host, judged together on every request (design section 6, steps 3 and 4).

Everything is asked again for each request and nothing is remembered by the connection, so neither a resumed TLS session
(T-M1) nor a connection that outlives a revocation (T-M2) carries anything over. What never may come in: the password
(``sessions.py``) or the route (``policy/decide.py``).
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from gateway.ca.trust import Trust
from gateway.errors import Refused
from gateway.networks import NetworkTable
from gateway.policy.model import PolicySet

NOBODY = NetworkTable({})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one exchange is judged by, from beginning to end; swapped as a whole on reload."""

    policies: PolicySet
    trust: Trust
    hostnames: frozenset[str]
    tls: ssl.SSLContext
    balancers: NetworkTable = NOBODY  # load balancers that speak PROXY protocol


class Client(msgspec.Struct, frozen=True):  # made for every request: a frozen dataclass costs four times as much
    """The machine at the other end, once certificate and network agree on a customer."""

    customer: str
    address: str
    certificate: str  # SHA-256 of the leaf, hex
    leaf: bytes = field(default=b"", repr=False)  # DER, for upstreams that ask for it


@dataclass(frozen=True, slots=True)
class Peer:
    """What the transport, and nothing in the request, says of the other end."""

    address: str
    leaf: bytes | None  # DER
    server_name: str | None  # SNI, None when the client sent none


def identify(snapshot: Snapshot, peer: Peer, now: float, learn: Callable[[str, str], None]) -> Client:
    """The certificate chooses the customer, and the address must lie in that customer's networks: one lock with two bolts.

    ``learn(customer, fingerprint)`` is told as soon as they are known, so that a refusal can be recorded for the customer it
    concerns. ``now``: seconds since the epoch. Raises Refused.
    """
    if peer.leaf is None:
        raise Refused("certificate-missing")
    identity = snapshot.trust.identify(peer.leaf, now)
    learn(identity.customer, identity.fingerprint)
    if identity.customer not in snapshot.policies.customers:
        raise Refused("certificate-unknown")
    if not snapshot.policies.networks.customer_has(identity.customer, peer.address):
        raise Refused("network-foreign")
    return Client(identity.customer, peer.address, identity.fingerprint, peer.leaf)


def check_host(snapshot: Snapshot, host: str, server_name: str | None) -> None:
    """Host and server name are ours and agree (T-M5, T-M6): 421 otherwise. A client without SNI is judged by Host alone."""
    named = host_name(host)
    if named not in snapshot.hostnames:
        raise Refused("host-foreign")
    if server_name is not None and server_name.lower() != named:
        raise Refused("host-foreign")


def host_name(host: str) -> str:
    """The name in a Host header, lower-case and without its port. A trailing dot is another name, and none of ours."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower()
