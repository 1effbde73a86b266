"""Is a password one that people choose? Pure: a password and the names around it in, a length that counts out.

Everybody who guesses begins with the same words, names, years, keyboard rows and repetitions. So each such piece counts as two
characters, however long it is, and what is left must still be long enough. What never may come in: the password in an answer, a
demand for digits or symbols (SP 800-63B-4, 3.1.1.2 forbids them: people then append ``1!``), or a file of leaked passwords.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

#: What is left of a password must count at least this much: four words of the list (40 bits) do not, three and a word of one's own do.
#: A judgement, not a proof. It keeps out what is tried first; beyond guessing are only the generated ones.
ENOUGH = 10
PIECE = 2  # what a piece counts: one of some two thousand words, rows and years is 10 or 11 bits, as two letters are
SHORTEST_PIECE = 3
LONGEST_PIECE = 24
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
    folded = _folded(secret[:LOOKED_AT])
    bare = "".join(c for c in folded if c.isalnum())  # p-a-s-s-w-o-r-d
    return min(_shortest(spelled, known) for spelled in {folded, bare})


def is_guessable(secret: str, names: Iterable[str] = ()) -> bool:
    return counts_as(secret, names) < ENOUGH


def _shortest(text: str, known: frozenset[str] | set[str]) -> int:
    """The cheapest way to put ``text`` together from pieces and single characters (dynamic programming, from the left)."""
    spellings = (text, *(text.translate(reading) for reading in _READINGS))
    best = [0]
    for end in range(1, len(text) + 1):
        cheapest = best[end - 1] + 1
        for start in range(max(0, end - LOOKED_AT), end - SHORTEST_PIECE + 1):
            if best[start] + PIECE < cheapest and _is_piece(start, end, spellings, known):
                cheapest = best[start] + PIECE
        best.append(cheapest)
    return best[-1]


def _is_piece(start: int, end: int, spellings: tuple[str, ...], known: frozenset[str] | set[str]) -> bool:
    plain = spellings[0][start:end]
    if end - start <= LONGEST_PIECE and any(spelled[start:end] in known for spelled in spellings):
        return True
    return _is_run(plain) or _is_row(plain) or _YEAR.fullmatch(plain) is not None or _repeats(spellings[0], start, end)


def _is_run(piece: str) -> bool:
    """aaa, abc, 321."""
    step = ord(piece[1]) - ord(piece[0])
    return abs(step) <= 1 and all(ord(b) - ord(a) == step for a, b in pairwise(piece))


def _is_row(piece: str) -> bool:
    """Keys that lie side by side, in either direction."""
    return len(piece) > SHORTEST_PIECE and any(piece in row or piece[::-1] in row for row in _rows())


def _repeats(text: str, start: int, end: int) -> bool:
    """The same once more: it costs a guesser nothing."""
    length = end - start
    return start >= length and text[start:end] == text[start - length : start]


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
    return frozenset(map(_folded, _ROWS))


@lru_cache(maxsize=1)
def _words() -> frozenset[str]:
    text = (Path(__file__).parent / "well_known.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return frozenset(_folded(word) for line in lines for word in line.split())
