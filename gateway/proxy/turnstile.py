"""Handshakes take turns, so that a flood of them never stands between the loop and those who are in already.

A step of a handshake is half a millisecond of elliptic curves that nothing can interrupt. A thousand that arrive at once would be
half a second in which nobody is served. What never may come in: waiting for the network; a slow peer holds no place here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

#: Steps in one turn of the loop: 2 ms is what an established connection waits at most, and 80 % of a core's handshakes still fit.
PER_TURN = 4


class Turnstile:
    """One per process. Addresses take turns too: one that sends a thousand hellos delays its own thousand, not another's first."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Callable[[], None]]] = {}
        self._scheduled = False

    def enter(self, address: str, step: Callable[[], None]) -> None:
        """``step`` is called in one of the next turns. It may be called when its connection is gone already."""
        self._waiting.setdefault(address, deque()).append(step)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        try:
            for _ in range(min(PER_TURN, sum(map(len, self._waiting.values())))):
                self._next()()
        finally:
            self._scheduled = bool(self._waiting)
            if self._scheduled:
                asyncio.get_running_loop().call_soon(self._turn)

    def _next(self) -> Callable[[], None]:
        address = next(iter(self._waiting))
        queue = self._waiting.pop(address)
        step = queue.popleft()
        if queue:
            self._waiting[address] = queue  # at the end: every other address comes first
        return step
