"""One process: what it is told at its start, what it says, and what nobody inherits."""

import asyncio
import os
import signal
import sys

import pytest

from gateway.runtime import launching
from gateway.runtime.launching import Child, environment_of_children, first_of, start
from gateway.runtime.startup import Startup

SAYS = """
import msgspec, os, sys, time
with os.fdopen(int(os.environ["GATEWAY_STARTUP_FD"]), "rb") as pipe:
    told = msgspec.msgpack.decode(pipe.read())
assert told["takes_over"] == ("vault" in sys.argv), told
for said in (b"p", b"1"):
    os.write(told["ready_fd"], said)
    time.sleep(0.01)
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    def write(text):
        path = tmp_path / "child"
        path.write_text(f"#!{sys.executable}\n{text}\n")
        path.chmod(0o700)
        monkeypatch.setattr(launching.sys, "executable", str(path))

    return write


def descriptors():
    return len([name for name in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{name}")])


@pytest.mark.parametrize(("role", "takes_over"), [("vault", True), ("cipher", False)])
async def test_from_start_to_end(program, tmp_path, role, takes_over):
    program(SAYS + "raise SystemExit(7)")
    changes = []
    await asyncio.create_subprocess_exec("true")  # the loop's own watcher of children comes with the first
    before = descriptors()
    run = await start(Child(role, Startup()), tmp_path / "config.yaml", lambda: changes.append(run.serving), takes_over=takes_over)
    async with asyncio.timeout(30):
        await first_of(run.ended, run.prepared)
        await first_of(run.ended, run.ready)
        assert await run.ended == 7
        await asyncio.sleep(0)
    assert (run.prepared.is_set(), run.ready.is_set(), run.serving, changes) == (True, True, False, [True, False])
    run.signal(signal.SIGTERM)  # to one that is gone: nothing
    assert descriptors() <= before


async def test_one_that_never_says_anything(program, tmp_path):
    program("raise SystemExit(78)")
    run = await start(Child("proxy", Startup()), tmp_path / "config.yaml", lambda: None)
    async with asyncio.timeout(30):
        await first_of(run.ended, run.ready)
    assert (run.ended.result(), run.ready.is_set()) == (78, False)


async def test_one_that_the_system_does_not_start_leaves_nothing_open(program, tmp_path):
    program("")
    before = descriptors()
    (tmp_path / "child").unlink()
    with pytest.raises(FileNotFoundError):
        await start(Child("proxy", Startup(passphrase=b"geheim")), tmp_path / "config.yaml", lambda: None)
    assert descriptors() == before


def test_children_are_not_told_where_the_passphrase_lies(monkeypatch):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/pii-gateway.service")
    assert "CREDENTIALS_DIRECTORY" not in environment_of_children()
    assert environment_of_children()["PYTHONPATH"]
