"""Who may do what, in forty lines: written from the design (sections 6 and 7), and from nothing else.

Belongs here: facts as plain values, and what must come of them. Never may: an import of the gateway, or a line that was changed
because the gateway saw it otherwise and the design did not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network

CLOSED, HANDSHAKE = "closed before TLS", "no handshake"
HOSTNAMES = {"gateway.example", "orders.example"}
ROLES_OF_ROUTE = {
    ("GET", "/orders"): {"dispatcher", "auditor"},
    ("POST", "/orders"): {"importer", "dispatcher"},
    ("GET", "/orders/7"): {"dispatcher"},
    ("PUT", "/orders/7"): {"dispatcher"},
    ("GET", "/orders/7/documents"): {"dispatcher"},
}


@dataclass(frozen=True)
class Paper:
    """A certificate, as whoever made it knows it. ``begins`` and ``ends`` in days from now; ``signer``: whose authority signed it."""

    name: str
    signer: str
    begins: int = -1
    ends: int = 30
    fit: bool = True  # for clients, and no authority itself
    in_ledger: bool = True  # where the signer's authority is ours
    claims: str | None = None  # a customer that its names speak of, when it is not the signer's


@dataclass(frozen=True)
class World:
    """What can change while a connection lives. ``day``: days from now on the gateway's clock."""

    networks: Mapping[str, tuple[str, ...]] = field(repr=False)
    users: Mapping[str, Mapping[str, tuple[str, str]]] = field(repr=False)  # customer → user → (password, role)
    moved: bool  # ``networks`` are the ones after a customer moved
    revoked: frozenset[str]  # papers, by ledger or by list
    list_ends: Mapping[str, int]  # customer with an authority and a list of its own → the last day on which the list lets in
    day: int


@dataclass(frozen=True)
class Attempt:
    """``paper``: the one that the connection stands on, which is the resumed session's when there is one."""

    paper: Paper | None
    address: str
    server_name: str | None
    tls: str = "TLSv1.3"
    resumed: bool = False
    live: bool = False  # the connection was there before the world became what it is
    host: str | None = "gateway.example"
    user: str | None = None  # None: no password is sent
    password: str = ""
    method: str = "GET"
    target: str = "/orders"
    origin: str | None = None
    fetch_site: str | None = None
    body: bool = False


def verdict(world: World, attempt: Attempt) -> set[int | str]:
    """What may come of it: mostly one answer. 200 is the only one that lets in."""
    paper, address = attempt.paper, _unmapped(attempt.address)
    if not attempt.live and not any(_inside(address, networks) for networks in world.networks.values()):
        return {CLOSED}  # step 1
    if paper is not None and (paper.signer not in world.networks or not paper.begins <= 0 <= paper.ends):
        return {HANDSHAKE}  # unknown or expired; step 2
    if attempt.host is None:
        return {400, HANDSHAKE} if paper is not None and not paper.fit else {400}
    if paper is None:
        return {403}
    if not paper.fit:
        return {403, HANDSHAKE}  # where it is said is open
    customer = paper.signer  # step 3: never the server name, and never what the certificate says of itself
    proven = paper.begins <= world.day <= paper.ends and world.day <= world.list_ends.get(customer, world.day)
    issued = (paper.in_ledger and paper.claims is None) or customer in world.list_ends  # their own authorities name as they like
    if not proven or paper.name in world.revoked or not issued:
        return {403}
    if not _inside(address, world.networks[customer]):
        return {403}  # step 4
    host = attempt.host.partition(":")[0].lower()
    if host not in HOSTNAMES or (attempt.server_name is not None and attempt.server_name.lower() != host):
        return {421}
    password, role = world.users[customer].get(attempt.user or "", (None, ""))
    if attempt.user is None or password is None or attempt.password != password:
        return {401}  # step 5
    if attempt.target not in {target for _, target in ROLES_OF_ROUTE}:
        return {404}  # step 6
    if (attempt.method, attempt.target) not in ROLES_OF_ROUTE:
        return {405}
    foreign = attempt.origin not in (None, *(f"https://{name}" for name in HOSTNAMES)) or attempt.fetch_site == "cross-site"
    if role not in ROLES_OF_ROUTE[attempt.method, attempt.target] or (attempt.method != "GET" and foreign):
        return {403}
    return {200} if attempt.body or attempt.method == "GET" else {400}  # step 7


def _unmapped(address: str) -> str:
    parsed = ip_address(address)
    return str(parsed.ipv4_mapped) if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped else address


def _inside(address: str, networks: tuple[str, ...]) -> bool:
    return any(ip_address(address) in ip_network(network) for network in networks)
