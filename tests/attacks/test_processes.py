"""What another process of the same user finds in /proc, in the environment, in arguments and at start-up; and storms of signals."""

import asyncio
import errno
import io
import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from gateway.demo.environment import Environment
from gateway.demo.story import ORDERS, OURS
from gateway.errors import ConfigurationError
from gateway.runtime.startup import Startup, by_hand
from gateway.runtime.watch import digest, watch

ROLES = ("supervisor", "cipher", "vault", "proxy", "admin")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """Started as systemd would: with a folder of credentials in the environment."""
    folder = Path(tmp_path_factory.mktemp("processes"))
    environment = Environment.build(folder / "run", Console(file=io.StringIO()), workers=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CREDENTIALS_DIRECTORY", str(folder))
        environment.start()
    assert environment.client(OURS, "import_job").send("POST", "/orders", ORDERS[0]).status == 201
    yield environment
    environment.stop()


def descriptors(pid):
    """What a process has open: /proc's names, e.g. socket:[1234] or a path."""
    folder = Path(f"/proc/{pid}/fd")
    return {os.readlink(folder / name) for name in os.listdir(folder)}


def read(pid, name):
    return Path(f"/proc/{pid}/{name}").read_bytes()


def listening_socket(url):
    port = f":{int(url.rpartition(':')[2]):04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return next(f"socket:[{line[9]}]" for line in lines if line[1].endswith(port) and line[3] == "0A")


@pytest.mark.parametrize(("which", "role"), [("url", "proxy"), ("admin_url", "admin")])
def test_a_listening_socket_is_held_by_those_who_accept_on_it(gateway, which, role):
    sock = listening_socket(getattr(gateway, which))
    holders = {holder for holder in ROLES for pid in gateway.pids[holder] if sock in descriptors(pid)}
    assert holders == {"supervisor", role}


def test_no_two_processes_share_a_descriptor_but_the_listening_sockets_and_the_log(gateway):
    """A start-up socket or a link's end that was inherited by the wrong one would hand over its secret."""
    pids = [pid for role in ROLES for pid in gateway.pids[role]]
    for pid in pids:
        for other in pids:
            if pid != other:
                shared = {name for name in descriptors(pid) & descriptors(other) if name.startswith(("socket:", "pipe:"))}
                assert shared <= {listening_socket(gateway.url), listening_socket(gateway.admin_url)}


def test_each_process_has_only_its_own_files_open(gateway):
    state = f"{gateway.config.state}/"
    opened = {role: {name for pid in gateway.pids[role] for name in descriptors(pid) if name.startswith(state)} for role in ROLES}
    assert opened["proxy"] == opened["cipher"] == opened["supervisor"] == opened["admin"] == set()
    assert {name.removeprefix(state).partition("/")[0] for name in opened["vault"]} == {"audit", "customers"}


@pytest.mark.parametrize("where", ["cmdline", "environ"])
def test_no_secret_stands_in_arguments_or_environment(gateway, where):
    secrets = [gateway.passphrase_file.read_text().strip()]
    for access in gateway.customers.values():
        secrets += [*access.passwords.values(), access.recovery_code, access.pkcs12_password]
    for role in ROLES:
        for pid in gateway.pids[role]:
            assert not any(secret.encode() in read(pid, where) for secret in secrets)


def test_no_child_is_told_where_the_service_manager_put_the_passphrase(gateway):
    for role in ("cipher", "vault", "proxy", "admin"):
        for pid in gateway.pids[role]:
            assert b"CREDENTIALS_DIRECTORY" not in read(pid, "environ")


def test_no_process_writes_core_files(gateway):
    for role in ROLES:
        for pid in gateway.pids[role]:
            limit = next(line for line in read(pid, "limits").decode().splitlines() if line.startswith("Max core file size"))
            assert limit.split()[4:6] == ["0", "0"]
            assert b"NoNewPrivs:\t1" in read(pid, "status")


def test_what_a_child_is_told_cannot_be_opened_under_proc(monkeypatch):
    """A pipe could: whoever reads it before the new process has made itself untraceable has the operator's passphrase."""
    descriptor = Startup(passphrase=b"Tresor im Keller").descriptor()
    try:
        with pytest.raises(OSError, match="No such device") as refused:
            os.open(f"/proc/{os.getpid()}/fd/{descriptor}", os.O_RDONLY)
        assert refused.value.errno == errno.ENXIO
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(("content", "mode"), [(b"", 0o600), (b"s" * 31, 0o600), (b"s" * 32, 0o644), (b"s" * 32, 0o620)])
def test_a_links_secret_that_others_may_know_is_refused(tmp_path, content, mode):
    """An empty one (a full disk) could be proven by everybody."""

    class Config:
        run_dir = tmp_path

    path = tmp_path / "cipher.secret"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(ConfigurationError):
        by_hand(Config, "cipher", b"p")


@pytest.mark.trap("Y-03", "A change is noticed that came between reading a file and watching it.")
async def test_y03_a_change_before_the_watch_begins_is_noticed(tmp_path):
    """A certificate that is revoked while a killed worker starts again was good for that worker until the next change."""
    ledger, stop, reloaded = tmp_path / "ledger", asyncio.Event(), asyncio.Event()
    ledger.write_text("issued")
    seen = digest([ledger])
    ledger.write_text("revoked")
    watching = asyncio.create_task(watch(lambda: [ledger], lambda: reloaded.set() or "", asyncio.Event(), stop, seen=seen, interval=0.001))
    await asyncio.wait_for(reloaded.wait(), 10)
    stop.set()
    await watching


@pytest.mark.trap("Y-03", "A file that cannot be read ends no process and changes nothing.")
async def test_y03_a_file_that_the_reader_stumbles_over_ends_no_process(tmp_path, caplog):
    tries, stop, asked = [], asyncio.Event(), asyncio.Event()

    def reload():
        tries.append(1)
        if len(tries) == 2:
            stop.set()
        asked.set()
        raise RecursionError("Max Mustermann")

    asked.set()
    await asyncio.wait_for(watch(lambda: [tmp_path / "a"], reload, asked, stop, seen=b"", interval=0.001), 10)
    assert len(tries) == 2
    assert "RecursionError" in caplog.text
    assert "Mustermann" not in caplog.text


def test_a_storm_of_hangups_keeps_nobody_from_starting_again(gateway):
    """SIGHUP ends a process that does not handle it yet: a killed vault never came back while the storm lasted."""
    maria, stop = gateway.client(OURS, "maria"), threading.Event()

    def storm():
        while not stop.wait(0.02):
            os.kill(gateway.pids["supervisor"][0], signal.SIGHUP)

    blowing = threading.Thread(target=storm)
    blowing.start()
    try:
        os.kill(gateway.pids["vault"][0], signal.SIGKILL)
        end, status = time.monotonic() + 60, 503
        while status == 503 and time.monotonic() < end:
            status = maria.send("GET", "/orders").status
    finally:
        stop.set()
        blowing.join()
    assert status == 200
    assert json.loads(maria.send("GET", "/orders").body)["items"]
