"""``policies/customers/NAME.yaml``: who may come in, and where their data goes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

from gateway.config import Config
from gateway.policy.model import Api, Certificates, Customer, CustomerKey, Upstream
from gateway.policy.networks import Network, parse_network
from gateway.schema import Mistakes, Node, suggestion

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
USER = re.compile(r"[^\s:\x00-\x1f\x7f]{1,64}")
_REQUIRED = ("customer", "api", "upstream", "networks", "certificates", "users")
_BASE_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]*[A-Za-z0-9_~-])*", re.ASCII)
_ONLY = ("dns", "uri", "email", "sha256", "spki", "subject")


def read_customer(root: Node, apis: Mapping[str, Api], folder: Path) -> Customer | None:
    fields = root.fields(_REQUIRED, ("key",))
    if any(name not in fields for name in _REQUIRED):
        return None
    name = fields["customer"].text()
    if not NAME.fullmatch(name):
        fields["customer"].wrong(f"{name!r} is not a name for a customer: lower-case letters, digits, _ and -")
    api = fields["api"].text()
    if api not in apis:
        fields["api"].wrong(f"there is no API {api!r}{suggestion(api, tuple(apis))}")
    return Customer(
        name=name,
        api=api,
        upstream=_upstream(fields["upstream"], folder),
        networks=tuple(_networks(fields["networks"])),
        certificates=_certificates(fields["certificates"], folder),
        key=_key(fields["key"]) if "key" in fields else CustomerKey(),
        users=_users(fields["users"], apis.get(api)),
        file=root.file,
    )


def _upstream(node: Node, folder: Path) -> Upstream:
    fields = node.fields(("url",), ("ca", "authorization", "shared"))
    parts = _url(fields["url"]) if "url" in fields else ("http", "127.0.0.1", 1, "")
    if "shared" in fields:
        fields["shared"].boolean()
    ca = fields["ca"].text() if "ca" in fields else ""
    if ca and parts[0] == "http":
        fields["ca"].wrong("an authority has no meaning for http://")
    return Upstream(
        scheme=cast(Literal["http", "https"], parts[0]),
        host=parts[1],
        port=parts[2],
        base_path=parts[3],
        ca=folder / ca if ca else None,
        authorization=_authorization(fields.get("authorization"), folder),
    )


def _url(node: Node) -> tuple[str, str, int, str]:
    try:
        parts = urlsplit(node.text())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    base = parts.path.rstrip("/")
    if (
        parts.scheme not in ("http", "https")
        or not host
        or parts.username
        or parts.query
        or parts.fragment
        or not _BASE_PATH.fullmatch(base)
    ):
        node.wrong("expected a URL such as https://suite.internal/musterstadt, without user, query or fragment")
        return "http", "127.0.0.1", 1, ""
    if parts.scheme == "http" and not _is_loopback(host):
        node.wrong("http:// is for upstreams on this machine only; across a network it must be https://")
    return parts.scheme, host, port or {"http": 80, "https": 443}[parts.scheme], base


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _authorization(node: Node | None, folder: Path) -> Literal["forward", "drop"] | Path:
    """``drop`` unless said otherwise: the customer's password is a key, and opens more than the suite needs to know."""
    text = node.text() if node is not None else "drop"
    if text == "forward":
        return "forward"
    if text.startswith("file:"):
        path = folder / text.removeprefix("file:")
        if node is not None and not path.is_file():
            node.wrong(f"there is no file {path}")
        return path
    if node is not None and text != "drop":
        node.wrong("expected forward, drop or file:PATH")
    return "drop"


def _networks(node: Node) -> list[Network]:
    networks: list[Network] = []
    for item in node.items():
        try:
            networks.append(parse_network(item.text()))
        except ValueError as error:
            item.wrong(str(error))
    if not node.items():
        node.wrong("at least one network is needed: nobody can connect from nowhere")
    return networks


def _certificates(node: Node, folder: Path) -> Certificates:
    fields = node.fields((), ("authority", "file", "crl", "only"))
    if ("authority" in fields) == ("file" in fields):
        node.wrong("give either 'authority: gateway' or 'file:' with your own authority")
    if "authority" in fields:
        fields["authority"].choice("gateway")
        for name in ("crl", "only"):
            if name in fields:
                fields[name].wrong(f"{name!r} belongs to an authority of your own; ours has its ledger")
        return Certificates(None)
    only = []
    for item in fields["only"].items() if "only" in fields else ():
        only.append({name: value.text() for name, value in item.fields((), _ONLY).items()})
    crl = fields["crl"].text() if "crl" in fields else ""
    if crl.startswith(("http://", "https://")):
        fields["crl"].wrong("this version reads CRLs from files only")
    return Certificates(folder / fields["file"].text() if "file" in fields else None, folder / crl if crl else None, tuple(only))


def _key(node: Node) -> CustomerKey:
    fields = node.fields((), ("held_by", "idle", "longest"))
    if "held_by" in fields and fields["held_by"].choice("customer", "operator") == "operator":
        fields["held_by"].wrong(
            "this version starts no jobs of its own, which is what 'held_by: operator' is for: write 'held_by: customer'"
        )
    return CustomerKey(
        idle=fields["idle"].duration() if "idle" in fields else CustomerKey().idle,
        longest=fields["longest"].duration() if "longest" in fields else CustomerKey().longest,
    )


def _users(node: Node, api: Api | None) -> dict[str, str]:
    users: dict[str, str] = {}
    for user, entry in node.entries().items():
        role = entry.text()
        if not USER.fullmatch(user):
            node.wrong(f"{user!r} is not a user name: no blanks, colons or control characters, at most 64", node.key_lines[user])
        if api is not None and role not in api.roles:
            entry.wrong(f"there is no role {role!r}{suggestion(role, tuple(api.roles))}")
        users[user] = role
    return users


def check_upstreams(customers: Mapping[str, tuple[Node, Customer]], config: Config, mistakes: Mistakes) -> None:
    """Two customers with one upstream share a database behind us unless they say that they may; and never our own doors (T-A4)."""
    seen: dict[tuple[str, int, str], str] = {}
    own = {config.listen[1]} | ({config.admin[1]} if config.admin else set())
    for name, (root, customer) in sorted(customers.items()):
        node = root.entries()["upstream"]
        place = (customer.upstream.host, customer.upstream.port, customer.upstream.base_path)
        if (_is_loopback(place[0]) or place[0] == config.listen[0] or place[0] in config.hostnames) and place[1] in own:
            node.wrong("the upstream is the gateway itself")
        if place in seen and not (_shared(root) and _shared(customers[seen[place]][0])):
            text = f"the upstream is also that of {seen[place]!r}: give each its own, or say 'shared: true' in both"
            mistakes.add(root.file, node.line, text)
        seen.setdefault(place, name)


def _shared(root: Node) -> bool:
    shared = root.entries()["upstream"].entries().get("shared")
    return shared is not None and shared.value == "true"
