"""E-mail: valid, undeliverable, and in one spelling."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tokens.email import EmailForm
from gateway.tokens.form import DataClass

FORM = EmailForm()
EMAIL = DataClass("email", form="email", domain="token.invalid")
LOCAL = "0123456789abcdefghij"


@given(st.emails())
def test_a_token_is_an_address_of_the_reserved_domain(value: str) -> None:
    token = FORM.generate(EMAIL, value, secrets.randbelow)
    assert FORM.fits(EMAIL, value)
    assert token.partition("@")[2] == "token.invalid"
    assert len(token.partition("@")[0]) == 20
    assert token != value
    assert FORM.recognises(EMAIL, token)


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("max@mustermann.example", True),
        ("müller@straße.example", True),
        ("max", False),
        ("@example", False),
        ("max@", False),
        ("a@b@c", False),
        ("max mustermann@example", False),
        ("max@example\n", False),
        ("max\u00a0m@example", False),
        ("", False),
    ],
)
def test_what_fits(value: str, fits: bool) -> None:
    assert FORM.fits(EMAIL, value) is fits


@pytest.mark.parametrize(
    "text",
    [
        *(LOCAL, f"{LOCAL}@token.example", f"{LOCAL}@TOKEN.INVALID", f"{LOCAL.upper()}@token.invalid", f"{LOCAL}0@token.invalid"),
        *(f"{LOCAL[1:]}@token.invalid", f"{LOCAL}@token.invalid\n", f"{LOCAL}@x@token.invalid", f" {LOCAL}@token.invalid", ""),
    ],
)
def test_near_misses_are_values(text: str) -> None:
    assert not FORM.recognises(EMAIL, text)


def test_without_a_domain_nothing_is_recognised() -> None:
    assert not FORM.recognises(DataClass("email", form="email"), f"{LOCAL}@")


def test_a_value_in_the_space_is_not_its_own_token() -> None:
    drawn = iter([0, 1])
    assert FORM.generate(EMAIL, "a" * 20 + "@token.invalid", lambda _: next(drawn)) == "b" + "a" * 19 + "@token.invalid"


def test_the_space_is_beyond_counting() -> None:
    assert FORM.space(EMAIL, "max@mustermann.example") is None
