"""Numbers that a person or a program reads as numbers: as many digits as the value, its separators where they were.

The reserved space: the digits begin with a prefix that the policy names and that nobody is assigned (``0199`` …). The last
``keep_last`` digits may stay, so that a dispatcher can tell two numbers apart. What never may come in: knowledge about number plans.
"""

from __future__ import annotations

import re

from gateway.tokens.form import DataClass, Randbelow

#: Fewer random digits would make tokens so few that they could be tried out one by one in an instant.
LEAST_RANDOM = 3
_SHAPE = re.compile(r"[0-9 +\-/().]+", re.ASCII)
_SEPARATORS = str.maketrans("", "", " +-/().")


def _digits(text: str) -> str | None:
    """The digits of ``text``; None when there is anything in it but digits and separators."""
    return text.translate(_SEPARATORS) if _SHAPE.fullmatch(text) else None


class DigitsForm:
    one_way = False

    def fits(self, data_class: DataClass, value: str) -> bool:
        digits = _digits(value)
        return digits is not None and len(digits) >= len(data_class.prefix) + LEAST_RANDOM + data_class.keep_last

    def generate(self, data_class: DataClass, value: str, randbelow: Randbelow) -> str:
        digits = value.translate(_SEPARATORS)
        count = _random_count(data_class, digits)
        kept = digits[len(digits) - data_class.keep_last :]
        while True:
            token = _laid_over(value, f"{data_class.prefix}{randbelow(10**count):0{count}d}{kept}")
            if token != value:
                return token

    def recognises(self, data_class: DataClass, text: str) -> bool:
        digits = _digits(text)
        # Without a prefix there is no reserved space, and no number may be taken for a token.
        return bool(digits and data_class.prefix and digits.startswith(data_class.prefix))

    def space(self, data_class: DataClass, value: str) -> int | None:
        digits = value.translate(_SEPARATORS)
        count: int = 10 ** _random_count(data_class, digits) - digits.startswith(data_class.prefix)
        return count if count <= 1 << 64 else None


def _random_count(data_class: DataClass, digits: str) -> int:
    return len(digits) - len(data_class.prefix) - data_class.keep_last


def _laid_over(value: str, digits: str) -> str:
    """``digits`` in the places of the digits of ``value``; separators stay."""
    following = iter(digits)
    return "".join(next(following) if "0" <= c <= "9" else c for c in value)
