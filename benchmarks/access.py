"""What all access checks of one request cost in CPU: certificate, network, host, password in hand, route and role.

Measured in this process, on the functions that the worker calls, in its order. Two figures stand for networks: for an address that was
just asked about, as in every request after a connection's first, and for a million random ones, as when somebody scans us. What never may
come in: a handshake, a socket, a body (``measure.py``).
"""

from __future__ import annotations

import asyncio
import base64
import random
import ssl
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.ca.anchors import CustomerTrust
from gateway.ca.authority import CERTIFICATE_FILE, create_authority
from gateway.ca.trust import Trust
from gateway.config import load_config
from gateway.networks import Network, NetworkTable
from gateway.policy.decide import AccessRequest, decide
from gateway.policy.load import load_policies
from gateway.proxy.access import Client, Peer, Snapshot, check_host, identify
from gateway.proxy.authorization import basic_credentials
from gateway.proxy.sessions import Sessions
from gateway.vault.interface import Session

NETWORKS = 100_000
ADDRESSES = 1_000_000
CUSTOMER, USER, HOST = "stadtwerke_musterstadt", "maria", "gateway.example"
TARGET = 10.0  # µs for all checks of a request
NETWORK_TARGET = 2.0  # µs for both questions about an address


@dataclass(frozen=True, slots=True)
class Row:
    """CPU of one check, in µs; ``most``: what it may cost."""

    check: str
    microseconds: float
    most: float | None = None


class _Vault:
    """Opens every session; only asked once, before anything is measured."""

    async def open_session(self, customer: str, user: str, password: str, address: str) -> Session:
        return Session(b"handle", customer, user, "dispatcher", float("inf"))


@dataclass(frozen=True, slots=True)
class _Case:
    """One request that is let in, and what it is judged by."""

    snapshot: Snapshot
    peer: Peer
    authorization: str
    sessions: Sessions
    request: AccessRequest

    def all_checks(self) -> None:
        """As ``Gateway._cross`` has them, and in its order."""
        now = time.time()
        client = identify(self.snapshot, self.peer, now, _learn)
        check_host(self.snapshot, HOST, self.peer.server_name)
        user, password = basic_credentials(self.authorization)
        _at_once(self.sessions, client, user, password, now)
        request = AccessRequest(client.customer, user, "GET", "/orders/A-1001", self.snapshot.hostnames)
        decide(self.snapshot.policies, request)


def measure(networks: int = NETWORKS, addresses: int = ADDRESSES, times: int = 20_000) -> list[Row]:
    """Every check by itself, and all of them together."""
    with tempfile.TemporaryDirectory() as folder:
        case = _case(Path(folder), networks)
    table, now = case.snapshot.policies.networks, time.time()
    client = identify(case.snapshot, case.peer, now, _learn)
    user, password = basic_credentials(case.authorization)
    leaf = case.peer.leaf
    rows = [
        Row(f"networks, one of {networks:,}: {kind} address, not seen before", _of_addresses(table, drawn), NETWORK_TARGET)
        for kind, drawn in _random_addresses(addresses)
    ]
    return [
        *rows,
        Row("networks: the same address again", _of(lambda: _both(table, case.peer.address), times), NETWORK_TARGET),
        Row("certificate: known", _of(lambda: case.snapshot.trust.identify(leaf, now), times)),
        Row("certificate and network", _of(lambda: identify(case.snapshot, case.peer, now, _learn), times)),
        Row("host and server name", _of(lambda: check_host(case.snapshot, HOST, HOST), times)),
        Row("Basic credentials", _of(lambda: basic_credentials(case.authorization), times)),
        Row("session of a password seen before", _of(lambda: _at_once(case.sessions, client, user, password, now), times)),
        Row("route, method and role", _of(lambda: decide(case.snapshot.policies, case.request), times)),
        Row("all access checks of a request", _of(case.all_checks, times), TARGET),
    ]


def _case(folder: Path, networks: int) -> _Case:
    authority = create_authority(folder / "ca", b"a password of thirty-two bytes..")
    issued = authority.issue(CUSTOMER, "import")
    trust = Trust.build({CUSTOMER: CustomerTrust(folder / "ca" / CERTIFICATE_FILE, ledger=authority.ledger_path)}, time.time())
    policies = load_policies(load_config(Path(__file__).parents[1] / "config.yaml"))
    table = NetworkTable({CUSTOMER: [*_random_networks(networks - 1), IPv4Network("192.0.2.0/24")]})
    snapshot = Snapshot(replace(policies, networks=table), trust, frozenset({HOST}), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    sessions = Sessions(_Vault())  # type: ignore[arg-type]
    password = "Regenschirm-Lampe-Tisch-7"
    asyncio.run(_open(sessions, password))
    return _Case(
        snapshot,
        Peer("192.0.2.7", issued.certificate.public_bytes(Encoding.DER), HOST),
        "Basic " + base64.b64encode(f"{USER}:{password}".encode()).decode(),
        sessions,
        AccessRequest(CUSTOMER, USER, "GET", "/orders/A-1001", snapshot.hostnames),
    )


async def _open(sessions: Sessions, password: str) -> None:
    await sessions.of(Client(CUSTOMER, "192.0.2.7", ""), USER, password, time.time())


def _at_once(sessions: Sessions, client: Client, user: str, password: str, now: float) -> None:
    """A session that is remembered is found without waiting."""
    coroutine = sessions.of(client, user, password, now)
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError("the session was not remembered")


def _learn(customer: str, certificate: str) -> None:
    """As the handler's trail does: nothing that costs."""


def _both(table: NetworkTable, address: str) -> None:
    table.anyone(address)
    table.customer_has(CUSTOMER, address)


def _random_networks(count: int) -> list[Network]:
    """Half of each kind; seeded, so that two runs compare."""
    drawn = random.Random(7)
    v4: list[Network] = [IPv4Network((drawn.getrandbits(32) >> 8 << 8, 24)) for _ in range(count // 2)]
    return v4 + [IPv6Network((drawn.getrandbits(128) >> 80 << 80, 48)) for _ in range(count - len(v4))]


def _random_addresses(count: int) -> list[tuple[str, list[str]]]:
    drawn = random.Random(11)
    v4 = [str(IPv4Address(drawn.getrandbits(32))) for _ in range(count // 2)]
    return [("IPv4", v4), ("IPv6", [str(IPv6Address(drawn.getrandbits(128))) for _ in range(count - len(v4))])]


def _of_addresses(table: NetworkTable, addresses: Sequence[str]) -> float:
    begun = time.process_time()
    for address in addresses:
        table.anyone(address)
        table.customer_has(CUSTOMER, address)
    return (time.process_time() - begun) / len(addresses) * 1e6


def _of(check: Callable[[], object], times: int, rounds: int = 5) -> float:
    """The least of some rounds: whatever else the machine does only ever adds."""
    found = []
    for _ in range(rounds):
        begun = time.process_time()
        for _ in range(times):
            check()
        found.append((time.process_time() - begun) / times * 1e6)
    return min(found)


def main() -> None:
    for row in measure():
        aim = f"  (at most {row.most:g})" if row.most is not None else ""
        print(f"{row.microseconds:8.2f} µs  {row.check}{aim}")


if __name__ == "__main__":
    main()
