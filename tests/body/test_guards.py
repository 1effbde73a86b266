"""The guards see what a reader would see, and stay linear."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.body.guards import echo, personal_data
from gateway.body.json_scan import Scanned


def stays(*texts: str) -> Scanned:
    return Scanned("", (), texts, texts)


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("Max Mustermann", ["Max Mustermann"]),
        ("Max Mustermann", ["Termin bei Max Mustermann, 14 Uhr"]),
        ("Max Mustermann", ["MAX MUSTERMANN"]),
        ("Max Mustermann", ["max_mustermann.pdf"]),
        ("Max Mustermann", ["x", "Max  Mustermann"]),
        ("Hauptstraße 5", ["HAUPTSTRASSE 5"]),
        ("Müller-Lüdenscheid", ["mu\u0308ller-lu\u0308denscheid"]),
        ("030 1234567", ["Tel: 030/1234567"]),
        ("Mustermann", ["Max Max Mustermann"]),
        ("Max Max Mustermann", ["Max Max Max Mustermann"]),
        ("max@mustermann.example", ["mailto:max@mustermann.example"]),
    ],
)
def test_echo_is_found(value: str, texts: list[str]) -> None:
    """B-13: the same person, named where no policy looks."""
    assert echo(stays(*texts).others, ["Erika Musterfrau", value])


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("Max Mustermann", []),
        ("Max Mustermann", ["Musterstadt"]),
        ("Max Mustermann", ["Mustermann"]),
        ("Max Mustermann", ["Max", "Mustermann"]),
        ("Max Mustermann", ["Mustermann Max"]),
        ("Max Mustermann", ["Max Mustermanns"]),
        ("Max Mustermann", ["Max E Mustermann"]),
        ("Li", ["Li"]),
        ("Berg 5", ["Berg 50"]),
        ("Maxim", ["Maxim"]),
        ("******", ["******"]),
        ("", [""]),
    ],
)
def test_no_echo(value: str, texts: list[str]) -> None:
    assert not echo(stays(*texts).others, [value])


def plain_echo(texts: list[str], values: list[str]) -> bool:
    return any(len(value) >= 6 and f" {value} " in f" {text} " for value in values for text in texts)


WORDS = st.lists(st.sampled_from(["anna", "bert", "cora"]), min_size=1, max_size=5).map(" ".join)


@given(st.lists(WORDS, max_size=4), st.lists(WORDS, max_size=6))
def test_searching_all_at_once_finds_what_single_searches_find(texts: list[str], values: list[str]) -> None:
    assert echo(stays(*texts).others, values) == plain_echo(texts, values)


def test_thousands_of_values_against_a_long_body() -> None:
    """T-D11: 20,000 values whose words all occur, none of them in this order; a search for each would take minutes."""
    words = [f"wort{n}" for n in range(20_000)]
    values = [f"{words[n]} {words[n - 2]}" for n in range(2, len(words))] + [" ".join(["wort1"] * n) for n in range(2, 200)]
    assert not echo(stays(" ".join(words)).others, values)


@pytest.mark.parametrize(
    "text",
    [
        *("max@mustermann.example", "Mail: max.m+x@mail.mustermann.example!", "müller@straße.example"),
        *(
            "+49 30 1234567",
            "0049301234567",
            "030/1234567",
            "030 1234567",
            "0170-1234567",
            "Tel. 0301234567",
            "+49 (0) 30 / 123 45 67",
            "01701234567",
        ),
        *("DE89 3704 0044 0532 0130 00", "de89370400440532013000", "IBAN: DE89370400440532013000 BIC COBADEFF", "AT61 1904 3002 3457 3201"),
    ],
)
def test_personal_data_at_unlisted_places_is_found(text: str) -> None:
    assert personal_data(stays("harmless", text))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "2026-03-01",
            "2026-03-01T08:00:00+01:00",
            "2026-03-01T08:00:00+0100",
            "08:00",
            "01.03.2026",
            "0.12345678",
            "01067 Dresden",
            "a@b",
            "@max",
        ),
        *(
            "6ba7b810-9dad-41d1-80b4-012345678901",
            "AT62 1904 3002 3457 3201",
            "XX89370400440532013000",
            "1234567",
            "A0301234567",
            "v1.2.3",
        ),
        *("https://suite.example/orders?page=2", "Zähler 1ESY1160000001"),
    ],
)
def test_harmless_texts_pass(text: str) -> None:
    assert not personal_data(stays(text))


def test_listed_texts_are_not_judged_by_patterns() -> None:
    assert not personal_data(Scanned("", (), ("max@mustermann.example",), ()))


@pytest.mark.parametrize(
    "text", ["a@" * 250_000, "a@a" * 170_000, "+1" * 250_000, "0 " * 250_000, "01 1 " * 100_000, "DE89" * 125_000, "+1" + " " * 500_000]
)
def test_patterns_are_linear(text: str) -> None:
    """T-D11: half a megabyte of what each pattern likes; with backtracking this would not end."""
    personal_data(stays(text))
