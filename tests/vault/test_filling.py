"""The alarm comes about at half, once, and from nothing but the draws themselves."""

from __future__ import annotations

import random
import secrets
from pathlib import Path

import pytest

from gateway.errors import Unavailable
from gateway.vault.filling import SMALL_SPACE, Filling
from tests.vault.house import OTHERS, OURS, build

Alarms = list[tuple[str, str, int]]


def fill(filling: Filling, alarms: Alarms, space: int, seed: int) -> float:
    """Issue random tokens of a space one after the other, as a store does; how full it was when the alarm came."""
    chance, issued = random.Random(seed), set[int]()
    while len(issued) < space and not alarms:
        candidates = 1
        while (token := chance.randrange(space)) in issued:
            candidates += 1
        issued.add(token)
        filling.drew(OURS, "name", space, candidates)
    return len(issued) / space


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("space", "earliest", "latest"), [(24, 0.1, 0.9), (1_000, 0.3, 0.65), (50_000, 0.3, 0.6)])
def test_the_alarm_comes_about_at_half(space: int, earliest: float, latest: float, seed: int) -> None:
    alarms: Alarms = []
    full = fill(Filling(lambda *shape: alarms.append(shape)), alarms, space, seed)
    assert earliest < full < latest
    assert alarms == [(OURS, "name", space)]


def test_it_comes_once_for_each_customer_class_and_shape() -> None:
    alarms: Alarms = []
    filling = Filling(lambda *shape: alarms.append(shape))
    shapes = [(OURS, "name", 24), (OTHERS, "name", 24), (OURS, "pin", 24), (OURS, "name", 1_000)]
    for _ in range(100):
        for shape in shapes:
            filling.drew(*shape, 3)
    assert sorted(alarms) == sorted(shapes)


@pytest.mark.parametrize("space", [None, SMALL_SPACE, 2**64])
def test_a_large_space_is_not_watched(space: int | None) -> None:
    alarms: Alarms = []
    filling = Filling(lambda *shape: alarms.append(shape))
    for _ in range(1_000):
        filling.drew(OURS, "name", space, 64)
    assert alarms == []


def test_an_alarm_that_could_not_be_given_is_given_again() -> None:
    tried: Alarms = []

    def alarm(customer: str, data_class: str, space: int) -> None:
        tried.append((customer, data_class, space))
        raise Unavailable("audit-unavailable")

    filling = Filling(alarm)
    for _ in range(2):
        with pytest.raises(Unavailable, match="audit-unavailable"):
            for _ in range(100):
                filling.drew(OURS, "name", 24, 3)
    assert len(tried) == 2


async def test_the_audit_log_and_the_operators_log_say_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of one letter: two dozen tokens. Drawn by a seeded source, so that every run draws the same."""
    monkeypatch.setattr(secrets, "randbelow", random.Random(7).randrange)
    house = build(tmp_path)
    for letter in "abcdefghijklmnopqrst":
        await house.tokenize(("name", letter))
    (record,) = house.records("operator")
    assert (record["reason"], record["customer"], record["data_class"]) == ("token-space-half-full", OURS, "name")
    assert f"half of the {record['space']} possible tokens" in caplog.text
    await house.close()
