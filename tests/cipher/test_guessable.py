"""What guessers try first, and what is none of it."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cipher.credentials import generate_password
from gateway.cipher.guessable import ENOUGH, LONGEST_PIECE, LOOKED_AT, _rows, _words, counts_as, is_guessable

NAMES = ("xaverl", "netzgesellschaft_hintertupfing")

GUESSABLE = [
    "Passwort12345678",
    "password-password-password",
    "P4$$w0rtP4$$w0rt",
    "ｐａｓｓｗｏｒｔ　２０２４　ｐａｓｓｗｏｒｔ",  # full width
    "P-a-s-s-w-o-r-t-2-0-2-4",
    "Sommer2024!Sommer2024!",
    "WillkommenImHerbst2025!",
    "Frühling Sommer Herbst Winter",
    "Januar/Februar/März",
    "qwertzuiopasdfghjkl",
    "poiuztrewqlkjhgfdsa",
    "1qay2wsx3edc4rfv",
    "1qaz2wsx3edc4rfv",
    "azertyuiop123456",
    "123456789012345",
    "987654321987654321",
    "abcdefghijklmnopqrstuvwxyz",
    "aaaaaaaaaaaaaaaaaaaaaa",
    "abcabcabcabcabcabc",
    "xY7xY7xY7xY7xY7xY7xY7",
    "IchLiebeDich2024!!!",
    "Schalke04-Schalke04",
    "correct horse battery staple",
    "Stadtwerke-2026-Stadtwerke",
    "Admin!Admin!Admin!Admin!",
    "$$$$$$$$$$$$$$$$",
    "MÜNCHEN-münchen-2020",
]
GOOD = [
    "Lauch, Möhre & Sellerie",
    "der Bagger frisst grünen Kies",
    "nachts um drei Uhr",
    "wsH-9!kq2P_vd",
    "Käthe-und-Möhre-42",
    "Ωμέγα κάτω από τη γέφυρα",
]


@pytest.mark.parametrize("secret", GUESSABLE)
def test_what_is_tried_first(secret: str) -> None:
    assert is_guessable(secret)


@pytest.mark.parametrize("secret", GOOD)
def test_what_is_not(secret: str) -> None:
    assert not is_guessable(secret, NAMES)


@pytest.mark.parametrize("secret", ["Xaverl-Hintertupfing!", "netzgesellschaft.xaverl", "NETZGESELLSCHAFTHINTERTUPFING"])
def test_the_names_around_it_count_as_pieces(secret: str) -> None:
    assert is_guessable(secret, NAMES)
    assert not is_guessable(secret)


COUNTS = {
    "": 0,
    "k": 1,
    "sommer": 2,
    "sommer!": 2,
    "sommerx": 3,
    "sommerwinter": 4,
    "2024": 2,
    "3024": 4,
    "qwe": 3,
    "qwer": 2,
    "cba": 2,
    "ca": 2,
    "aaaaab": 3,
    "xabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz": 5,
    "kkwzkkwzkkwzkkwz": 8,
    "1qay2wsx3edc4rfv5tgb6zhn7ujm": 2,
    "mju7nhz6": 2,
}


@pytest.mark.parametrize("secret", COUNTS)
def test_how_it_is_counted(secret: str) -> None:
    assert counts_as(secret) == COUNTS[secret]


def test_generated_ones_are_never_in_question() -> None:
    """100 bits: a few pieces in it by chance do not matter."""
    assert min(counts_as(generate_password(), NAMES) for _ in range(50)) >= ENOUGH


@given(st.text(max_size=40))
def test_more_is_never_worse_than_nothing_and_never_counts_more_than_its_length(secret: str) -> None:
    assert 0 <= counts_as(secret, NAMES) <= 18 * len(secret)  # one character can be eighteen in NFKC (U+FDFA)


@pytest.mark.parametrize("secret", ["x" * 5_000, "ab" * 5_000, "q" + "üß" * 5_000, "correct horse " * 400, "\ufdfa" * 341])
def test_long_ones_are_looked_at_in_part(secret: str) -> None:
    """T-D10: what is looked at is bounded, also where one character folds into eighteen."""
    assert counts_as(secret) <= LOOKED_AT


def test_no_piece_is_too_long_to_be_known() -> None:
    assert max(map(len, _words() | _rows())) <= LONGEST_PIECE


def test_the_list_is_sound() -> None:
    assert 1_500 < len(_words()) < 5_000
    assert not [word for word in _words() if not word.isalnum()]
    assert secrets.token_hex(8) not in _words()
