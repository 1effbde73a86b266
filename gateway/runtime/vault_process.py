"""The vault process: every customer's database, the audit log, and its own copy of the policies. Holds no key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from gateway.audit import AuditLog, is_held
from gateway.cipher.interface import Cipher
from gateway.cipher.remote import RemoteCipher
from gateway.config import Config, load_config
from gateway.link import PATIENCE, Link
from gateway.policy.load import load_policies, policy_files
from gateway.policy.model import PolicySet
from gateway.runtime.signals import Signals
from gateway.runtime.startup import Startup
from gateway.runtime.watch import digest, watch
from gateway.vault.remote import verbs
from gateway.vault.sqlite import SqliteStore
from gateway.vault.store import Store
from gateway.vault.vault import LocalVault
from gateway.wire import Callee, Connection

DRAIN = 8.0  # seconds for what was asked before the end; argon2 behind a full queue takes about three
PREDECESSOR = 25.0  # seconds that one may take to end; the supervisor kills it before


class Stores:
    """One open database per customer that the policies know; opened when first needed."""

    def __init__(self, config: Config, policies: Callable[[], PolicySet]) -> None:
        self._config = config
        self._policies = policies
        self._open: dict[str, SqliteStore] = {}

    def of(self, customer: str) -> Store:
        """Raises KeyError for a customer that is in no policy: a name never becomes a path unless it was loaded and checked."""
        if customer not in self._policies().customers:
            raise KeyError(customer)
        if customer not in self._open:
            self._open[customer] = SqliteStore(self._config.vault_db(customer))
        return self._open[customer]

    async def close(self) -> None:
        for store in self._open.values():
            await store.close()


class VaultRole:
    """A vault with its audit log and stores, as the process runs it (and the worker itself with ``processes: one``)."""

    def __init__(self, config: Config, path: Path, cipher: Cipher) -> None:
        self._path = path
        self.policies = load_policies(config)
        self.audit = AuditLog(config.audit_dir)
        self.audit.watch_spool()
        self.stores = Stores(config, lambda: self.policies)
        self.vault = LocalVault(lambda: self.policies, cipher, self.stores.of, self.audit)

    def swap(self) -> str:
        self.policies = load_policies(load_config(self._path))
        return self.policies.revision

    def lost(self, connection: Connection) -> None:
        """A worker is gone: end in the audit log what it had begun."""
        self.vault.abandon(sorted(connection.begun))

    async def close(self) -> None:
        await self.stores.close()
        await self.audit.close()


async def main(path: Path, startup: Startup, signals: Signals) -> None:
    """Serve the vault's socket until ``stop``."""
    config = load_config(path)
    seen = digest([path, *policy_files(config)])
    link = Link(config.run_dir / "cipher.sock", startup.cipher_link, unavailable="cipher-unavailable", patience=PATIENCE)
    await _until_it_is_ours(config, startup, signals)
    role = VaultRole(config, path, RemoteCipher(link))
    callee = Callee(startup.vault_link, verbs(role.vault), role.lost)
    await callee.listen(config.run_dir / "vault.sock")
    startup.ready()
    await watch(lambda: [path, *policy_files(config)], role.swap, signals.reload, signals.stop, seen=seen)
    await callee.drain(DRAIN)
    link.close()
    await role.close()


async def _until_it_is_ours(config: Config, startup: Startup, signals: Signals) -> None:
    """The audit log and the databases belong to one vault at a time: wait for the end of the one whose place this is to take."""
    if not startup.takes_over:
        return
    startup.prepared()
    loop = asyncio.get_running_loop()
    end = loop.time() + PREDECESSOR
    while is_held(config.audit_dir) and loop.time() < end and not signals.stop.is_set():  # noqa: ASYNC110  (another process's lock)
        await asyncio.sleep(0.005)
