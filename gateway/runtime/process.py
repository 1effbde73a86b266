"""What every process does first and last: event loop, allocator, logging, signals.

Logs go to standard error as JSON lines, one object each. What never may come in: a log call that formats something a client or
an upstream sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import json
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from gateway.cipher.hardening import harden
from gateway.runtime.selfcheck import runs_on
from gateway.runtime.signals import Signals
from gateway.wire import place_of

M_MMAP_THRESHOLD = -3
M_TRIM_THRESHOLD = -1
PR_SET_PDEATHSIG = 1  # linux/prctl.h
HOLDS_KEYS = frozenset({"cipher", "supervisor", "one"})

_log = logging.getLogger("gateway.process")


class JsonLines(logging.Formatter):
    """One object per line, ASCII only, so that nothing in a message can forge or hide a line (T-A7). No tracebacks: they hold values."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "level": record.levelname.lower(), "role": self._role, "message": record.getMessage()}
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__
        return json.dumps(line, ensure_ascii=True)


def set_up_logging(role: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(role))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    # asyncio and aiohttp put peers' bytes and reprs of transports into theirs; what matters of it we log ourselves.
    for noisy in ("asyncio", "aiohttp"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)


def tune_allocator() -> None:
    """Keep glibc from mapping and unmapping a TLS buffer for every request: up to twice the CPU otherwise (design section 11)."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(M_TRIM_THRESHOLD, 64 << 20)


def end_with_parent() -> None:
    """A supervisor that was killed must not leave workers behind that hold its port and that nobody restarts (prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def loop_factory(role: str = "") -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop when it is installed: it behaves alike in all our TLS trials and costs less.

    Not for the supervisor: processes that uvloop starts inherit every inheritable descriptor, also one that is just being handed to
    another child (measured: the public socket lay open in the cipher). asyncio closes all but those that are named.
    """
    if role == "supervisor":
        return None
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop  # type: ignore[no-any-return,unused-ignore]


def _unhandled(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What escaped a callback or a task nobody awaits: named by type and place; its text may hold what a peer sent (O-01)."""
    error = context.get("exception")
    if isinstance(error, BaseException):
        _log.error("unhandled %s at %s", type(error).__name__, place_of(error))


_named: set[tuple[str, str]] = set()


def _unraisable(told: sys.UnraisableHookArgs) -> None:
    """What C code had nobody to raise to. The interpreter would print it with its object: the bytes of a stranger's server name (T-A7).

    Named once for each place: whoever can cause it could fill the disk with it.
    """
    found = told.exc_type.__name__, "unknown" if told.exc_value is None else place_of(told.exc_value)
    if found not in _named:
        _named.add(found)
        _log.error("unraisable %s at %s", *found)


Main = Callable[[Signals], Awaitable[None]]


def run(role: str, main: Main, *, supervised: bool = False) -> None:
    """Run ``main`` until it ends. ``supervised``: a supervisor of ours has started this process."""
    set_up_logging(role)
    sys.unraisablehook = _unraisable
    _log.info("%s", runs_on())  # C-12, O-04: what a finding of tomorrow is compared with
    for measure, done in harden(lock_memory=role in HOLDS_KEYS):
        if not done:
            _log.warning("hardening not possible here: %s", measure)
    tune_allocator()

    async def with_signals() -> None:
        signals = Signals()
        loop = asyncio.get_running_loop()
        signals.listen(loop, supervised=supervised, supervisor=role == "supervisor")
        loop.set_exception_handler(_unhandled)
        gc.freeze()  # what was loaded at start lives as long as the process: never scan it again
        await main(signals)

    with asyncio.Runner(loop_factory=loop_factory(role)) as runner:
        runner.run(with_signals())
