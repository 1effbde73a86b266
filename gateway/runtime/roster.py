"""Who runs: what the supervisor writes down for the operators' process, and for ``doctor``.

A file and not a socket: the supervisor answers nobody. What never may come in: anything that somebody decides about a request by.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Literal

import msgspec

FILE = "processes.json"

_log = logging.getLogger("gateway.supervisor")


class Runs(msgspec.Struct, frozen=True):
    """One process. ``serving``: it said that it is ready and has not ended since. ``restarts``: of this process, since the start."""

    role: str
    pid: int
    serving: bool
    restarts: int


Phase = Literal["serving", "restarting", "draining"]


class Roster(msgspec.Struct, frozen=True):
    supervisor: int
    processes: tuple[Runs, ...]
    phase: Phase = "serving"


def write(folder: Path, roster: Roster) -> None:
    """Appears whole. That it cannot be written is logged, and ends nothing: it is for those who look on."""
    new = folder / f".{FILE}.{os.getpid()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new.write_bytes(msgspec.json.encode(roster))
        new.replace(folder / FILE)
    except OSError as error:
        _log.error("who runs cannot be written down: %s", error.strerror)


def remove(folder: Path) -> None:
    (folder / FILE).unlink(missing_ok=True)


def read(folder: Path, supervisor: int | None = None) -> Roster | None:
    """What ``supervisor`` (or a living one, whoever it is) wrote; None when there is none, or only what a dead one left behind."""
    try:
        roster = msgspec.json.decode((folder / FILE).read_bytes(), type=Roster)
    except (OSError, msgspec.DecodeError):
        return None
    if supervisor is None:
        return roster if _lives(roster.supervisor) else None
    return roster if roster.supervisor == supervisor else None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
