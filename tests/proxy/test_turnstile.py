"""Who goes through, in which turn."""

import asyncio

import pytest

from gateway.proxy.turnstile import PER_TURN, Turnstile


async def turns(steps):
    """``steps``: (address, name) in the order of arrival. The names, turn by turn."""
    turnstile, seen = Turnstile(), []
    for address, name in steps:
        turnstile.enter(address, lambda name=name: seen.append(name))
    found = []
    while len(seen) < len(steps):
        before = len(seen)
        await asyncio.sleep(0)
        if seen[before:]:
            found.append("".join(seen[before:]))
    return found


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], []),
        ([("a", "1")], ["1"]),
        ([("a", "1"), ("a", "2"), ("b", "x")], ["1x2"]),
        ([("a", str(n)) for n in range(9)], ["0123", "4567", "8"]),
        ([("a", str(n)) for n in range(6)] + [("b", "x"), ("c", "y")], ["0xy1", "2345"]),
    ],
)
async def test_steps_of_one_turn_are_bounded_and_addresses_alternate(steps, expected):
    assert PER_TURN == 4
    assert await turns(steps) == expected


async def test_a_step_that_fails_ends_nothing():
    complaints, seen = [], []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(type(context["exception"])))
    turnstile = Turnstile()
    turnstile.enter("a", lambda: 1 / 0)
    turnstile.enter("b", lambda: seen.append("b"))
    for _ in range(3):
        await asyncio.sleep(0)
    assert (complaints, seen) == ([ZeroDivisionError], ["b"])
    turnstile.enter("a", lambda: seen.append("again"))
    await asyncio.sleep(0)
    assert seen == ["b", "again"]


async def test_a_step_may_ask_for_another_one():
    turnstile, seen = Turnstile(), []

    def step():
        seen.append(len(seen))
        if len(seen) < 3:
            turnstile.enter("a", step)

    turnstile.enter("a", step)
    for _ in range(4):
        await asyncio.sleep(0)
    assert seen == [0, 1, 2]
