"""One-way forms: what is shown or stored instead of a value that is not to come back. Nothing here is kept anywhere.

A mask shows the first letter of at most four words and always three stars, so that lengths do not leak. Three stars mark every
mask: one that comes back in a write is refused, because it would overwrite the value (B-11). What never may come in: a rule that
shows more of a value the shorter it is.
"""

from __future__ import annotations

from gateway.tokens.form import DataClass, Randbelow

STARS = "***"
MOST_WORDS = 4


def mask(value: str) -> str:
    """``Max Mustermann`` → ``M*** M***``; words that do not begin with a letter, and blank values, become ``***``."""
    words = value.split(maxsplit=MOST_WORDS)[:MOST_WORDS]
    return " ".join(word[0] + STARS if word[0].isalpha() else STARS for word in words) or STARS


def is_masked(text: str) -> bool:
    return STARS in text


class MaskForm:
    one_way = True

    def fits(self, data_class: DataClass, value: str) -> bool:
        return True

    def generate(self, data_class: DataClass, value: str, randbelow: Randbelow) -> str:
        return mask(value)

    def recognises(self, data_class: DataClass, text: str) -> bool:
        return is_masked(text)

    def space(self, data_class: DataClass, value: str) -> int | None:
        return 1


class DropForm:
    one_way = True

    def fits(self, data_class: DataClass, value: str) -> bool:
        return True

    def generate(self, data_class: DataClass, value: str, randbelow: Randbelow) -> str:
        return ""

    def recognises(self, data_class: DataClass, text: str) -> bool:
        return text == ""

    def space(self, data_class: DataClass, value: str) -> int | None:
        return 1
