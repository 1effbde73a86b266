"""Is a password one that people choose? Pure: a password and the names around it in, a length that counts out.

Everybody who guesses begins with the same words, names, years, keyboard rows and repetitions. So each such piece counts as two
characters, however long it is, and what is left must still be long enough. What never may come in: the password in an answer, a
demand for digits or symbols (SP 800-63B-4, 3.1.1.2 forbids them: people then append ``1!``), or a file of leaked passwords.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

#: What is left of a password must count at least this much: four words of the list (40 bits) do not, three and a word of one's own do.
#: A judgement, not a proof. It keeps out what is tried first; beyond guessing are only the generated ones.
ENOUGH = 10
PIECE = 2  # what a piece counts: one of some two thousand words, rows and years is 10 or 11 bits, as two letters are
SHORTEST_PIECE = 3
LONGEST_PIECE = 28  # the longest row
LOOKED_AT = 256  # characters; whoever types more than that, in other pieces than one, is not guessed

_ROWS = (
    "^1234567890ß´", "`1234567890-=", "qwertzuiopü+", "qwertyuiop[]", "asdfghjklöä#", "asdfghjkl;'", "<yxcvbnm,.-", "zxcvbnm,./",
    "azertyuiop", "qsdfghjklm", "wxcvbn", "°!\"§$%&/()=?", "~!@#$%^&*()_+", "7894561230", "147258369", "789456123", "159753", "741852963",
    "1qay2wsx3edc4rfv5tgb6zhn7ujm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm", "qayxswedcvfrtgbnhzujm", "qazxswedcvfrtgbnhyujm",
    "q1w2e3r4t5z6u7i8o9p0", "q1w2e3r4t5y6u7i8o9p0", "1q2w3e4r5t6z7u8i9o0p", "1q2w3e4r5t6y7u8i9o0p",
    "qawsedrftgyhujikolp", "asdfjklö", "asdfjkl",
)  # fmt: skip
_READINGS = tuple(str.maketrans(f"{one}034578@$€!|", f"{letter}oeastbaseil") for one, letter in (("1", "i"), ("1", "l")))
_YEAR = re.compile(r"(?:19|20)[0-9]{2}", re.ASCII)


def counts_as(secret: str, names: Iterable[str] = ()) -> int:
    """How long the password is when each piece that anybody would try counts as ``PIECE``. ``names``: of the user and the customer."""
    known = _words() | {piece for name in names for piece in _pieces_of(name)}
    folded = _folded(secret[:LOOKED_AT])[:LOOKED_AT]  # one character may fold into eighteen
    bare = "".join(c for c in folded if c.isalnum())  # p-a-s-s-w-o-r-d
    return min(_shortest(spelled, known) for spelled in {folded, bare})


def is_guessable(secret: str, names: Iterable[str] = ()) -> bool:
    return counts_as(secret, names) < ENOUGH


def _shortest(text: str, known: frozenset[str] | set[str]) -> int:
    """The cheapest way to put ``text`` together from pieces and single characters (dynamic programming, from the left)."""
    spellings = (text, *(text.translate(reading) for reading in _READINGS))
    best = [0]
    for end in range(1, len(text) + 1):
        starts = (*_words_before(end, spellings, known), *_runs_before(end, text), *_repeats_before(end, text))
        best.append(min(best[end - 1] + 1, *(best[start] + PIECE for start in starts)) if starts else best[end - 1] + 1)
    return best[-1]


# Where the pieces that end at ``end`` begin. Each is found by steps that do not grow with the piece: a change of password is judged in
# the process that everybody's values go through, and whoever has one of his own may ask for it.


def _words_before(end: int, spellings: tuple[str, ...], known: frozenset[str] | set[str]) -> Iterator[int]:
    for start in range(max(0, end - LONGEST_PIECE), end - SHORTEST_PIECE + 1):
        plain = spellings[0][start:end]
        is_year = len(plain) == 4 and _YEAR.fullmatch(plain) is not None
        if is_year or plain in _rows() or any(spelled[start:end] in known for spelled in spellings):
            yield start


def _runs_before(end: int, text: str) -> Iterator[int]:
    """aaa, abc, 321."""
    start = end - 2
    step = ord(text[end - 1]) - ord(text[start]) if start > 0 else 2
    while abs(step) <= 1 and start > 0 and ord(text[start]) - ord(text[start - 1]) == step:
        start -= 1
        yield start


def _repeats_before(end: int, text: str) -> Iterator[int]:
    """The same once more: it costs a guesser nothing."""
    for length in range(SHORTEST_PIECE, end // 2 + 1):
        start = end - length
        if text[end - 1] == text[start - 1] and text[start:end] == text[start - length : start]:
            yield start


def _folded(text: str) -> str:
    """As a guesser's rules undo it: width and ligatures (NFKC), case, accents."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))


def _pieces_of(name: str) -> list[str]:
    whole = _folded(name)
    parts = [*re.split(r"[\W_]+", whole), whole, re.sub(r"[\W_]+", "", whole)]
    return [part for part in parts if len(part) >= SHORTEST_PIECE]


@lru_cache(maxsize=1)
def _rows() -> frozenset[str]:
    """Keys that lie side by side, in either direction: every stretch of four or more."""
    rows = [way for row in map(_folded, _ROWS) for way in (row, row[::-1])]
    spans = ((start, end) for start in range(LONGEST_PIECE) for end in range(start + SHORTEST_PIECE + 1, LONGEST_PIECE + 1))
    return frozenset(row[start:end] for start, end in spans for row in rows if end <= len(row))


@lru_cache(maxsize=1)
def _words() -> frozenset[str]:
    text = (Path(__file__).parent / "well_known.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return frozenset(_folded(word) for line in lines for word in line.split())
