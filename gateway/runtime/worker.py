"""A proxy worker: accepts, judges and forwards. Holds the server's TLS key and the policies; no key of a customer, no database."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from gateway.config import Config, load_config
from gateway.errors import Refused, Unavailable
from gateway.link import PATIENCE, Link
from gateway.policy.load import load_policies
from gateway.proxy.access import Peer, Snapshot, identify
from gateway.proxy.dialing import Dialer
from gateway.proxy.handler import Gateway
from gateway.proxy.listener import Listener, Rules
from gateway.proxy.server import GatewayServer
from gateway.proxy.upstream import UpstreamPool
from gateway.runtime.admin_process import Ending, beside
from gateway.runtime.cipher_process import CipherRole
from gateway.runtime.signals import Signals
from gateway.runtime.snapshot import build_snapshot, watched_files
from gateway.runtime.startup import Startup
from gateway.runtime.supervisor import announce, bind, listen_on
from gateway.runtime.vault_process import VaultRole
from gateway.runtime.watch import digest, watch
from gateway.vault.interface import Event, Vault
from gateway.vault.remote import RemoteVault

#: Seconds within which a worker that was told to end finishes what it began.
DRAIN = 15.0
#: Seconds that a silent connection is kept where another worker serves already. Whoever sends requests in a row does within them.
SILENCE = 2.0
#: Seconds for handshakes that are under way at the end.
HANDSHAKES = 2.0

#: Addresses that are counted by themselves within a minute, and what all others are counted under.
MOST_COUNTED = 10_000
ELSEWHERE = "elsewhere"

_log = logging.getLogger("gateway.worker")


class Worker:
    """One snapshot, swapped on reload; one server; refusals before any request counted per address and minute."""

    def __init__(self, path: Path, snapshot: Snapshot, vault: Vault) -> None:
        self._path = path
        self.snapshot = snapshot
        self._vault = vault
        self.upstreams = UpstreamPool(dialer=Dialer(load_config(path).doors))
        self.upstreams.renew(snapshot.policies.customers.values())
        self.gateway = Gateway(lambda: self.snapshot, vault, self.upstreams)
        self.server = GatewayServer(self.gateway.handle, on_malformed=lambda reason, address: self._count(address, reason))
        self._closed: dict[tuple[str, str], int] = {}

    def swap(self) -> str:
        try:
            self.snapshot = build_snapshot(load_config(self._path), running=True)
        except Exception:  # also what our own reader stumbles over, see ``watch.py``
            # A mistake in some policy must not keep a revoked certificate in (T-M2): the ledgers are read all the same.
            self.snapshot = replace(self.snapshot, trust=self.snapshot.trust.refreshed())
            self.server.end_unless(self._is_welcome)
            raise
        self.server.end_unless(self._is_welcome)
        self.upstreams.renew(self.snapshot.policies.customers.values())  # connections that were checked against the old authorities end
        return self.snapshot.policies.revision

    def _customer_of(self, peer: Peer) -> str:
        """Whose certificate and network it is, now; "" when nobody's."""
        try:
            return identify(self.snapshot, peer, time.time(), lambda customer, fingerprint: None).customer
        except Refused:
            return ""

    def _is_welcome(self, peer: Peer) -> bool:
        return bool(self._customer_of(peer))

    def listener(self, sock: socket.socket) -> Listener:
        return Listener(
            sock,
            Rules(  # looked up at each call: all of it is swapped with the snapshot
                admit=lambda address: self.snapshot.policies.networks.anyone(address),  # noqa: PLW0108
                is_balancer=lambda address: self.snapshot.balancers.anyone(address),  # noqa: PLW0108
                tls=lambda: self.snapshot.tls,
                customer_of=self._customer_of,
            ),
            protocol_factory=self.server,
            on_closed=self._count,
        )

    def _count(self, address: str, reason: str) -> None:
        """Counted, not written one by one: whoever can open connections must not be able to fill the disk, nor the memory."""
        if len(self._closed) >= MOST_COUNTED and (address, reason) not in self._closed:
            address = ELSEWHERE
        self._closed[address, reason] = self._closed.get((address, reason), 0) + 1

    async def report_closed(self, stop: asyncio.Event, every: float = 60.0) -> None:
        """Write the counts once a minute, and at the end."""
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every)
            counted, self._closed = self._closed, {}
            for (address, reason), count in counted.items():
                event = Event("closed", address=address, reason=reason, count=count, revision=self.snapshot.policies.revision)
                try:
                    await self._vault.record(event)
                except Unavailable:
                    _log.error("%d closed connections could not be recorded", count)


async def main(path: Path, startup: Startup, signals: Signals) -> None:
    """Serve customers until told to stop, then finish what was begun."""
    config = load_config(path)
    stop = signals.stop
    _allow_many_files()
    seen = digest(watched_files(path, load_policies(config)))
    snapshot = build_snapshot(config, running=True)  # ``serve`` has asked the stricter question before
    async with _vault(config, path, startup, stop) as (vault, swap_vault):
        worker = Worker(path, snapshot, vault)
        sock, admin = _sockets(config, startup)
        listener = worker.listener(sock)
        await listener.start()
        startup.ready()
        drained = asyncio.Event()
        operators = _operators(config, path, sock, admin, Ending(stop, drained))
        reporting = asyncio.create_task(worker.report_closed(stop))
        files = partial(watched_files, path, last_good=config)
        swap = partial(_swap_all, worker, swap_vault)
        await watch(lambda: files(worker.snapshot.policies), swap, signals.reload, stop, seen=seen)
        await _drain(worker, listener, signals)
        await reporting
        drained.set()
        await operators
        await worker.gateway.drained()
        worker.upstreams.close()


async def _drain(worker: Worker, listener: Listener, signals: Signals) -> None:
    """Accept nothing more; who is in a handshake may still ask once, and what was begun ends, within ``DRAIN`` or until ``cut``.

    Where another process serves already, connections that are silent are kept for a moment: whoever asks meanwhile gets an answer with
    ``Connection: close``, and goes on there. A connection that is closed at the moment of a request is one that the client must repeat.
    """
    await listener.refuse()
    silence = SILENCE if signals.replace.is_set() else 0.0
    ending = asyncio.ensure_future(_finish(worker, listener, silence))
    cut = asyncio.ensure_future(signals.cut.wait())
    await asyncio.wait([ending, cut], return_when=asyncio.FIRST_COMPLETED)
    cut.cancel()
    if not ending.done():
        await listener.stop()
        worker.server.cut()
    await ending
    await listener.end()


async def _finish(worker: Worker, listener: Listener, silence: float) -> None:
    worker.server.drain(silence)
    await listener.arrived(HANDSHAKES)
    await listener.stop()
    await worker.server.shutdown(DRAIN)


def _sockets(config: Config, startup: Startup) -> tuple[socket.socket, socket.socket | None]:
    """The public one; and, where there is no supervisor that holds it, the operators'. Both, or OSError with the one that is taken."""
    sock = socket.socket(fileno=startup.listen_fd) if startup.listen_fd >= 0 else bind(config)
    sock.setblocking(False)
    try:
        return sock, listen_on(config.admin) if config.admin and config.processes == "one" else None
    except OSError:
        sock.close()
        raise


def _operators(config: Config, path: Path, sock: socket.socket, admin: socket.socket | None, ending: Ending) -> Awaitable[None]:
    """With ``processes: one`` there is no supervisor: so this worker says that it serves, and does the operators' process's work."""
    if config.processes == "separate":
        return asyncio.sleep(0)
    announce(sock, {"one": [os.getpid()]}, admin)
    return asyncio.create_task(beside(config, path, admin, ending))


def _allow_many_files() -> None:
    """The soft limit of 1,024 is older than servers with thousands of connections; the hard one is the administrator's word."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


Swap = Callable[[], None]


def _swap_all(worker: Worker, swap_vault: Swap) -> str:
    """The worker first: it also checks trust, so what the others would take but it refuses changes nothing anywhere."""
    revision = worker.swap()
    swap_vault()
    return revision


@asynccontextmanager
async def _vault(config: Config, path: Path, startup: Startup, stop: asyncio.Event) -> AsyncIterator[tuple[Vault, Swap]]:
    """The vault behind its socket; or, with ``processes: one``, in this process, which is for trials and says so.

    With it comes what a reload must swap besides the worker's own snapshot.
    """
    if config.processes == "separate":
        link = Link(config.run_dir / "vault.sock", startup.vault_link, unavailable="vault-unavailable", patience=PATIENCE)
        try:
            yield RemoteVault(link), lambda: None
        finally:
            link.close()
        return
    _log.warning("processes: one holds all keys and databases in the process that faces customers: for trials only")
    cipher = CipherRole(config, path, startup.passphrase)
    try:
        cipher.swap()
        vault = VaultRole(config, path, cipher.service)
        tending = [asyncio.create_task(cipher.sweep(stop)), asyncio.create_task(cipher.crls.run(stop))]
        try:
            yield vault.vault, lambda: _swap_both(cipher, vault)
        finally:
            for task in tending:
                task.cancel()
            await asyncio.wait(tending)
            await vault.close()
    finally:
        cipher.service.close()


def _swap_both(cipher: CipherRole, vault: VaultRole) -> None:
    cipher.swap()
    vault.swap()
