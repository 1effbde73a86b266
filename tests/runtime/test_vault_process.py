"""The vault process: a database per customer that some policy names, the audit log, and the end of what vanished workers began."""

import asyncio
import os
import time

import pytest

from gateway.audit import AuditLog, read
from gateway.errors import ConfigurationError, SessionEnded, Unavailable
from gateway.link import Link
from gateway.policy.load import load_policies
from gateway.runtime import cipher_process, vault_process
from gateway.runtime.signals import Signals
from gateway.runtime.startup import PREPARED, READY, Startup
from gateway.runtime.vault_process import Stores, VaultRole
from gateway.vault.interface import AtRest, Clear, Event, Exchange
from gateway.vault.remote import RemoteVault
from tests.cli.conftest import CUSTOMER, PASSPHRASE

CIPHER, VAULT = b"c" * 32, b"v" * 32


@pytest.fixture
async def processes(folder):
    """``main`` of cipher and vault, over real sockets."""
    stop, reload = asyncio.Event(), asyncio.Event()
    startup = Startup(vault_link=VAULT, cipher_link=CIPHER, passphrase=PASSPHRASE.encode())
    tasks = [
        asyncio.create_task(part.main(folder.config_file, startup, Signals(stop=stop, reload=reload)))
        for part in (cipher_process, vault_process)
    ]
    async with asyncio.timeout(30):
        while not all((folder.config.run_dir / name).exists() for name in ("cipher.sock", "vault.sock")):
            await asyncio.sleep(0.01)
    yield folder
    stop.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 30)


@pytest.fixture
async def link(processes):
    link = Link(processes.config.run_dir / "vault.sock", VAULT, unavailable="vault-unavailable")
    yield link
    link.close()


def exchange(number, revision=""):
    return Exchange(number, CUSTOMER, "maria", "dispatcher", "POST", "/orders", "192.0.2.1", "ab", revision)


def kinds(folder):
    return [(record["kind"], record.get("exchange", ""), record.get("reason", "")) for record in read(folder.config.audit_dir)]


async def test_the_whole_way_through_both_processes(link, processes):
    vault = RemoteVault(link)
    session = await vault.open_session(CUSTOMER, "maria", processes.passwords["maria"], "192.0.2.1")
    assert (session.role, session.expires > time.time()) == ("dispatcher", True)
    (token,) = await vault.tokenize(session.handle, exchange("e1"), [Clear("name", "Max Mustermann")])
    assert len(token) == 14
    assert await vault.detokenize(session.handle, "e1", [AtRest("name", token)]) == ["Max Mustermann"]
    await vault.record(Event("end", exchange="e1", customer=CUSTOMER, status=201))
    assert [kind for kind, number, _ in kinds(processes) if number == "e1"] == ["begin", "reveal", "end"]
    database = processes.config.vault_db(CUSTOMER)
    assert database.stat().st_mode & 0o077 == 0
    assert not [file for file in database.parent.glob("vault.db*") if b"Mustermann" in file.read_bytes()]


async def test_what_a_vanished_worker_began_is_ended(link, processes):
    vault = RemoteVault(link)
    session = await vault.open_session(CUSTOMER, "maria", processes.passwords["maria"], "192.0.2.1")
    await vault.tokenize(session.handle, exchange("e2"), [])
    link.close()
    async with asyncio.timeout(30):
        while ("end", "e2", "process-ended") not in kinds(processes):
            await asyncio.sleep(0.02)


async def test_a_removed_user_is_out_at_the_next_reload(link, processes):
    vault = RemoteVault(link)
    session = await vault.open_session(CUSTOMER, "maria", processes.passwords["maria"], "192.0.2.1")
    processes.policy().write_text(processes.policy().read_text().replace(", maria: dispatcher", ""))
    async with asyncio.timeout(30):
        with pytest.raises(SessionEnded):
            for number in range(1500):
                await vault.tokenize(session.handle, exchange(f"r{number}"), [])
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("name", ["nobody", "../stadtwerke_musterstadt", "", "."])
async def test_only_a_name_that_some_policy_has_becomes_a_path(folder, name):
    stores = Stores(folder.config, lambda: load_policies(folder.config))
    with pytest.raises(KeyError):
        stores.of(name)
    assert stores.of(CUSTOMER) is stores.of(CUSTOMER)
    await stores.close()


async def test_two_vaults_never_write_one_audit_log(folder):
    role = VaultRole(folder.config, folder.config_file, cipher=None)
    try:
        with pytest.raises(Unavailable, match="audit-unavailable"):
            VaultRole(folder.config, folder.config_file, cipher=None)
    finally:
        await role.close()
    await VaultRole(folder.config, folder.config_file, cipher=None).close()


async def test_a_bad_policy_is_refused_and_the_good_one_stays(folder):
    role = VaultRole(folder.config, folder.config_file, cipher=None)
    before = role.policies
    folder.policy().write_text("customer: [")
    with pytest.raises(ConfigurationError):
        role.swap()
    assert role.policies is before
    await role.close()


async def test_who_takes_over_waits_until_the_audit_log_is_free(folder):
    """Two vaults at a time would tear the chain; the supervisor hears that this one needs nothing else."""
    reading, writing = os.pipe()
    signals = Signals()
    held = AuditLog(folder.config.audit_dir)
    startup = Startup(vault_link=VAULT, cipher_link=CIPHER, ready_fd=writing, takes_over=True)
    task = asyncio.create_task(vault_process.main(folder.config_file, startup, signals))
    assert await asyncio.to_thread(os.read, reading, 1) == PREPARED
    await asyncio.sleep(0.05)
    assert not task.done() and not (folder.config.run_dir / "vault.sock").exists()
    await held.close()
    assert await asyncio.to_thread(os.read, reading, 1) == READY
    os.close(reading)
    signals.stop.set()
    await asyncio.wait_for(task, 30)
