"""Twenty thousand requests on two thousand connections, none like the other, against an oracle that never saw the gateway's code.

Belongs here: what is drawn, and the comparison. A disagreement shows the facts, both verdicts, and the seed that draws them again.
"""

from __future__ import annotations

import asyncio
import base64
import json
import queue
import random
import re
import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import quote

import pytest

from tests.attacks.oracle import CLOSED, HANDSHAKE, ROLES_OF_ROUTE, Attempt, World, verdict
from tests.attacks.three_customers import ADDRESSES, USERS, Shown, ThreeCustomers

SEED = 20_261_201
ROUNDS, NEW, PER_CONNECTION, KEPT = 98, 26, 13, 6
VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
NAMES = ("gateway.example", "GATEWAY.example", "orders.example", "north", "suite.internal", None)
HOSTS = ("gateway.example", "Gateway.Example:8443", "orders.example", "north.gateway.example", "127.0.0.1", "gateway.example.", None)
TARGETS = (*ROLES_OF_ROUTE, ("DELETE", "/orders"), ("POST", "/orders/7"), ("GET", "/invoices"), ("POST", "/north/orders"))
READ = [(method, target) for method, target in TARGETS if method == "GET"]
ORIGINS = (None, None, None, "https://gateway.example", "https://orders.example", "https://evil.example", "null")
SITES = (None, None, None, "same-origin", "none", "cross-site")
BODY = b'{"meter_number": "1ESY1160123456"}'


@dataclass
class Visit:
    """A connection that lives. ``paper``: what it stands on."""

    sock: ssl.SSLSocket
    facts: Attempt
    data: bytes = b""
    over: bool = False  # the gateway said that this was the last answer

    def ask(self, request: bytes) -> tuple[int, bytes] | None:
        """Status and body; None when the connection ended without an answer."""
        try:
            self.sock.sendall(request)
            while (head := re.match(rb"HTTP/1\.([01]) (\d{3}) (?s:.*?)\r\n\r\n", self.data)) is None:
                self._more()
            length = re.search(rb"\r\ncontent-length: *(\d+)", head[0], re.IGNORECASE)
            end = head.end() + int(length[1] if length else 0)
            while len(self.data) < end:
                self._more()
        except (OSError, EOFError):
            return None
        self.over = head[1] == b"0" or re.search(rb"\r\nconnection: close\r\n", head[0], re.IGNORECASE) is not None
        body, self.data = self.data[head.end() : end], self.data[end:]
        return int(head[2]), body

    def _more(self) -> None:
        piece = self.sock.recv(65536)
        if not piece:
            raise EOFError
        self.data += piece


@dataclass
class Visitors:
    """Everybody who could come. One context per version, whose certificate changes: a session is tied to its context only."""

    three: ThreeCustomers
    ports: dict[str, int]
    draw: random.Random
    holding: dict[str, ssl.SSLContext] = field(default_factory=dict)
    bare: dict[str, ssl.SSLContext] = field(default_factory=dict)
    sessions: dict[str, list[tuple[ssl.SSLSession, Attempt]]] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    disagreements: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for contexts in (self.holding, self.bare):
            for tls, version in VERSIONS.items():
                context = contexts[tls] = ssl.create_default_context(cafile=str(self.three.authority))
                context.check_hostname = False  # server names that nobody has are part of it
                context.minimum_version = context.maximum_version = version
        self.sessions = {tls: [] for tls in VERSIONS}

    def all_rounds(self) -> None:
        kept: list[Visit] = []
        for _ in range(ROUNDS):
            world = self.three.become(self.draw.randrange(len(self.three.worlds)))
            for visit in kept:
                visit.facts = replace(visit.facts, live=True)
                self._requests(world, visit, PER_CONNECTION // 2)
                visit.sock.close()
            arrivals = (self._arrive(world) for _ in range(NEW))  # one after the other: what the listener says must be of this one
            kept = [visit for visit in arrivals if visit is not None and self._stays(world, visit)]
            for visit in kept[KEPT:]:
                visit.sock.close()
            kept = kept[:KEPT]
        for visit in kept:
            visit.sock.close()

    def _stays(self, world: World, visit: Visit) -> bool:
        lives = self._requests(world, visit, PER_CONNECTION)
        if visit.facts.paper and visit.sock.session is not None:
            self.sessions[visit.facts.tls] = [*self.sessions[visit.facts.tls][-20:], (visit.sock.session, visit.facts)]
        if not lives:
            visit.sock.close()
        return lives

    def _arrive(self, world: World) -> Visit | None:
        shown = self.draw.choice([None, *self.three.papers.shown.values()])
        if self.draw.random() < 0.7:  # most of what could be wrong is tried by somebody who is right otherwise
            shown = self.three.papers.shown[self.draw.choice(["north-import", "south-laptop", "west-import", "west-named-north"])]
        home = [address for address in ADDRESSES if verdict(world, Attempt(shown.paper, address, None)) == {401}] if shown else []
        address = self.draw.choice(home if home and self.draw.random() < 0.9 else ADDRESSES)
        name = self.draw.choice(NAMES) if self.draw.random() < 0.3 else "gateway.example"
        tls = self.draw.choice(list(VERSIONS))
        offered = self.draw.choice(self.sessions[tls]) if shown and self.sessions[tls] and self.draw.random() < 0.5 else None
        form = self.draw.choice(["plain", "mapped"])
        if ":" in address and "mapped" not in self.ports:
            return None
        facts = Attempt(shown.paper if shown else None, address, name, tls)
        return self._connect(world, facts, shown, offered, form)

    def _connect(
        self, world: World, facts: Attempt, shown: Shown | None, offered: tuple[ssl.SSLSession, Attempt] | None, form: str
    ) -> Visit | None:
        context = (self.holding if shown else self.bare)[facts.tls]
        if shown:
            context.load_cert_chain(shown.chain, shown.key)
        there = ("::1", self.ports["mapped"]) if ":" in facts.address else ("127.0.0.1", self.ports.get(form, self.ports["plain"]))
        raw = socket.create_connection(there, 30, source_address=(facts.address, 0))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            sock = context.wrap_socket(raw, server_hostname=facts.server_name, session=offered[0] if offered else None)
        except OSError:
            raw.close()
            self._compare(world, facts, self._closing())
            return None
        if offered:
            self.seen[f"{facts.tls} session offered"] += 1
        if offered and sock.session_reused:
            self.seen[f"{facts.tls} session resumed"] += 1
            # What TLS 1.2 negotiated belongs to the session, the server name too (RFC 6066, section 3): OpenSSL reports the first one's.
            facts = replace(facts, paper=offered[1].paper, server_name=offered[1].server_name, resumed=True)
        return Visit(sock, facts)

    def _closing(self) -> str:
        """What the listener says of a connection that ended without an answer."""
        try:
            return self.three.closings.get(timeout=10)
        except queue.Empty:
            return "cut off"

    def _requests(self, world: World, visit: Visit, count: int) -> bool:
        """False when the connection ended."""
        for number in range(count):
            facts = self._request(visit.facts)
            answer = visit.ask(written(facts))
            fresh = number == 0 and not facts.live
            # A client of TLS 1.3 has shaken hands before it hears that its certificate is refused (C-09).
            came, body = answer or (self._closing() if fresh else "cut off", b"")
            self._compare(world, facts, came, body)
            self.seen["handshake"] += fresh and answer is not None
            if answer is None or visit.over:
                return False
        return True

    def _request(self, facts: Attempt) -> Attempt:
        customer = facts.paper.signer if facts.paper and facts.paper.signer in USERS else "north"
        if self.draw.random() < 0.2:
            customer = self.draw.choice(list(USERS))
        user, (password, _) = self.draw.choice(list(USERS[customer].items()))
        wrong = self.draw.random()
        if wrong < 0.2:
            others = [each for users in USERS.values() for each, _ in users.values()]
            user, password = {
                0: (user, self.draw.choice(others)),
                1: (user, ""),
                2: ("nobody", password),
                3: (None, ""),
            }[int(wrong * 20)]
        method, target = self.draw.choice(TARGETS if self.draw.random() < 0.5 else READ)
        host = self.draw.choice(HOSTS[:-1]) if self.draw.random() < 0.2 else facts.server_name or HOSTS[0]
        if self.draw.random() < 0.01:
            host = None
        facts = replace(facts, host=host, user=user, password=password, method=method, target=target, body=self.draw.random() < 0.3)
        return replace(facts, origin=self.draw.choice(ORIGINS), fetch_site=self.draw.choice(SITES))

    def _compare(self, world: World, facts: Attempt, came: int | str, body: bytes = b"") -> None:
        expected = verdict(world, facts)
        self.seen["decision"] += 1
        self.seen[f"came {came}"] += 1
        self.seen[f"paper {facts.paper and facts.paper.name}"] += 1
        if came not in expected:
            self.disagreements.append(f"gateway: {came}, oracle: {expected}\n  {facts}\n  {world}")
        elif came == 200 and body:
            self._compare_identity(facts, json.loads(body))

    def _compare_identity(self, facts: Attempt, answer: dict[str, str]) -> None:
        """Let in as whom? The suite says it: whose path was asked, and what it was told of customer, user and role."""
        assert facts.paper
        customer = facts.paper.signer
        role = USERS[customer][facts.user or ""][1]
        wanted = f"{customer}/{customer}/{quote(facts.user or '').lower()}/{role}"
        if list(answer.values()) != [wanted]:
            self.disagreements.append(f"gateway: {answer}, oracle: {wanted}\n  {facts}")


def written(facts: Attempt) -> bytes:
    lines = [f"{facts.method} {facts.target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers(facts) if value is not None]
    body = BODY if facts.body and facts.method in ("POST", "PUT") else b""
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def headers(facts: Attempt) -> Iterator[tuple[str, str | None]]:
    yield "Host", facts.host
    if facts.user is not None:
        yield "Authorization", "Basic " + base64.b64encode(f"{facts.user}:{facts.password}".encode()).decode()
    yield "Origin", facts.origin
    yield "Sec-Fetch-Site", facts.fetch_site


@pytest.mark.trap("C-07", "Whoever resumes a session is judged by its leaf, request by request, as an oracle of forty lines judges.")
@pytest.mark.trap("C-09", "A handshake that a client of TLS 1.3 believes in lets nobody in: twenty thousand answers are the oracle's.")
async def test_the_gateway_and_the_oracle_agree(tmp_path):
    three = ThreeCustomers(tmp_path / "gateway")
    async with three.serving() as ports:
        visitors = Visitors(three, ports, random.Random(SEED))
        await asyncio.to_thread(visitors.all_rounds)
    seen, found = visitors.seen, visitors.disagreements
    assert not found, f"seed {SEED}, {len(found)} disagreements:\n" + "\n".join(found[:5])
    assert three.closings.empty()
    assert seen["decision"] >= 20_000 and seen["handshake"] >= 2_000
    # That so much was drawn means little if some answer, or somebody, hardly came up.
    assert [came for came in (200, 400, 401, 403, 404, 405, 421, CLOSED, HANDSHAKE) if seen[f"came {came}"] < 100] == []
    assert [name for name in (None, *three.papers.shown) if seen[f"paper {name}"] < 20] == []
    assert [tls for tls in VERSIONS if seen[f"{tls} session offered"] < 200] == []
