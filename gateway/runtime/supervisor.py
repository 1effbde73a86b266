"""``gateway serve``: starts cipher, vault, proxy workers and the operators' process, restarts what dies, ends them in order.

Holds the listening sockets, so that a child's death closes no port, and makes the links' secrets anew at each start. What never
may come in: anything that handles a request. The operator's passphrase passes through to the cipher and is kept here only
because a cipher that died must be started again with nobody present; the threat model says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import signal
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from gateway.cipher.hardening import FREED_MEMORY
from gateway.config import Config
from gateway.runtime import roster
from gateway.runtime.startup import ENVIRONMENT, Startup

#: Seconds: a worker may finish what it began (it refuses new connections meanwhile), then it is ended.
DRAIN = 20.0
#: Seconds between the death of a process and its next start: the first is at once, for a kill is no crash loop.
BACKOFF = (0.05, 0.2, 1.0, 5.0)
FAILED = 1
KILLED = -1  # stands for a process that the system did not let us start
#: Who is told to end together, in this order: workers first, so that what they began can end; then the vault, which writes the last
#: records; then the cipher. Nobody waits for the operators' process.
ENDING = (("proxy", "admin"), ("vault",), ("cipher",))

_log = logging.getLogger("gateway.supervisor")


@dataclass
class _Child:
    role: str
    startup: Startup
    environment: dict[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    was_ready: bool = False
    served: bool = False  # this time
    serving: bool = False  # the process of this moment, not one before it
    starts: int = 0
    needed: bool = True  # to serve customers: else its failure is logged, and is nobody else's business


class Supervisor:
    def __init__(self, config_path: Path, config: Config, passphrase: bytes) -> None:
        self._config_path = config_path
        self._run_dir = config.run_dir
        self._socket = bind(config)
        self._admin_socket = self._bind_admin(config)
        vault_link, cipher_link = secrets.token_bytes(32), secrets.token_bytes(32)
        cipher = Startup(cipher_link=cipher_link, passphrase=passphrase)
        vault = Startup(vault_link=vault_link, cipher_link=cipher_link)
        proxy = Startup(vault_link=vault_link, listen_fd=self._socket.fileno())
        self._children = [_Child("cipher", cipher, FREED_MEMORY), _Child("vault", vault)]
        admin = Startup(listen_fd=self._admin_socket.fileno() if self._admin_socket else -1)
        self._children.append(_Child("admin", admin, needed=False))
        self._children += [_Child("proxy", proxy) for _ in range(config.workers or os.cpu_count() or 1)]
        self._stopping = asyncio.Event()

    def _bind_admin(self, config: Config) -> socket.socket | None:
        """At the first start a port that is taken is an error that somebody sees; later it is ours already."""
        try:
            return listen_on(config.admin) if config.admin else None
        except OSError:
            self._socket.close()
            raise

    async def run(self, stop: asyncio.Event, reload: asyncio.Event) -> int:
        """Until ``stop``; returns the exit code. Cipher and vault are ready before the first worker accepts."""
        tasks: list[asyncio.Task[int]] = []
        beside: list[asyncio.Event] = []
        stopped = asyncio.ensure_future(stop.wait())
        try:
            for child in self._children:
                ready = asyncio.Event()
                tasks.append(asyncio.create_task(self._keep(child, ready)))
                if not child.needed:
                    beside.append(ready)  # it starts while the workers do, and is waited for last
                    continue
                await _first_of(tasks[-1], stopped, ready)
                if tasks[-1].done():
                    return tasks[-1].result()
                if stopped.done():
                    return 0
            for ready in beside:
                await _first_of(stopped, ready)
            if stopped.done():
                return 0
            announce(self._socket, self._pids(), self._admin_socket)
            await self._until(stopped, reload)
            return 0
        finally:
            stopped.cancel()
            await self._end(tasks)

    def _write_roster(self) -> None:
        running = [(child, child.process.pid) for child in self._children if child.process is not None]
        runs = (roster.Runs(child.role, pid, child.serving, child.starts - 1) for child, pid in running)
        roster.write(self._run_dir, roster.Roster(os.getpid(), tuple(runs)))

    def _pids(self) -> dict[str, list[int]]:
        pids: dict[str, list[int]] = {"supervisor": [os.getpid()]}
        for child in self._children:
            if child.process is not None:
                pids.setdefault(child.role, []).append(child.process.pid)
        return pids

    async def _until(self, stopped: asyncio.Future[Any], reload: asyncio.Event) -> None:
        while not stopped.done():
            reloaded = asyncio.ensure_future(reload.wait())
            await asyncio.wait([stopped, reloaded], return_when=asyncio.FIRST_COMPLETED)
            if reloaded.done():
                reload.clear()
                self._reload()
            reloaded.cancel()

    def _reload(self) -> None:
        """Those that serve. One that is just starting reads the newest files anyway, and SIGHUP would end it: it handles none yet."""
        for child in self._children:
            if child.serving and child.process is not None and child.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.process.send_signal(signal.SIGHUP)

    async def _keep(self, child: _Child, ready: asyncio.Event) -> int:
        """Start ``child`` and start it again whenever it ends; returns only at the end, or its code when it cannot start at all.

        Which is when it ended by itself before it ever served; one that was killed meanwhile is no reason to give up, and one that
        customers do not need is none either.
        """
        attempt = 0
        while True:
            child.served = False
            code = await self._once(child, ready)
            if self._stopping.is_set():
                return 0
            if not child.needed:
                ready.set()  # nobody waits for it any longer
            elif code >= 0 and not child.was_ready:
                return code or FAILED
            attempt = 0 if child.served else attempt + 1  # every second without the vault is a second of 503
            _log.error("%s ended with %d and is started again", child.role, code)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), BACKOFF[min(attempt, len(BACKOFF) - 1)])
            if self._stopping.is_set():
                return 0

    async def _once(self, child: _Child, ready: asyncio.Event) -> int:
        reading, writing = os.pipe()
        try:
            child.process = await self._spawn(child, writing)
        except OSError as error:  # no memory, no descriptors, no numbers left: it may be better in a moment
            _log.error("%s cannot be started: %s", child.role, error.strerror)
            os.close(reading)
            return KILLED
        finally:
            os.close(writing)
        child.starts += 1
        if self._stopping.is_set():  # meanwhile: the signal has gone to its predecessor
            self._signal(signal.SIGTERM, child.role)
        return await self._until_it_ends(child, child.process, ready, reading)

    async def _spawn(self, child: _Child, ready_fd: int) -> asyncio.subprocess.Process:
        startup = msgspec.structs.replace(child.startup, ready_fd=ready_fd)
        inherited = [startup.descriptor(), ready_fd] + ([startup.listen_fd] if startup.listen_fd >= 0 else [])
        environment = {**_environment(), **child.environment, ENVIRONMENT: str(inherited[0]), "PYTHONPATH": _import_path()}
        command = [sys.executable, "-m", "gateway", "serve", "--config", str(self._config_path), "--role", child.role]
        try:
            return await asyncio.create_subprocess_exec(
                *command, pass_fds=inherited, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=sys.stderr
            )
        finally:
            os.close(inherited[0])

    async def _until_it_ends(self, child: _Child, process: asyncio.subprocess.Process, ready: asyncio.Event, reading: int) -> int:
        loop = asyncio.get_running_loop()

        def told() -> None:
            loop.remove_reader(reading)
            if os.read(reading, 1):
                child.was_ready = child.served = child.serving = True
                ready.set()
                self._write_roster()

        loop.add_reader(reading, told)
        try:
            return await process.wait()
        finally:
            child.serving = False
            loop.remove_reader(reading)
            os.close(reading)
            self._write_roster()

    def _signal(self, number: signal.Signals, role: str = "") -> None:
        for child in self._children:
            if child.process is not None and child.process.returncode is None and (not role or child.role == role):
                with contextlib.suppress(ProcessLookupError):
                    child.process.send_signal(number)

    async def _end(self, tasks: list[asyncio.Task[int]]) -> None:
        """Everybody in the order of ``ENDING``; who does not end in time is killed."""
        self._stopping.set()
        self._socket.close()
        if self._admin_socket is not None:
            self._admin_socket.close()
        for roles in ENDING:
            for role in roles:
                self._signal(signal.SIGTERM, role)
            of_roles = [task for task, child in zip(tasks, self._children, strict=False) if child.role in roles]
            if of_roles:
                await asyncio.wait(of_roles, timeout=DRAIN)
            for role in roles:
                self._signal(signal.SIGKILL, role)
        await asyncio.gather(*tasks, return_exceptions=True)  # also those that were killed: nobody else waits for them
        roster.remove(self._run_dir)


async def _first_of(*awaited: asyncio.Future[Any] | asyncio.Event) -> None:
    waits = [asyncio.ensure_future(one.wait()) for one in awaited if isinstance(one, asyncio.Event)]
    await asyncio.wait([*waits, *(one for one in awaited if not isinstance(one, asyncio.Event))], return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


def _environment() -> dict[str, str]:
    """Ours, less where the service manager put the operator's passphrase: no worker is told of it."""
    return {name: value for name, value in os.environ.items() if name != "CREDENTIALS_DIRECTORY"}


def _import_path() -> str:
    return os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]))


def announce(sock: socket.socket, pids: dict[str, list[int]], admin: socket.socket | None = None) -> None:
    """One line on standard output when everything serves: for whoever started us. ``admin``: where operators ask."""
    host, port = sock.getsockname()[:2]
    operators = "{}:{}".format(*admin.getsockname()[:2]) if admin is not None else None
    print(json.dumps({"event": "ready", "address": host, "port": port, "admin": operators, "pids": pids}), flush=True)


def bind(config: Config) -> socket.socket:
    """The public socket. Only workers inherit it, by name: it is no business of vault and cipher. Raises OSError when the port is taken."""
    return listen_on(config.listen)


def listen_on(address: tuple[str, int]) -> socket.socket:
    """A listening socket that no program inherits by accident. Raises OSError, which names the address."""
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    try:
        sock.bind((host, port))
        sock.listen(1024)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, error.strerror, f"{host}:{port}") from None
    sock.setblocking(False)
    return sock
