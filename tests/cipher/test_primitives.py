"""Published vectors where the RFCs give some, and every wrap closed against a changed bit."""

from __future__ import annotations

import re

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from hypothesis import given
from hypothesis import strategies as st

from gateway.cipher import primitives
from gateway.cipher.primitives import Argon2Parameters, DoesNotOpen

KEY = bytes(range(32))
CHEAP = Argon2Parameters(memory=8, iterations=1, lanes=1)


def test_hkdf_is_rfc_5869_case_1() -> None:
    derived = primitives.derive(
        bytes.fromhex("0b" * 22), salt=bytes.fromhex("000102030405060708090a0b0c"), info=bytes.fromhex("f0f1f2f3f4f5f6f7f8f9"), length=42
    )
    assert derived.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"


def test_hmac_is_rfc_4231_case_2() -> None:
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert primitives.authenticate(b"Jefe", b"what do ya want for nothing?").hex() == expected


def test_siv_is_rfc_5297_appendix_a_2_in_shape() -> None:
    """The nonce-based mode puts the nonce last among the associated data; A.2 of the RFC does the same, with AES-128 keys."""
    key = bytes.fromhex("7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f")
    first = bytes.fromhex("00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100")
    second, nonce = bytes.fromhex("102030405060708090a0"), bytes.fromhex("09f911029d74e35bd84156c5635688c0")
    text = bytes.fromhex("7468697320697320736f6d6520706c61696e7465787420746f20656e6372797074207573696e67205349562d414553")
    expected = (
        "7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17dba77ceb094fa663b7a3f748ba8af829ea64ad544a272e9c485b62a3fd5c0d"
    )
    assert AESSIV(key).encrypt(text, [first, second, nonce]).hex() == expected


@given(st.lists(st.binary(max_size=8), max_size=4), st.lists(st.binary(max_size=8), max_size=4))
def test_length_prefixes_never_let_two_lists_look_the_same(one: list[bytes], other: list[bytes]) -> None:
    """T-A2."""
    assert (primitives.length_prefixed(*one) == primitives.length_prefixed(*other)) == (one == other)


@given(st.binary(max_size=100), st.binary(max_size=20))
def test_wrap_and_unwrap(plaintext: bytes, associated: bytes) -> None:
    assert primitives.unwrap(KEY, primitives.wrap(KEY, plaintext, associated), associated) == plaintext


def test_a_wrap_opens_with_nothing_changed_only() -> None:
    wrapped = primitives.wrap(KEY, b"Max Mustermann", b"place")
    for position in range(len(wrapped)):
        with pytest.raises(DoesNotOpen):
            primitives.unwrap(KEY, flipped(wrapped, position), b"place")
    for key, text, place in ((bytes(32), wrapped, b"place"), (KEY, wrapped, b"other"), (KEY, wrapped[:-1], b"place"), (KEY, b"", b"place")):
        with pytest.raises(DoesNotOpen):
            primitives.unwrap(key, text, place)


@pytest.mark.parametrize("nonce", [None, bytes(16)])
@pytest.mark.parametrize("value", [b"", b"Li", "Jörg Müßigbrodt".encode()])
def test_values_round_trip_and_fail_closed(value: bytes, nonce: bytes | None) -> None:
    cipher = AESSIV(bytes(range(64)))
    sealed = primitives.seal_value(cipher, value, b"place", nonce)
    assert primitives.open_value(cipher, sealed, b"place", nonce) == value
    for text, place, other in (
        (flipped(sealed, 0), b"place", nonce),
        (sealed, b"other", nonce),
        (sealed, b"place", b"1" * 16),
        (b"x", b"place", nonce),
    ):
        with pytest.raises(DoesNotOpen):
            primitives.open_value(cipher, text, place, other)


def test_hpke_opens_with_its_own_pair_and_info_only() -> None:
    private, public = primitives.new_key_pair()
    other, _ = primitives.new_key_pair()
    sealed = primitives.seal_to(public, KEY, b"slot")
    assert primitives.open_with(private, sealed, b"slot") == KEY
    for key, text, info in (
        (other, sealed, b"slot"),
        (private, sealed, b"else"),
        (private, flipped(sealed, 0), b"slot"),
        (private, b"", b"slot"),
    ):
        with pytest.raises(DoesNotOpen):
            primitives.open_with(key, text, info)


def test_argon2id_is_the_reference_implementations() -> None:
    """RFC 9106 has vectors with secret and associated data only; this one is the reference tool's: argon2 -id -k 65536 -t 2 -p 1."""
    cost = Argon2Parameters(memory=65536, iterations=2, lanes=1)
    assert primitives.stretch(b"password", b"somesalt", cost).hex() == "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"


@pytest.mark.parametrize(
    "cost", [(0, 1, 1), (7, 1, 1), (8, 0, 1), (8, 1, 0), (8, 17, 1), (1 << 20, 1, 1), (64, 1, 5), ((1 << 32) - 1,) * 3]
)
def test_no_file_can_make_us_spend_without_bound(cost: tuple[int, int, int]) -> None:
    """A-01: a hostile file is refused before Argon2 allocates anything."""
    assert not Argon2Parameters(*cost).acceptable()
    with pytest.raises(DoesNotOpen):
        primitives.stretch(b"", bytes(16), Argon2Parameters(*cost))


def test_the_defaults_are_what_owasp_says() -> None:
    assert (Argon2Parameters().memory, Argon2Parameters().iterations, Argon2Parameters().lanes) == (19456, 2, 1)


def test_wipe_overwrites_in_place() -> None:
    buffer = bytearray(b"Max Mustermann")
    primitives.wipe(buffer)
    assert buffer == bytes(14)


def test_comparison() -> None:
    assert primitives.same(b"abc", bytearray(b"abc"))
    assert not primitives.same(b"abc", b"abd")


def flipped(text: bytes, position: int) -> bytes:
    return text[:position] + bytes([text[position] ^ 1]) + text[position + 1 :]


def test_c12_the_openssl_of_these_primitives_is_named() -> None:
    assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+[a-z]*", primitives.openssl_version())
