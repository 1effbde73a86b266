"""The registry is complete, and a text is only worth asking about when it lies in a reserved space."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gateway.tokens
from gateway.tokens.form import DataClass
from gateway.tokens.forms import FORMS, form_of, recognised
from gateway.tokens.opaque import encode, encode_sealed
from gateway.tokens.same_length import SAFE

CLASSES = {
    "opaque": DataClass("note"),
    "same_length": DataClass("name", form="same_length"),
    "digits": DataClass("phone", form="digits", prefix="0199", keep_last=2),
    "email": DataClass("email", form="email", domain="token.invalid"),
    "uuid": DataClass("meter", form="uuid"),
    "mask": DataClass("secret", form="mask"),
    "drop": DataClass("gone", form="drop"),
}
SAMPLES = {
    "same_length": "Max Mustermann",
    "digits": "+49 30 1234567",
    "email": "max@mustermann.example",
    "uuid": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
}
every_form = pytest.mark.parametrize("name", FORMS)


def test_every_form_of_the_design_is_there() -> None:
    assert set(FORMS) == set(CLASSES)


def test_every_module_is_in_the_list() -> None:
    modules = {path.stem for path in Path(gateway.tokens.__path__[0]).glob("*.py")} - {"__init__", "form", "forms"}
    assert {type(form).__module__.rpartition(".")[2] for form in FORMS.values()} == modules


@every_form
def test_a_class_selects_its_form(name: str) -> None:
    assert form_of(CLASSES[name]) is FORMS[name]


@every_form
def test_only_mask_and_drop_are_one_way(name: str) -> None:
    assert FORMS[name].one_way == (name in {"mask", "drop"})


@every_form
@given(st.binary(min_size=23, max_size=23))
def test_opaque_tokens_count_for_every_class(name: str, raw: bytes) -> None:
    assert recognised(CLASSES[name], encode(raw))
    assert recognised(CLASSES[name], encode_sealed(raw))


@pytest.mark.parametrize("name", SAMPLES)
def test_values_are_not_recognised_and_their_tokens_are(name: str) -> None:
    """V-07: what only looks like a value of the class is a value, and is tokenized."""
    value = SAMPLES[name]
    token = FORMS[name].generate(CLASSES[name], value, secrets.randbelow)
    assert [recognised(CLASSES[name], text) for text in (value, token)] == [False, True]


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("other", SAMPLES)
def test_no_form_takes_the_token_of_another(name: str, other: str) -> None:
    token = FORMS[other].generate(CLASSES[other], SAMPLES[other], secrets.randbelow)
    assert recognised(CLASSES[name], token) == (name == other)


@pytest.mark.parametrize("value", ["Max Mustermann", "Li", "Hauptstraße 5", "12345", "gt1_", "gs1_", "GT1_" + "0" * 36])
@pytest.mark.parametrize("name", ["opaque", "same_length", "digits", "email", "uuid"])
def test_real_values_lie_in_no_space(name: str, value: str) -> None:
    assert not recognised(CLASSES[name], value)


@every_form
def test_every_form_is_documented(name: str) -> None:
    assert f"| `{name}` |" in (Path(__file__).parents[2] / "docs" / "tokens.md").read_text("utf-8")


def test_the_documented_alphabet_is_the_real_one() -> None:
    lines = (Path(__file__).parents[2] / "docs" / "tokens.md").read_text("utf-8").splitlines()
    assert SAFE in [line.replace(" ", "") for line in lines if line.startswith("    ")]
