"""Whose time is counted: a process with its threads, the children it waited for, and everything that stands below it."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.cost import TICK, Cost, by_role, cost, descendants

BURN = "import time\nwhile time.process_time() < 0.2: pass\n"
CHILD_BURNS = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURN!r}]); print(1, flush=True); sys.stdin.read()"


def test_time_of_a_child_that_ended_is_its_parents() -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD_BURNS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout and parent.stdin
        parent.stdout.readline()
        assert cost([parent.pid]).total >= 0.2 - 2 * TICK
        parent.stdin.close()


def test_everything_below_is_found() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdout
        sleeping = int(shell.stdout.readline())
        assert {shell.pid, sleeping} <= set(descendants(shell.pid))
        assert {shell.pid, sleeping} <= set(descendants(os.getpid()))
        os.kill(sleeping, 9)


def test_costs_add_up() -> None:
    assert (Cost(1, 2) + Cost(3, 4) - Cost(1, 1)).total == 8
    assert set(by_role({"vault": [os.getpid()], "cipher": []})) == {"vault", "cipher"}
