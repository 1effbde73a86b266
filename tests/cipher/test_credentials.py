"""Which spellings of a password and a recovery code count, and how good ours are."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cipher.credentials import (
    _CROCKFORD,
    LONGEST_PASSWORD,
    PASSWORD_SYMBOLS,
    RECOVERY_SYMBOLS,
    SHORTEST_PASSWORD,
    Credential,
    generate_password,
    generate_recovery_code,
    password,
    prepared,
    recovery,
    require_acceptable,
)
from gateway.errors import Refused
from gateway.problems import DETAILS, REASONS


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
    with pytest.raises(Refused):
        require_acceptable(secret, "maria", "stadtwerke_musterstadt")


@given(st.text(max_size=60))
def test_preparing_is_idempotent(secret: str) -> None:
    once = prepared(password("maria", secret))
    assert once is None or prepared(password("maria", once.decode())) == once


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        ("kurz", "password-too-short"),
        ("Grünkohl & Rübe", None),  # 15
        ("Grünkohl&Rüben", "password-too-short"),  # 14
        ("Lauch, Möhre und Grünkohl " * 40, "password-too-long"),
        ("ä, ö, ü und ß; " * 60, "password-too-long"),  # fewer characters than bytes
        ("mit\ttab und noch viel mehr", "password-unusable"),
        ("unsichtbar\u200bes dazwischen", "password-unusable"),
        ("von rechts \u202enach links", "password-unusable"),
        ("zwei\u2028Zeilen sind es geworden", "password-unusable"),
        ("Passwort12345678", "password-guessable"),
        ("Maria-Musterstadt-2024", "password-guessable"),  # both names are well known
        ("Stadtwerke Musterstadt!", "password-guessable"),
        ("xaverl.netzgesellschaft!", "password-of-names"),
        ("Lauch, Möhre, Grünkohl", None),
    ],
)  # fmt: skip
def test_passwords_that_may_be_set_and_why_others_may_not(secret: str, reason: str | None) -> None:
    try:
        require_acceptable(secret, "xaverl", "netzgesellschaft_hintertupfing")
    except Refused as refused:
        assert refused.reason == reason
        assert REASONS[refused.reason] == "account-refused"
        assert DETAILS[refused.reason].endswith(".")
        assert secret not in str(refused) + DETAILS[refused.reason]
    else:
        assert reason is None


def test_the_sentences_say_the_limits_that_hold() -> None:
    assert str(SHORTEST_PASSWORD) in DETAILS["password-too-short"]
    assert f"{LONGEST_PASSWORD:,}" in DETAILS["password-too-long"]


def test_generated_passwords_have_80_bits_and_more() -> None:
    """By counting: every symbol drawn from the whole alphabet, independently, by the system's generator."""
    assert len(set(_CROCKFORD)) == len(_CROCKFORD) == 32
    assert PASSWORD_SYMBOLS * math.log2(len(_CROCKFORD)) == 100 >= 80
    assert RECOVERY_SYMBOLS * math.log2(len(_CROCKFORD)) == 140
    drawn = [generate_password().replace("-", "") for _ in range(400)]
    assert {len(each) for each in drawn} == {PASSWORD_SYMBOLS}
    for place in range(PASSWORD_SYMBOLS):  # that one of 32 is never drawn in 400 has a probability of 3 in 10,000,000
        assert {each[place] for each in drawn} <= set(_CROCKFORD)
    assert {symbol for each in drawn for symbol in each} == set(_CROCKFORD)


def test_generated_passwords_are_readable_and_fit_basic_authentication() -> None:
    made = {generate_password() for _ in range(200)}
    assert len(made) == 200
    for each in made:
        assert re.fullmatch(r"([0-9a-hjkmnp-tv-z]{4}-){4}[0-9a-hjkmnp-tv-z]{4}", each)
        require_acceptable(each, "maria", "stadtwerke_musterstadt")
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
