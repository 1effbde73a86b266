"""The fields of the key files: exact, bounded, nothing left over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cipher.layout import LONGEST_FIELD, Fields, cost_field, number
from gateway.cipher.primitives import Argon2Parameters, DoesNotOpen, length_prefixed


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_prefixed_fields_come_back(parts: list[bytes]) -> None:
    fields = Fields(length_prefixed(*parts))
    assert [fields.prefixed() for _ in parts] == parts
    fields.end()


def test_numbers_are_big_endian_and_costs_come_back() -> None:
    assert number(258, 4) == b"\0\0\1\2"
    assert Fields(cost_field(Argon2Parameters())).cost() == Argon2Parameters()


@pytest.mark.parametrize(
    ("content", "read"),
    [
        (b"", lambda fields: fields.take(1)),
        (b"\0", lambda fields: fields.end()),
        (b"\0\0\0\2a", Fields.prefixed),
        (b"\xff\xff\xff\xff", Fields.prefixed),
        (number(LONGEST_FIELD + 1, 4) + bytes(LONGEST_FIELD + 1), Fields.prefixed),
        (length_prefixed(b"\xff"), Fields.text),
        (bytes(9), Fields.cost),
        (b"\xff" * 9, Fields.cost),
    ],
)
def test_what_does_not_fit_is_refused(content: bytes, read: object) -> None:
    with pytest.raises(DoesNotOpen):
        read(Fields(content))  # type: ignore[operator]


def test_the_rest_leaves_nothing() -> None:
    fields = Fields(b"abc")
    assert (fields.take(1), fields.rest()) == (b"a", b"bc")
    fields.end()
