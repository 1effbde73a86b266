"""Who goes through, in which turn."""

import asyncio

import pytest

from gateway.proxy.turnstile import PER_TURN, Turnstile


async def turns(steps):
    """``steps``: (address, name) in the order of arrival. The names, turn by turn."""
    turnstile, seen = Turnstile(clock=lambda: 0), []
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


async def test_td2_whoever_is_gone_waits_no_more():
    """Or a flood of connections that end at once would fill the memory: places are bounded, the dead were not."""
    turnstile, seen = Turnstile(clock=lambda: 0), []
    steps = [lambda number=number: seen.append(number) for number in range(1000)]
    for step in steps:
        turnstile.enter("a", step)
    turnstile.enter("b", steps[0])
    for step in steps[:-1]:
        turnstile.leave("a", step)
    turnstile.leave("b", steps[0])
    turnstile.leave("c", steps[0])
    assert turnstile._waiting == {"a": {steps[-1]: None}}
    await asyncio.sleep(0)
    assert seen == [999]


async def test_tm12_a_dear_step_is_the_last_one_of_its_turn():
    now, seen = [0.0], []
    turnstile = Turnstile(clock=lambda: now[0])

    def dear():
        now[0] += 0.030
        seen.append(now[0])

    for address in "abcd":
        turnstile.enter(address, lambda: dear())
    for turn in range(1, 5):
        await asyncio.sleep(0)
        assert len(seen) == turn


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
