"""Same length: what the alphabets promise, and that every draw keeps it."""

from __future__ import annotations

import secrets
import unicodedata
from collections import Counter
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tokens.form import DataClass
from gateway.tokens.same_length import ALPHABETS, FORMULA_STARTS, MARKERS, Alphabet, SameLengthForm

FORM = SameLengthForm()
CLASSES = {name: DataClass("name", form="same_length", alphabet=name) for name in ALPHABETS}
SAFE = CLASSES["windows-1252-safe"]
both = pytest.mark.parametrize("alphabet", ALPHABETS)


def folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def without_accents(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


@both
def test_every_character_is_printable_in_windows_1252(alphabet: str) -> None:
    for c in ALPHABETS[alphabet].characters:
        assert len(c.encode("windows-1252")) == 1
        assert c.isprintable()
        assert not c.isspace()
        assert c not in "\"'\\<>&"
        assert unicodedata.normalize("NFC", c) == c


@both
def test_no_character_stands_twice(alphabet: str) -> None:
    assert len(set(ALPHABETS[alphabet].characters)) == len(ALPHABETS[alphabet].characters)


@both
def test_markers_belong_to_the_alphabet_and_to_no_name(alphabet: str) -> None:
    assert ALPHABETS[alphabet].members > MARKERS
    assert not any(c.isascii() or c.isalnum() or c in "’‘“”„‚–—´`¨" for c in MARKERS)


def test_no_two_characters_of_the_safe_alphabet_are_one_to_a_collation() -> None:
    """V-06: a column that ignores case, accents or compatibility forms must not take two tokens for one."""
    for same in (folded, without_accents):
        assert [same(c) for c in ALPHABETS["windows-1252-safe"].characters] == list(ALPHABETS["windows-1252-safe"].characters)


@pytest.mark.parametrize("forbidden", ["\"'`´‘’‚“”„‹›«»", "<>&", "*%_?[]^", "=+-@", "\\,;|\t", "${}#/()", " \xa0\xad", "ßªº²³¹¼½¾ˆ˜…™µ"])
def test_what_the_safe_alphabet_leaves_out(forbidden: str) -> None:
    assert ALPHABETS["windows-1252-safe"].members.isdisjoint(forbidden)


@both
def test_the_look_of_the_reference_system(alphabet: str) -> None:
    assert FORM.recognises(CLASSES[alphabet], "8šl5»ý.Ðß%,1£¹") == (alphabet == "windows-1252")


@both
@given(st.text(min_size=1, max_size=80))
def test_a_token_is_as_long_as_the_value_and_lies_in_the_space(alphabet: str, value: str) -> None:
    token = FORM.generate(CLASSES[alphabet], value, secrets.randbelow)
    assert len(token) == len(value)
    assert token != value
    assert token[0] not in FORMULA_STARTS
    assert unicodedata.normalize("NFC", token) == token
    assert FORM.fits(CLASSES[alphabet], value)
    assert FORM.recognises(CLASSES[alphabet], token)


@pytest.mark.parametrize(
    "value", ["Max Mustermann", "Müller", "O’Brien", "Hauptstraße 5", "Jean–Luc", "3.OG", "", "abc", "12345", "§ 5", "A§"]
)
def test_real_values_do_not_lie_in_the_safe_space(value: str) -> None:
    assert not FORM.recognises(SAFE, value)


@both
@pytest.mark.parametrize("value", ["Max Mustermann", "Müller", "O’Brien", "Hauptstraße 5", "Jean–Luc", "", "=§", "-§", "+§", "@§"])
def test_real_values_and_formulas_lie_in_no_space(alphabet: str, value: str) -> None:
    assert not FORM.recognises(CLASSES[alphabet], value)


def test_one_code_point_is_a_marker() -> None:
    assert {FORM.generate(SAFE, "X", secrets.randbelow) for _ in range(2000)} == MARKERS


@both
@pytest.mark.parametrize("length", [1, 2])
def test_space_is_counted_exactly(alphabet: str, length: int) -> None:
    characters = ALPHABETS[alphabet].characters
    every = sum(FORM.recognises(CLASSES[alphabet], "".join(text)) for text in product(characters, repeat=length))
    assert FORM.space(CLASSES[alphabet], "Max"[:length]) == every
    assert FORM.space(CLASSES[alphabet], "¶" * length) == every - 1  # its own value is never a token


def test_space_of_long_values_is_beyond_counting() -> None:
    assert FORM.space(SAFE, "x" * 10) is not None
    assert FORM.space(SAFE, "x" * 11) is None
    assert FORM.space(SAFE, "x" * 10_000) is None


def test_draws_are_uniform() -> None:
    """Seeded: 62² − 40² = 2,244 tokens of two, 50 draws each; a forgotten rejection or a modulo bias shows at once."""
    random = Random(7)
    drawn = Counter(FORM.generate(SAFE, "Li", random.randrange) for _ in range(2244 * 50))
    chi_squared = sum((count - 50) ** 2 / 50 for count in drawn.values())
    assert len(drawn) == 2244 == FORM.space(SAFE, "Li")
    assert 1900 < chi_squared < 2600


def test_long_draws_use_every_character_at_every_place() -> None:
    alphabet = Alphabet.of("ab§")
    seen = [set(column) for column in zip(*(alphabet.draw(40, Random(seed).randrange) for seed in range(200)), strict=True)]
    assert seen == [set("ab§")] * 40
