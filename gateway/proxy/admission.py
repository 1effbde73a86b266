"""Whose turn it is: how many exchanges of each customer are under way, and who waits when there are too many (T-D6, A-01).

A customer's burst waits behind itself, in a line of its own; where the worker is full, customers take turns. Decided without waiting
when there is room, which is nearly always. What never may come in: a user, a password or a route; whose certificate it is has been
found out, and nothing that is dear has been done yet.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass

from gateway.errors import Refused


@dataclass(frozen=True, slots=True)
class Shares:
    """Of one worker.

    ``each``: exchanges of one customer under way; as many as connections to its application, for more would only wait there, with their
    bodies in memory. ``total``: of all customers; eight that use all of theirs. ``certain``: what a customer gets in any case; eight
    others whose applications hang must not be the reason why a ninth does not get in. ``waiting``: of one customer; what ``each`` work
    off within ``patience`` seconds when the application takes half a second. An office of 150 browsers with three requests each fits in.
    """

    each: int = 64
    total: int = 512
    certain: int = 8
    waiting: int = 512
    patience: float = 5.0


DEFAULT_SHARES = Shares()


class Turn:
    """One exchange's. Left once, however often that is said: an answer that streams leaves early, its exchange at the end."""

    __slots__ = ("_admission", "_customer")

    def __init__(self, admission: Admission | None, customer: str) -> None:
        self._admission, self._customer = admission, customer

    def leave(self) -> None:
        admission, self._admission = self._admission, None
        if admission is not None:
            admission._left(self._customer)


#: Of an exchange that was never admitted.
NO_TURN = Turn(None, "")


class Admission:
    """One per worker."""

    def __init__(self, shares: Shares = DEFAULT_SHARES) -> None:
        self._shares = shares
        self._under_way: dict[str, int] = {}
        self._total = 0
        self._waiting: dict[str, deque[asyncio.Future[Turn]]] = {}  # the customer that stands first is asked first

    def enter(self, customer: str) -> Turn | None:
        """A turn at once, or None: somebody of this customer would have to wait, so this one has to as well."""
        if customer in self._waiting or not self._has_room(customer):
            return None
        return self._admitted(customer)

    async def wait(self, customer: str) -> Turn:
        """Raises Refused('customer-busy') when too many of this customer wait already, or it takes too long."""
        if (turn := self.enter(customer)) is not None:
            return turn  # it came between the question and this
        if len(self._waiting.get(customer, ())) >= self._shares.waiting:
            raise self._busy()
        waiter: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(customer, deque()).append(waiter)
        try:
            async with asyncio.timeout(self._shares.patience):
                await waiter
        except TimeoutError:
            if not _is_called(waiter):  # called in the same turn of the loop: then it is its turn after all
                raise self._busy() from None
        except asyncio.CancelledError:
            if _is_called(waiter):
                waiter.result().leave()
            raise
        finally:
            self._forget(customer, waiter)
        return waiter.result()

    def _busy(self) -> Refused:
        return Refused("customer-busy", retry_after=math.ceil(self._shares.patience))

    def _forget(self, customer: str, waiter: asyncio.Future[Turn]) -> None:
        """Its task goes on with its turn, or without one."""
        queue = self._waiting.get(customer, deque())
        if waiter in queue:
            queue.remove(waiter)
            if not queue:
                del self._waiting[customer]

    def _has_room(self, customer: str) -> bool:
        count = self._under_way.get(customer, 0)
        return count < self._shares.each and (count < self._shares.certain or self._total < self._shares.total)

    def _admitted(self, customer: str) -> Turn:
        self._total += 1
        self._under_way[customer] = self._under_way.get(customer, 0) + 1
        return Turn(self, customer)

    def _left(self, customer: str) -> None:
        self._total -= 1
        self._under_way[customer] -= 1
        if not self._under_way[customer]:
            del self._under_way[customer]
        if self._waiting:
            self._call()

    def _call(self) -> None:
        while (customer := next((each for each in self._waiting if self._has_room(each)), None)) is not None:
            queue = self._waiting.pop(customer)
            waiter = queue.popleft()
            if queue:
                self._waiting[customer] = queue  # at the end: every other customer comes first
            if not waiter.done():  # otherwise it has given up in this very turn of the loop
                waiter.set_result(self._admitted(customer))


def _is_called(waiter: asyncio.Future[Turn]) -> bool:
    return waiter.done() and not waiter.cancelled()
