"""``policies/customers/NAME.yaml``: who may come in, and where their data goes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

from gateway.config import Config
from gateway.networks import Network, parse_network
from gateway.policy.hosts import address_in, is_host, is_loopback
from gateway.policy.load_certificates import read_certificates
from gateway.policy.model import Api, Customer, CustomerKey, Upstream
from gateway.schema import Mistakes, Node, suggestion

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
USER = re.compile(r"[^\s:\x00-\x1f\x7f]{1,64}")
REQUIRED = ("customer", "api", "upstream", "networks", "certificates", "users")
OPTIONAL = ("key",)
UPSTREAM_REQUIRED = ("url",)
UPSTREAM_OPTIONAL = ("ca", "authorization", "client_cert", "shared")
KEY = ("held_by", "idle", "longest")
_BASE_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]*[A-Za-z0-9_~-])*", re.ASCII)


def read_customer(root: Node, apis: Mapping[str, Api], folder: Path, *, all_apis: bool = True) -> Customer:
    """``all_apis``: false when the file of one could not be read, so that a missing one is no mistake of the customer's."""
    fields = root.fields(REQUIRED, OPTIONAL)
    name = fields["customer"].text()
    if not NAME.fullmatch(name):
        fields["customer"].wrong(f"{name!r} is not a name for a customer: lower-case letters, digits, _ and -")
    api = fields["api"].text()
    if all_apis and api not in apis:
        fields["api"].wrong(f"there is no API {api!r}{suggestion(api, tuple(apis))}")
    networks = _networks(fields["networks"])
    return Customer(
        name=name,
        api=api,
        upstream=_upstream(fields["upstream"], folder),
        networks=tuple(network for network, _ in networks),
        certificates=read_certificates(fields["certificates"], folder),
        key=_key(fields["key"]) if "key" in fields else CustomerKey(),
        users=_users(fields["users"], apis.get(api)),
        file=root.file,
        network_lines=tuple(line for _, line in networks),
    )


def _upstream(node: Node, folder: Path) -> Upstream:
    fields = node.fields(UPSTREAM_REQUIRED, UPSTREAM_OPTIONAL)
    parts = _url(fields["url"])
    if "shared" in fields:
        fields["shared"].boolean()
    if "ca" in fields and parts[0] == "http":
        fields["ca"].wrong("an authority has no meaning for http://")
    return Upstream(
        scheme=cast(Literal["http", "https"], parts[0]),
        host=parts[1],
        port=parts[2],
        base_path=parts[3],
        ca=fields["ca"].path(folder) if "ca" in fields else None,
        authorization=_authorization(fields.get("authorization"), folder),
        client_cert="client_cert" in fields and fields["client_cert"].boolean(),
    )


def _url(node: Node) -> tuple[str, str, int, str]:
    """Port 0 after a mistake: no place at all."""
    try:
        parts = urlsplit(node.text())
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    base = parts.path.rstrip("/")
    wrong = parts.scheme not in ("http", "https") or not is_host(host) or port == 0 or not _BASE_PATH.fullmatch(base)
    if wrong or "@" in parts.netloc or "?" in node.text() or "#" in node.text() or not node.text().isprintable():
        node.wrong("expected a URL such as https://suite.internal/musterstadt, without user, query or fragment")
        return "http", "127.0.0.1", 0, ""
    if parts.scheme == "http" and not is_loopback(host):
        node.wrong("http:// is for upstreams on this machine only; across a network it must be https://")
    return parts.scheme, host, port or {"http": 80, "https": 443}[parts.scheme], base


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


def _networks(node: Node) -> list[tuple[Network, int]]:
    """Each with its line."""
    networks: list[tuple[Network, int]] = []
    for item in node.items():
        try:
            networks.append((parse_network(item.text()), item.line))
        except ValueError as error:
            item.wrong(str(error))
    if node.value == []:
        node.wrong("at least one network is needed: nobody can connect from nowhere")
    return networks


def _key(node: Node) -> CustomerKey:
    fields = node.fields((), KEY)
    if "held_by" in fields and fields["held_by"].choice("customer", "operator") == "operator":
        fields["held_by"].wrong(
            "this version starts no jobs of its own, which is what 'held_by: operator' is for: write 'held_by: customer'"
        )
    key = CustomerKey(
        idle=fields["idle"].duration() if "idle" in fields else CustomerKey().idle,
        longest=fields["longest"].duration() if "longest" in fields else CustomerKey().longest,
    )
    if key.idle > key.longest:
        node.wrong("'idle' is longer than 'longest' (12h unless written): the shorter one would win in silence")
    return key


def _users(node: Node, api: Api | None) -> dict[str, str]:
    users: dict[str, str] = {}
    for user, entry in node.entries().items():
        role = entry.text()
        if not USER.fullmatch(user) or not user.isprintable():
            node.wrong(f"{user!r} is not a user name: no blanks, colons or control characters, at most 64", node.key_lines[user])
        if api is not None and role not in api.roles:
            entry.wrong(f"there is no role {role!r}{suggestion(role, tuple(api.roles))}")
        users[user] = role
    return users


def check_upstreams(customers: Mapping[str, tuple[Node, Customer]], config: Config, mistakes: Mistakes) -> None:
    """Two customers with one upstream share a database behind us unless they say that they may; and never our own doors (T-A4).

    One below the other is one upstream too: ``/{a}/orders`` of the upper one reaches into the lower one.
    """
    seen: dict[tuple[str, int, str], str] = {}
    named = {name: _place(customer.upstream) for name, (_, customer) in customers.items() if customer.upstream.port}
    for name, place in sorted(named.items(), key=lambda entry: (entry[1], entry[0])):  # the upper ones come first
        root = customers[name][0]
        node = root.entries().get("upstream", root)
        if _is_own_door(place, config):
            node.wrong("the upstream is the gateway itself")
        for other in filter(None, (seen.get(above) for above in _above(place))):
            if not (_shared(root) and _shared(customers[other][0])):
                text = f"the upstream is also that of {other!r}: give each its own, or say 'shared: true' in both"
                mistakes.add(root.file, node.line, text)
        seen.setdefault(place, name)


def _place(upstream: Upstream) -> tuple[str, int, str]:
    """One spelling for one place, as far as it can be known without asking a resolver."""
    host = "127.0.0.1" if upstream.host == "localhost" else str(address_in(upstream.host) or upstream.host)
    return host, upstream.port, upstream.base_path


def _above(place: tuple[str, int, str]) -> Iterator[tuple[str, int, str]]:
    """The place itself and every folder above it."""
    host, port, path = place
    while path:
        yield host, port, path
        path = path.rpartition("/")[0]
    yield host, port, ""


def _is_own_door(place: tuple[str, int, str], config: Config) -> bool:
    host, port, _ = place
    address = address_in(host)
    here = is_loopback(host) or (address is not None and address.is_unspecified)  # 0.0.0.0 is this machine to connect()
    ours = here or host == config.listen[0] or host in config.hostnames
    return ours and port in {config.listen[1], config.admin[1] if config.admin else config.listen[1]}


def _shared(root: Node) -> bool:
    upstream = root.entries().get("upstream")
    shared = upstream.entries().get("shared") if upstream is not None else None
    return shared is not None and shared.value == "true"
