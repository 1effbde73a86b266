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
from collections.abc import Sequence
from pathlib import Path

from gateway.cipher.hardening import FREED_MEMORY
from gateway.config import Config
from gateway.runtime import roster
from gateway.runtime.launching import Child, Run, first_of, start
from gateway.runtime.rolling import Crew, replace_all
from gateway.runtime.signals import Signals
from gateway.runtime.startup import Startup
from gateway.runtime.systemd import ADMIN, NOBODY, Systemd

#: Seconds: a worker may finish what it began (it refuses new connections meanwhile), then it is ended.
DRAIN = 20.0
#: Seconds between the death of a process and its next start: the first is at once, for a kill is no crash loop.
BACKOFF = (0.05, 0.2, 1.0, 5.0)
FAILED = 1
KILLED = -1  # stands for a process that the system did not let us start
REPLACED = -1000  # no process ends with this
#: Who is told to end together, in this order: workers first, so that what they began can end; then the vault, which writes the last
#: records; then the cipher. The operators' process goes with the last, so that it says until then that nothing is ready.
ENDING = (("proxy",), ("vault",), ("cipher", "admin"))

_log = logging.getLogger("gateway.supervisor")


class Supervisor:
    def __init__(self, config_path: Path, config: Config, passphrase: bytes, manager: Systemd = NOBODY) -> None:
        self._config_path, self._config, self._manager = config_path, config, manager
        self._phase: roster.Phase = "serving"
        self._socket = manager.sockets.get("public") or bind(config)
        self._admin_socket = self._bind_admin(config)
        vault_link, cipher_link = secrets.token_bytes(32), secrets.token_bytes(32)
        cipher = Startup(cipher_link=cipher_link, passphrase=passphrase)
        vault = Startup(vault_link=vault_link, cipher_link=cipher_link)
        proxy = Startup(vault_link=vault_link, listen_fd=self._socket.fileno())
        self._children = [Child("cipher", cipher, FREED_MEMORY), Child("vault", vault)]
        admin = Startup(listen_fd=self._admin_socket.fileno() if self._admin_socket else -1)
        self._children.append(Child("admin", admin, needed=False))
        self._children += [Child("proxy", proxy) for _ in range(config.workers or os.cpu_count() or 1)]
        self._stopping = asyncio.Event()
        self._leaving: set[Run] = set()  # replaced, and not yet ended
        self._replacing: asyncio.Task[bool] | None = None

    def _bind_admin(self, config: Config) -> socket.socket | None:
        """At the first start a port that is taken is an error that somebody sees; later it is ours already."""
        try:
            return self._manager.sockets.get(ADMIN) or (listen_on(config.admin) if config.admin else None)
        except OSError:
            self._socket.close()
            raise

    async def run(self, signals: Signals) -> int:
        """Until ``stop``; returns the exit code. Cipher and vault are ready before the first worker accepts."""
        tasks: list[asyncio.Task[int]] = []
        beside: list[asyncio.Event] = []
        stop = signals.stop
        try:
            for child in self._children:
                ready = asyncio.Event()
                tasks.append(asyncio.create_task(self._keep(child, ready)))
                if not child.needed:
                    beside.append(ready)  # it starts while the workers do, and is waited for last
                    continue
                await first_of(tasks[-1], stop, ready)
                if tasks[-1].done():
                    return tasks[-1].result()
                if stop.is_set():
                    return 0
            for ready in beside:
                await first_of(stop, ready)
            if stop.is_set():
                return 0
            announce(self._socket, self._pids(), self._admin_socket)
            self._manager.ready("serving")
            watched = asyncio.create_task(self._say_alive())
            await self._until(signals)
            watched.cancel()
            return 0
        finally:
            self._manager.stopping()
            await self._end(tasks, signals.cut)

    async def _say_alive(self) -> None:
        """What it proves: this loop turns, and so whoever dies is started again."""
        while self._manager.watchdog is not None:
            self._manager.alive()
            await asyncio.sleep(self._manager.watchdog / 2)

    def _write_roster(self) -> None:
        running = [(child, child.run) for child in self._children if child.run is not None]
        runs = (roster.Runs(child.role, run.process.pid, run.serving, child.starts - 1) for child, run in running)
        roster.write(self._config.run_dir, roster.Roster(os.getpid(), tuple(runs), self._phase))

    def _pids(self) -> dict[str, list[int]]:
        pids: dict[str, list[int]] = {"supervisor": [os.getpid()]}
        for child in self._children:
            if child.run is not None:
                pids.setdefault(child.role, []).append(child.run.process.pid)
        return pids

    async def _until(self, signals: Signals) -> None:
        while True:
            await first_of(signals.stop, signals.reload, signals.replace)
            if signals.stop.is_set():
                return
            if signals.reload.is_set():
                signals.reload.clear()
                self._reload()
            if signals.replace.is_set():
                signals.replace.clear()
                self._replace()

    def _reload(self) -> None:
        """Those that serve. One that is just starting reads the newest files anyway, and SIGHUP would end it: it handles none yet."""
        for child in self._children:
            if child.run is not None and child.run.serving:
                child.run.signal(signal.SIGHUP)
        self._manager.reloading("reading the files again")
        self._manager.ready("serving")  # a mistake in a file is said in the log, and what served goes on

    def _replace(self) -> None:
        if self._replacing is not None and not self._replacing.done():
            _log.error("not restarted: a restart is under way")
            return
        self._replacing = asyncio.create_task(self._replace_all())

    async def _replace_all(self) -> bool:
        self._enter("restarting")
        self._manager.reloading("exchanging processes")
        crew = Crew(self._start, self._end_one, self._leave, self._stopping)
        try:
            return await replace_all(self._children, crew, self._config_path, self._config)
        finally:
            if self._phase == "restarting":
                self._enter("serving")
                self._manager.ready("serving")

    def _enter(self, phase: roster.Phase) -> None:
        self._phase = phase
        self._write_roster()

    async def _keep(self, child: Child, ready: asyncio.Event) -> int:
        """Start ``child`` and start it again whenever it ends; returns only at the end, or its code when it cannot start at all.

        Which is when it ended by itself before it ever served; one that was killed meanwhile is no reason to give up, and one that
        customers do not need is none either.
        """
        attempt = 0
        while True:
            code, served = await self._once(child, ready)
            if self._stopping.is_set():
                return 0
            if code == REPLACED:
                continue
            if not child.needed:
                ready.set()  # nobody waits for it any longer
            elif code >= 0 and not child.was_ready:
                return code or FAILED
            attempt = 0 if served else attempt + 1  # every second without the vault is a second of 503
            _log.error("%s ended with %d and is started again", child.role, code)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), BACKOFF[min(attempt, len(BACKOFF) - 1)])
            if self._stopping.is_set():
                return 0

    async def _once(self, child: Child, ready: asyncio.Event) -> tuple[int, bool]:
        """How the process in this place ended, and whether it had served; REPLACED when another one took the place before that."""
        async with child.turn:  # not while a successor is on its way
            if child.run is None or child.run.ended.done():
                try:
                    child.run = await self._start(child)
                except OSError as error:  # no memory, no descriptors, no numbers left: it may be better in a moment
                    _log.error("%s cannot be started: %s", child.role, error.strerror)
                    return KILLED, False
                child.starts += 1
                if self._stopping.is_set():  # everybody else was told before this one was there, and it has begun nothing
                    child.run.signal(signal.SIGKILL)
            run = child.run
        await first_of(run.ended, run.ready, child.replaced)
        if run.ready.is_set():
            child.was_ready = True
            ready.set()
        await first_of(run.ended, child.replaced)
        if child.replaced.is_set():
            child.replaced.clear()
            return REPLACED, True
        return run.ended.result(), run.ready.is_set()

    async def _start(self, child: Child, takes_over: bool = False) -> Run:
        return await start(child, self._config_path, self._write_roster, takes_over=takes_over)

    def _leave(self, run: Run, number: signal.Signals) -> None:
        """It ends by itself, in its own time; and is killed when that takes too long."""
        self._leaving.add(run)
        run.signal(number)
        killing = asyncio.get_running_loop().call_later(DRAIN, run.signal, signal.SIGKILL)

        def gone(_: asyncio.Future[int]) -> None:
            killing.cancel()
            self._leaving.discard(run)

        run.ended.add_done_callback(gone)

    async def _end_one(self, run: Run) -> None:
        run.signal(signal.SIGTERM)
        await self._ended([run], asyncio.Event())

    async def _ended(self, runs: Sequence[Run], cut: asyncio.Event) -> None:
        """Until all of them are gone; who does not end in time is killed. ``cut``: somebody asks a second time."""
        if not runs:
            return
        gone = asyncio.ensure_future(asyncio.wait([run.ended for run in runs], timeout=DRAIN))
        hurry = asyncio.ensure_future(cut.wait())
        await asyncio.wait([gone, hurry], return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not gone.done():
            for run in runs:
                run.signal(signal.SIGTERM)
        await gone
        for run in runs:
            run.signal(signal.SIGKILL)
        await asyncio.wait([run.ended for run in runs])

    async def _end(self, tasks: list[asyncio.Task[int]], cut: asyncio.Event) -> None:
        """Everybody in the order of ``ENDING``."""
        self._stopping.set()
        self._enter("draining")
        if self._replacing is not None and not self._replacing.done():
            await asyncio.wait([self._replacing], timeout=DRAIN)  # a vault that has just left must have its successor: records follow
            self._replacing.cancel()
            await asyncio.wait([self._replacing])
        self._socket.close()
        if self._admin_socket is not None:
            self._admin_socket.close()
        for roles in ENDING:
            staying = [child.run for child in self._children if child.role in roles and child.run is not None]
            for run in staying:
                run.signal(signal.SIGTERM)
            await self._ended([*staying, *(run for run in self._leaving if run.role in roles)], cut)
        await asyncio.gather(*tasks, return_exceptions=True)  # also those that were killed: nobody else waits for them
        await asyncio.sleep(0)  # the last one's ``changed``
        roster.remove(self._config.run_dir)


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
