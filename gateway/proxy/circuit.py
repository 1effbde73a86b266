"""Whether a server may be tried, and whether a request may be sent again: decisions over values, without clock, network or waiting.

A circuit is *closed* while its server answers. After a failure the server is *set aside*: the others are asked first. After
``OPENS_AT`` failures in a row it is *open*, and nobody asks; when its pause is over it is *half-open*, and one request finds out.
What never may come in: a clock, or the name of a server.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

#: Failures in a row. Fewer would let a few requests that an application chokes on shut out all others of their customer.
OPENS_AT = 5
PAUSE = 1.0  # seconds; doubled with each failed try after the circuit opened
LONGEST_PAUSE = 10.0  # an application that is back is found within this time

BUDGET_WINDOW = 10.0  # seconds
BUDGET_SHARE = 0.2  # of the requests of a window may be sent again: a failing upstream sees 1.2 times its load, not twice
BUDGET_LEAST = 3


class Circuit(NamedTuple):
    """Of one server. ``until``: set aside until then; ``probing``: the one request of half-open is under way."""

    failures: int = 0
    until: float = 0.0
    probing: bool = False
    unwell: bool = False  # said the last health check


CLOSED = Circuit()


class Choice(NamedTuple):
    at: int  # its index
    probe: bool  # the one request that finds out


def choose(circuits: Iterable[tuple[int, Circuit, int]], now: float) -> Choice | None:
    """Of (index, circuit, requests under way): the least busy of the best; None when each is open. The first wins a tie."""
    found = min(((_rank(circuit, now), busy, index, circuit) for index, circuit, busy in circuits), default=None)
    if found is None or found[0] == _NEVER:
        return None
    return Choice(found[2], found[3].failures >= OPENS_AT)


_GOOD, _ASIDE, _UNWELL, _NEVER = range(4)


def _rank(circuit: Circuit, now: float) -> int:
    if circuit.failures >= OPENS_AT and (circuit.probing or now < circuit.until):
        return _NEVER
    if circuit.unwell:
        return _UNWELL  # asked when no other is left: a wrong health check must not take a whole customer away
    return _ASIDE if now < circuit.until else _GOOD


def begun(circuit: Circuit, probe: bool) -> Circuit:
    return circuit._replace(probing=True) if probe else circuit


def succeeded(circuit: Circuit) -> Circuit:
    return CLOSED._replace(unwell=True) if circuit.unwell else CLOSED


def failed(circuit: Circuit, now: float, probe: bool) -> Circuit:
    """What began before the circuit opened says nothing new: else the end of a burst would be taken for a long outage."""
    if circuit.failures >= OPENS_AT and not probe:
        return circuit
    failures = circuit.failures + 1
    pause = min(PAUSE * 2.0 ** max(0, min(failures, 64) - OPENS_AT), LONGEST_PAUSE)
    return Circuit(failures, now + pause, False, circuit.unwell)


def abandoned(circuit: Circuit, probe: bool) -> Circuit:
    """Ended without a verdict, because the client went away: the next one may find out."""
    return circuit._replace(probing=False) if probe else circuit


def checked(circuit: Circuit, well: bool) -> Circuit:
    """After a health check. A good one ends a pause; a bad one leaves counting to the requests."""
    return CLOSED if well else circuit._replace(unwell=True)


class Budget(NamedTuple):
    """Of one customer's requests that may be sent again, in the window that began at ``since`` with the ``at``-th request."""

    since: float = 0.0
    at: int = 0
    again: int = 0


def granted(budget: Budget, now: float, requests: int) -> Budget | None:
    """The budget after one more, or None. ``requests``: how many there have been, ever."""
    if now - budget.since >= BUDGET_WINDOW:
        budget = Budget(now, requests)
    if budget.again >= max(BUDGET_LEAST, (requests - budget.at) * BUDGET_SHARE):
        return None
    return budget._replace(again=budget.again + 1)
