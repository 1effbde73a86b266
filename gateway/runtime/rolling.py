"""A new process in the place of each, one after the other, while requests go on: new code and new configuration without an outage.

Cipher, vault, workers, the operators' process, in this order. The cipher and a worker serve beside their predecessor for a moment;
of the vault there is only one at a time, for it owns the audit log and the databases: its successor gets ready, the old one says
goodbye, ends what it was asked and closes, and what is asked meanwhile waits in the workers (``wire.py``). What never may come in: a
step that takes the old one away before the new one was seen to come up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.config import Config, load_config
from gateway.errors import ConfigurationError
from gateway.runtime.launching import Child, Run, environment_of_children, first_of

#: Seconds within which a new process must be ready: far beyond what any machine needs, and the old one serves meanwhile.
UP_WITHIN = 30.0
#: What the supervisor itself has built on, or what the old and the new processes share: these change with a stop and a start.
FIXED = ("listen", "admin", "state", "processes", "workers")

_log = logging.getLogger("gateway.supervisor")


class NotReplaced(Exception):
    """The text says why. Whatever was not replaced goes on as it is."""


@dataclass(frozen=True, slots=True)
class Crew:
    """The supervisor's part. ``start(child, takes_over)``; ``end`` waits until a process is gone; ``leave`` does not."""

    start: Callable[[Child, bool], Awaitable[Run]]
    end: Callable[[Run], Awaitable[None]]
    leave: Callable[[Run, signal.Signals], None]
    stopping: asyncio.Event


async def replace_all(children: Sequence[Child], crew: Crew, config_path: Path, now: Config) -> bool:
    """True when every process is a new one. Else the log says why, and from where on the old ones go on."""
    try:
        _only_what_may_change(config_path, now)
        await _new_program_agrees(config_path)
        for child in sorted(children, key=lambda child: ("cipher", "vault", "proxy", "admin").index(child.role)):
            if crew.stopping.is_set():
                return False
            await _replace(child, crew)
    except NotReplaced as reason:
        _log.error("not restarted: %s", reason)
        return False
    _log.info("restarted: every process but the supervisor is a new one")
    return True


def _only_what_may_change(config_path: Path, now: Config) -> None:
    try:
        config = load_config(config_path)
    except ConfigurationError as error:
        raise NotReplaced("; ".join(str(mistake) for mistake in error.mistakes)) from None
    changed = [name for name in FIXED if getattr(config, name) != getattr(now, name)]
    if changed:
        raise NotReplaced(f"{config_path}: {', '.join(changed)} changed, which takes a stop and a start")


async def _new_program_agrees(config_path: Path) -> None:
    """The program as it is installed now reads the files as they are now, before the first process is touched."""
    command = [sys.executable, "-m", "gateway", "check", "--running", "--config", str(config_path)]
    try:
        checked = await asyncio.create_subprocess_exec(
            *command,
            env=environment_of_children(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(UP_WITHIN):
            _, said = await checked.communicate()
    except OSError as error:
        raise NotReplaced(f"the new program cannot be started: {error.strerror}") from None
    except TimeoutError:
        checked.kill()
        await checked.wait()
        raise NotReplaced("the new program did not come to an end of its check") from None
    if checked.returncode:
        raise NotReplaced("; ".join(said.decode(errors="replace").splitlines()) or f"its check ended with {checked.returncode}")


async def _replace(child: Child, crew: Crew) -> None:
    alone = child.role == "vault"
    async with child.turn:
        old = child.run
        try:
            new = await crew.start(child, alone)
        except OSError as error:
            raise NotReplaced(f"{child.role} cannot be started: {error.strerror}") from None
        try:
            if alone:
                await _up(new, new.prepared)
                if old is not None:
                    await crew.end(old)
            await _up(new, new.ready)
        except BaseException:  # also when we are told to end: nobody else knows this process
            new.signal(signal.SIGKILL)
            await asyncio.wait([new.ended])
            raise
        child.run = new
        child.replaced.set()
    if old is not None and not alone:
        # A worker is told that another one serves, so that it lets those who keep their connections go without haste.
        crew.leave(old, signal.SIGUSR2 if child.role == "proxy" else signal.SIGTERM)


async def _up(new: Run, told: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(UP_WITHIN):
            await first_of(told, new.ended)
    if not told.is_set():
        how = f"ended with {new.ended.result()}" if new.ended.done() else f"was not ready within {UP_WITHIN:.0f} seconds"
        raise NotReplaced(f"the new {new.role} {how}")
