"""Which spellings of a password and a recovery code count, and how good ours are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cipher.credentials import (
    Credential,
    acceptable_password,
    generate_password,
    generate_recovery_code,
    password,
    prepared,
    recovery,
    require_acceptable,
)
from gateway.errors import ConfigurationError


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("Käthe", "Ka\u0308the", True),  # NFC: macOS and Windows type the same password (V-06 is about values, not passwords)
        ("zwei Wörter", "zwei\u00a0Wörter", True),  # RFC 8265, 4.2.1: other blanks are U+0020
        ("Käthe", "käthe", False),
        ("ﬁ", "fi", False),  # no NFKC: width and ligatures stay
        ("Straße", "Strasse", False),
        ("a ", "a", False),
    ],
)
def test_spellings_of_a_password(one: str, other: str, equal: bool) -> None:
    assert (prepared(password("maria", one)) == prepared(password("maria", other))) is equal


@pytest.mark.parametrize("secret", ["", "a\0b", "a\nb", "\x7f", "\ud800", "\U0010ffff", "x" * 1025, "ä" * 513])
def test_what_no_slot_can_have_been_made_with_is_simply_wrong(secret: str) -> None:
    assert prepared(password("maria", secret)) is None
    assert not acceptable_password(secret)


@given(st.text(max_size=60))
def test_preparing_is_idempotent(secret: str) -> None:
    once = prepared(password("maria", secret))
    assert once is None or prepared(password("maria", once.decode())) == once


@pytest.mark.parametrize("secret", ["kurz", "elf Zeichen", "mit\ttab und mehr"])
def test_passwords_that_may_not_be_set(secret: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        require_acceptable(secret, Path("keyslots"))
    assert secret not in str(refusal.value)


def test_generated_passwords_are_long_readable_and_fit_basic_authentication() -> None:
    made = {generate_password() for _ in range(200)}
    assert len(made) == 200
    for each in made:
        assert re.fullmatch(r"([0-9a-hjkmnp-tv-z]{4}-){4}[0-9a-hjkmnp-tv-z]{4}", each)  # 20 × 5 bits
        assert acceptable_password(each)
        assert ":" not in each


def test_recovery_codes_forgive_how_people_copy_them() -> None:
    code = generate_recovery_code()
    assert re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){6}[0-9A-HJKMNP-TV-Z]{4}", code)  # 28 × 5 bits
    misread = code.replace("0", "O").replace("1", "l")
    for copy in (code.lower(), code.replace("-", " "), code.replace("-", ""), f" {misread}\n"):
        assert prepared(recovery(copy)) == prepared(recovery(code))


@pytest.mark.parametrize("code", ["", "ABCD", "U" * 28, "0" * 27, "0" * 29, "ä" * 28])
def test_what_is_no_recovery_code(code: str) -> None:
    assert prepared(recovery(code)) is None


def test_an_empty_user_name_does_not_stand_for_the_recovery_code() -> None:
    code = generate_recovery_code()
    assert password("", code) != recovery(code)


def test_a_credential_does_not_show_itself() -> None:
    assert "Mustermann" not in repr(Credential("Mustermann", "maria"))
