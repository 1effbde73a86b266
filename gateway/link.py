"""The calling side of a socket between our processes, over the connections that come and go.

What belongs here: when to connect, when to wait, and what may be asked again. What never may: how a frame looks, or what a verb means.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec

from gateway.errors import Unavailable
from gateway.wire import MAX_WAITING, Caller, NotTakenUp, short_path

#: Seconds after the loss of a connection within which calls wait for a new one: a process that takes another's place, or is started
#: again, is there in less than one.
PATIENCE = 5.0
AGAIN = 0.02  # seconds between two tries meanwhile

_encode = msgspec.msgpack.Encoder().encode


class Link:
    """The calling side of a socket: connects when first used, and again after a loss. ``unavailable``: the reason when it can't.

    ``patience``: seconds after a loss within which calls wait until somebody listens there again. What was on its way when a connection
    broke is not repeated: nobody knows whether it was done. What met a goodbye is.
    """

    def __init__(self, path: Path, secret: bytes, *, unavailable: str, patience: float = 0.0) -> None:
        self._path = path
        self._secret = secret
        self._unavailable = unavailable
        self._patience = patience
        self._made_at = time.monotonic()
        self._caller: Caller | None = None
        self._leaving: list[Caller] = []  # with answers that are still to come
        self._connecting: asyncio.Lock = asyncio.Lock()
        self._waiting = 0
        self._watch: asyncio.TimerHandle | None = None

    async def call(self, verb: str, request: Any) -> msgspec.Raw:
        """One verb. Raises what the other side raised (Refused, Unavailable, SessionEnded), or Unavailable when it is not there."""
        body = _encode(request)
        while True:
            caller = self._caller
            if caller is None or caller.transport is None or caller.leaving:
                caller = await self._connect()
            try:
                return await caller.call(verb, body)
            except NotTakenUp:
                continue

    async def _connect(self) -> Caller:
        if self._waiting >= MAX_WAITING:
            raise Unavailable(self._unavailable)
        self._waiting += 1
        try:
            async with self._connecting:
                caller = self._caller
                if caller is None or caller.transport is None or caller.leaving:
                    caller = await self._connect_within((caller.left_at if caller is not None else self._made_at) + self._patience)
                return caller
        finally:
            self._waiting -= 1

    async def _connect_within(self, end: float) -> Caller:
        """Try until ``end``, and at least once."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout(5):
                    with short_path(self._path) as path:
                        _, caller = await loop.create_unix_connection(lambda: Caller(loop, self._secret, self._unavailable), path)
                    await caller.ready
            except (OSError, TimeoutError, Unavailable):
                if time.monotonic() >= end:
                    raise Unavailable(self._unavailable) from None
                await asyncio.sleep(AGAIN)
                continue
            if self._caller is not None and self._caller.transport is not None:
                self._leaving.append(self._caller)
            self._caller = caller
            self._schedule_watch(loop)
            return caller

    def _schedule_watch(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._watch = loop.call_later(1.0, self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._leaving = [caller for caller in self._leaving if caller.transport is not None]
        current = [self._caller] if self._caller is not None and self._caller.transport is not None else []
        for caller in (*self._leaving, *current):
            caller.expire()
        if self._leaving or current:
            self._schedule_watch(loop)

    def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        for caller in (*self._leaving, *([self._caller] if self._caller is not None else [])):
            caller.drop()
