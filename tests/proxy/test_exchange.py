"""What goes along with an exchange: one event at its end, and a session that is opened once more when it has ended."""

import pytest

from gateway.errors import Refused, SessionEnded
from gateway.proxy.access import Client
from gateway.proxy.exchange import Credentials, Trail
from gateway.vault.interface import Session

CLIENT = Client("stadtwerke_musterstadt", "192.0.2.7", "ab" * 32)


def session(handle):
    return Session(handle, CLIENT.customer, "maria", "dispatcher", 1e12)


class Sessions:
    """Gives a new session each time."""

    def __init__(self):
        self.renewed, self.begun = [], []

    async def begin(self, session, exchange):
        self.begun.append((session.handle, exchange.id))

    async def renew(self, client, user, password):
        self.renewed.append((client, user, password))
        return session(b"new")


def verb(*ended):
    async def asked(handle):
        if handle in ended:
            raise SessionEnded
        return handle

    return asked


@pytest.mark.parametrize(("ended", "answer"), [((), b"old"), ((b"old",), b"new")])
async def test_a_session_that_has_ended_is_opened_once_more(ended, answer):
    sessions = Sessions()
    credentials = Credentials(sessions, CLIENT, "maria", "geheim", session(b"old"))
    assert await credentials.ask(verb(*ended)) == answer
    assert sessions.renewed == [(CLIENT, "maria", "geheim")] * len(ended)
    assert await credentials.ask(verb(*ended)) == answer
    assert len(sessions.renewed) == len(ended)


async def test_twice_at_most_for_cipher_and_vault_may_be_replaced_one_after_the_other():
    sessions = Sessions()
    credentials = Credentials(sessions, CLIENT, "maria", "geheim", session(b"old"))
    with pytest.raises(SessionEnded):
        await credentials.ask(verb(b"old", b"new"))
    assert len(sessions.renewed) == 2


@pytest.mark.parametrize(("role", "begun"), [("dispatcher", [(b"new", "exchange-1")]), ("importer", [])])
async def test_what_began_begins_again_where_the_session_does(role, begun):
    """A vault that took another's place knows neither; in another role it would be another exchange."""
    sessions = Sessions()
    credentials = Credentials(sessions, CLIENT, "maria", "geheim", session(b"old"))
    credentials.begun = Trail("exchange-1", "POST").begins(role)
    assert await credentials.ask(verb(b"old")) == b"new"
    assert sessions.begun == begun


async def test_a_refusal_is_not_asked_again():
    asked = []

    async def refuses(handle):
        asked.append(handle)
        raise Refused("password-too-short")

    with pytest.raises(Refused):
        await Credentials(Sessions(), CLIENT, "maria", "geheim", session(b"old")).ask(refuses)
    assert asked == [b"old"]


def test_a_password_does_not_show():
    assert "geheim" not in repr(Credentials(Sessions(), CLIENT, "maria", "geheim", session(b"old")))


def test_a_trail_becomes_the_exchange_and_its_one_event():
    trail = Trail("exchange-1", "POST", "192.0.2.7", route="/orders", revision="0" * 16)
    trail.learn(CLIENT.customer, CLIENT.certificate)
    trail.user = "maria"
    begins, ends = trail.begins("dispatcher"), trail.event("route-unknown", 404)
    shared = ("customer", "user", "method", "route", "address", "certificate", "revision")
    assert [getattr(begins, name) for name in shared] == [getattr(ends, name) for name in shared]
    assert (begins.id, begins.role, ends.exchange, ends.kind) == ("exchange-1", "dispatcher", "exchange-1", "refused")
    trail.begun = True
    assert trail.event("", 200).kind == "end"
