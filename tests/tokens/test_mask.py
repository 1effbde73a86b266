"""Masks show little, the same little for every length, and are always known again (B-11)."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tokens.form import DataClass
from gateway.tokens.mask import DropForm, MaskForm, is_masked, mask


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ("Max Mustermann", "M*** M***"),
        ("Li", "L***"),
        ("Österreicher", "Ö***"),
        ("Hauptstraße 5", "H*** ***"),
        ("030 1234567", "*** ***"),
        ("12345", "***"),
        ("max@mustermann.example", "m***"),
        ("Karl Theodor Maria Nikolaus Johann", "K*** T*** M*** N***"),
        ("  Max\t\nMustermann  ", "M*** M***"),
        ("", "***"),
        ("   ", "***"),
        ("😀 Max", "*** M***"),
        ("(Max)", "***"),
        ("M*** M***", "M*** M***"),
    ],
)
def test_mask(value: str, masked: str) -> None:
    assert mask(value) == masked


@given(st.text())
def test_a_mask_is_known_again_and_shows_one_letter_of_four_words(value: str) -> None:
    masked = mask(value)
    assert is_masked(masked)
    assert len(masked) <= 4 * 4 + 3
    assert all(word.endswith("***") and len(word) <= 4 for word in masked.split(" "))


@given(st.text("abcxyzÄÖÜß", min_size=1))
def test_lengths_do_not_leak(word: str) -> None:
    assert mask(word) == word[0] + "***"


@pytest.mark.parametrize("value", ["Max Mustermann", "M** M**", "*", ""])
def test_values_are_no_masks(value: str) -> None:
    assert not is_masked(value)


@pytest.mark.parametrize(("form", "final"), [(MaskForm(), "M*** M***"), (DropForm(), "")])
def test_one_way_forms_give_the_final_text(form: MaskForm | DropForm, final: str) -> None:
    data_class = DataClass("name", form="mask")
    assert form.one_way
    assert form.fits(data_class, "Max Mustermann")
    assert form.generate(data_class, "Max Mustermann", secrets.randbelow) == final
    assert form.recognises(data_class, final)
    assert not form.recognises(data_class, "Max Mustermann")
    assert form.space(data_class, "Max Mustermann") == 1
