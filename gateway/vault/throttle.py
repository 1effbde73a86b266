"""Slowing down guessers of passwords, without giving anybody a lever to lock a customer out.

Only who passed network and certificate gets here (design section 6), so an outsider cannot make a customer's user wait. Failures
count per user and network; another network of the same customer goes on as before. What never may come in: a permanent lock.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

from gateway.errors import Refused

FREE = 5  # failures without a wait: a dispatcher with a new password
LONGEST_WAIT = 300.0  # seconds
FORGET_AFTER = 3600.0  # seconds without a failure
CAPACITY = 50_000  # entries; beyond it the one that failed longest ago is forgotten

Key = tuple[str, str, str]


@dataclass(slots=True)
class _Failures:
    count: int
    last: float


class Throttle:
    """``clock``: seconds that only go forward."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[Key, _Failures] = OrderedDict()

    def check(self, customer: str, user: str, address: str) -> None:
        """Raises Refused('throttled') with the seconds to wait."""
        failures = self._failures.get((customer, user, network_of(address)))
        if failures is None or failures.count < FREE:
            return
        left = failures.last + _wait(failures.count) - self._clock()
        if left > 0:
            raise Refused("throttled", retry_after=max(1, round(left + 0.5)))

    def failed(self, customer: str, user: str, address: str) -> None:
        key, now = (customer, user, network_of(address)), self._clock()
        known = self._failures.pop(key, None)
        fresh = known is None or now - known.last > FORGET_AFTER
        self._failures[key] = _Failures(1 if known is None or fresh else known.count + 1, now)
        if len(self._failures) > CAPACITY:
            self._failures.popitem(last=False)

    def succeeded(self, customer: str, user: str, address: str) -> None:
        self._failures.pop((customer, user, network_of(address)), None)


def _wait(count: int) -> float:
    return min(2.0 ** min(count - FREE, 20), LONGEST_WAIT)


def network_of(address: str) -> str:
    """What one guesser can have many addresses of: a /24, or a /64."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address.rpartition(".")[0]
    return parsed.exploded[:19]
