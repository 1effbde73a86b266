"""Whoever sends fast enough on the average is never cut; whoever does not, always, however the bytes are dribbled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.rate import REQUEST_BODY, Meter, Pace

PACE = Pace(first=10.0, most=30.0, slowest=1000)


def cut_after(pieces, pace=PACE):
    """Seconds until a sender of (pause, size) is cut; None when it never is."""
    meter, now = Meter(pace), 0.0
    for pause, size in pieces:
        if pause > meter.patience:
            return now + meter.patience
        now += pause
        meter.took(pause, size)
    return None


@pytest.mark.parametrize(
    ("sends", "cut"),
    [
        ("nothing for ten seconds", [(10.1, 1)]),
        ("a byte every nine seconds", [(9, 1)] * 100),
        ("a byte every second", [(1, 1)] * 100),
        ("half of what it should", [(1, 500)] * 100),
        ("much, and then nothing", [(0, 1_000_000), (30.1, 1)]),
        ("much, and then a byte now and then", [(0, 1_000_000), *[(5, 1)] * 10]),
    ],
)
def test_td6_whoever_is_too_slow_is_cut(sends, cut):
    after = cut_after(cut)
    assert after is not None and after <= 31, sends


@pytest.mark.parametrize(
    ("sends", "served"),
    [
        ("all at once, late", [(9.9, 100_000)]),
        ("just enough", [(1, 1000)] * 10_000),
        ("more, in lumps", [(20, 25_000)] * 1000),
        ("enough, and no cell for half a minute", [(1, 5000)] * 20 + [(29.9, 5000)] * 1),
    ],
)
def test_whoever_is_fast_enough_is_served(sends, served):
    start = [(0, 60_000)] if sends == "more, in lumps" else []
    assert cut_after(start + served) is None, sends


@given(st.lists(st.tuples(st.floats(0.01, 20), st.integers(0, 60_000)), max_size=200))
def test_td6_no_pattern_is_slower_than_the_pace_for_longer_than_is_saved_up(pieces):
    """At any moment: seconds waited ≤ the first patience or what was saved + what the bytes so far have earned."""
    meter, waited, sent = Meter(PACE), 0.0, 0
    for pause, size in pieces:
        if pause > meter.patience:
            break
        waited, sent = waited + pause, sent + size
        meter.took(pause, size)
        assert waited <= PACE.first + sent / PACE.slowest + 1e-6
        assert meter.patience <= PACE.most


@given(st.lists(st.floats(0, 9.9), max_size=200))
def test_no_pattern_that_keeps_the_pace_is_cut(pauses):
    assert cut_after([(pause, int(pause * PACE.slowest) + 1) for pause in pauses]) is None


def test_the_pace_of_a_body_forgives_a_pause_and_no_dribble():
    assert cut_after([(REQUEST_BODY.first - 0.1, 100_000), (REQUEST_BODY.most - 0.1, 1)], REQUEST_BODY) is None
    assert cut_after([(1, 1)] * 1000, REQUEST_BODY) is not None
