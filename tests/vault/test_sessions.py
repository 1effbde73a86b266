"""Session handles: good for a few seconds, for whom they were issued to, and nobody can make one."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import SessionEnded
from gateway.vault.sessions import LEASE, Handles


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def handles(clock: Clock) -> Handles:
    return Handles(clock)


names = st.text(max_size=20)


@given(names, names, names)
def test_a_handle_says_who_opened_it(customer: str, user: str, role: str) -> None:
    handles = Handles(Clock())
    issued = handles.issue(customer, user, role)
    assert handles.verify(issued.handle) == issued
    assert (issued.customer, issued.user, issued.role, issued.expires) == (customer, user, role, 1_000.0 + LEASE)


@pytest.mark.parametrize(("after", "good"), [(0, True), (LEASE - 0.001, True), (LEASE, False), (LEASE + 1, False), (86_400, False)])
def test_a_handle_lives_for_the_lease(handles: Handles, clock: Clock, after: float, good: bool) -> None:
    handle = handles.issue("energie_nord", "jens", "dispatcher").handle
    clock.now += after
    if good:
        assert handles.verify(handle).user == "jens"
    else:
        with pytest.raises(SessionEnded):
            handles.verify(handle)


def test_the_lease_is_short() -> None:
    """A removed user, a new password or another role bites within seconds."""
    assert LEASE <= 5


def test_every_changed_byte_makes_it_nothing(handles: Handles) -> None:
    handle = handles.issue("energie_nord", "jens", "dispatcher").handle
    for at in range(len(handle)):
        for flip in (0x01, 0x80):
            with pytest.raises(SessionEnded):
                handles.verify(handle[:at] + bytes([handle[at] ^ flip]) + handle[at + 1 :])


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33])
def test_what_is_cut_off_is_nothing(handles: Handles, length: int) -> None:
    handle = handles.issue("energie_nord", "jens", "dispatcher").handle
    with pytest.raises(SessionEnded):
        handles.verify(handle[:length])
    with pytest.raises(SessionEnded):
        handles.verify(handle + b"x" * (length + 1))


def test_a_handle_of_another_process_is_nothing(handles: Handles, clock: Clock) -> None:
    with pytest.raises(SessionEnded):
        handles.verify(Handles(clock).issue("energie_nord", "jens", "dispatcher").handle)


def test_two_names_never_run_into_each_other(handles: Handles) -> None:
    """T-A2: what is authenticated says where one name ends and the next begins."""
    split = [("ab", "c", "d"), ("a", "bc", "d"), ("a", "b", "cd"), ("abc", "", "d"), ("", "abc", "d")]
    assert len({handles.issue(*names).handle for names in split}) == len(split)


def test_the_handle_holds_nothing_else(handles: Handles) -> None:
    handle = handles.issue("energie_nord", "jens", "dispatcher").handle
    assert msgspec.msgpack.decode(handle[32:]) == ["energie_nord", "jens", "dispatcher", 1_000.0 + LEASE]
