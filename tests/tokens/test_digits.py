"""Digits: the shape stays, the prefix marks, the last digits may stay."""

from __future__ import annotations

import re
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tokens.digits import DigitsForm
from gateway.tokens.form import DataClass

FORM = DigitsForm()
PHONE = DataClass("phone", form="digits", prefix="0199", keep_last=2)
NUMBERS = st.from_regex(r"\+?[0-9]{4}[0-9 \-/().]{0,12}[0-9]{6}", fullmatch=True)


@given(NUMBERS)
def test_digits_and_separators_stay_where_they_were(value: str) -> None:
    token = FORM.generate(PHONE, value, secrets.randbelow)
    assert FORM.fits(PHONE, value)
    assert re.sub("[0-9]", "0", token) == re.sub("[0-9]", "0", value)
    digits = re.sub("[^0-9]", "", token)
    assert digits.startswith("0199")
    assert digits[-2:] == re.sub("[^0-9]", "", value)[-2:]
    assert token != value
    assert FORM.recognises(PHONE, token)


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("030 1234567", True),
        ("+49 (30) 123-45.67", True),
        ("030123456", True),
        ("03012345", False),  # 4 + 3 + 2 digits are the least
        ("030 1234567 ext. 5", False),
        ("٠٣٠١٢٣٤٥٦٧", False),
        ("030\u00a01234567", False),
        ("030 1234567\n", False),
        ("", False),
        ("+-/()", False),
    ],
)
def test_what_fits(value: str, fits: bool) -> None:
    assert FORM.fits(PHONE, value) is fits


@pytest.mark.parametrize(
    ("text", "seen"),
    [("0199 1234567", True), ("+01 99 1", True), ("030 1990199", False), ("0199x", False), ("", False), ("0199\n", False), ("019", False)],
)
def test_what_is_recognised(text: str, seen: bool) -> None:
    assert FORM.recognises(PHONE, text) is seen


def test_without_a_prefix_nothing_is_recognised() -> None:
    assert not FORM.recognises(DataClass("phone", form="digits"), "0301234567")


@pytest.mark.parametrize("keep", [0, 1, 2, 4])
def test_space_is_what_is_random(keep: int) -> None:
    data_class = DataClass("phone", form="digits", prefix="0199", keep_last=keep)
    assert FORM.space(data_class, "030 12345678") == 10 ** (11 - 4 - keep)
    assert FORM.space(data_class, "0199 2345678") == 10 ** (11 - 4 - keep) - 1


def test_every_token_of_a_small_space_is_reached() -> None:
    tokens = {FORM.generate(PHONE, "0301234", lambda _, n=n: n) for n in range(10)}  # type: ignore[misc]
    assert tokens == {f"0199{n}34" for n in range(10)}


def test_space_of_long_numbers_is_beyond_counting() -> None:
    assert FORM.space(PHONE, "0" * 26) is None


def test_a_value_in_the_space_is_not_its_own_token() -> None:
    drawn = iter([555, 556])
    assert FORM.generate(PHONE, "0199-555-34", lambda _: next(drawn)) == "0199-556-34"
