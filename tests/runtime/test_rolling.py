"""Exchanging all processes, with stand-ins that say they serve: in which order, and what stops it before anything is lost."""

import os
import signal

import pytest

from gateway.config import load_config
from gateway.runtime import roster
from tests.runtime.test_supervisor import READY, as_child, config_file, mine, started, until  # noqa: F401 - fixtures

#: Serves as every role; a vault that takes over says first that it is prepared. ``check`` is fine unless there is a file that says no.
SERVES = f"""
import os, signal, sys, time
if "check" in sys.argv:
    if os.path.exists(sys.argv[0] + ".no"):
        sys.exit("config.yaml:3: wrong")
    sys.exit(0)
signal.signal(signal.SIGUSR2, lambda *_: sys.exit(0))
if os.path.exists(sys.argv[0] + "." + sys.argv[sys.argv.index("--role") + 1]):
    sys.exit(5)
{READY.replace("os.write(", 'told["takes_over"] and os.write(told["ready_fd"], b"p"); time.sleep(0.01); os.write(', 1)}
time.sleep(1000)
"""


@pytest.fixture
def running(started, as_child, config_file):  # noqa: F811
    as_child(SERVES)
    run_dir = load_config(config_file).run_dir

    async def begin():
        _, _, signals = started()
        await until(lambda: (now := roster.read(run_dir)) and len(now.processes) == 4 and all(p.serving for p in now.processes))
        return signals, lambda: {process.role: process.pid for process in roster.read(run_dir).processes if process.serving}

    return begin


async def test_every_process_is_exchanged_and_none_counts_as_restarted(running, mine, config_file, caplog):  # noqa: F811
    caplog.set_level("INFO")
    signals, pids = await running()
    before = pids()
    signals.replace.set()
    await until(lambda: "every process but the supervisor is a new one" in caplog.text)
    after = pids()
    assert set(before) == set(after) and not set(before.values()) & set(after.values())
    await until(lambda: mine() == set(after.values()))
    found = roster.read(load_config(config_file).run_dir)
    assert (found.phase, {process.restarts for process in found.processes}) == ("serving", {0})


async def test_a_new_one_that_dies_is_started_again(running, mine, caplog):  # noqa: F811
    caplog.set_level("INFO")
    signals, pids = await running()
    signals.replace.set()
    await until(lambda: "every process but the supervisor is a new one" in caplog.text)
    await until(lambda: mine() == set(pids().values()))
    second = pids()
    os.kill(second["vault"], signal.SIGKILL)
    await until(lambda: len(pids()) == 4 and pids()["vault"] != second["vault"])
    assert "vault ended with -9 and is started again" in caplog.text


@pytest.mark.parametrize(
    ("spoilt", "said", "kept"),
    [
        ("no", "not restarted: config.yaml:3: wrong", {"cipher", "vault", "proxy", "admin"}),
        ("cipher", "not restarted: the new cipher ended with 5", {"cipher", "vault", "proxy", "admin"}),
        ("proxy", "not restarted: the new proxy ended with 5", {"proxy", "admin"}),
    ],
)
async def test_what_does_not_come_up_takes_nobodys_place(running, mine, tmp_path, caplog, spoilt, said, kept):  # noqa: F811
    signals, pids = await running()
    before = pids()
    (tmp_path / f"child.{spoilt}").touch()
    signals.replace.set()
    await until(lambda: said in caplog.text)
    await until(lambda: mine() == set(pids().values()))
    assert {role for role, pid in pids().items() if before[role] == pid} == kept


async def test_what_takes_a_stop_and_a_start_is_said(running, config_file, caplog):  # noqa: F811
    signals, pids = await running()
    before = pids()
    config_file.write_text(config_file.read_text().replace("workers: 1", "workers: 2"))
    signals.replace.set()
    await until(lambda: "workers changed, which takes a stop and a start" in caplog.text)
    config_file.write_text("listen: []\n")
    signals.replace.set()
    await until(lambda: "not restarted: " in caplog.text and f"{config_file}:" in caplog.text)
    assert pids() == before


async def test_an_end_meanwhile_leaves_nobody_behind(running, mine):  # noqa: F811
    """``started`` looks for what is left."""
    signals, _ = await running()
    signals.replace.set()
    await until(lambda: len(mine()) > 4)
    signals.stop.set()


async def test_a_second_restart_meanwhile_is_refused(running, caplog):
    caplog.set_level("INFO")
    signals, _ = await running()
    signals.replace.set()
    await until(lambda: not signals.replace.is_set())
    signals.replace.set()
    await until(lambda: "not restarted: a restart is under way" in caplog.text)
    await until(lambda: "every process but the supervisor is a new one" in caplog.text)
