"""What processes have cost so far: user and system time from /proc, all processes of a candidate together.

Never may: a sampling profiler or a cgroup; /proc/PID/stat is there on every Linux, without rights.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds."""

    user: float = 0.0
    system: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.user + other.user, self.system + other.system)

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.user - other.user, self.system - other.system)

    @property
    def total(self) -> float:
        return self.user + self.system


def fields(pid: int) -> list[str]:
    """/proc/PID/stat after the command, whose parentheses may hold anything: field 3 of proc(5) is index 0."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cost_of(pid: int) -> Cost:
    """The process with all its threads, and its ended children that it has waited for (fields 14 to 17)."""
    user, system, children_user, children_system = (int(field) * TICK for field in fields(pid)[11:15])
    return Cost(user + children_user, system + children_system)


def cost(pids: Iterable[int]) -> Cost:
    return sum((cost_of(pid) for pid in pids), Cost())


def by_role(roles: Mapping[str, Iterable[int]]) -> dict[str, Cost]:
    return {role: cost(pids) for role, pids in roles.items()}


def descendants(pid: int) -> list[int]:
    """``pid`` and everything below it, so that no process of a candidate is forgotten."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                children.setdefault(int(fields(int(entry.name))[1]), []).append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while we looked
    found = [pid]
    for known in found:
        found.extend(children.get(known, []))
    return found
