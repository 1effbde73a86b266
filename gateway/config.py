"""``config.yaml``: where the gateway runs, and where its state lies on disk.

What belongs here: reading that file, and the layout of the state folder. What never may: policies, keys, passwords.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from gateway.networks import Network, parse_network
from gateway.pkcs11_uri import SHAPE, TokenUri, parse_token_uri
from gateway.schema import Mistakes, Node, read_yaml


@dataclass(frozen=True, slots=True)
class Config:
    """All paths are absolute: relative ones count from the folder of the file."""

    file: Path
    listen: tuple[str, int]
    hostnames: tuple[str, ...]
    certificate: Path
    private_key: Path
    policies: Path
    state: Path
    operator_key: Path
    processes: Literal["separate", "one"]
    workers: int | None  # None: one per core
    admin: tuple[str, int] | None
    authority_keys: TokenUri | None = None  # None: in encrypted files
    proxy_protocol: tuple[Network, ...] = ()  # load balancers: the PROXY header is mandatory from them and refused from all others

    @property
    def doors(self) -> frozenset[tuple[str, int]]:
        """Our own listeners, which no upstream may be (T-A4)."""
        return frozenset({self.listen} | ({self.admin} if self.admin else set()))

    @property
    def customers_dir(self) -> Path:
        return self.state / "customers"

    def customer_dir(self, customer: str) -> Path:
        return self.customers_dir / customer

    def vault_db(self, customer: str) -> Path:
        return self.customer_dir(customer) / "vault.db"

    def keyslots(self, customer: str) -> Path:
        return self.customer_dir(customer) / "keyslots"

    def data_keys(self, customer: str) -> Path:
        return self.customer_dir(customer) / "datakeys"

    def authority_dir(self, customer: str) -> Path:
        return self.customer_dir(customer) / "ca"

    def fetched_crl(self, customer: str) -> Path:
        """The revocation list that came last from the customer's URL, as it came (DER or PEM)."""
        return self.customer_dir(customer) / "fetched.crl"

    def share(self, customer: str) -> Path:
        """Apart from the customers' folders, because it is to be backed up apart from them."""
        return self.state / "shares" / customer

    def tombstone(self, customer: str) -> Path:
        return self.state / "tombstones" / customer

    @property
    def audit_dir(self) -> Path:
        return self.state / "audit"

    @property
    def admin_token(self) -> Path:
        return self.state / "admin.token"

    @property
    def run_dir(self) -> Path:
        return self.state / "run"


def load_config(file: Path) -> Config:
    """Raises ConfigurationError with every mistake."""
    mistakes = Mistakes()
    root = read_yaml(file, mistakes)
    config = _read(file.absolute(), root) if root is not None else None
    mistakes.raise_any()
    assert config is not None
    return config


_HOSTNAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
REQUIRED = ("listen", "hostnames", "certificate", "private_key", "policies", "state", "vault", "operator_key")
OPTIONAL = ("authority_keys", "processes", "workers", "proxy_protocol", "admin")


def _read(file: Path, root: Node) -> Config:
    fields = root.fields(REQUIRED, OPTIONAL)
    folder = file.parent
    if fields["vault"].text() != "sqlite":
        fields["vault"].wrong("this version keeps vaults in SQLite only: write 'vault: sqlite'")
    workers = fields.get("workers")
    processes = fields.get("processes")
    return Config(
        file=file,
        listen=_address(fields["listen"]),
        hostnames=_hostnames(fields["hostnames"]),
        certificate=fields["certificate"].path(folder),
        private_key=fields["private_key"].path(folder),
        policies=fields["policies"].path(folder),
        state=fields["state"].path(folder),
        operator_key=_operator_key(fields["operator_key"], folder),
        processes="one" if processes is not None and processes.choice("separate", "one") == "one" else "separate",
        workers=None if workers is None or workers.value == "auto" else workers.integer(1, 256),
        admin=_admin(fields["admin"]) if "admin" in fields else None,
        authority_keys=_authority_keys(fields["authority_keys"], folder) if "authority_keys" in fields else None,
        proxy_protocol=tuple(_networks(fields["proxy_protocol"])) if "proxy_protocol" in fields else (),
    )


def _address(node: Node) -> tuple[str, int]:
    host, colon, port = node.text().rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    try:
        # Without brackets, 2001:db8::1:8443 is an address with port 8443 or one without a port.
        bracketed = host == (f"[{bare}]" if ":" in bare else bare)
        if colon and bracketed and re.fullmatch("[0-9]{1,5}", port, re.ASCII) and int(port) < 65536:
            return str(ip_address(bare)), int(port)
    except ValueError:
        pass
    node.wrong("expected an address and a port, such as 0.0.0.0:8443 or '[::]:8443' (in quotes)")
    return "127.0.0.1", 0


def _networks(node: Node) -> Iterator[Network]:
    for item in node.items():
        try:
            yield parse_network(item.text())
        except ValueError as error:
            item.wrong(str(error))


def _hostnames(node: Node) -> tuple[str, ...]:
    items = node.items()
    if not items and isinstance(node.value, list):
        node.wrong("at least one host name is needed: the one that clients connect to")
    return tuple(_hostname(item) for item in items)


def _hostname(node: Node) -> str:
    """In the one spelling that Host and server name are compared with (T-M5); an empty one would equal a missing one."""
    name = node.text().lower()
    if not _HOSTNAME.fullmatch(name) or len(name) > 253:
        node.wrong("a plain host name or IPv4 address is needed, without port, wildcard or trailing dot")
    return name


def _operator_key(node: Node, folder: Path) -> Path:
    kind, colon, path = node.text().partition(":")
    if kind == "pkcs11":
        node.wrong("this version keeps the operator key in an encrypted file only: write 'operator_key: file:certs/operator.key'")
    elif kind != "file" or not colon or not path or not path.isprintable():
        node.wrong("expected file:PATH")
    return folder / path


def _authority_keys(node: Node, folder: Path) -> TokenUri | None:
    text = node.text()
    if text == "file":
        return None
    try:
        return parse_token_uri(text, folder)
    except ValueError as error:
        node.wrong(str(error) if text.startswith("pkcs11:") else f"expected file, or {SHAPE}")
        return None


def _admin(node: Node) -> tuple[str, int]:
    listen = node.fields(("listen",))["listen"]
    host, port = _address(listen)
    if not ip_address(host).is_loopback:
        listen.wrong("the operators' listener is for loopback addresses only")
    return host, port
