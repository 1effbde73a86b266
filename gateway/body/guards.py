"""Two looks at what stays in a body: the echo guard (B-13), and patterns of personal data where no policy looks.

Both are aids behind the declared places, never instead of them. Both are linear in the body, whatever a client sends (T-D11): the
guard searches all values at once, and no pattern backtracks without a bound. What never may come in: a finding that says *what*
was found.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Iterable, Sequence

from gateway.body.json_scan import Scanned

#: Code points. Shorter values ("Li", "Berg 5") are also parts of harmless texts.
SHORTEST_ECHO = 6

_WORD = re.compile(r"[^\W_]+")
_EMAIL = re.compile(r"[^\s@]@[^\s@.]{1,63}\.[^\s@]")
# International (+49 …, 0049 …), national with a separator behind the area code, or national digits only. Not: dates, times, decimals.
_PHONE = re.compile(
    r"(?<![\w.,:+\-])(?:(?:\+|00)[1-9][0-9 ()/.\-]{5,20}[0-9]|0[1-9][0-9]{1,4}[ /\-][0-9][0-9 \-]{2,14}[0-9]|0[1-9][0-9]{7,13})(?![\w])",
    re.ASCII,
)
_IBAN = re.compile(r"(?<![A-Z0-9])(?=([A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}))", re.ASCII)
#: Where IBANs of the SEPA countries end (ISO 13616 registry); what follows one is not part of it.
_SEPA = (
    "NO15 BE16 DK18 FI18 NL18 SI19 AT20 EE20 LT20 LU20 CH21 HR21 LI21 LV21 BG22 DE22 GB22 "
    "IE22 CZ24 ES24 RO24 SE24 SK24 PT25 IS26 FR27 GR27 IT27 MC27 SM27 CY28 HU28 PL28 MT31"
)
_IBAN_LENGTHS = {entry[:2]: int(entry[2:]) for entry in _SEPA.split()}


def echo(stay: Sequence[str], values: Iterable[str]) -> bool:
    """Does one of the values that were just hidden stand, in whole words and in any case, in one of the texts that ``stay``?"""
    hidden = {words for value in set(values) if len(value) >= SHORTEST_ECHO and (words := _words(value))}
    if not hidden or not stay:
        return False
    texts = [_words(text) for text in stay]
    said = frozenset(word for words in texts for word in words)
    likely = [words for words in hidden if said.issuperset(words)]
    return bool(likely) and _Automaton(likely).finds_in(texts)


def personal_data(scanned: Scanned) -> bool:
    """Is there an e-mail address, a telephone number or an IBAN in a text at an unlisted place?"""
    return any(_EMAIL.search(text) or _PHONE.search(text) or _has_iban(text) for text in scanned.unlisted)


def _has_iban(text: str) -> bool:
    return any(_is_iban(found[1].replace(" ", "")) for found in _IBAN.finditer(text.upper()))


def _is_iban(text: str) -> bool:
    """The check digits of ISO 7064 (mod 97), over as many characters as the country has."""
    length = _IBAN_LENGTHS.get(text[:2])
    if length is None or len(text) < length:
        return False
    turned = text[4:length] + text[:4]
    return int("".join(str(int(c, 36)) for c in turned)) % 97 == 1


def _words(text: str) -> tuple[str, ...]:
    """Words as a reader compares them: ``MUSTERMANN, max`` and ``max_mustermann`` hold the words of the same person."""
    if text.isascii():  # most texts: for them all of this is the same as lower case
        return tuple(_WORD.findall(text.lower()))
    return tuple(_WORD.findall(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())))


class _Automaton:
    """Aho-Corasick over words: thousands of values against a long body in one pass, where one search each would be quadratic."""

    def __init__(self, needles: Iterable[Sequence[str]]) -> None:
        self._next: list[dict[str, int]] = [{}]
        self._fall: list[int] = [0]
        self._ends: list[bool] = [False]
        for needle in needles:
            self._add(needle)
        self._link()

    def _add(self, needle: Sequence[str]) -> None:
        state = 0
        for word in needle:
            if word not in self._next[state]:
                self._next[state][word] = len(self._next)
                self._next.append({})
                self._fall.append(0)
                self._ends.append(False)
            state = self._next[state][word]
        self._ends[state] = True

    def _link(self) -> None:
        """Where to go on when the next word does not fit: the longest end of what was read that begins another needle."""
        waiting = deque(self._next[0].values())
        while waiting:
            state = waiting.popleft()
            for word, child in self._next[state].items():
                self._fall[child] = self._step(self._fall[state], word)
                self._ends[child] = self._ends[child] or self._ends[self._fall[child]]
                waiting.append(child)

    def _step(self, state: int, word: str) -> int:
        while state and word not in self._next[state]:
            state = self._fall[state]
        return self._next[state].get(word, 0)

    def finds_in(self, texts: Iterable[Sequence[str]]) -> bool:
        for words in texts:
            state = 0
            for word in words:
                state = self._step(state, word)
                if self._ends[state]:
                    return True
        return False
