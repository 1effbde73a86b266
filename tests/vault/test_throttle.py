"""Guessing becomes slow, and nobody is locked out by somebody else."""

from __future__ import annotations

import pytest

from gateway.errors import Refused
from gateway.vault import throttle as module
from gateway.vault.throttle import FORGET_AFTER, FREE, FREE_NAMES, LONGEST_WAIT, Throttle, network_of

CUSTOMER, USER, OFFICE = "stadtwerke_musterstadt", "maria", "192.0.2.10"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> Throttle:
    return Throttle(clock)


def wait_of(throttle: Throttle, customer: str = CUSTOMER, user: str = USER, address: str = OFFICE) -> int:
    try:
        throttle.check(customer, user, address)
    except Refused as refused:
        assert refused.reason == "throttled"
        assert refused.retry_after is not None
        return refused.retry_after
    return 0


def fail(throttle: Throttle, times: int, customer: str = CUSTOMER, user: str = USER, address: str = OFFICE) -> None:
    for _ in range(times):
        throttle.failed(customer, user, address)


@pytest.mark.parametrize(
    ("failures", "wait"),
    [(0, 0), (1, 0), (FREE - 1, 0), (FREE, 1), (FREE + 1, 2), (FREE + 2, 4), (FREE + 8, 256), (FREE + 9, 300), (5_000, 300)],
)
def test_the_wait_doubles_up_to_five_minutes(throttle: Throttle, failures: int, wait: int) -> None:
    fail(throttle, failures)
    assert wait_of(throttle) == wait


def test_the_wait_ends(throttle: Throttle, clock: Clock) -> None:
    fail(throttle, FREE + 3)
    assert wait_of(throttle) == 8
    clock.now += 7.5
    assert wait_of(throttle) == 1
    clock.now += 0.5
    assert wait_of(throttle) == 0


def test_success_resets(throttle: Throttle) -> None:
    fail(throttle, FREE + 3)
    throttle.succeeded(CUSTOMER, USER, OFFICE)
    assert wait_of(throttle) == 0
    fail(throttle, FREE - 1)
    assert wait_of(throttle) == 0


def test_an_hour_without_a_failure_is_forgotten(throttle: Throttle, clock: Clock) -> None:
    fail(throttle, 100)
    clock.now += FORGET_AFTER + 1
    fail(throttle, 1)
    assert wait_of(throttle) == 0


NOT_CONCERNED = [
    (CUSTOMER, USER, "192.0.3.10"),
    (CUSTOMER, USER, "2001:db8:7::1"),
    (CUSTOMER, "import_job", OFFICE),
    (CUSTOMER, "", OFFICE),
    ("energie_nord", USER, OFFICE),
]


@pytest.mark.parametrize(("customer", "user", "address"), NOT_CONCERNED)
def test_a_01_nobody_else_waits(throttle: Throttle, customer: str, user: str, address: str) -> None:
    fail(throttle, 1_000)
    assert wait_of(throttle, customer, user, address) == 0


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("192.0.2.1", "192.0.2.254", True),
        ("192.0.2.1", "192.0.3.1", False),
        ("192.0.2.1", "::ffff:192.0.2.9", True),
        ("2001:db8:7:1::1", "2001:db8:7:1:ffff::2", True),
        ("2001:db8:7:1::1", "2001:db8:7:2::1", False),
        ("2001:db8::1", "2001:0DB8:0::2", True),
        ("no address", "no address", True),
        ("no address", "none either", False),
    ],
)
def test_a_network_is_what_one_guesser_can_have(first: str, second: str, same: bool) -> None:
    assert (network_of(first) == network_of(second)) is same


# -- one password, tried on many names


def spray(throttle: Throttle, names: int, address: str = OFFICE) -> None:
    for number in range(names):
        throttle.failed(CUSTOMER, f"user{number}", address)


def test_many_names_slow_down_the_network(throttle: Throttle) -> None:
    spray(throttle, FREE_NAMES - 1)
    assert wait_of(throttle, user="user999") == 0
    throttle.failed(CUSTOMER, "one more", OFFICE)
    assert wait_of(throttle, user="user999") == 1
    spray(throttle, 100, "192.0.2.99")
    assert wait_of(throttle, user="user999") > 1
    assert wait_of(throttle, user="user999", address="192.0.3.10") == 0
    assert wait_of(throttle, customer="energie_nord", user="user999") == 0


def test_a_01_who_came_in_before_does_not_wait_for_others(throttle: Throttle) -> None:
    throttle.succeeded(CUSTOMER, USER, OFFICE)
    spray(throttle, 10 * FREE_NAMES)
    assert wait_of(throttle) == 0
    fail(throttle, FREE)
    assert wait_of(throttle) == 1


def test_a_01_one_broken_import_job_stops_nobody(throttle: Throttle, clock: Clock) -> None:
    for _ in range(1_000):
        throttle.failed(CUSTOMER, "import_job", OFFICE)
        clock.now += LONGEST_WAIT
    assert wait_of(throttle, user="new_colleague") == 0


def test_a_mistyped_password_is_taken_back_by_the_right_one(throttle: Throttle) -> None:
    for number in range(10 * FREE_NAMES):
        throttle.failed(CUSTOMER, f"user{number}", OFFICE)
        throttle.succeeded(CUSTOMER, f"user{number}", OFFICE)
    assert wait_of(throttle, user="new_colleague") == 0


def test_an_insider_takes_back_only_his_own(throttle: Throttle) -> None:
    spray(throttle, FREE_NAMES + 3)
    for _ in range(100):
        throttle.succeeded(CUSTOMER, USER, OFFICE)
    assert wait_of(throttle, user="user999") == 8


# -- memory


def test_what_is_remembered_is_bounded(throttle: Throttle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CAPACITY", 100)
    for number in range(1_000):
        for address in (f"10.{number // 250}.{number % 250}.1", OFFICE):
            throttle.failed(CUSTOMER, f"user{number}", address)
            throttle.succeeded(CUSTOMER, f"good{number}", address)
    assert max(len(throttle._failures), len(throttle._names), len(throttle._known)) <= 100


def test_who_fails_most_recently_is_forgotten_last(throttle: Throttle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CAPACITY", 100)
    for number in range(1_000):
        throttle.failed(CUSTOMER, USER, OFFICE)
        throttle.failed(CUSTOMER, f"user{number}", f"10.{number // 250}.{number % 250}.1")
    assert wait_of(throttle) == 300
