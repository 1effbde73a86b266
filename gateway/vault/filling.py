"""How full small token spaces are: an alarm at half, long before new values get no token (design section 4).

Nothing is counted in the database: how often a random candidate turns out to be issued already *is* how full its space is. An
estimate, over the last few dozen draws; values of one class whose spaces have one size are taken together. What never may come in:
a value, or its length by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

#: Below so many possible tokens a fresh one for every occurrence would use the space up: ``repeat: same`` is forced, and what fills is
#: watched. Larger ones fill only under more than half a million different values of one shape.
SMALL_SPACE = 10**6
#: Draws that one judgement rests on. At 64, a space that is 30 % full raises the alarm too early once in a thousand judgements.
MOST_DRAWS, LEAST_DRAWS = 64, 8

Shape = tuple[str, str, int]  # customer, data class, size of the space


@dataclass(slots=True)
class _Draws:
    all: int = 0
    taken: int = 0


class Filling:
    """``alarm`` is called with customer, data class and size of the space, once for each."""

    def __init__(self, alarm: Callable[[str, str, int], None]) -> None:
        self._alarm = alarm
        self._draws: dict[Shape, _Draws] = {}
        self._alarmed: set[Shape] = set()

    def drew(self, customer: str, data_class: str, space: int | None, candidates: int) -> None:
        """A value got a new token, the last of ``candidates``; the others were taken already."""
        if space is None or space >= SMALL_SPACE or (customer, data_class, space) in self._alarmed:
            return
        shape = customer, data_class, space
        draws = self._draws.setdefault(shape, _Draws())
        draws.all += candidates
        draws.taken += candidates - 1
        if draws.all < max(LEAST_DRAWS, min(MOST_DRAWS, space // 4)):
            return
        del self._draws[shape]
        if draws.taken * 2 >= draws.all:
            self._alarm(*shape)
            self._alarmed.add(shape)
