"""What a process is told from outside, by signals, as events of its loop.

What belongs here: which signal means what, in every process of ours alike. What never may: what a process does about it.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Signals:
    """``stop``: end, and finish what was begun. ``cut``: end at once. ``reload``: read the files again.

    ``replace``: to the supervisor, put a new process in the place of each; to any other, such a process serves already: end like
    ``stop``, but without hurry.
    """

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    cut: asyncio.Event = field(default_factory=asyncio.Event)
    reload: asyncio.Event = field(default_factory=asyncio.Event)
    replace: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self) -> None:
        """The second time somebody is in a hurry."""
        (self.cut if self.stop.is_set() else self.stop).set()

    def make_room(self) -> None:
        self.replace.set()
        self.stop.set()

    def listen(self, loop: asyncio.AbstractEventLoop, *, supervised: bool, supervisor: bool) -> None:
        """``supervised``: Ctrl-C at a terminal reaches every process of the group; only the supervisor's word counts then, or it
        would be the second one."""
        handlers: dict[signal.Signals, Callable[[], None]] = {
            signal.SIGTERM: self.end,
            signal.SIGINT: _ignore if supervised else self.end,
            signal.SIGHUP: self.reload.set,
            signal.SIGUSR2: self.replace.set if supervisor else self.make_room,
        }
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)


def _ignore() -> None:
    return
