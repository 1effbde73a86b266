"""Ready means: vault and cipher greet, and workers said that they accept. A socket file, or a full queue, is no greeting."""

import asyncio
import os
import socket
from types import SimpleNamespace

import pytest

from gateway.runtime import readiness, roster
from gateway.runtime.roster import Roster, Runs
from gateway.wire import Callee


@pytest.fixture
async def run_dir(tmp_path):
    """A vault and a cipher that listen, and one of two workers that serves."""
    listening = {name: Callee(b"s" * 32, {}) for name in ("vault", "cipher")}
    for name, callee in listening.items():
        await callee.listen(tmp_path / f"{name}.sock")
    roster.write(tmp_path, Roster(os.getpid(), (Runs("proxy", 1, True, 0), Runs("proxy", 2, False, 1), Runs("vault", 3, True, 0))))
    yield tmp_path
    for callee in listening.values():
        await callee.close()


async def of(run_dir):
    found = await readiness.of_processes(SimpleNamespace(run_dir=run_dir), os.getpid())
    return found.ready, dict(found.checks)


async def test_all_are_there(run_dir):
    assert await of(run_dir) == (True, {"vault": "answers", "cipher": "answers", "workers": "1 of 2 serve"})


@pytest.mark.parametrize("who", ["vault", "cipher"])
async def test_one_that_is_gone(run_dir, who):
    (run_dir / f"{who}.sock").unlink()
    ready, checks = await of(run_dir)
    assert (ready, checks[who]) == (False, "silent")


@pytest.mark.parametrize("who", ["vault", "cipher"])
async def test_one_that_hangs(run_dir, who, monkeypatch):
    """The kernel still accepts for a stopped process; only a greeting shows that its loop turns."""
    monkeypatch.setattr(readiness, "DEADLINE", 0.1)
    (run_dir / f"{who}.sock").unlink()
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(run_dir / f"{who}.sock"))
        hanging.listen()
        ready, checks = await of(run_dir)
    assert (ready, checks[who]) == (False, "silent")


async def test_one_that_hangs_up(run_dir):
    (run_dir / "vault.sock").unlink()

    async def hang_up(_, writer):
        writer.write(b"\0")
        writer.close()

    async with await asyncio.start_unix_server(hang_up, run_dir / "vault.sock"):
        assert (await of(run_dir))[0] is False


async def test_no_worker_serves(run_dir):
    roster.write(run_dir, Roster(os.getpid(), (Runs("proxy", 1, False, 9),)))
    assert await of(run_dir) == (False, {"vault": "answers", "cipher": "answers", "workers": "0 of 1 serve"})


async def test_roles_that_were_started_by_hand(run_dir):
    """What is not known is said, and not taken for a no."""
    roster.remove(run_dir)
    assert await of(run_dir) == (True, {"vault": "answers", "cipher": "answers", "workers": "not known here"})


async def test_everything_in_one_process_is_ready_until_its_end_begins():
    ending = asyncio.Event()
    assert (await readiness.of_this_process(ending)).ready
    ending.set()
    assert not (await readiness.of_this_process(ending)).ready


async def test_from_the_first_moment_of_the_end_on_nothing_is_ready(run_dir):
    roster.write(run_dir, Roster(os.getpid(), (Runs("proxy", 1, True, 0),), "draining"))
    assert await of(run_dir) == (False, {"gateway": "draining"})


async def test_while_processes_are_exchanged_the_next_one_is_waited_for(run_dir):
    roster.write(run_dir, Roster(os.getpid(), (Runs("proxy", 1, True, 0),), "restarting"))
    (run_dir / "vault.sock").unlink()
    asking = asyncio.create_task(of(run_dir))
    await asyncio.sleep(0.02)
    vault = Callee(b"s" * 32, {})
    await vault.listen(run_dir / "vault.sock")
    assert (await asking)[0] is True
    await vault.close()
