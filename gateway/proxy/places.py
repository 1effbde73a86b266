"""How many connections there are, in all and from each address, and whether there is room for one more.

What never may come in: a socket, or waiting. Counting is what keeps a flood of connections from becoming everybody's flood (T-D2).
"""

from __future__ import annotations

import asyncio
from collections import Counter


class Places:
    """``total`` and ``per_address``: the most there may be."""

    def __init__(self, total: int, per_address: int) -> None:
        self._total, self._per_address = total, per_address
        self._of: Counter[str] = Counter()
        self.taken = 0
        self.empty = asyncio.Event()
        self.empty.set()

    def take(self, address: str) -> Place | None:
        """A place for a connection from ``address``; "" while a load balancer has not said for whom it speaks. None: full."""
        if self.taken >= self._total or not self.has_room(address):
            return None
        self.taken += 1
        self.empty.clear()
        self.count(address, 1)
        return Place(self, address)

    def has_room(self, address: str) -> bool:
        return not address or self._of[address] < self._per_address

    def count(self, address: str, change: int) -> None:
        self._of[address] += change
        if not self._of[address]:
            del self._of[address]

    def leave(self) -> None:
        self.taken -= 1
        if not self.taken:
            self.empty.set()


class Place:
    """One connection's. Freed once, however often it is asked for: a socket can end in more than one way at a time."""

    __slots__ = ("_address", "_places")

    def __init__(self, places: Places, address: str) -> None:
        self._places: Places | None = places
        self._address = address

    def belongs_to(self, address: str) -> bool:
        """The load balancer has spoken: from now on it counts for ``address``. False when that one has too many."""
        if self._places is None or not self._places.has_room(address):
            return False
        self._places.count(self._address, -1)
        self._places.count(address, 1)
        self._address = address
        return True

    def free(self) -> None:
        places, self._places = self._places, None
        if places is not None:
            places.count(self._address, -1)
            places.leave()
