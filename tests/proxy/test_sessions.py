"""Which password was already shown: leases end, names never run together (T-A2), and nothing readable is kept."""

import pytest

from gateway.errors import Refused
from gateway.proxy import sessions
from gateway.proxy.access import Client
from gateway.proxy.sessions import Sessions
from gateway.vault.interface import Session

CLIENT = Client("nord", "192.0.2.1", "f" * 64)


class Door:
    """The vault's door alone: counts who knocks."""

    def __init__(self):
        self.opened = []

    async def open_session(self, customer, user, password, address):
        self.opened.append((customer, user, password))
        if password == "wrong":
            raise Refused("password-wrong")
        return Session(b"handle%d" % len(self.opened), customer, user, "dispatcher", 100.0)


async def test_a_lease_is_used_until_it_ends():
    door = Door()
    known = Sessions(door)
    first = await known.of(CLIENT, "maria", "pw", now=99.0)
    assert await known.of(CLIENT, "maria", "pw", now=99.9) is first
    assert (await known.of(CLIENT, "maria", "pw", now=100.0)).handle != first.handle
    assert len(door.opened) == 2


async def test_renew_asks_again_whatever_is_remembered():
    door = Door()
    known = Sessions(door)
    first = await known.of(CLIENT, "maria", "pw", now=0.0)
    second = await known.renew(CLIENT, "maria", "pw")
    assert second != first
    assert await known.of(CLIENT, "maria", "pw", now=0.0) is second


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("nord", "a", "b:c"), ("nord", "a:b", "c")),
        (("nord", "ab", "c"), ("norda", "b", "c")),
        (("nord", "a", "bc"), ("nord", "ab", "c")),
    ],
)
async def test_ta2_names_never_run_together(one, other):
    door = Door()
    known = Sessions(door)
    for customer, user, password in (one, other):
        await known.of(Client(customer, "192.0.2.1", ""), user, password, now=0.0)
    assert door.opened == [one, other]


async def test_a_wrong_password_is_never_remembered():
    door = Door()
    known = Sessions(door)
    for _ in range(2):
        with pytest.raises(Refused):
            await known.of(CLIENT, "maria", "wrong", now=0.0)
    assert len(door.opened) == 2


async def test_memory_is_bounded_and_holds_no_password(monkeypatch):
    monkeypatch.setattr(sessions, "CAPACITY", 3)
    known = Sessions(Door())
    for number in range(10):
        await known.of(CLIENT, "maria", f"password-{number}", now=0.0)
    assert len(known._known) == 3
    assert "password" not in repr(known._known)
