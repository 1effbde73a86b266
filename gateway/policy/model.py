"""The policy set: everything the gateway decides by, as frozen values.

Built and checked by ``load.py``, judged by ``decide.py``; swapped as a whole on reload, and an exchange keeps the one that it
began with. What never may come in: a password, a key, a token, a file handle, or anything that changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Literal, NamedTuple

from gateway.body.selector import Record
from gateway.networks import NetworkTable
from gateway.tokens.form import DataClass

Template = tuple[str | None, ...]  # the segments of a path; None stands for a parameter


@dataclass(frozen=True, slots=True)
class Limits:
    body: int = 1 << 20  # bytes
    depth: int = 64  # nested arrays and objects


@dataclass(frozen=True, slots=True)
class Role:
    """What a role may see, and whether it may give listed users a first password. A class in neither set is seen as tokens."""

    name: str
    clear: frozenset[str] = frozenset()
    masked: frozenset[str] = frozenset()
    makes_users: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path template. ``request``/``response``: a record, ``pass`` (streamed, not looked into) or None (no body)."""

    method: str
    template: str  # /orders/{id}
    segments: Template
    roles: frozenset[str]
    query: Mapping[str, str]  # parameter → "clear" or the name of a data class
    request: Record | Literal["pass"] | None
    response: Record | Literal["pass"] | None
    limits: Limits | None = None  # None: those of the API


@dataclass(frozen=True, slots=True)
class PolicyTest:
    """An example inside the policy, run by ``gateway test``."""

    role: str
    method: str
    path: str
    body: Any
    upstream_must_not_contain: tuple[str, ...]
    then_seen_by: Mapping[str, Any]
    line: int


@dataclass(frozen=True, slots=True)
class Api:
    name: str
    roles: Mapping[str, Role]
    routes: tuple[Route, ...]
    limits: Limits
    tests: tuple[PolicyTest, ...] = ()
    #: Segments in a path → templates of that length with their routes by method, the more exact ones first (see ``decide.py``).
    paths: Mapping[int, tuple[tuple[Template, Mapping[str, Route]], ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        templates: dict[Template, dict[str, Route]] = {}
        for route in self.routes:
            templates.setdefault(route.segments, {}).setdefault(route.method, route)
        exact_first = sorted(templates.items(), key=lambda entry: [part is None for part in entry[0]])
        lengths = {len(template) for template in templates}
        found = {length: tuple(entry for entry in exact_first if len(entry[0]) == length) for length in lengths}
        object.__setattr__(self, "paths", found)


class Server(NamedTuple):
    """One machine, or one process, that answers for an upstream: at a host and port, or at the UNIX socket ``socket``."""

    host: str
    port: int
    socket: str = ""


class OwnCertificate(NamedTuple):
    """What the gateway shows to an upstream that asks who comes. PEM files."""

    certificate: Path
    private_key: Path


class HealthCheck(NamedTuple):
    """A request of the gateway's own, without anything of a client's in it."""

    path: str
    every: int = 10  # seconds


@dataclass(frozen=True, slots=True)
class Upstream:
    """``host`` is the name that it goes by: in Host, in TLS and in redirects; ``reached`` says where connections go."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    base_path: str  # without trailing slash; "" when none
    ca: Path | None
    authorization: Literal["forward", "drop"] | Path  # Path: a file that holds the header's value
    client_cert: bool = False  # is told the client's certificate (RFC 9440)
    servers: tuple[Server, ...] = ()  # none: it is reached under its own name
    own_certificate: OwnCertificate | None = None
    health: HealthCheck | None = None

    @property
    def reached(self) -> tuple[Server, ...]:
        return self.servers or (Server(self.host, self.port),)

    @property
    def authority(self) -> str:
        """As Host names it (RFC 9110 section 7.2)."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == {"http": 80, "https": 443}[self.scheme] else f"{name}:{self.port}"

    def __hash__(self) -> int:
        """Of what a connection depends on, and cheap: the pool looks it up with each request."""
        return hash(self.host)


@dataclass(frozen=True, slots=True)
class Certificates:
    """Whose certificates count for a customer: our own authority's (None) or those of ``file``."""

    authority: Path | None
    crl: Path | None = None
    only: tuple[Mapping[str, str], ...] = ()
    crl_url: str | None = None  # instead of ``crl``: fetched in the background
    without_crl: Literal["refuse", "accept"] = "refuse"  # what becomes of its clients while no list counts


@dataclass(frozen=True, slots=True)
class CustomerKey:
    idle: int = 15 * 60  # seconds that an open customer token outlives its last use
    longest: int = 12 * 3600  # seconds, whatever the use


@dataclass(frozen=True, slots=True)
class Customer:
    name: str
    api: str
    upstream: Upstream
    networks: tuple[IPv4Network | IPv6Network, ...]
    certificates: Certificates
    key: CustomerKey
    users: Mapping[str, str]  # user → role
    file: Path
    network_lines: tuple[int, ...] = field(default=(), compare=False)  # where each of ``networks`` stands in ``file``


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Everything that one exchange is judged by. ``revision``: 16 hex digits of a SHA-256 over all files."""

    revision: str
    data_classes: Mapping[str, DataClass]
    apis: Mapping[str, Api]
    customers: Mapping[str, Customer]
    networks: NetworkTable
    warnings: tuple[str, ...] = field(default=())

    def role_of(self, customer: str, user: str) -> Role | None:
        """The role of a user, or None if the customer or the user is not in the policy."""
        entry = self.customers.get(customer)
        if entry is None or user not in entry.users:
            return None
        return self.apis[entry.api].roles[entry.users[user]]
