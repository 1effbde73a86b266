"""How many connections there are, in all, from each neighbourhood and of each customer, and whether there is room for one more.

What never may come in: a socket, or waiting. Counting is what keeps a flood of connections from becoming everybody's flood (T-D2).
"""

from __future__ import annotations

import asyncio
from collections import Counter

from gateway.networks import neighbourhood


class Places:
    """``total``, ``per_address`` and ``per_customer``: the most there may be. A /64 of IPv6 counts as one address (T-D2). Those of
    nobody, with a certificate of nobody's or none, count together as one customer: strangers are never more than a customer may be."""

    def __init__(self, total: int, per_address: int, per_customer: int) -> None:
        self._total, self._per_address, self._per_customer = total, per_address, per_customer
        self._of: Counter[str] = Counter()
        self._customers: Counter[str] = Counter()
        self.taken = 0
        self.empty = asyncio.Event()
        self.empty.set()

    def take(self, address: str) -> Place | None:
        """A place for a connection from ``address``; "" while a load balancer has not said for whom it speaks. None: full."""
        origin = neighbourhood(address)
        if self.taken >= self._total or not self.has_room(origin):
            return None
        self.taken += 1
        self.empty.clear()
        self.count(origin, 1)
        return Place(self, origin)

    def has_room(self, origin: str) -> bool:
        return not origin or self._of[origin] < self._per_address

    def count(self, origin: str, change: int) -> None:
        self._of[origin] += change
        if not self._of[origin]:
            del self._of[origin]

    def count_customer(self, customer: str, change: int) -> bool:
        """False when there are too many of this customer: then nothing was counted."""
        if self._customers[customer] + change > self._per_customer:
            return False
        self._customers[customer] += change
        if not self._customers[customer]:
            del self._customers[customer]
        return True

    def leave(self) -> None:
        self.taken -= 1
        if not self.taken:
            self.empty.set()


class Place:
    """One connection's. Freed once, however often it is asked for: a socket can end in more than one way at a time."""

    __slots__ = ("_customer", "_origin", "_places")

    def __init__(self, places: Places, origin: str) -> None:
        self._places: Places | None = places
        self._origin = origin
        self._customer: str | None = None  # until the handshake has ended

    def belongs_to(self, address: str) -> bool:
        """The load balancer has spoken: from now on it counts for ``address``. False when that one has too many."""
        origin = neighbourhood(address)
        if self._places is None or not self._places.has_room(origin):
            return False
        self._places.count(self._origin, -1)
        self._places.count(origin, 1)
        self._origin = origin
        return True

    def is_of(self, customer: str) -> bool:
        """The handshake has ended, and its certificate is this customer's; "" is nobody's. False when that one has too many."""
        if self._places is None or not self._places.count_customer(customer, 1):
            return False
        self._customer = customer
        return True

    def free(self) -> None:
        places, self._places = self._places, None
        if places is not None:
            if self._customer is not None:
                places.count_customer(self._customer, -1)
            places.count(self._origin, -1)
            places.leave()
