"""Interleaved rounds: in each, every workload on every candidate, one after the other, so that a slow stretch of the machine hits all.

Belongs here: what is measured, and the medians. Never may: how it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from benchmarks.candidates import Target
from benchmarks.cost import Cost, by_role
from benchmarks.handshakes import Handshakes
from benchmarks.load import Load, Place
from benchmarks.orders import WORKLOADS

HANDSHAKE = "full mTLS handshake"


@dataclass(frozen=True, slots=True)
class Plan:
    rounds: int = 5
    connections: int = 64
    warm_up: float = 0.7  # seconds before each window: handshakes, caches, the allocator
    window: float = 2.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One window: CPU seconds by role, for so many answers in so many seconds."""

    answers: int
    seconds: float
    costs: Mapping[str, Cost]

    def microseconds(self, role: str | None = None) -> float:
        spent = [cost.total for name, cost in self.costs.items() if role in (None, name)]
        return sum(spent) / self.answers * 1e6

    @property
    def rate(self) -> float:
        return self.answers / self.seconds


#: (workload, candidate) → a sample per round
Samples = dict[tuple[str, str], list[Sample]]


class AnyLoad(Protocol):
    async def connect(self, place: Place, connections: int) -> None: ...

    def begin(self) -> None: ...

    async def go_on(self, seconds: float) -> tuple[int, float]: ...

    def end(self) -> None: ...


async def one_window(target: Target, load: AnyLoad, plan: Plan) -> Sample:
    try:
        await load.connect(target.place, plan.connections)
        load.begin()
        await load.go_on(plan.warm_up)
        roles = target.roles()
        before = by_role(roles)
        answers, seconds = await load.go_on(plan.window)
        after = by_role(roles)
    finally:
        load.end()
    if target.roles() != roles or not answers:
        raise RuntimeError(f"{target.name}: a process ended or began, or nothing was answered, while it was measured")
    return Sample(answers, seconds, {role: after[role] - before[role] for role in roles})


async def rounds(targets: Sequence[Target], plan: Plan, done: Callable[[], None]) -> Samples:
    loads = {(workload, target.name): _loads(workload, target) for workload in (*WORKLOADS, HANDSHAKE) for target in targets}
    samples: Samples = {key: [] for key in loads}
    for _ in range(plan.rounds):
        for workload in (*WORKLOADS, HANDSHAKE):
            for target in targets:
                key = workload, target.name
                samples[key].append(await one_window(target, loads[key](), plan))
                done()
    return samples


def _loads(workload: str, target: Target) -> Callable[[], AnyLoad]:
    if workload == HANDSHAKE:
        return Handshakes
    make, status = WORKLOADS[workload]
    requests = make(target.path, target.headers)
    return lambda: Load(requests, status)


def middle(samples: Sequence[Sample], role: str | None = None) -> float:
    return median(sample.microseconds(role) for sample in samples)


def ratios(samples: Sequence[Sample], peer: Sequence[Sample]) -> list[float]:
    """Round by round: what came at the same moment is compared."""
    return [ours.microseconds() / theirs.microseconds() for ours, theirs in zip(samples, peer, strict=True)]
