"""Handshakes take turns, so that a flood of them never stands between the loop and those who are in already.

A step of a handshake is half a millisecond of elliptic curves that nothing can interrupt. A thousand that arrive at once would be
half a second in which nobody is served. What never may come in: waiting for the network; a slow peer holds no place here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

#: Steps in one turn of the loop: 2 ms is what an established connection waits at most, and 80 % of a core's handshakes still fit.
PER_TURN = 4
#: Seconds after which a turn has no further step: one with a chain of fifty certificates takes 10 ms, and four of those would be 40.
LONGEST_TURN = 0.002

Step = Callable[[], None]


class Turnstile:
    """One per process. Neighbours (``networks.neighbourhood``) share a turn: whoever sends a thousand hellos delays their own thousand,
    not another's first."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._waiting: dict[str, dict[Step, None]] = {}
        self._scheduled = False

    def enter(self, neighbourhood: str, step: Step) -> None:
        """``step`` is called in one of the next turns."""
        self._waiting.setdefault(neighbourhood, {})[step] = None
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def leave(self, neighbourhood: str, step: Step) -> None:
        """Its connection is gone. Kept until its turn, the dead of a flood would be more than all places, and each with its TLS."""
        queue = self._waiting.get(neighbourhood, {})
        queue.pop(step, None)
        if not queue:
            self._waiting.pop(neighbourhood, None)

    def _turn(self) -> None:
        end = self._clock() + LONGEST_TURN
        try:
            for _ in range(PER_TURN):
                if not self._waiting or self._clock() > end:
                    break
                self._next()()
        finally:
            self._scheduled = bool(self._waiting)
            if self._scheduled:
                asyncio.get_running_loop().call_soon(self._turn)

    def _next(self) -> Step:
        neighbourhood = next(iter(self._waiting))
        queue = self._waiting.pop(neighbourhood)
        step = next(iter(queue))
        del queue[step]
        if queue:
            self._waiting[neighbourhood] = queue  # at the end: everybody else comes first
        return step
