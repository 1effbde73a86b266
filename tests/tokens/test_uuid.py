"""UUID: version 8 with a fixed beginning, which no other version can be."""

from __future__ import annotations

import secrets
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tokens.form import DataClass
from gateway.tokens.uuid import UuidForm

FORM = UuidForm()
METER = DataClass("meter", form="uuid")


@given(st.uuids())
def test_a_token_is_a_uuid_of_version_8(value: uuid.UUID) -> None:
    token = FORM.generate(METER, str(value), secrets.randbelow)
    parsed = uuid.UUID(token)
    assert (parsed.version, parsed.variant, str(parsed)) == (8, uuid.RFC_4122, token)
    assert parsed.bytes[:6] == b"pii-gw"
    assert token != str(value)
    assert FORM.fits(METER, str(value))
    assert FORM.recognises(METER, token)


@given(st.uuids(version=1) | st.uuids(version=3) | st.uuids(version=4) | st.uuids(version=5))
def test_real_ones_do_not_lie_in_the_space(value: uuid.UUID) -> None:
    assert not FORM.recognises(METER, str(value))


@pytest.mark.parametrize("number", [0, (1 << 74) - 1, 1 << 62, (1 << 62) - 1])
def test_the_edges_of_the_space(number: int) -> None:
    token = FORM.generate(METER, "", lambda _: number)
    assert FORM.recognises(METER, token)
    assert uuid.UUID(token).version == 8


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("6BA7B810-9DAD-11D1-80B4-00C04FD430C8", True),
        ("6ba7b8109dad11d180b400c04fd430c8", False),
        ("{6ba7b810-9dad-11d1-80b4-00c04fd430c8}", False),
        ("urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8", False),
        ("6ba7b810-9dad-11d1-80b4-00c04fd430c8\n", False),
        ("", False),
    ],
)
def test_what_fits(value: str, fits: bool) -> None:
    assert FORM.fits(METER, value) is fits


def test_a_second_spelling_is_no_token() -> None:
    token = FORM.generate(METER, "", secrets.randbelow)
    assert not FORM.recognises(METER, token.upper())
    assert not FORM.recognises(METER, token + "\n")


def test_a_value_in_the_space_is_not_its_own_token() -> None:
    first = FORM.generate(METER, "", lambda _: 5)
    drawn = iter([5, 6])
    assert FORM.generate(METER, first, lambda _: next(drawn)) != first


def test_the_space_is_beyond_counting() -> None:
    assert FORM.space(METER, "") is None
