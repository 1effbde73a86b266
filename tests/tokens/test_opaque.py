"""Opaque tokens: one spelling each, in one case, and nothing else decodes."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Unavailable
from gateway.tokens.form import DataClass
from gateway.tokens.opaque import OpaqueForm, decode, decode_sealed, encode, encode_sealed

RAW = st.binary(min_size=23, max_size=23)
A_TOKEN = encode(bytes(range(23)))
A_SEALED = encode_sealed(b"\x01sealed value")


@given(RAW)
def test_what_is_encoded_decodes(raw: bytes) -> None:
    token = encode(raw)
    assert len(token) == 40
    assert token.startswith("gt1_")
    assert token == token.lower()
    assert decode(token) == raw


@pytest.mark.parametrize("raw", [bytes(23), b"\xff" * 23, b"\x01" + bytes(22)])
def test_the_edges_of_the_number_decode(raw: bytes) -> None:
    assert decode(encode(raw)) == raw


@given(st.binary(min_size=1, max_size=300))
def test_what_is_sealed_decodes(raw: bytes) -> None:
    token = encode_sealed(raw)
    assert token.startswith("gs1_")
    assert decode_sealed(token) == raw


@given(st.text(st.sampled_from("0123456789abcdefghijklmnopqrstuv"), min_size=1, max_size=40))
def test_a_sealed_token_has_one_spelling(text: str) -> None:
    """T-A2: two spellings of one token would be two keys of one thing."""
    raw = decode_sealed("gs1_" + text)
    assert raw is None or encode_sealed(raw) == "gs1_" + text


@pytest.mark.parametrize(
    "text",
    [
        *("", "gt1_", A_TOKEN[:-1], A_TOKEN + "0", A_TOKEN + "\n", A_TOKEN.upper(), " " + A_TOKEN, "gt2_" + A_TOKEN[4:]),
        *("gt1_" + "z" * 36, "gt1_" + "-" + A_TOKEN[5:], "gt1_" + "_" + A_TOKEN[5:], "gt1_" + "٣" * 36, "gs1_" + A_TOKEN[4:]),
    ],
)
def test_what_is_no_vault_token(text: str) -> None:
    assert decode(text) is None


@pytest.mark.parametrize(
    "text",
    ["", "gs1_", "gs1_0", "gs1_000", "gs1_000000", "gs1_01", A_SEALED + "=", A_SEALED + "\n", A_SEALED.upper(), "gs1_wx", A_TOKEN],
)
def test_what_is_no_sealed_token(text: str) -> None:
    assert decode_sealed(text) is None


@pytest.mark.parametrize("length", [0, 22, 24])
def test_only_23_bytes_are_spelled(length: int) -> None:
    with pytest.raises(ValueError, match="23 bytes"):
        encode(bytes(length))


def test_nothing_is_sealed_in_no_bytes() -> None:
    with pytest.raises(ValueError, match="at least one"):
        encode_sealed(b"")


def test_a_token_without_the_cipher_is_never_made() -> None:
    with pytest.raises(Unavailable):
        OpaqueForm().generate(DataClass("note"), "Max Mustermann", secrets.randbelow)


@pytest.mark.parametrize(("method", "seen"), [("vault", [True, False]), ("sealed", [False, True])])
def test_each_method_has_its_own_space(method: str, seen: list[bool]) -> None:
    data_class = DataClass("note", method=method)  # type: ignore[arg-type]
    assert [OpaqueForm().recognises(data_class, text) for text in (A_TOKEN, A_SEALED)] == seen
