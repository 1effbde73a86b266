"""One customer's upstream as this worker knows it: its servers, their connections, and which of them is asked next.

What belongs here: state that changes in one step, without waiting. What never may: opening a connection, or another customer's
servers; what one customer's requests do to a server is no reason to keep it from another (T-S5).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from gateway.policy.model import Server, Upstream
from gateway.proxy import circuit
from gateway.proxy.circuit import CLOSED, OPENS_AT, Budget, Circuit
from gateway.proxy.upstream_connection import Connection

_log = logging.getLogger("gateway.proxy.upstream")


class LiveServer:
    """``busy``: exchanges under way; ``idle``: connections that wait for one, the youngest last."""

    __slots__ = ("busy", "circuit", "idle", "label", "server")

    def __init__(self, server: Server, label: str) -> None:
        self.server, self.label = server, label
        self.circuit = CLOSED
        self.busy = 0
        self.idle: list[Connection] = []

    def take(self, oldest: float) -> Connection | None:
        """The youngest connection: the others may grow old and go."""
        while self.idle:
            connection = self.idle.pop()
            if connection.usable and connection.idle_since > oldest:
                return connection
            connection.abort()
        return None

    def judge(self, verdict: Circuit) -> None:
        """Says what an operator wants to know and no more: which of the policy's servers, and since when."""
        before, self.circuit = self.circuit, verdict
        if before.failures < OPENS_AT <= verdict.failures:
            _log.warning("%s is left alone after %d failures in a row", self.label, verdict.failures)
        elif verdict.failures < OPENS_AT <= before.failures:
            _log.warning("%s answers again", self.label)
        if verdict.unwell != before.unwell:
            _log.warning("%s %s its health check", self.label, "fails" if verdict.unwell else "passes")

    def keep_only(self, young: Callable[[Connection], bool]) -> None:
        kept = [connection for connection in self.idle if young(connection)]
        for connection in set(self.idle).difference(kept):
            connection.abort()
        self.idle = kept


class Trial(NamedTuple):
    """One attempt at one server. Ends with exactly one of ``failed`` and ``abandoned``, or ``over`` after it succeeded."""

    live: LiveUpstream
    server: LiveServer
    probe: bool

    def failed(self, now: float) -> None:
        self.server.busy -= 1
        self.server.judge(circuit.failed(self.server.circuit, now, self.probe))

    def abandoned(self) -> None:
        """No verdict: the client went away, or it was the request's own fault."""
        self.server.busy -= 1
        self.server.judge(circuit.abandoned(self.server.circuit, self.probe))

    def succeeded(self) -> None:
        if self.server.circuit is not CLOSED:
            self.server.judge(circuit.succeeded(self.server.circuit))

    def over(self) -> None:
        self.server.busy -= 1
        self.live.slots.release()


class LiveUpstream:
    """``slots`` bounds the exchanges under way; ``retired`` after a reload: what is given back then is closed."""

    __slots__ = ("_turn", "budget", "requests", "retired", "servers", "slots", "upstream")

    def __init__(self, customer: str, upstream: Upstream, most: int) -> None:
        reached = upstream.reached
        labels = (f"customer {customer!r}: server {number} of {len(reached)}" for number in range(1, len(reached) + 1))
        self.upstream = upstream
        self.servers = [LiveServer(server, label) for server, label in zip(reached, labels, strict=True)]
        self.slots = asyncio.Semaphore(most)
        self.budget = Budget()
        self.requests = self._turn = 0
        self.retired = False

    def choose(self, now: float, tried: Collection[LiveServer] = ()) -> Trial | None:
        """None when all are open or tried."""
        only = self.servers[0]
        if len(self.servers) == 1 and only.circuit is CLOSED and not tried:
            only.busy += 1
            return Trial(self, only, False)
        self._turn += 1  # those that are equally busy take turns
        found = circuit.choose(self._in_turn(tried), now)
        if found is None:
            return None
        chosen = self.servers[found.at]
        chosen.busy += 1
        chosen.circuit = circuit.begun(chosen.circuit, found.probe)
        return Trial(self, chosen, found.probe)

    def _in_turn(self, tried: Collection[LiveServer]) -> Iterable[tuple[int, Circuit, int]]:
        count = len(self.servers)
        for index in range(count):
            server = self.servers[index]
            if server not in tried:
                yield index, server.circuit, server.busy * count + (index - self._turn) % count

    def may_repeat(self, now: float) -> bool:
        budget = circuit.granted(self.budget, now, self.requests)
        if budget is None:
            return False
        self.budget = budget
        return True
