"""The operators' process: the listener for metrics, health and revocation lists, and what has to be done now and then.

Holds no key of a customer, no database, no link to vault or cipher, and not the public socket: of secrets it has the server's TLS
key and the operators' token. It reads what all may read: policies, ledgers, revocation lists, certificates. What never may come in:
anything that customers wait for; when this process is gone, they do not notice.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from gateway.admin.access import own_hosts
from gateway.admin.app import Operators, Ready, Sources
from gateway.admin.readings import Known, Readings
from gateway.admin.token import ensure_token
from gateway.ca.crl import DER_FILE
from gateway.ca.trust import sources_of
from gateway.config import Config, load_config
from gateway.errors import ConfigurationError
from gateway.metrics import exposition
from gateway.policy.load import load_policies, policy_files
from gateway.policy.model import PolicySet
from gateway.proxy.listener import Limits, Listener, Rules
from gateway.proxy.server import GatewayServer
from gateway.proxy.tls import server_context
from gateway.runtime import readiness, roster
from gateway.runtime.crl_fetching import keep_fetched
from gateway.runtime.signals import Signals
from gateway.runtime.snapshot import build_snapshot, watched_files
from gateway.runtime.startup import Startup
from gateway.runtime.supervisor import listen_on
from gateway.runtime.watch import digest, watch
from gateway.wire import place_of

#: Scrapers and operators; a program of the machine that opens more shall not take this process's descriptors.
LIMITS = Limits(connections=64, per_address=64)
DRAIN = 2.0  # seconds for answers that are under way at the end
AGAIN = 5.0  # seconds until what failed inside a worker is tried again

_log = logging.getLogger("gateway.admin")


class AdminRole:
    """What the operators' process knows: the policies that load, or the last that did, and a TLS context of its own."""

    def __init__(self, config: Config, path: Path, ready: Callable[[], Awaitable[Ready]], supervisor: int = 0) -> None:
        """``supervisor``: whose word about the other processes counts; 0 where there is none.

        Raises ConfigurationError when there is no certificate to serve with: nothing is served in the clear."""
        self.path = path
        self._config = config
        self._supervisor = supervisor
        self._tls = operators_context(config)
        self.policies: PolicySet | None = None
        self._failed, self._failures = False, 0
        self._readings, self._reading = Readings(), asyncio.Lock()
        self.operators = Operators(Sources(self._hosts, config.admin_token, self._crl_of, ready, self._metrics))
        self.server = GatewayServer(self.operators.handle, on_malformed=lambda reason, _: self.operators.count(reason))

    @property
    def token(self) -> Path:
        return self._config.admin_token

    def swap(self) -> str:
        """Build everything that a worker builds, so that a mistake is seen here too, and keep what this process needs of it."""
        try:
            config = load_config(self.path)
            snapshot = build_snapshot(config, running=True)
            tls = operators_context(config)
        except Exception:  # counted whatever it is; who called says what it was
            self._failed = True
            self._failures += 1
            raise
        self._tls, self._config, self.policies, self._failed = tls, config, snapshot.policies, False
        return snapshot.policies.revision

    def files(self) -> Iterable[Path]:
        policies = self.policies
        if policies is None:
            try:
                policies = load_policies(self._config)
            except ConfigurationError:
                return [self.path, self._config.certificate, self._config.private_key, *policy_files(self._config)]
        return watched_files(self.path, policies, last_good=self._config)

    def listener(self, sock: socket.socket) -> Listener:
        return Listener(
            sock,
            Rules(admit=lambda address: ip_address(address).is_loopback, is_balancer=lambda _: False, tls=lambda: self._tls),
            protocol_factory=self.server,
            on_closed=lambda _, reason: self.operators.count(reason),
            limits=LIMITS,
        )

    def _hosts(self) -> frozenset[str]:
        address = self._config.admin[0] if self._config.admin else "127.0.0.1"
        return own_hosts(address, self._config.hostnames)

    def _crl_of(self, customer: str) -> Path:
        return self._config.authority_dir(customer) / DER_FILE

    async def _metrics(self) -> bytes:
        """One reading at a time, in a thread: nobody else's request waits for files."""
        async with self._reading:
            known = self._known()
            return await asyncio.to_thread(lambda: exposition(self._readings.take(known, time.time())))

    def _known(self) -> Known:
        found = roster.read(self._config.run_dir, self._supervisor)
        return Known(
            state=self._config.state,
            certificate=self._config.certificate,
            revision=self.policies.revision if self.policies is not None else None,
            sources=sources_of(self.policies, self._config.authority_dir, self._config.fetched_crl) if self.policies is not None else {},
            failed=self._failed,
            failures=self._failures,
            processes=[(process.role, process.serving, process.restarts) for process in found.processes] if found else [],
            refused=dict(self.operators.refused),
        )


def operators_context(config: Config) -> ssl.SSLContext:
    """The workers' own, but that nobody is asked for a certificate, and that only TLS 1.3 is spoken: no old client comes here."""
    context = server_context(config.certificate, config.private_key, "")
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


async def main(path: Path, startup: Startup, signals: Signals) -> None:
    """Serve operators until ``stop``."""
    config = load_config(path)
    sock = _inherited(startup) or (listen_on(config.admin) if config.admin else None)
    supervisor = os.getppid()
    role = AdminRole(config, path, partial(readiness.of_processes, config, supervisor), supervisor)
    await _serve(role, sock, signals.stop, signals.reload, startup.ready)


@dataclass(frozen=True, slots=True)
class Ending:
    """``begun``: from here on the answer is that nothing is ready. ``drained``: nobody is served any more, operators neither."""

    begun: asyncio.Event
    drained: asyncio.Event


async def beside(config: Config, path: Path, sock: socket.socket | None, ending: Ending) -> None:
    """The same within a worker (``processes: one``). Whatever fails here is tried again; customers are served meanwhile."""
    stop = ending.drained
    roster.write(config.run_dir, roster.Roster(os.getpid(), ()))
    while not stop.is_set():
        try:
            role = AdminRole(config, path, partial(readiness.of_this_process, ending.begun))
            await _serve(role, sock.dup() if sock else None, stop, asyncio.Event(), lambda: None)
        except Exception as error:  # the root of a task that must never end the worker that it lives in
            _log.error("the operators' listener failed and is started again: %s at %s", type(error).__name__, place_of(error))
            await _pause(stop, AGAIN)
    roster.remove(config.run_dir)
    if sock is not None:
        sock.close()


async def _serve(
    role: AdminRole, sock: socket.socket | None, stop: asyncio.Event, reload: asyncio.Event, ready: Callable[[], None]
) -> None:
    seen = await asyncio.to_thread(lambda: digest(role.files()))
    _first_build(role)
    listener = role.listener(sock) if sock is not None else None
    fetching = asyncio.create_task(keep_fetched(role.path, stop))
    try:
        if listener is not None:
            _ensure_token(role)
            await listener.start()
        ready()
        await watch(role.files, role.swap, reload, stop, seen=seen)
    finally:
        if not stop.is_set():
            fetching.cancel()
        await asyncio.wait([fetching])
        if listener is not None:
            await listener.stop()
        await role.server.shutdown(DRAIN)
        if listener is not None:
            await listener.end()


def _first_build(role: AdminRole) -> None:
    """This process also starts while somebody mends a policy: then it says so, and serves what it can."""
    try:
        role.swap()
    except ConfigurationError as error:
        for mistake in error.mistakes:
            _log.error("not loaded: %s", mistake)


def _ensure_token(role: AdminRole) -> None:
    """A full disk is no reason to be without health checks: without a token only those are answered."""
    try:
        ensure_token(role.token)
    except OSError as error:
        _log.error("the operators' token cannot be made: %s", error.strerror)


def _inherited(startup: Startup) -> socket.socket | None:
    return socket.socket(fileno=startup.listen_fd) if startup.listen_fd >= 0 else None


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
