"""A worker: one snapshot swapped as a whole, what never became a request counted per address, and an end that waits for the last record."""

import asyncio
import json
import socket
import ssl

import pytest

from gateway.audit import read
from gateway.ca import crl
from gateway.errors import ConfigurationError, Unavailable
from gateway.runtime import worker as worker_module
from gateway.runtime.signals import Signals
from gateway.runtime.snapshot import build_snapshot
from gateway.runtime.startup import Startup
from gateway.runtime.worker import Worker
from tests.cli.conftest import CUSTOMER, PASSPHRASE


class Vault:
    """Takes events, or is not there."""

    def __init__(self, failing=0):
        self.events, self.failing = [], failing

    async def record(self, event):
        if self.failing:
            self.failing -= 1
            raise Unavailable("vault-unavailable")
        self.events.append(event)


@pytest.fixture
async def worker(folder):
    worker = Worker(folder.config_file, build_snapshot(folder.config), Vault())
    yield worker
    worker.upstreams.close()


async def test_a_swap_is_whole_or_not_at_all(folder, worker):
    before = worker.snapshot
    (folder.config.authority_dir(CUSTOMER) / "ca.pem").write_text("none")
    with pytest.raises(ConfigurationError):
        worker.swap()
    assert (worker.snapshot.policies, worker.snapshot.tls) == (before.policies, before.tls)  # of trust only revocations are newer


async def test_tm2_whatever_keeps_files_from_being_read_keeps_no_revocation_from_counting(folder, worker, monkeypatch):
    """Also an error of our own reader, which the loop around it survives (Y-03)."""
    before = worker.snapshot
    path = folder.config.authority_dir(CUSTOMER) / "ledger.jsonl"
    path.write_bytes(path.read_bytes())
    monkeypatch.setattr(worker_module, "build_snapshot", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        worker.swap()
    assert worker.snapshot.policies is before.policies and worker.snapshot.trust is not before.trust


async def test_a_swap_brings_policies_trust_and_tls_together(folder, worker):
    before = worker.snapshot
    folder.policy().write_text(folder.policy().read_text() + "# looked at\n")
    assert worker.swap() == worker.snapshot.policies.revision != before.policies.revision
    assert worker.snapshot.tls is not before.tls


@pytest.mark.parametrize(("failing", "written"), [(0, 2), (1, 1)])
async def test_what_never_became_a_request_is_counted_per_address_and_reason(worker, failing, written, caplog):
    """Whoever can open connections must not be able to fill the disk."""
    worker._vault.failing = failing
    for _ in range(1000):
        worker._count("192.0.2.1", "handshake-failed")
    worker._count("192.0.2.2", "request-malformed")
    stop = asyncio.Event()
    stop.set()
    reporting = asyncio.create_task(worker.report_closed(asyncio.Event(), every=0.01))
    async with asyncio.timeout(30):
        while worker._closed or len(worker._vault.events) < written:
            await asyncio.sleep(0.01)
    reporting.cancel()
    told = {(event.kind, event.address, event.reason): event.count for event in worker._vault.events}
    assert told.get(("closed", "192.0.2.2", "request-malformed")) == 1
    assert told.get(("closed", "192.0.2.1", "handshake-failed")) == (None if failing else 1000)
    assert ("could not be recorded" in caplog.text) == bool(failing)


async def test_at_most_so_many_addresses_are_counted(worker):
    for number in range(12_000):
        worker._count(str(number), "network-unknown")
    worker._count("0", "network-unknown")
    assert len(worker._closed) == 10_001
    assert worker._closed["elsewhere", "network-unknown"] == 2_000  # and none is lost
    assert worker._closed["0", "network-unknown"] == 2


async def test_everything_in_one_process_serves_and_ends(folder, capsys):
    """``processes: one`` by its own ``main``: the port is said, an address off every list is closed, and counted at the end."""
    folder.config_file.write_text(
        folder.config_file.read_text().replace("0.0.0.0:8443", "127.0.0.1:0").replace("processes: separate", "processes: one")
    )
    signals = Signals()
    startup = Startup(passphrase=PASSPHRASE.encode())
    task = asyncio.create_task(worker_module.main(folder.config_file, startup, signals))
    said = ""
    async with asyncio.timeout(30):
        while "\n" not in said:
            await asyncio.sleep(0.01)
            said += capsys.readouterr().out
    port = json.loads(said)["port"]
    context = ssl.create_default_context(cafile=folder.path / "certs" / "server-ca.pem")
    with pytest.raises((ConnectionError, ssl.SSLError)):
        await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="gateway.example")
    async with asyncio.timeout(30):
        while crl.read(folder.config.authority_dir(CUSTOMER)) is None:
            await asyncio.sleep(0.01)
    signals.stop.set()
    await asyncio.wait_for(task, 60)
    assert [(record["kind"], record["address"], record["reason"]) for record in read(folder.config.audit_dir)] == [
        ("closed", "127.0.0.1", "network-unknown")
    ]
    with socket.create_server(("127.0.0.1", port)):
        pass  # the port is free again


async def test_a_port_that_is_taken_leaves_nothing_open(folder):
    """The audit log's lock among it: the next attempt must not find it held."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        text = folder.config_file.read_text().replace("0.0.0.0:8443", taken).replace("processes: separate", "processes: one")
        folder.config_file.write_text(text)
        for _ in range(2):
            with pytest.raises(OSError, match="Address already in use"):
                await asyncio.wait_for(worker_module.main(folder.config_file, Startup(passphrase=PASSPHRASE.encode()), Signals()), 30)
