"""Slowing down guessers of passwords, without giving anybody a lever to lock a customer out (A-01).

Only who passed network and certificate gets here (design section 6), so an outsider cannot make a customer's user wait. Failures
count per user and network; another network of the same customer goes on as before. Besides, the names that fail from one network
count, for one password tried on many names; whoever came in from there before does not wait for that, so that a broken import job
stops no dispatcher beside it. What never may come in: a permanent lock, or a password.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TypeVar

from gateway.errors import Refused

FREE = 5  # failures without a wait: a dispatcher with a new password
FREE_NAMES = 20  # names that fail from one network without a wait: an office on the day that passwords were changed
LONGEST_WAIT = 300.0  # seconds
FORGET_AFTER = 3600.0  # seconds without a failure
CAPACITY = 50_000  # entries; beyond it the one that was touched longest ago is forgotten

Key = tuple[str, str, str]
Place = tuple[str, str]
_K = TypeVar("_K")


@dataclass(slots=True)
class _Failures:
    count: int
    last: float


class Throttle:
    """``clock``: seconds that only go forward."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[Key, _Failures] = OrderedDict()
        self._names: OrderedDict[Place, _Failures] = OrderedDict()
        self._known: OrderedDict[Key, None] = OrderedDict()  # who came in from where

    def check(self, customer: str, user: str, address: str) -> None:
        """Raises Refused('throttled') with the seconds to wait."""
        network = network_of(address)
        key = (customer, user, network)
        left = self._left(self._failures.get(key), FREE)
        if key not in self._known:
            left = max(left, self._left(self._names.get((customer, network)), FREE_NAMES))
        if left > 0:
            raise Refused("throttled", retry_after=math.ceil(left))

    def failed(self, customer: str, user: str, address: str) -> None:
        network = network_of(address)
        if self._count(self._failures, (customer, user, network)) == 1:
            self._count(self._names, (customer, network))

    def succeeded(self, customer: str, user: str, address: str) -> None:
        """Takes back what this user failed, and nothing of what others did."""
        network = network_of(address)
        key, names = (customer, user, network), self._names.get((customer, network))
        if self._failures.pop(key, None) is not None and names is not None:
            names.count -= 1
        self._known[key] = None
        self._known.move_to_end(key)
        _bound(self._known)

    def _left(self, failures: _Failures | None, free: int) -> float:
        if failures is None or failures.count < free:
            return 0.0
        return failures.last + min(2.0 ** min(failures.count - free, 20), LONGEST_WAIT) - self._clock()

    def _count(self, table: OrderedDict[_K, _Failures], key: _K) -> int:
        known, now = table.pop(key, None), self._clock()
        count = 1 if known is None or now - known.last > FORGET_AFTER else known.count + 1
        table[key] = _Failures(count, now)
        _bound(table)
        return count


def _bound(table: OrderedDict[_K, _Failures] | OrderedDict[_K, None]) -> None:
    if len(table) > CAPACITY:
        table.popitem(last=False)


def network_of(address: str) -> str:
    """What one guesser can have many addresses of: a /24, or a /64."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if parsed.version == 6 and parsed.ipv4_mapped is not None:  # T-I1: one spelling per network
        parsed = parsed.ipv4_mapped
    if parsed.version == 4:
        return str(parsed).rpartition(".")[0]
    return parsed.exploded[:19]
