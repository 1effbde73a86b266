"""How slowly somebody may send or take: patience is spent by waiting for them, and earned back by bytes (T-D6).

Pure: bytes and seconds in, what is left of the patience out; whoever waits keeps the clock. What never may come in: a timer, a
socket, or a second for which the other side had to wait for us.
"""

from __future__ import annotations

from typing import NamedTuple


class Pace(NamedTuple):
    """``first``: seconds until the first byte. ``most``: seconds that may be saved up, so the longest pause. ``slowest``: bytes that
    earn one second, so the least that is sent in a second on the average."""

    first: float
    most: float
    slowest: int


#: Bytes that earn a second, whoever sends them.
SLOWEST = 1000
#: A client's body. 1 kB/s is slower than GPRS was (2 kB/s); Apache's mod_reqtimeout, as it comes, asks for half of it and waits 20
#: seconds for the first byte, which on our side is behind the head and the decision. 30 s: a vehicle changes the cell, or has none.
REQUEST_BODY = Pace(first=10.0, most=30.0, slowest=SLOWEST)


class Meter:
    """One body's. ``patience``: seconds that the next piece may take."""

    __slots__ = ("_pace", "patience")

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self.patience = pace.first

    def took(self, waited: float, size: int) -> None:
        """``size`` bytes came after ``waited`` seconds. Seconds in which nobody waited for them are not in it: they were ours."""
        self.patience = min(self._pace.most, self.patience - waited + size / self._pace.slowest)
