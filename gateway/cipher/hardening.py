"""What every process does to itself first (no debugger, no core file), and the cipher besides (no swap).

What belongs here: the few system calls. What never may: a key, or a pretence; ``harden`` says what the kernel granted. Freed memory
is overwritten by the C library when the process is started with PYTHONMALLOC=malloc and glibc.malloc.perturb (``FREED_MEMORY``).
"""

from __future__ import annotations

import ctypes
import resource
import sys
from collections.abc import Callable

PR_SET_DUMPABLE = 4  # linux/prctl.h
PR_SET_NO_NEW_PRIVS = 38
MCL_CURRENT, MCL_FUTURE = 1, 2  # sys/mman.h

#: Environment for starting the cipher process. CPython's own allocator never gives small blocks back to ``free``, so without
#: the first line the second has nothing to overwrite (measured: 300 of 300 deleted secrets readable without, 0 with both).
FREED_MEMORY = {"PYTHONMALLOC": "malloc", "GLIBC_TUNABLES": "glibc.malloc.perturb=165"}


def harden(*, lock_memory: bool = True) -> list[tuple[str, bool]]:
    """Try everything, in this order; (name, granted). The caller decides and reports; nothing here raises.

    All processes run under one user: a broken-into worker that may trace its siblings would read the operator's passphrase from
    the supervisor and the customers' tokens from the cipher.
    """
    steps: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("no-core-files", _no_core_files),
        ("not-dumpable", lambda: _prctl(PR_SET_DUMPABLE, 0)),
        ("no-new-privileges", lambda: _prctl(PR_SET_NO_NEW_PRIVS, 1)),
        ("memory-locked", _lock_memory),
    )
    return [(name, step()) for name, step in (steps if lock_memory else steps[:-1])]


def _no_core_files() -> bool:
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError):
        return False
    return resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)


def _prctl(option: int, value: int) -> bool:
    """Not dumpable also means: no ptrace by the same user, and /proc/self/mem belongs to root (prctl(2))."""
    if not sys.platform.startswith("linux"):
        return False
    zero = ctypes.c_ulong(0)
    return bool(ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), zero, zero, zero) == 0)


def _lock_memory() -> bool:
    """All pages, now and later: a customer token must not reach the swap. With MCL_FUTURE and a small RLIMIT_MEMLOCK every later
    allocation could fail (mlockall(2)), so it is tried only where there is no such limit."""
    if not sys.platform.startswith("linux"):
        return False
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] != resource.RLIM_INFINITY and not _may_lock():
        return False
    return bool(ctypes.CDLL(None).mlockall(MCL_CURRENT | MCL_FUTURE) == 0)


def _may_lock() -> bool:
    """CAP_IPC_LOCK (bit 14 of the effective set) lifts the limit."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:  # noqa: PTH123 - a kernel file, not a path of ours
            line = next(line for line in status if line.startswith("CapEff:"))
    except (OSError, StopIteration):
        return False
    return bool(int(line.split()[1], 16) & (1 << 14))
