"""``policies/customers/NAME.yaml``: who may come in, and where their data goes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from gateway.networks import Network, parse_network
from gateway.policy.load_certificates import read_certificates
from gateway.policy.load_upstream import read_upstream
from gateway.policy.model import Api, Customer, CustomerKey
from gateway.schema import Node, suggestion

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
USER = re.compile(r"[^\s:\x00-\x1f\x7f]{1,64}")
REQUIRED = ("customer", "api", "upstream", "networks", "certificates", "users")
OPTIONAL = ("key",)
KEY = ("held_by", "idle", "longest")


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
        upstream=read_upstream(fields["upstream"], folder),
        networks=tuple(network for network, _ in networks),
        certificates=read_certificates(fields["certificates"], folder),
        key=_key(fields["key"]) if "key" in fields else CustomerKey(),
        users=_users(fields["users"], apis.get(api)),
        file=root.file,
        network_lines=tuple(line for _, line in networks),
    )


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
