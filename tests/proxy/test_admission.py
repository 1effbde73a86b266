"""Turns: one customer's burst waits behind itself and nobody else behind it; and no turn is ever lost, however its exchange ends."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.proxy.admission import DEFAULT_SHARES, NO_TURN, Admission, Shares

NORD, SUED, WEST = "energie_nord", "netze_sued", "stadtwerke_west"


class Line:
    """Exchanges that queue up; ``called``: whose turn it was, in that order."""

    def __init__(self, **shares):
        self.admission = Admission(Shares(**shares))
        self.called, self.turns, self.tasks = [], {}, []

    def take(self, customer, count):
        """Turns that are there at once."""
        self.turns.setdefault(customer, []).extend(self.admission.enter(customer) for _ in range(count))
        assert all(self.turns[customer])

    async def queue(self, *names):
        for name in names:
            customer = name.rstrip("0123456789")
            assert self.admission.enter(customer) is None
            self.tasks.append(asyncio.create_task(self._wait(name, customer)))
        await asyncio.sleep(0)

    async def _wait(self, name, customer):
        turn = await self.admission.wait(customer)
        self.called.append(name)
        self.turns.setdefault(customer, []).append(turn)

    async def leave(self, customer, count=1):
        for _ in range(count):
            self.turns[customer].pop(0).leave()
            for _ in range(3):  # the future, the timeout around it, the task
                await asyncio.sleep(0)

    async def end(self):
        for customer in self.turns:
            for turn in self.turns[customer]:
                turn.leave()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        assert not self.admission._total and not self.admission._under_way and not self.admission._waiting


def test_there_is_a_turn_at_once_until_the_share_is_used():
    admission = Admission(Shares(each=2, total=10, certain=1))
    turns = [admission.enter(NORD), admission.enter(NORD)]
    assert all(turns) and admission.enter(NORD) is None
    assert admission.enter(SUED)
    turns[0].leave()
    turns[0].leave()
    assert admission.enter(NORD) and admission.enter(NORD) is None


def test_nobodys_turn_can_be_left():
    NO_TURN.leave()


async def test_a_burst_waits_behind_itself_in_its_order():
    line = Line(each=2, total=10, certain=1)
    line.take(NORD, 2)
    await line.queue(f"{NORD}1", f"{NORD}2", f"{NORD}3")
    line.take(SUED, 2)  # nobody of another customer notices
    await line.leave(SUED)
    assert line.called == []
    await line.leave(NORD, 2)
    assert line.called == [f"{NORD}1", f"{NORD}2"]
    await line.end()


async def test_nobody_overtakes_those_of_his_own_who_wait():
    line = Line(each=1, total=10, certain=1)
    line.take(NORD, 1)
    await line.queue(f"{NORD}1")
    line.turns[NORD].pop().leave()  # in this turn of the loop there is no room, although nobody has taken it yet
    assert line.admission.enter(NORD) is None
    await asyncio.sleep(0.01)
    assert line.called == [f"{NORD}1"]
    await line.end()


@pytest.mark.parametrize("burst", [3, 300])
async def test_td6_customers_take_turns_when_the_worker_is_full(burst):
    """However long one customer's line is, the others' first ones come after at most one of it."""
    line = Line(each=6, total=6, certain=0)
    line.take(NORD, 6)
    await line.queue(*(f"{NORD}{number}" for number in range(burst)), f"{SUED}1", f"{SUED}2", f"{WEST}1")
    await line.leave(NORD, 5)
    assert line.called == [f"{NORD}0", f"{SUED}1", f"{WEST}1", f"{NORD}1", f"{SUED}2"]
    await line.end()


async def test_td6_a_customer_with_little_gets_in_although_the_worker_is_full():
    """Others whose applications hang hold everything; a share that is certain is not theirs to hold."""
    line = Line(each=6, total=12, certain=2)
    line.take(NORD, 6)
    line.take(SUED, 6)
    line.take(WEST, 2)
    await line.queue(f"{WEST}1")
    await line.leave(WEST)
    assert line.called == [f"{WEST}1"]
    await line.end()


async def test_td6_more_than_may_wait_are_told_at_once_and_those_who_wait_too_long_in_time():
    line = Line(each=1, total=10, certain=1, waiting=2, patience=0.05)
    line.take(NORD, 1)
    await line.queue(f"{NORD}1", f"{NORD}2")
    for refused in (line.admission.wait(NORD), line.tasks[0], line.tasks[1]):
        with pytest.raises(Refused, match="customer-busy") as told:
            await refused
        assert told.value.retry_after == 1
    assert not line.admission._waiting
    await line.leave(NORD)
    line.take(NORD, 1)
    await line.end()


async def test_nothing_may_wait():
    admission = Admission(Shares(each=1, total=1, certain=0, waiting=0))
    turn = admission.enter(NORD)
    with pytest.raises(Refused, match="customer-busy"):
        await admission.wait(NORD)
    turn.leave()
    assert admission.enter(NORD)


@pytest.mark.parametrize("called_first", [True, False])
async def test_whoever_is_cancelled_keeps_no_turn(called_first):
    line = Line(each=1, total=10, certain=1)
    line.take(NORD, 1)
    await line.queue(f"{NORD}1", f"{NORD}2")
    if called_first:
        line.turns[NORD].pop().leave()
        line.tasks[0].cancel()
    else:
        line.tasks[0].cancel()
        line.turns[NORD].pop().leave()
    await asyncio.sleep(0.01)
    assert line.called == [f"{NORD}2"]
    await line.end()


STEPS = st.lists(
    st.tuples(st.sampled_from([NORD, SUED, WEST]), st.sampled_from(["ask", "ask", "leave", "cancel", "turn of the loop"])), max_size=80
)


@given(STEPS)
@settings(max_examples=100, deadline=None)
def test_whatever_happens_shares_hold_and_nobody_waits_who_need_not(steps):
    shares = Shares(each=3, total=5, certain=1, waiting=4, patience=60)

    async def run():
        admission, held, waiting, everybody = Admission(shares), [], [], []

        async def wait(customer):
            held.append((customer, await admission.wait(customer)))

        for customer, step in steps:
            if step == "ask" and (turn := admission.enter(customer)):
                held.append((customer, turn))
            elif step == "ask":
                waiting.append(asyncio.create_task(wait(customer)))
                everybody.append(waiting[-1])
            elif step == "leave" and held:
                held.pop(0)[1].leave()
            elif step == "cancel" and waiting:
                waiting.pop().cancel()
            else:
                for _ in range(4):
                    await asyncio.sleep(0)
            count = admission._under_way
            assert sum(count.values()) == admission._total <= shares.total + 2 * shares.certain
            assert all(0 < number <= shares.each for number in count.values())
            assert all(0 < len(queue) <= shares.waiting for queue in admission._waiting.values())
            assert not any(admission._has_room(each) for each in admission._waiting)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*everybody, return_exceptions=True)  # a cancelled one hands its turn on when it runs
        for _, turn in held:
            turn.leave()
        assert not admission._total and not admission._waiting

    asyncio.run(run())


def test_the_numbers_fit_together():
    shares = DEFAULT_SHARES
    assert shares.certain <= shares.each < shares.total and shares.waiting >= 150 * 3
