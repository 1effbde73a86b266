"""Is the gateway able to serve? Asked from beside it, without a key, a secret or a customer.

What it proves: the event loops of vault and cipher turn (each greets whoever connects to its socket, before anybody has to prove
anything), and the supervisor has workers that said they accept. What it does not: that an upstream is there, or that a customer's
key opens. What never may come in: a request of its own through the gateway, which would need a credential to lose.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.admin.app import Ready
from gateway.config import Config
from gateway.runtime import roster
from gateway.wire import NONCE, short_path

DEADLINE = 2.0  # seconds for a greeting: a loop that needs longer serves nobody well


async def of_processes(config: Config, supervisor: int) -> Ready:
    """``supervisor``: whose word about the workers counts; whoever runs roles by hand gets to know less."""
    found = roster.read(config.run_dir, supervisor)
    phase = found.phase if found is not None else "serving"
    if phase == "draining":  # whatever still answers: a load balancer shall send nobody here any more
        return Ready(False, {"gateway": "draining"})
    asked = [_greets(config.run_dir / f"{name}.sock", patient=phase == "restarting") for name in ("vault", "cipher")]
    vault, cipher = await asyncio.gather(*asked)
    serving, workers = _workers(found)
    checks = {"vault": "answers" if vault else "silent", "cipher": "answers" if cipher else "silent", "workers": workers}
    return Ready(vault and cipher and serving, checks)


async def of_this_process(ending: asyncio.Event) -> Ready:
    """With ``processes: one`` the loop that answers is the loop that serves."""
    return Ready(not ending.is_set(), {"everything in one process": "draining" if ending.is_set() else "answers"})


async def _greets(path: Path, *, patient: bool) -> bool:
    """``patient``: one process is just taking another's place, and requests wait for it as well."""
    loop = asyncio.get_running_loop()
    end = loop.time() + DEADLINE
    while not (answers := await greets(path)) and patient and loop.time() < end:  # noqa: ASYNC110  (another process's socket)
        await asyncio.sleep(0.05)
    return answers


async def greets(path: Path) -> bool:
    """Does whoever listens there send the frame that opens every connection (``wire.py``)? A full queue alone would not."""
    try:
        async with asyncio.timeout(DEADLINE):
            with short_path(path) as short:
                reader, writer = await asyncio.open_unix_connection(short)
            try:
                return len(await reader.readexactly(4 + NONCE)) == 4 + NONCE
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return False


def _workers(found: roster.Roster | None) -> tuple[bool, str]:
    if found is None:
        return True, "not known here"  # ``serve --role``: whoever starts them knows
    workers = [process for process in found.processes if process.role == "proxy"]
    serving = sum(process.serving for process in workers)
    return serving > 0, f"{serving} of {len(workers)} serve"
