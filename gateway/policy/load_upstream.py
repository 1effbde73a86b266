"""``upstream:`` of a customer's file: where its requests go, on which servers, and with which certificates.

What never may come in: asking a resolver or opening a file; what names turn out to be is judged again when a connection is opened
(``gateway.proxy.dialing``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

from gateway.config import Config
from gateway.policy.hosts import address_in, is_host, is_loopback, is_own_door
from gateway.policy.model import Customer, HealthCheck, OwnCertificate, Server, Upstream
from gateway.schema import Mistakes, Node

REQUIRED = ("url",)
OPTIONAL = ("servers", "ca", "own_certificate", "authorization", "health", "client_cert", "shared")
OWN_CERTIFICATE = ("certificate", "private_key")
HEALTH_REQUIRED = ("path",)
HEALTH_OPTIONAL = ("every",)
MOST_SERVERS = 32
#: Bytes of a UNIX socket's path: ``sun_path`` has 108, the last is NUL (unix(7)).
LONGEST_SOCKET = 107

USUAL_PORTS = {"http": 80, "https": 443}
_BASE_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]*[A-Za-z0-9_~-])*", re.ASCII)
_SOCKET = re.compile(r"unix:((?:/(?!\.{1,2}(?:/|:|\Z))[^/:\x00]+)+)")
_HEALTH_PATH = re.compile(r"/[\x21\x22\x24-\x7e]*")  # what may stand in a request line, without a fragment

_URL = "expected a URL such as https://suite.internal/musterstadt, without user, query or fragment"
_SERVER = "expected HOST, HOST:PORT or unix:/PATH, such as suite-a.internal:8443"


def read_upstream(node: Node, folder: Path) -> Upstream:
    """Paths count from ``folder``. Port 0 after a mistake: no place at all."""
    fields = node.fields(REQUIRED, OPTIONAL)
    scheme, host, port, base = _url(fields["url"])
    servers = _servers(fields, USUAL_PORTS[scheme] if fields["url"].text().startswith("unix:") else port)
    if scheme == "http":
        _check_plain(fields, host, servers)
    if "shared" in fields:
        fields["shared"].boolean()
    return Upstream(
        scheme=cast(Literal["http", "https"], scheme),
        host=host,
        port=port,
        base_path=base,
        ca=fields["ca"].path(folder) if "ca" in fields else None,
        authorization=_authorization(fields.get("authorization"), folder),
        client_cert="client_cert" in fields and fields["client_cert"].boolean(),
        servers=servers,
        own_certificate=_own_certificate(fields["own_certificate"], folder) if "own_certificate" in fields else None,
        health=_health(fields["health"]) if "health" in fields else None,
    )


def _url(node: Node) -> tuple[str, str, int, str]:
    """Over a UNIX socket the application is told that it is ``localhost``."""
    text = node.text()
    if text.startswith("unix:"):
        path, _, base = text.removeprefix("unix:").partition(":")
        if _socket(f"unix:{path}") is None or not _BASE_PATH.fullmatch(base.rstrip("/")):
            node.wrong("expected unix:/PATH or unix:/PATH:/BASE, such as unix:/run/suite.sock:/musterstadt")
        return "http", "localhost", 80, base.rstrip("/")
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    base = parts.path.rstrip("/")
    wrong = parts.scheme not in USUAL_PORTS or not is_host(host) or port == 0 or not _BASE_PATH.fullmatch(base)
    if wrong or "@" in parts.netloc or "?" in text or "#" in text or not text.isprintable():
        node.wrong(_URL)
        return "http", "127.0.0.1", 0, ""
    return parts.scheme, host, port or USUAL_PORTS[parts.scheme], base


def _socket(text: str) -> str | None:
    """The path, or None: absolute, in its one spelling, and short enough for the kernel."""
    found = _SOCKET.fullmatch(text)
    return found[1] if found and found[1].isprintable() and len(found[1].encode()) <= LONGEST_SOCKET else None


def _servers(fields: Mapping[str, Node], port: int) -> tuple[Server, ...]:
    url = fields["url"].text()
    if "servers" not in fields:
        path = _socket(":".join(url.split(":")[:2])) if url.startswith("unix:") else None
        return (Server("", 0, path),) if path else ()
    node = fields["servers"]
    if url.startswith("unix:"):
        node.wrong("with 'servers' the URL is the name that they go by: write http://localhost/… there and unix:/… here")
    items = node.items()
    if node.value == [] or len(items) > MOST_SERVERS:
        node.wrong(f"expected 1 to {MOST_SERVERS} servers")
    seen: dict[Server, int] = {}
    for item in items[:MOST_SERVERS]:
        server = _server(item, port)
        if server is not None and server in seen:
            item.wrong(f"stands here twice (first in line {seen[server]})")
        elif server is not None:
            seen[server] = item.line
    return tuple(seen)


def _server(node: Node, port: int) -> Server | None:
    text = node.text()
    if text.startswith("unix:"):
        path = _socket(text)
        if path is None:
            node.wrong(f"expected an absolute path of at most {LONGEST_SOCKET} bytes, without : and .., such as unix:/run/suite.sock")
        return Server("", 0, path) if path else None
    try:
        parts = urlsplit(f"//{text}")
        host, own_port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        host, own_port, parts = "", None, urlsplit("")
    if not is_host(host) or own_port == 0 or parts.path or set(text) & set("@?#/\\") or not text.isprintable() or text.endswith(":"):
        extra = ": scheme and path are those of 'url', for all servers" if "/" in text else ""
        node.wrong(_SERVER + extra)
        return None
    return Server(host, own_port or port)


def _check_plain(fields: Mapping[str, Node], host: str, servers: tuple[Server, ...]) -> None:
    """Unencrypted only where nobody else can listen: on this machine."""
    if "servers" in fields:
        if any(server.host and not is_loopback(server.host) for server in servers):
            fields["servers"].wrong("with http:// every server must be on this machine; across a network it must be https://")
    elif not servers and not is_loopback(host):
        fields["url"].wrong("http:// is for upstreams on this machine only; across a network it must be https://")
    if "ca" in fields:
        fields["ca"].wrong("an authority has no meaning for http://")
    if "own_certificate" in fields:
        fields["own_certificate"].wrong("a certificate of our own has no meaning for http://")


def _own_certificate(node: Node, folder: Path) -> OwnCertificate:
    fields = node.fields(OWN_CERTIFICATE)
    return OwnCertificate(fields["certificate"].path(folder), fields["private_key"].path(folder))


def _health(node: Node) -> HealthCheck:
    fields = node.fields(HEALTH_REQUIRED, HEALTH_OPTIONAL)
    path = fields["path"].text()
    if not _HEALTH_PATH.fullmatch(path):
        fields["path"].wrong("expected a path such as /healthz, in ASCII and percent-encoded, without a fragment")
        path = "/"
    return HealthCheck(path, fields["every"].duration() if "every" in fields else HealthCheck("/").every)


def _authorization(node: Node | None, folder: Path) -> Literal["forward", "drop"] | Path:
    """``drop`` unless said otherwise: the customer's password is a key, and opens more than the suite needs to know."""
    text = node.text() if node is not None else "drop"
    if text == "forward":
        return "forward"
    if text.startswith("file:"):
        path = folder / text.removeprefix("file:")
        if node is not None and not path.is_file():
            node.wrong("there is no such file")
        return path
    if node is not None and text != "drop":
        node.wrong("expected forward, drop or file:PATH")
    return "drop"


Place = tuple[str, int, str]  # host or unix:/PATH, port, base path


def check_upstreams(customers: Mapping[str, tuple[Node, Customer]], config: Config, mistakes: Mistakes) -> None:
    """Two customers with one upstream share a database behind us unless they say that they may; and never our own doors (T-A4).

    One below the other is one upstream too: ``/{a}/orders`` of the upper one reaches into the lower one.
    """
    seen: dict[Place, str] = {}
    named = [(place, name) for name, (_, customer) in customers.items() if customer.upstream.port for place in _places(customer.upstream)]
    said: set[tuple[str, str]] = set()
    for place, name in sorted(named):  # the upper ones come first
        root = customers[name][0]
        node = root.entries().get("upstream", root)
        if _is_ours(place, config) and (name, "") not in said:
            node.wrong("the upstream is the gateway itself")
            said.add((name, ""))
        for other in filter(None, (seen.get(above) for above in _above(place))):
            if other != name and (name, other) not in said and not (_shared(root) and _shared(customers[other][0])):
                text = f"the upstream is also that of {other!r}: give each its own, or say 'shared: true' in both"
                mistakes.add(root.file, node.line, text)
                said.add((name, other))
        seen.setdefault(place, name)


def _places(upstream: Upstream) -> Iterator[Place]:
    """One spelling for one place, as far as it can be known without asking a resolver."""
    for server in upstream.reached:
        if server.socket:
            yield f"unix:{Path(server.socket).resolve()}", 0, upstream.base_path
        else:
            host = "127.0.0.1" if server.host == "localhost" else str(address_in(server.host) or server.host)
            yield host, server.port, upstream.base_path


def _above(place: Place) -> Iterator[Place]:
    """The place itself and every folder above it."""
    host, port, path = place
    while path:
        yield host, port, path
        path = path.rpartition("/")[0]
    yield host, port, ""


def _is_ours(place: Place, config: Config) -> bool:
    host, port, _ = place
    if host.startswith("unix:"):  # the sockets of the vault and the cipher
        return Path(host.removeprefix("unix:")).is_relative_to(config.state.resolve())
    return is_own_door(host, port, config.doors) or (host in config.hostnames and port in {door[1] for door in config.doors})


def _shared(root: Node) -> bool:
    upstream = root.entries().get("upstream")
    shared = upstream.entries().get("shared") if upstream is not None else None
    return shared is not None and shared.value == "true"
