"""Three customers, every certificate that somebody could show for one of them, and a gateway that changes under its clients.

Belongs here: the parts as in production, and the files that they are built from. Never may: an opinion about who may come in
(``oracle.py``), or a stand-in for a part; only Argon2 is cheap, and a wait for a wrong password is over at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import queue
import re
import socket
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.audit import AuditLog
from gateway.ca.authority import CUSTOMER_URI, LEDGER_FILE, create_authority
from gateway.ca.ledger import Ledger, record_issue, record_revocation
from gateway.cipher.customers import CustomerKeys
from gateway.cipher.primitives import Argon2Parameters
from gateway.cipher.providers import FileOperatorKey
from gateway.cipher.service import CipherService
from gateway.config import Config, load_config
from gateway.policy.load import load_policies
from gateway.problems import REASONS
from gateway.proxy.access import Snapshot
from gateway.runtime import setup
from gateway.runtime.keys import customer_files
from gateway.runtime.snapshot import build_snapshot
from gateway.runtime.vault_process import Stores
from gateway.runtime.worker import Worker
from gateway.vault.vault import LocalVault
from tests.attacks.oracle import CLOSED, HANDSHAKE, Paper, World
from tests.ca.pki import DAY, NOW, Pki, make_pki

CHEAP = Argon2Parameters(memory=8, iterations=1, lanes=1)
OURS = ("north", "south")  # their authorities are ours; ``west`` brings one, with a revocation list
OFFICE = "127.4.0.0/16"  # of two customers
NETWORKS = {"north": ("127.1.0.0/16", OFFICE), "south": ("127.2.0.0/16", OFFICE), "west": ("127.3.0.0/16", "::1/128")}
MOVED = {**NETWORKS, "north": ("127.5.0.0/16", OFFICE)}
ADDRESSES = ("127.1.0.7", "127.2.0.7", "127.3.0.7", "127.4.0.7", "127.5.0.7", "127.9.0.7", "::1")
#: The same names in several customers on purpose: a name, or a password, is nobody without its customer.
USERS = {
    "north": {"import_job": ("Regen über ganz Rügen", "importer"), "käthe": ("Möhren & Lauch im Topf", "dispatcher")},
    "south": {"import_job": ("nachts um drei Uhr früh", "importer"), "käthe": ("Sturm auf Sylt und Föhr", "dispatcher")},
    "west": {"import_job": ("Regen über ganz Rügen", "dispatcher"), "paula": ("Wind: immer von vorn", "auditor")},
}
REVOKED = frozenset({"north-laptop", "south-import", "west-laptop"})

LEDGERED = {
    "north-import": Paper("north-import", "north"),
    "north-laptop": Paper("north-laptop", "north"),
    "north-short": Paper("north-short", "north", ends=1),
    "south-import": Paper("south-import", "south"),
    "south-laptop": Paper("south-laptop", "south"),
}


@dataclass(frozen=True)
class Shown:
    """A paper with its files."""

    paper: Paper
    chain: Path
    key: Path


def signed_by_hand(pkis: dict[str, Pki]) -> dict[Paper, tuple[Pki, dict[str, Any]]]:
    """Whatever a holder of these authorities' keys could sign."""
    north, west = pkis["north"], pkis["west"]
    names = {name: [x509.UniformResourceIdentifier(CUSTOMER_URI + name)] for name in OURS}
    server = {"usages": [ExtendedKeyUsageOID.SERVER_AUTH]}
    namesake = Pki(north.certificate, ec.generate_private_key(ec.SECP256R1()))  # name and key identifier of north's, with another key
    return {
        Paper("north-expired", "north", -9, -1): (north, {"names": names["north"]}),
        Paper("north-early", "north", 2): (north, {"names": names["north"]}),
        Paper("north-unlisted", "north", in_ledger=False): (north, {"names": names["north"]}),
        Paper("north-for-south", "north", claims="south"): (north, {"names": names["south"]}),
        Paper("north-server", "north", fit=False, in_ledger=False): (north, {**server, "names": names["north"]}),
        Paper("west-import", "west", ends=9): (west, {}),
        Paper("west-laptop", "west", ends=9): (west, {}),
        Paper("west-named-north", "west", ends=9, claims="north"): (west, {"names": names["north"], "subject": "north"}),
        Paper("west-expired", "west", -9, -1): (west, {}),
        Paper("west-server", "west", ends=9, fit=False): (west, server),
        Paper("west-authority", "west", ends=9, fit=False): (west, {"ca": True, "path_length": 0}),
        Paper("namesake-north", "stranger"): (namesake, {"names": names["north"], "identifier": north.key.public_key()}),
    }


class Papers:
    """Every certificate, as files. ``signed``: those that no command of ours would sign; ``serials``: the others'."""

    def __init__(self, folder: Path, config: Config) -> None:
        self._folder = folder
        folder.mkdir()
        self.shown: dict[str, Shown] = {}
        self.serials: dict[str, str] = {}
        self.signed: dict[str, x509.Certificate] = {}
        self.west = make_pki("Own authority of west")
        pkis = {"west": self.west}
        for name in OURS:
            authority = create_authority(config.authority_dir(name), b"a password of the test")
            pkis[name] = Pki(authority.certificate, authority.private_key)
            for paper in (paper for paper in LEDGERED.values() if paper.signer == name):
                issued = authority.issue(name, paper.name, days=paper.ends)
                self._write(paper, issued.private_key, issued.certificate)
                self.serials[paper.name] = issued.serial
        for paper, (pki, changes) in signed_by_hand(pkis).items():
            key = ec.generate_private_key(ec.SECP256R1())
            dates = {"begin": NOW + paper.begins * DAY, "end": NOW + paper.ends * DAY}
            self.signed[paper.name] = pki.sign(key=key, **dates, **changes)
            self._write(paper, key, self.signed[paper.name])
            if paper.signer in OURS and paper.in_ledger:
                record_issue(config.authority_dir(paper.signer) / LEDGER_FILE, self.signed[paper.name], paper.name)
        north = pkis["north"]
        self._write(Paper("north-authority", "north", fit=False, in_ledger=False), north.key, north.certificate)
        self._by_a_leaf()

    def _by_a_leaf(self) -> None:
        issuer = self.shown["north-import"]
        certificate = x509.load_pem_x509_certificate(issuer.chain.read_bytes())
        leaf = Pki(certificate, serialization.load_pem_private_key(issuer.key.read_bytes(), None))
        key = ec.generate_private_key(ec.SECP256R1())
        signed = leaf.sign(key=key, names=[x509.UniformResourceIdentifier(CUSTOMER_URI + "north")])
        self._write(Paper("by-a-leaf", "north-import"), key, signed, certificate)

    def _write(self, paper: Paper, key: ec.EllipticCurvePrivateKey, *chain: x509.Certificate) -> None:
        shown = Shown(paper, self._folder / f"{paper.name}.pem", self._folder / f"{paper.name}.key")
        shown.chain.write_bytes(b"".join(each.public_bytes(serialization.Encoding.PEM) for each in chain))
        plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        shown.key.write_bytes(key.private_bytes(*plain))
        self.shown[paper.name] = shown


class Mirror(asyncio.Protocol):
    """The suite: it says for whom a request came, at a place that the policy lets through."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._data = transport, b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        if not found or len(body) < int(length[1] if length else 0):
            return
        self._data = b""
        said = dict(re.findall(rb"\r\n(gateway-[a-z]+): *([^\r]*)", head.lower()))
        seen = "/".join([head.split(b"/")[1].decode(), *(said[b"gateway-" + part].decode() for part in (b"customer", b"user", b"role"))])
        answer = json.dumps({"total" if b"GET" in head and head.split()[1].endswith(b"/orders") else "id": seen}).encode()
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer))


class Watched(Worker):
    """Says at once what it would write into the audit log once a minute: connections that ended before a request."""

    closings: queue.Queue[str]

    def _count(self, address: str, reason: str) -> None:
        if REASONS[reason] != "malformed-request":
            self.closings.put(CLOSED if reason == "network-unknown" else HANDSHAKE)


class ThreeCustomers:
    """Built once; ``become`` is what a reload does, a revocation, or time."""

    def __init__(self, folder: Path) -> None:
        setup.init(folder, ["gateway.example", "orders.example"], "Tresor im Keller")
        self._folder = folder
        self.authority = folder / "certs" / "server-ca.pem"
        self.config_file = folder / "config.yaml"
        self.config = load_config(self.config_file)
        (folder / "certs" / "operator.key").unlink()
        self._operator = FileOperatorKey.create(folder / "certs" / "operator.key", "Tresor im Keller", CHEAP)
        self.papers = Papers(folder / "papers", self.config)
        for name, users in USERS.items():
            passwords = {user: password for user, (password, _) in users.items()}
            CustomerKeys(name, customer_files(self.config, name), self._operator, CHEAP).create(passwords)
        self.worlds: list[tuple[World, Snapshot]] = []
        self.closings: queue.Queue[str] = queue.Queue()  # connections that ended before a request, as the listener says

    def become(self, number: int) -> World:
        self.world, self.worker.snapshot = self.worlds[number]
        return self.world

    def _now(self) -> float:
        return time.time() + self.world.day * DAY.total_seconds()

    def _read_worlds(self, port: int) -> None:
        """Each from files, as a reload would; but one TLS context for all, as after a revocation, so that sessions fit."""
        for revoked, moved, lenient in itertools.product((False, True), repeat=3):
            networks = MOVED if moved else NETWORKS
            self._write_trust(revoked)
            self._write_policies(networks, port, lenient)
            snapshot = build_snapshot(self.config)
            if self.worlds:
                snapshot = replace(snapshot, tls=self.worlds[0][1].tls)
            taken_back = REVOKED if revoked else frozenset()
            ends = {"west": 10_000 if lenient else 1}  # a list that has ended goes on counting where the customer chose so
            self.worlds += [(World(networks, USERS, moved, taken_back, ends, day), snapshot) for day in (0, 2)]
        self.world = self.worlds[0][0]

    def _write_trust(self, revoked: bool) -> None:
        certs, papers = self._folder / "certs", self.papers
        (certs / "west-ca.pem").write_bytes(papers.west.pem)
        (certs / "west-crl.pem").write_bytes(papers.west.crl(*(papers.signed[name] for name in REVOKED & papers.signed.keys() if revoked)))
        for name in REVOKED & LEDGERED.keys():
            ledger = self.config.authority_dir(LEDGERED[name].signer) / LEDGER_FILE
            entry = Ledger.load(ledger).by_serial(papers.serials[name])
            if revoked and entry and entry.revoked is None:
                record_revocation(ledger, entry.serial)

    def _write_policies(self, networks: Mapping[str, tuple[str, ...]], port: int, lenient: bool) -> None:
        own = f"{{file: certs/west-ca.pem, crl: certs/west-crl.pem, without_crl: {'accept' if lenient else 'refuse'}}}"
        for name, users in USERS.items():
            trust = "{authority: gateway}" if name in OURS else own
            lines = [f"customer: {name}", "api: planning_suite", f'upstream: {{url: "http://127.0.0.1:{port}/{name}"}}']
            lines += [f"networks: {json.dumps(networks[name])}", f"certificates: {trust}"]
            lines += ["users: {" + ", ".join(f'"{user}": {role}' for user, (_, role) in users.items()) + "}", ""]
            (self._folder / "policies" / "customers" / f"{name}.yaml").write_text("\n".join(lines))

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[dict[str, int]]:
        """Ports by the form in which IPv4 addresses arrive: ``plain``, and ``mapped`` where this machine has IPv6."""
        suite = await asyncio.get_running_loop().create_server(Mirror, "127.0.0.1", 0)
        self._read_worlds(suite.sockets[0].getsockname()[1])
        audit = AuditLog(self.config.audit_dir)
        policies = load_policies(self.config)
        stores = Stores(self.config, lambda: policies)
        cipher = CipherService(self._operator, partial(customer_files, self.config), cost=CHEAP)
        # Between two passwords an hour passes, so that nobody waits: throttling has tests of its own.
        vault = LocalVault(lambda: policies, cipher, stores.of, audit, ticks=map(float, itertools.count(0, 3601)).__next__)
        worker = Watched(self.config_file, self.worlds[0][1], vault)
        worker.closings, self.worker = self.closings, worker
        worker.gateway._clock = self._now
        listeners = {form: (worker.listener(sock), sock) for form, sock in sockets().items()}
        for listener, _ in listeners.values():
            await listener.start()
        try:
            yield {form: sock.getsockname()[1] for form, (_, sock) in listeners.items()}
        finally:
            for listener, _ in listeners.values():
                await listener.stop()
            await worker.server.shutdown(1.0)
            await worker.gateway.drained()
            worker.upstreams.close()
            cipher.close()
            await stores.close()
            await audit.close()
            suite.close()
            await suite.wait_closed()


def sockets() -> dict[str, socket.socket]:
    found = {"plain": socket.create_server(("0.0.0.0", 0))}
    with contextlib.suppress(OSError):
        found["mapped"] = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    return found
