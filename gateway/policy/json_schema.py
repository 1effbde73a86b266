"""JSON Schemas of the files that the security team edits, for editors: they complete keys and underline mistakes while one types.

    python -m gateway.policy.json_schema customer > customer.schema.json

A schema says less than ``gateway check``: that a class, role or record exists, or that routes overlap, only the loader knows. So
nothing is decided by what stands here, and nothing of the gateway reads it. What never may come in: a rule that the loader has not;
an editor may ask for quotes that the loader does not need, and refuse nothing else that the gateway takes.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from gateway.errors import GatewayError

# Written out rather than taken from the readers' own patterns: those are Python's, these are ECMA-262's.
_Name = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,39}$")]
_CustomerName = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,62}$")]
_Size = Annotated[str, Meta(pattern="^[0-9]{1,9} ?(B|KiB|MiB|GiB)?$", description="such as 1 MiB")] | Annotated[int, Meta(ge=1)]
_Duration = Annotated[str, Meta(pattern="^[0-9]{1,6} ?[smhd]$", description="such as 15m, 12h or 30s")]
_Address = Annotated[str, Meta(pattern="^([0-9.]+|\\[[0-9a-fA-F:.]+\\]):[0-9]{1,5}$", description="such as 0.0.0.0:8443 or [::]:8443")]
_Network = Annotated[str, Meta(pattern="^[0-9a-fA-F:.]+/[0-9]{1,3}$", description="such as 192.0.2.0/24 or 2001:db8:7::/48")]
_Selector = Annotated[str, Meta(min_length=1, description="RFC 9535 without the leading $., such as household.name or notes[*]")]
_RouteKey = Annotated[
    str, Meta(pattern="^(GET|POST|PUT|PATCH|DELETE)(,(GET|POST|PUT|PATCH|DELETE))* +/", description="such as PUT,PATCH /orders/{id}")
]
_RecordOrPass = Annotated[str, Meta(description="a record's name, or pass: streamed, not looked into")]


class _File(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Unknown keys are mistakes everywhere."""


class Admin(_File):
    listen: Annotated[_Address, Meta(description="a loopback address")]


class ConfigFile(_File):
    """Where the gateway runs. Paths count from this file's folder."""

    listen: _Address
    hostnames: Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1, description="that clients connect to")]
    certificate: str
    private_key: str
    policies: str
    state: str
    vault: Literal["sqlite"]
    operator_key: Annotated[str, Meta(pattern="^file:.")]
    authority_keys: Annotated[str, Meta(pattern="^(file|pkcs11:.+)$", description="file, or pkcs11:token=NAME?module-path=…")] = "file"
    processes: Annotated[Literal["separate", "one"], Meta(description="one: for trials only")] = "separate"
    workers: Literal["auto"] | Annotated[int, Meta(ge=1, le=256)] = "auto"
    proxy_protocol: list[str] = field(default_factory=list)
    admin: Admin | msgspec.UnsetType = msgspec.UNSET


class DataClassEntry(_File):
    """How one kind of personal data becomes a token."""

    form: Literal["opaque", "same_length", "digits", "email", "uuid", "mask", "drop"] = "opaque"
    method: Annotated[Literal["vault", "sealed"], Meta(description="sealed: the value inside the token, opaque only")] = "vault"
    repeat: Annotated[Literal["same", "fresh"], Meta(description="same: equal values get one token, and can be searched")] = "same"
    alphabet: Annotated[Literal["windows-1252-safe", "windows-1252"], Meta(description="same_length only")] = "windows-1252-safe"
    prefix: Annotated[str, Meta(pattern="^0[0-9]{1,7}$", description="digits: no real number begins with it")] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    keep_last: Annotated[int, Meta(ge=0, le=4, description="digits: how many stay readable")] = 0
    domain: (
        Annotated[str, Meta(pattern="\\.([iI][nN][vV][aA][lL][iI][dD]|[tT][eE][sS][tT]|[eE][xX][aA][mM][pP][lL][eE])$")] | msgspec.UnsetType
    ) = msgspec.UNSET


class DataClassesFile(_File):
    """Every kind of personal data, by name."""

    data_classes: dict[_Name, DataClassEntry]


class RecordEntry(_File):
    """One shape of bodies. What is not listed is refused, unless ``unlisted: pass``."""

    fields: Annotated[dict[_Selector, _Name], Meta(description="place → data class")] = field(default_factory=dict)
    clear: Annotated[list[_Selector], Meta(description="let through, each with its whole subtree")] = field(default_factory=list)
    contains: Annotated[dict[_Selector, str], Meta(description="place → another record")] = field(default_factory=dict)
    unlisted: Literal["refuse", "pass"] = "refuse"


class Reveal(_File):
    """Data classes that a role sees. All others it sees as tokens."""

    clear: list[_Name] = field(default_factory=list)
    masked: list[_Name] = field(default_factory=list)


class RoleEntry(_File):
    """What a role may see, and whether it may give listed users their first password."""

    reveal: Reveal | msgspec.UnsetType = msgspec.UNSET
    accounts: Literal["own", "make"] = "own"


class RouteLimitsEntry(_File):
    """Of bodies of one route; what is not said here, the API's limits say."""

    body: _Size | msgspec.UnsetType = msgspec.UNSET
    depth: Annotated[int, Meta(ge=1, le=1000)] | msgspec.UnsetType = msgspec.UNSET


class RouteEntry(_File):
    """Who may, and which bodies. Without ``request`` or ``response`` that body must be empty."""

    roles: list[_Name]
    query: Annotated[dict[str, _Name], Meta(description="parameter → clear, or the data class that it searches")] = field(
        default_factory=dict
    )
    request: _RecordOrPass | msgspec.UnsetType = msgspec.UNSET
    response: _RecordOrPass | msgspec.UnsetType = msgspec.UNSET
    limits: RouteLimitsEntry | msgspec.UnsetType = msgspec.UNSET


class LimitsEntry(_File):
    """Of bodies."""

    body: _Size = "1 MiB"
    depth: Annotated[int, Meta(ge=1, le=1000)] = 64


class ExampleEntry(_File):
    """An example, run by ``gateway test``."""

    role: _Name = field(name="as")
    send: Annotated[dict[_RouteKey, Any], Meta(min_length=1, max_length=1)]
    upstream_must_not_contain: list[str] = field(default_factory=list)
    then_seen_by: Annotated[dict[_Name, Any], Meta(description="role → what it sees of the answer")] = field(default_factory=dict)


class ApiFile(_File):
    """Where personal data is, who sees what, what is let through. What is not listed is refused."""

    api: _Name
    roles: dict[_Name, RoleEntry | None]
    routes: dict[_RouteKey, RouteEntry]
    records: dict[str, RecordEntry] = field(default_factory=dict)
    limits: LimitsEntry = field(default_factory=LimitsEntry)
    tests: list[ExampleEntry] = field(default_factory=list)


class OwnCertificateEntry(_File):
    """What the gateway shows to the application."""

    certificate: str
    private_key: str


class HealthEntry(_File):
    """A request of the gateway's own to each server."""

    path: Annotated[str, Meta(pattern="^/", description="such as /healthz")]
    every: _Duration = "10s"


class UpstreamEntry(_File):
    """This customer's own upstream."""

    url: Annotated[str, Meta(pattern="^(https?://|unix:/)", description="http:// and unix: only on this machine")]
    servers: (
        Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1, max_length=32, description="HOST, HOST:PORT or unix:/PATH")]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    own_certificate: OwnCertificateEntry | msgspec.UnsetType = msgspec.UNSET
    health: HealthEntry | msgspec.UnsetType = msgspec.UNSET
    ca: str | msgspec.UnsetType = msgspec.UNSET
    authorization: Annotated[str, Meta(pattern="^(forward|drop|file:.+)$")] = "drop"
    client_cert: Annotated[bool, Meta(description="the application is told the client's certificate: Client-Cert, RFC 9440")] = False
    shared: Annotated[bool, Meta(description="another customer has the same one, and says so too")] = False


class Only(_File):
    """Of the certificates of an authority of your own, those with this name or hash."""

    dns: str | msgspec.UnsetType = msgspec.UNSET
    uri: str | msgspec.UnsetType = msgspec.UNSET
    email: str | msgspec.UnsetType = msgspec.UNSET
    sha256: str | msgspec.UnsetType = msgspec.UNSET
    spki: str | msgspec.UnsetType = msgspec.UNSET
    subject: str | msgspec.UnsetType = msgspec.UNSET


class CertificatesEntry(_File):
    """``authority: gateway``, or ``file`` with your own authority."""

    authority: Literal["gateway"] | msgspec.UnsetType = msgspec.UNSET
    file: str | msgspec.UnsetType = msgspec.UNSET
    crl: Annotated[str, Meta(description="a file, or a URL that it is fetched from")] | msgspec.UnsetType = msgspec.UNSET
    without_crl: Annotated[Literal["refuse", "accept"], Meta(description="while no list counts")] | msgspec.UnsetType = msgspec.UNSET
    only: list[Only] = field(default_factory=list)


class KeyEntry(_File):
    """How long an open customer token stays open."""

    held_by: Literal["customer"] = "customer"
    idle: _Duration = "15m"
    longest: _Duration = "12h"


class CustomerFile(_File):
    """Who may come in, and where their data goes."""

    customer: _CustomerName
    api: _Name
    upstream: UpstreamEntry
    networks: Annotated[list[_Network], Meta(min_length=1)]
    certificates: CertificatesEntry
    users: Annotated[dict[str, _Name], Meta(description="user → role; passwords never stand here")]
    key: KeyEntry = field(default_factory=KeyEntry)


FILES: dict[str, type[_File]] = {
    "config": ConfigFile,
    "data_classes": DataClassesFile,
    "api": ApiFile,
    "customer": CustomerFile,
}


class UnknownFile(GatewayError):
    """There is no such kind of file."""


def json_schema(kind: str) -> str:
    """The schema of one kind of file, as JSON text."""
    if kind not in FILES:
        raise UnknownFile(kind)
    schema: dict[str, object] = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(FILES[kind])}
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in FILES:
        sys.exit(f"usage: python -m gateway.policy.json_schema {{{'|'.join(FILES)}}}")
    sys.stdout.write(json_schema(sys.argv[1]))
