"""The supervisor with real processes: what dies is started again, what cannot start ends it, and nothing is left when it ends."""

import asyncio
import json
import os
import signal
import socket
import sys

import pytest

from gateway.config import load_config
from gateway.runtime import launching, roster, supervisor
from gateway.runtime.signals import Signals
from gateway.runtime.supervisor import Supervisor, bind
from gateway.runtime.systemd import Systemd
from tests.cli.conftest import PASSPHRASE

#: Children that do one thing only, in place of ``python -m gateway``; PYTHON is put in.
READY = """
import msgspec, os
with os.fdopen(int(os.environ["GATEWAY_STARTUP_FD"]), "rb") as pipe:
    told = msgspec.msgpack.decode(pipe.read())
os.write(told["ready_fd"], b"1")
os.close(told["ready_fd"])
"""
NEVER_READY = "import time\ntime.sleep(1000)"
DIES_ONCE_READY = READY + "raise SystemExit(3)"
SERVES = READY + "import time\ntime.sleep(1000)"
DEAF = READY + "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nos.write(1, b'deaf')\ntime.sleep(1000)"


@pytest.fixture
def config_file(folder):
    folder.config_file.write_text(
        folder.config_file.read_text().replace("0.0.0.0:8443", "127.0.0.1:0").replace("workers: auto", "workers: 1")
    )
    return folder.config_file


@pytest.fixture
def as_child(tmp_path, monkeypatch):
    """Let every child be this program."""

    def program(text):
        path = tmp_path / "child"
        path.write_text(f"#!{sys.executable}\n{text}\n")
        path.chmod(0o700)
        monkeypatch.setattr(launching.sys, "executable", str(path))

    return program


@pytest.fixture
async def started(config_file, capfd):
    """``started()`` runs a supervisor until ``stop``: (task, stop, signals). What it leaves behind is looked at afterwards."""
    before, others = descriptors(), set(children())
    running = []

    def start():
        signals = Signals()
        supervised = Supervisor(config_file, load_config(config_file), PASSPHRASE.encode())
        running.append((asyncio.create_task(supervised.run(signals)), signals.stop))
        return running[-1][0], signals.stop, signals

    yield start
    for task, stop in running:
        stop.set()
        await asyncio.wait_for(task, 60)
    assert set(children()) <= others, "a child, or what is left of one, was forgotten"
    assert descriptors() == before


def descriptors():
    """Pipes and listening sockets; loops and children's watchers come and go with the loop."""
    kinds = [os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if os.path.islink(f"/proc/self/fd/{name}")]
    return len([kind for kind in kinds if kind.startswith(("pipe:", "socket:"))])


@pytest.fixture
def mine(started):
    """The children that came since the test began: other tests of this process may have a whole gateway running."""
    others = set(children())
    return lambda: set(children()) - others


def children():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(pid) for pid in file.read().split()]


async def until(condition, seconds=60):
    """Polled, because the outside world tells nobody; bounded."""
    async with asyncio.timeout(seconds):
        while not (found := condition()):
            await asyncio.sleep(0.02)
    return found


async def test_real_processes_restart_after_sigkill_and_end_in_order(started, mine, capfd, config_file):
    task, stop, _ = started()
    lines = []
    ready = json.loads(await until(lambda: lines.append(capfd.readouterr().out) or "".join(lines)))
    (vault,) = ready["pids"]["vault"]
    everybody = {pid for role in ("cipher", "vault", "proxy", "admin") for pid in ready["pids"][role]}
    assert mine() == everybody
    os.kill(vault, signal.SIGKILL)
    await until(lambda: len(mine() - {vault}) == 4)
    assert everybody - {vault} < mine()
    stop.set()
    assert await asyncio.wait_for(task, 60) == 0
    assert not mine()


@pytest.mark.parametrize(("code", "expected"), [(78, 78), (1, 1), (0, 1)])
async def test_what_cannot_start_ends_the_gateway(started, as_child, code, expected, capfd):
    """A service manager must see it; a loop of starts that never serve would hide it."""
    as_child(f"raise SystemExit({code})")
    task, _, _ = started()
    assert await asyncio.wait_for(task, 60) == expected
    assert "ready" not in capfd.readouterr().out


async def test_what_was_killed_before_it_served_is_started_again(started, mine, as_child):
    as_child(NEVER_READY)
    task, _, _ = started()
    (first,) = await until(mine)
    os.kill(first, signal.SIGKILL)
    await until(lambda: mine() and mine() != {first})
    assert not task.done()


async def test_sigterm_counts_also_while_it_starts(started, mine, as_child):
    as_child(NEVER_READY)
    task, stop, _ = started()
    await until(mine)
    stop.set()
    assert await asyncio.wait_for(task, 15) == 0


#: Serves as every role but one, which ends by itself.
ALL_BUT_ADMIN = "import sys\nif 'admin' in sys.argv:\n    raise SystemExit(1)\n" + SERVES


async def test_operators_process_that_cannot_start_keeps_no_customer_out(started, mine, as_child, monkeypatch, capfd, caplog):
    monkeypatch.setattr(supervisor, "BACKOFF", (0.01,))
    as_child(ALL_BUT_ADMIN)
    task, _, _ = started()
    lines = []
    await until(lambda: lines.append(capfd.readouterr().out) or "ready" in "".join(lines))
    await until(lambda: caplog.text.count("admin ended with 1 and is started again") > 1)
    assert not task.done()
    assert len(mine()) >= 3


async def test_operators_port_that_is_taken_is_said_before_anything_is_started(config_file, mine):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        config_file.write_text(config_file.read_text().replace("admin: {listen: 127.0.0.1:0}", f"admin: {{listen: {taken}}}"))
        with pytest.raises(OSError, match="Address already in use") as raised:
            Supervisor(config_file, load_config(config_file), PASSPHRASE.encode())
    assert raised.value.filename == taken
    assert not mine()


async def test_without_a_listener_of_its_own_the_operators_process_runs_all_the_same(started, as_child, config_file, mine, capfd):
    config_file.write_text(config_file.read_text().replace("admin: {listen: 127.0.0.1:0}", ""))
    as_child(SERVES)
    started()
    lines = []
    ready = json.loads(await until(lambda: lines.append(capfd.readouterr().out) or "".join(lines)))
    assert ready["admin"] is None
    assert set(ready["pids"]["admin"]) < mine()


async def test_who_runs_is_written_down(started, mine, as_child, config_file):
    """For the operators' process: how often something was started again, and whether workers serve."""
    as_child(SERVES)
    task, stop, _ = started()
    run_dir = load_config(config_file).run_dir
    await until(lambda: (now := roster.read(run_dir)) and len(now.processes) == 4 and all(p.serving for p in now.processes))
    (vault,) = [process.pid for process in roster.read(run_dir).processes if process.role == "vault"]
    os.kill(vault, signal.SIGKILL)
    await until(lambda: ("vault", True, 1) in {(p.role, p.serving, p.restarts) for p in roster.read(run_dir).processes})
    assert {process.pid for process in roster.read(run_dir, os.getpid()).processes} == mine()
    stop.set()
    await asyncio.wait_for(task, 60)
    assert roster.read(run_dir) is None


async def test_it_does_not_wait_for_the_next_start_when_it_ends(started, as_child, monkeypatch, caplog):
    monkeypatch.setattr(supervisor, "BACKOFF", (1000.0,))
    as_child(DIES_ONCE_READY)
    task, stop, _ = started()
    await until(lambda: "ended with 3 and is started again" in caplog.text)
    stop.set()
    assert await asyncio.wait_for(task, 15) == 0


async def test_a_spawn_that_the_system_refuses_is_tried_again(started, mine, as_child, monkeypatch, caplog):
    as_child(SERVES)
    good = launching.sys.executable
    monkeypatch.setattr(launching.sys, "executable", good + "-missing")
    monkeypatch.setattr(supervisor, "BACKOFF", (0.01,))
    started()
    await until(lambda: "cipher cannot be started: No such file" in caplog.text)
    monkeypatch.setattr(launching.sys, "executable", good)
    assert len(await until(lambda: len(mine()) == 4 and mine())) == 4


async def test_who_does_not_listen_is_killed(started, mine, as_child, monkeypatch):
    monkeypatch.setattr(supervisor, "DRAIN", 0.2)
    as_child(DEAF)
    task, stop, _ = started()
    await until(lambda: len(mine()) == 4)
    stop.set()
    assert await asyncio.wait_for(task, 30) == 0


async def test_sighup_is_passed_on(started, mine, as_child, tmp_path):
    seen = tmp_path / "seen"
    note = f"import signal\nsignal.signal(signal.SIGHUP, lambda *_: open({str(seen)!r}, 'a').write('1'))\n"
    as_child(note + READY + "import time\nwhile True:\n    time.sleep(1000)")
    _, _, signals = started()
    await until(lambda: len(mine()) == 4)
    signals.reload.set()
    await until(lambda: seen.exists() and len(seen.read_text()) == 4)


@pytest.mark.parametrize("listen", ["127.0.0.1:0", '"[::1]:0"'])
def test_both_families_are_listened_on(config_file, listen):
    config_file.write_text(config_file.read_text().replace("127.0.0.1:0", listen))
    with bind(load_config(config_file)) as sock:
        assert not sock.getblocking()
        socket.create_connection(sock.getsockname()[:2], timeout=10).close()


def test_a_port_that_is_taken_is_named(config_file):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        config_file.write_text(config_file.read_text().replace("127.0.0.1:0", taken))
        with pytest.raises(OSError, match="Address already in use") as raised:
            bind(load_config(config_file))
    assert raised.value.filename == taken


async def test_the_service_manager_hears_of_start_reload_and_end_and_its_socket_is_used(config_file, as_child, tmp_path, capfd):
    as_child(SERVES)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, socket.create_server(("127.0.0.1", 0)) as handed_over:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        told = Systemd(str(tmp_path / "notify"), 1000.0, {"public": handed_over})
        signals, loop = Signals(), asyncio.get_running_loop()
        port = handed_over.getsockname()[1]
        task = asyncio.create_task(Supervisor(config_file, load_config(config_file), PASSPHRASE.encode(), told).run(signals))

        async def heard():
            async with asyncio.timeout(60):
                return (await loop.sock_recv(manager, 4096)).decode().splitlines()[0]

        assert [await heard(), await heard()] == ["READY=1", "WATCHDOG=1"]
        assert json.loads(capfd.readouterr().out)["port"] == port
        signals.reload.set()
        assert [await heard(), await heard()] == ["RELOADING=1", "READY=1"]
        signals.stop.set()
        assert await heard() == "STOPPING=1"
        assert await asyncio.wait_for(task, 60) == 0
