"""What ends soon, read from ledgers written as data: days from a fixed noon."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.ca.expiry import days_left, expiring, renewed_by, status
from gateway.ca.ledger import Entry, Ledger

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOW = NOON.timestamp()


def entry(serial: str, ends: float, renews: str | None = None, revoked: bool = False) -> Entry:
    issued = NOON - timedelta(days=300)
    return Entry(serial, "import", f"f{serial}", NOON + timedelta(days=ends), issued, NOON if revoked else None, None, renews)


def ledger(*entries: Entry) -> Ledger:
    return Ledger({one.fingerprint: one for one in entries})


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ([entry("a", 31.5)], []),
        ([entry("a", 30)], ["a"]),
        ([entry("a", 20), entry("b", 10), entry("c", 300)], ["b", "a"]),
        ([entry("a", 0)], []),  # it has ended: another state, and no warning any more
        ([entry("a", -5)], []),
        ([entry("a", 10, revoked=True)], []),
        ([entry("a", 10), entry("b", 300, "a")], []),
        ([entry("a", 10), entry("b", 300, "a", revoked=True)], ["a"]),
        ([entry("a", 10), entry("b", 20, "a")], ["b"]),
        ([entry("a", 10), entry("b", 5, "a")], ["b", "a"]),  # a successor that ends earlier relieves nobody
        ([entry("a", 10), entry("b", 300, "a", revoked=True), entry("c", 300, "b")], []),
        ([entry("a", 10), entry("b", 15, "a"), entry("c", -1, "b")], ["b"]),
    ],
)
def test_who_needs_new_files(entries: list[Entry], found: list[str]) -> None:
    assert [one.serial for one in expiring(ledger(*entries), NOW)] == found


def test_the_number_of_days_is_the_callers() -> None:
    assert [one.serial for one in expiring(ledger(entry("a", 89), entry("b", 91)), NOW, 90)] == ["a"]


@pytest.mark.parametrize(
    ("one", "word"),
    [
        (entry("a", 300), "valid"),
        (entry("a", 30), "expiring"),
        (entry("a", -1), "expired"),
        (entry("a", 300, revoked=True), "revoked"),
        (entry("a", -1, revoked=True), "revoked"),
    ],
)
def test_one_word_for_each_state(one: Entry, word: str) -> None:
    assert status(one, {}, NOW) == word


def test_a_renewed_one_names_the_last_that_counts() -> None:
    followed = ledger(entry("a", 10), entry("b", 100, "a"), entry("c", 200, "b"), entry("d", 300, "c", revoked=True))
    heirs = renewed_by(followed, NOW)
    assert heirs == {"a": "c", "b": "c"}
    assert [status(one, heirs, NOW) for one in followed.entries.values()] == ["renewed", "renewed", "valid", "revoked"]


@pytest.mark.parametrize(("ends", "days"), [(0.5, 0), (1, 1), (29.9, 29), (-0.5, -1)])
def test_days_are_whole(ends: float, days: int) -> None:
    assert days_left(entry("a", ends), NOW) == days
