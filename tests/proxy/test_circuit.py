"""Circuits and budgets as tables: what happens to a server, second by second."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.circuit import (
    BUDGET_LEAST,
    BUDGET_SHARE,
    BUDGET_WINDOW,
    CLOSED,
    LONGEST_PAUSE,
    OPENS_AT,
    Budget,
    Choice,
    Circuit,
    abandoned,
    begun,
    checked,
    choose,
    failed,
    granted,
    succeeded,
)


def after(*failures, probe=False):
    """A circuit after failures at these seconds."""
    circuit = CLOSED
    for at in failures:
        circuit = failed(circuit, at, probe)
    return circuit


ASIDE = after(10.0)
OPEN = after(*[10.0] * OPENS_AT)
PROBING = begun(OPEN, True)
UNWELL = checked(CLOSED, False)

TABLE = [
    ("one that is closed", [CLOSED], [0], 10, Choice(0, False)),
    ("the least busy", [CLOSED, CLOSED, CLOSED], [3, 1, 2], 10, Choice(1, False)),
    ("the first of equals", [CLOSED, CLOSED], [1, 1], 10, Choice(0, False)),
    ("busy rather than set aside", [ASIDE, CLOSED], [0, 50], 10, Choice(1, False)),
    ("set aside when there is no other", [ASIDE], [0], 10, Choice(0, False)),
    ("set aside rather than unwell", [UNWELL, ASIDE], [0, 9], 10, Choice(1, False)),
    ("unwell rather than nobody", [UNWELL, OPEN], [0, 0], 10, Choice(0, False)),
    ("after a second it is one of them again", [ASIDE, CLOSED], [0, 1], 11, Choice(0, False)),
    ("nobody while it is open", [OPEN], [0], 10.9, None),
    ("half-open: one finds out", [OPEN], [0], 11, Choice(0, True)),
    ("half-open beside one that is well", [OPEN, CLOSED], [0, 1], 11, Choice(0, True)),
    ("and only one", [PROBING], [1], 11, None),
    ("the others go elsewhere meanwhile", [PROBING, CLOSED], [1, 7], 11, Choice(1, False)),
    ("none at all", [], [], 11, None),
]


@pytest.mark.parametrize(("case", "circuits", "busy", "now", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_who_is_asked(case, circuits, busy, now, expected):
    assert choose(((at, circuit, busy[at]) for at, circuit in enumerate(circuits)), now) == expected


def test_pauses_double_up_to_a_bound():
    circuit, now, pauses = OPEN, 10.0, []
    for _ in range(6):
        pauses.append(circuit.until - now)
        now = circuit.until
        circuit = failed(begun(circuit, True), now, True)
    assert pauses == [1, 2, 4, 8, LONGEST_PAUSE, LONGEST_PAUSE]


@pytest.mark.parametrize("count", range(1, OPENS_AT + 1))
def test_failures_in_a_row_are_counted_and_an_answer_ends_them(count):
    circuit = after(*[10.0] * count)
    assert (circuit.failures, circuit.until) == (count, 11.0)
    assert succeeded(circuit) == CLOSED


def test_the_end_of_a_burst_is_no_longer_an_outage():
    """Sixty-four requests that were under way when it died say one thing, not sixty-four."""
    assert after(*[10.0] * 64) == OPEN


def test_a_probe_whose_client_goes_away_leaves_the_place_to_the_next():
    assert choose([(0, abandoned(PROBING, True), 0)], 11) == Choice(0, True)
    assert abandoned(PROBING, False) == PROBING  # somebody else's


HEALTH = [
    (CLOSED, True, CLOSED),
    (CLOSED, False, UNWELL),
    (UNWELL, True, CLOSED),
    (OPEN, True, CLOSED),  # found before a request had to find out
    (OPEN, False, OPEN._replace(unwell=True)),
    (PROBING, False, PROBING._replace(unwell=True)),
]


@pytest.mark.parametrize(("before", "well", "expected"), HEALTH)
def test_health_checks(before, well, expected):
    assert checked(before, well) == expected


def test_an_answer_to_a_request_is_no_health_check():
    """What answers may still say of itself that it is not ready."""
    assert succeeded(OPEN._replace(unwell=True)) == UNWELL


BUDGETS = [
    ("the first", Budget(), 100.0, 1, Budget(100.0, 1, 1)),
    ("the last of the least", Budget(100.0, 1, BUDGET_LEAST - 1), 101.0, 4, Budget(100.0, 1, BUDGET_LEAST)),
    ("beyond the least", Budget(100.0, 1, BUDGET_LEAST), 101.0, 4, None),
    ("a fifth of many", Budget(100.0, 0, 19), 101.0, 100, Budget(100.0, 0, 20)),
    ("beyond a fifth", Budget(100.0, 0, 20), 101.0, 100, None),
    ("a new window", Budget(100.0, 0, 20), 100.0 + BUDGET_WINDOW, 100, Budget(110.0, 100, 1)),
]


@pytest.mark.parametrize(("case", "budget", "now", "requests", "expected"), BUDGETS, ids=[row[0] for row in BUDGETS])
def test_how_often_requests_are_sent_again(case, budget, now, requests, expected):
    assert granted(budget, now, requests) == expected


@given(st.lists(st.tuples(st.floats(0, 2), st.booleans()), max_size=200))
def test_h06_a_failing_upstream_never_sees_much_more_than_its_load(steps):
    """Whatever comes when: in a window no more goes out again than a fifth, or three."""
    budget, now, grants = Budget(), 0.0, []
    for requests, (pause, fails) in enumerate(steps, 1):
        now += pause
        after_it = granted(budget, now, requests) if fails else None
        if after_it is not None:
            budget = after_it
            grants.append((budget.since, requests))
    for since in {since for since, _ in grants}:
        inside = [request for began, request in grants if began == since]
        assert len(inside) <= max(BUDGET_LEAST, (inside[-1] - inside[0]) * BUDGET_SHARE + 1)


events = st.tuples(st.sampled_from(["failed", "succeeded", "abandoned", "well", "ill"]), st.floats(0, 3))


@given(st.lists(events, max_size=100))
def test_whatever_happens_a_server_is_asked_again_within_the_longest_pause(steps):
    circuit, now = CLOSED, 0.0
    for event, pause in steps:
        now += pause
        found = choose([(0, circuit, 0)], now)
        probe = found is not None and found.probe
        if event in ("well", "ill"):
            circuit = checked(circuit, event == "well")
        elif found is not None:
            circuit = begun(circuit, probe)
            circuit = {"failed": failed(circuit, now, probe), "succeeded": succeeded(circuit)}.get(event, abandoned(circuit, probe))
    assert isinstance(circuit, Circuit)
    assert choose([(0, circuit, 0)], now + LONGEST_PAUSE) is not None
