"""A broken-into worker: it has the link to the vault and sends what it likes. What it gets is what its customers' sessions may see."""

import asyncio
import uuid

import msgspec
import pytest

from gateway.errors import SessionEnded, Unavailable
from gateway.link import Link
from gateway.vault.interface import AtRest, Clear, Event
from gateway.vault.remote import RemoteVault, verbs
from gateway.wire import Callee
from tests.vault.house import ADDRESS, OTHERS, OURS, build

SECRET = b"s" * 32
NOTE, NAME = ("note", "Hund im Garten"), ("name", "Max Mustermann")
pytestmark = pytest.mark.both_loops


@pytest.fixture
async def house(tmp_path):
    house = build(tmp_path)
    yield house
    await house.close()


@pytest.fixture
async def workers(house, tmp_path):
    """Two workers, each with its own connection to the vault as the vault's process serves it."""
    callee = Callee(SECRET, verbs(house.local), lambda connection: house.local.abandon(sorted(connection.begun)))
    await callee.listen(tmp_path / "run" / "vault.sock")
    links = [Link(tmp_path / "run" / "vault.sock", SECRET, unavailable="vault-unavailable") for _ in range(2)]
    yield links
    for link in links:
        link.close()
    await callee.close()


def exchange_of(house, session):
    return msgspec.structs.replace(house.exchange(session), id=str(uuid.uuid4()))


async def begun_by(link, house, user="maria", customer=OURS):
    vault = RemoteVault(link)
    session = await house.session(user, customer)
    exchange = exchange_of(house, session)
    await vault.tokenize(session.handle, exchange, [])
    return vault, session, exchange


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


# -- what it may see


@pytest.mark.parametrize("verb", ["list", "lookup", "seal", "open", "unlock", "policies", "abandon", "__init__", ""])
async def test_there_is_no_verb_that_lists_or_opens(workers, verb):
    with pytest.raises(Unavailable, match="internal"):
        await workers[0].call(verb, [])


async def test_another_customers_tokens_are_text(house, workers):
    theirs = await house.tokenize(NOTE, NAME, customer=OTHERS)
    vault, session, exchange = await begun_by(workers[0], house)
    asked = [AtRest("note", theirs[0]), AtRest("name", theirs[1])]
    assert await vault.detokenize(session.handle, exchange.id, asked) == theirs


async def test_a_session_of_one_customer_opens_no_exchange_of_another(house, workers):
    theirs = (await house.tokenize(NOTE, customer=OTHERS))[0]
    _, _, exchange = await begun_by(workers[0], house, customer=OTHERS)
    vault, session, _ = await begun_by(workers[0], house)
    with pytest.raises(Unavailable, match="policy-out-of-step"):
        await vault.detokenize(session.handle, exchange.id, [AtRest("note", theirs)])


async def test_an_importer_cannot_borrow_the_dispatchers_exchange_or_role(house, workers):
    token = (await house.tokenize(NOTE))[0]
    _, _, dispatchers = await begun_by(workers[0], house, "maria")
    vault, importer, own = await begun_by(workers[0], house, "import_job")
    assert await vault.detokenize(importer.handle, own.id, [AtRest("note", token)]) == [token]
    with pytest.raises(Unavailable):
        await vault.detokenize(importer.handle, dispatchers.id, [AtRest("note", token)])
    with pytest.raises(Unavailable):
        await vault.tokenize(importer.handle, msgspec.structs.replace(own, id=str(uuid.uuid4()), role="dispatcher"), [])


async def test_every_changed_byte_of_a_session_ends_it(house, workers):
    vault, session, exchange = await begun_by(workers[0], house)
    for at in range(len(session.handle)):
        forged = session.handle[:at] + bytes([session.handle[at] ^ 1]) + session.handle[at + 1 :]
        with pytest.raises(SessionEnded):
            await vault.detokenize(forged, exchange.id, [])
    for cut in (b"", session.handle[:31], session.handle[:32], session.handle + b"\0"):
        with pytest.raises(SessionEnded):
            await vault.detokenize(cut, exchange.id, [])


async def test_a_session_lasts_five_seconds_however_often_it_is_used(house, workers):
    vault, session, exchange = await begun_by(workers[0], house)
    house.clock.now += 4.9
    assert await vault.detokenize(session.handle, exchange.id, []) == []
    house.clock.now += 0.2
    with pytest.raises(SessionEnded):
        await vault.detokenize(session.handle, exchange.id, [])


async def test_what_was_never_begun_reveals_nothing(house, workers):
    token = (await house.tokenize(NOTE))[0]
    session = await house.session()
    with pytest.raises(Unavailable):
        await RemoteVault(workers[0]).detokenize(session.handle, str(uuid.uuid4()), [AtRest("note", token)])
    assert house.records("reveal") == []


async def test_every_reveal_is_recorded_also_when_nothing_is_ended(house, workers):
    token = (await house.tokenize(NOTE))[0]
    vault, session, exchange = await begun_by(workers[0], house)
    for _ in range(3):
        assert await vault.detokenize(session.handle, exchange.id, [AtRest("note", token)]) == [NOTE[1]]
    assert [record["exchange"] for record in house.records("reveal")] == [exchange.id] * 3


# -- what it may write into the audit log


async def test_it_cannot_speak_as_the_operator(house, workers):
    with pytest.raises(Unavailable):
        await workers[0].call("record", ["operator", "", OTHERS, "", "", "", "", "", "customer-shredded"])
    assert house.records("operator") == []


async def test_it_cannot_end_what_another_worker_began(house, workers):
    """Else the log would say that a reveal which follows belongs to nothing."""
    _, _, exchange = await begun_by(workers[0], house)
    for kind in ("end", "refused", "closed"):
        with pytest.raises(Unavailable):
            await RemoteVault(workers[1]).record(Event(kind, exchange=exchange.id, customer=OURS, status=200))
    assert house.records("end") == house.records("refused") == house.records("closed") == []
    await RemoteVault(workers[0]).record(Event("end", exchange=exchange.id, status=200))
    assert [record["exchange"] for record in house.records("end")] == [exchange.id]


async def test_it_cannot_take_over_an_exchange_and_vanish(house, workers):
    """``tokenize`` for a foreign exchange used to be enough to have it ended when the worker went away."""
    _, session, exchange = await begun_by(workers[0], house)
    with pytest.raises(Unavailable):
        await RemoteVault(workers[1]).tokenize(session.handle, exchange, [])
    workers[1].close()
    await until(lambda: workers[1]._caller.transport is None)
    _, _, other = await begun_by(workers[1], house)
    workers[1].close()
    await until(lambda: house.records("end"))
    assert [record["exchange"] for record in house.records("end")] == [other.id]
    assert await RemoteVault(workers[0]).detokenize(session.handle, exchange.id, []) == []


async def test_the_end_of_an_exchange_says_what_its_beginning_said(house, workers):
    """Who it was, from where and on which route is told by the one that checked the session, at both ends."""
    vault, _, exchange = await begun_by(workers[0], house)
    await vault.record(
        Event("end", exchange.id, customer=OTHERS, user="import_job", method="GET", route="/health", address="203.0.113.9", status=200)
    )
    (begin,), (end,) = house.records("begin"), house.records("end")
    told = ("exchange", "customer", "user", "role", "method", "route", "address", "certificate", "revision")
    assert {name: end[name] for name in told} == {name: begin[name] for name in told}
    assert (end["customer"], end["address"], end["status"]) == (OURS, ADDRESS, 200)


async def test_an_exchange_that_the_vault_forgot_can_still_be_ended(house, workers):
    """It was killed meanwhile: the worker that began it is the only one that knows how it ended."""
    await RemoteVault(workers[0]).record(Event("end", exchange=str(uuid.uuid4()), customer=OURS, status=201))
    assert [record["status"] for record in house.records("end")] == [201]


# -- what it may use up


async def test_one_worker_cannot_take_all_places(house, workers, monkeypatch):
    monkeypatch.setattr("gateway.vault.remote.MOST_BEGUN", 3)
    session = await house.session()
    for _ in range(3):
        await RemoteVault(workers[0]).tokenize(session.handle, exchange_of(house, session), [])
    with pytest.raises(Unavailable, match="vault-unavailable"):
        await RemoteVault(workers[0]).tokenize(session.handle, exchange_of(house, session), [])
    await RemoteVault(workers[1]).tokenize(session.handle, exchange_of(house, session), [])


@pytest.mark.parametrize("field", ["id", "method", "route", "address", "certificate", "revision"])
async def test_what_is_kept_of_an_exchange_is_small(house, workers, field):
    session = await house.session()
    exchange = msgspec.structs.replace(exchange_of(house, session), **{field: "x" * 5_000})
    with pytest.raises(Unavailable):
        await RemoteVault(workers[0]).tokenize(session.handle, exchange, [])
    assert house.records("begin") == []


async def test_exchanges_that_failed_are_not_kept(house, workers):
    """A worker without any session must not fill the vault's memory with names of exchanges."""
    session, connection_links = await house.session(), workers[0]
    for _ in range(5):
        with pytest.raises(SessionEnded):
            await RemoteVault(connection_links).tokenize(b"forged", exchange_of(house, session), [Clear(*NOTE)])
    workers[0].close()
    await asyncio.sleep(0)
    assert house.records("begin") == house.records("end") == []
