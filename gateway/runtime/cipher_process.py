"""The cipher process: the only one that is told the operator's passphrase, and the only one that holds keys.

It signs the customers' revocation lists too, since it alone can open their authorities. Holds no database and no value at rest. It is
made unreadable to others of the same user before it reads its first secret.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

from gateway.cipher.remote import verbs
from gateway.cipher.service import CipherService
from gateway.config import Config, load_config
from gateway.errors import ConfigurationError
from gateway.policy.load import load_policies, policy_files
from gateway.policy.model import CustomerKey
from gateway.runtime.certificates import authority_of
from gateway.runtime.crl_keeper import CrlKeeper
from gateway.runtime.keys import customer_files, open_operator_key
from gateway.runtime.signals import Signals
from gateway.runtime.startup import Startup
from gateway.runtime.watch import digest, watch
from gateway.wire import Callee

DEFAULT = CustomerKey()
DRAIN = 8.0  # seconds for what was asked before the end; argon2 behind a full queue takes about three
SWEEP = 5.0  # seconds between two looks for customer tokens whose time is over

_log = logging.getLogger("gateway.cipher")


class CipherRole:
    """The service over this configuration's files, and the idle times that it takes from the policies (nothing else of them)."""

    def __init__(self, config: Config, path: Path, passphrase: bytes) -> None:
        """Raises ConfigurationError when the operator key does not open."""
        self._path = path
        self._config = config
        self._keys: dict[str, CustomerKey] = {}
        operator = open_operator_key(config, passphrase)
        self.service = CipherService(
            operator,
            lambda customer: customer_files(config, customer),
            idle_of=lambda customer: self._keys.get(customer, DEFAULT).idle,
            longest_of=lambda customer: self._keys.get(customer, DEFAULT).longest,
        )
        self.crls = CrlKeeper(config, lambda customer: authority_of(self._config, operator, customer))

    def swap(self) -> str:
        config = load_config(self._path)
        policies = load_policies(config)
        self._config = config
        self._keys = {name: customer.key for name, customer in policies.customers.items()}
        return policies.revision

    async def sweep(self, stop: asyncio.Event) -> None:
        """Close what is idle until ``stop``, then everything."""
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), SWEEP)
            self.service.sweep()


async def main(path: Path, startup: Startup, signals: Signals) -> None:
    """Serve the cipher's socket until ``stop``."""
    config = load_config(path)
    role = CipherRole(config, path, startup.passphrase)
    seen = digest([path, *policy_files(config)])
    with contextlib.suppress(ConfigurationError):
        role.swap()  # a cipher that was killed starts again also while the policies are being mended; the idle times are then the usual
    callee = Callee(startup.cipher_link, verbs(role.service))
    await callee.listen(config.run_dir / "cipher.sock")
    startup.ready()
    tending = [asyncio.create_task(role.sweep(signals.stop)), asyncio.create_task(role.crls.run(signals.stop))]
    await watch(lambda: [path, *policy_files(config)], role.swap, signals.reload, signals.stop, seen=seen)
    await callee.drain(DRAIN)
    await asyncio.gather(*tending)
    role.service.close()
