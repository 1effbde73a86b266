"""As many code points as the value, so that it fits the column that the value came from.

The reserved space: every token holds at least one *marker* (``§``, ``¤``, ``÷`` …: neither letter nor ASCII, and none that names are
written with, as ``’`` and ``–`` are), has no blank, and never begins as a spreadsheet formula does. Both alphabets hold only
characters of Windows-1252, stable under NFC.
What never may come in: a decision whether a text is a token; that is the vault's.

``windows-1252-safe`` (the default) is small on purpose. No blanks, quotes, markup, wildcards (also ``[ ] ^`` of SQL Server's LIKE), formula
characters, CSV separators, templates (``$ { } #``), path and filter characters. No capitals and no accented letters: a column whose
collation ignores case, accents or compatibility forms (the default of MySQL 8) would otherwise take two tokens for one, and show
one household the other one's name.

``windows-1252`` gives the reference system's look (``8šl5»ý.Ðß%,1£¹``): every printable character except those that begin a
mistake in HTML, SQL or CSV quoting (``" ' \\ < > &`` and the grave accent). It needs a column that compares code points.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from gateway.tokens.form import DataClass, Randbelow

MARKERS = frozenset("€†‡‰•¡¢£¤¥¦§©¬®°±¶·¿×÷")
FORMULA_STARTS = frozenset("=+-@")
#: Code points drawn with one call of the random source: fewer calls, and numbers that stay small.
_PIECE = 16


@dataclass(frozen=True, slots=True)
class Alphabet:
    characters: str
    members: frozenset[str]
    starts: str  # what a token may begin with

    @classmethod
    def of(cls, characters: str) -> Alphabet:
        return cls(characters, frozenset(characters), "".join(c for c in characters if c not in FORMULA_STARTS))

    def draw(self, length: int, randbelow: Randbelow) -> str:
        """Any start and any rest with equal probability; not yet with a marker."""
        drawn = [self.starts[randbelow(len(self.starts))]]
        missing = length - 1
        while missing > 0:
            count = min(missing, _PIECE)
            drawn += _spelled(randbelow(len(self.characters) ** count), self.characters, count)
            missing -= count
        return "".join(drawn)

    def holds(self, text: str) -> bool:
        return self.members.issuperset(text) and not MARKERS.isdisjoint(text) and text[0] not in FORMULA_STARTS

    def count(self, length: int) -> int:
        """How many texts of ``length`` ``holds`` accepts: all with an allowed start, less those without a marker."""
        plain_starts = sum(c not in MARKERS for c in self.starts)
        plain = len(self.characters) - len(MARKERS)
        rest = length - 1
        every: int = len(self.starts) * len(self.characters) ** rest
        without: int = plain_starts * plain**rest
        return every - without


def _spelled(number: int, characters: str, count: int) -> list[str]:
    spelled = []
    for _ in range(count):
        number, at = divmod(number, len(characters))
        spelled.append(characters[at])
    return spelled


def _printable() -> str:
    """Every character of Windows-1252 that is seen when it is printed: no control, no blank, no soft hyphen."""
    decoded = bytes(range(0x21, 0x100)).decode("windows-1252", errors="ignore")
    return "".join(c for c in decoded if unicodedata.category(c) not in ("Cc", "Cf", "Zs"))


#: Written out, so that a look shows what is in it; a test proves every claim of the module header about it.
SAFE = "abcdefghijklmnopqrstuvwxyz0123456789!.:~€†‡‰•¡¢£¤¥¦§©¬®°±¶·¿×÷"
LOOK = "".join(c for c in _printable() if c not in "\"'`\\<>&")

ALPHABETS: dict[str, Alphabet] = {"windows-1252-safe": Alphabet.of(SAFE), "windows-1252": Alphabet.of(LOOK)}


class SameLengthForm:
    one_way = False

    def fits(self, data_class: DataClass, value: str) -> bool:
        return value != ""

    def generate(self, data_class: DataClass, value: str, randbelow: Randbelow) -> str:
        """Rejection keeps it uniform. Even for one code point, of the larger alphabet, one draw in ten is accepted."""
        alphabet = ALPHABETS[data_class.alphabet]
        while True:
            token = alphabet.draw(len(value), randbelow)
            if token != value and not MARKERS.isdisjoint(token):
                return token

    def recognises(self, data_class: DataClass, text: str) -> bool:
        return ALPHABETS[data_class.alphabet].holds(text)

    def space(self, data_class: DataClass, value: str) -> int | None:
        alphabet = ALPHABETS[data_class.alphabet]
        if len(value) > _PIECE:
            return None  # the smaller alphabet passes 2**64 at 11
        count = alphabet.count(len(value)) - alphabet.holds(value)
        return count if count <= 1 << 64 else None
