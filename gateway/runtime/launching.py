"""One process of the gateway: how it is started, what it says meanwhile, how it ends.

What belongs here: a single process, and the place that one holds after the other. What never may: which processes there are, or when
one is started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from gateway.runtime.startup import ENVIRONMENT, PREPARED, READY, Startup


@dataclass(eq=False)
class Run:
    """A process from its start to its end. ``prepared``: it needs only what its predecessor still holds. ``ready``: it serves."""

    role: str
    process: asyncio.subprocess.Process
    prepared: asyncio.Event = field(default_factory=asyncio.Event)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Future[int] = field(init=False)

    @property
    def serving(self) -> bool:
        return self.ready.is_set() and not self.ended.done()

    def signal(self, number: signal.Signals) -> None:
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)


@dataclass(eq=False)
class Child:
    """A place for one process. ``run``: who holds it now; ``replaced`` is set when another one took it while the first still ran."""

    role: str
    startup: Startup
    environment: dict[str, str] = field(default_factory=dict)
    needed: bool = True  # to serve customers: else its failure is logged, and is nobody else's business
    run: Run | None = None
    was_ready: bool = False
    starts: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # held by whoever is about to put a process here
    replaced: asyncio.Event = field(default_factory=asyncio.Event)


async def start(child: Child, config_path: Path, changed: Callable[[], None], *, takes_over: bool = False) -> Run:
    """``changed`` is called when it serves, and when it has ended. Raises OSError when the system does not let us start it."""
    reading, writing = os.pipe()
    try:
        startup = msgspec.structs.replace(child.startup, ready_fd=writing, takes_over=takes_over)
        process = await _spawn(child, startup, config_path)
    except BaseException:  # whatever it was: nobody else knows the pipe
        os.close(reading)
        raise
    finally:
        os.close(writing)
    run = Run(child.role, process)
    run.ended = asyncio.ensure_future(_until_it_ends(run, reading, changed))
    return run


async def _spawn(child: Child, startup: Startup, config_path: Path) -> asyncio.subprocess.Process:
    inherited = [startup.descriptor(), startup.ready_fd] + ([startup.listen_fd] if startup.listen_fd >= 0 else [])
    environment = {**environment_of_children(), **child.environment, ENVIRONMENT: str(inherited[0])}
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(config_path), "--role", child.role]
    try:
        return await asyncio.create_subprocess_exec(
            *command, pass_fds=inherited, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=sys.stderr
        )
    finally:
        os.close(inherited[0])


async def _until_it_ends(run: Run, reading: int, changed: Callable[[], None]) -> int:
    loop = asyncio.get_running_loop()

    def told() -> None:
        said = os.read(reading, 16)
        if PREPARED in said:
            run.prepared.set()
        if READY in said:
            run.ready.set()
            changed()
        if READY in said or not said:
            loop.remove_reader(reading)

    loop.add_reader(reading, told)
    try:
        return await run.process.wait()
    finally:
        loop.remove_reader(reading)
        os.close(reading)
        loop.call_soon(changed)  # when ``ended`` is done


def environment_of_children() -> dict[str, str]:
    """Ours, less where the service manager put the operator's passphrase: no worker is told of it."""
    environment = {name: value for name, value in os.environ.items() if name != "CREDENTIALS_DIRECTORY"}
    found = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    return {**environment, "PYTHONPATH": os.pathsep.join(filter(None, found))}


async def first_of(*awaited: asyncio.Future[int] | asyncio.Future[bool] | asyncio.Task[int] | asyncio.Event) -> None:
    """Until one of them is done, or set. None of them is cancelled."""
    waits = [asyncio.ensure_future(one.wait()) for one in awaited if isinstance(one, asyncio.Event)]
    futures = [one for one in awaited if not isinstance(one, asyncio.Event)]
    try:
        await asyncio.wait([*waits, *futures], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
