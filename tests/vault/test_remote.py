"""The boundary's contract, on both forms: a worker must not be able to tell a local vault from one across a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import Refused, SessionEnded, Unavailable
from gateway.link import Link
from gateway.tokens.same_length import MARKERS
from gateway.vault.interface import Account, AtRest, Clear, Event
from gateway.vault.remote import RemoteVault, verbs
from gateway.wire import Callee, Connection
from tests.vault.house import ADDRESS, OTHERS, OURS, STORED, USERS, House, build, password, write_policies

SECRET = b"s" * 32


class Far:
    """A vault behind its socket, and workers' links to it."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.path = house.folder / "run" / "vault.sock"
        self.lost: list[list[str]] = []
        self.callee = Callee(SECRET, verbs(house.local), self._lost)
        self.links: list[Link] = []

    def _lost(self, connection: Connection) -> None:
        """As the runtime does it."""
        self.lost.append(sorted(connection.begun))
        self.house.local.abandon(sorted(connection.begun))

    def worker(self) -> RemoteVault:
        self.links.append(Link(self.path, SECRET, unavailable="vault-unavailable"))
        return RemoteVault(self.links[-1])

    async def close(self) -> None:
        for link in self.links:
            link.close()
        await self.callee.close()
        await asyncio.sleep(0)


@pytest.fixture
async def near(tmp_path: Path) -> AsyncIterator[House]:
    house = build(tmp_path)
    yield house
    await house.close()


@pytest.fixture
async def far(near: House) -> AsyncIterator[Far]:
    far = Far(near)
    await far.callee.listen(far.path)
    near.vault = far.worker()
    yield far
    await far.close()


@pytest.fixture(params=["local", "remote"])
def house(request: pytest.FixtureRequest, near: House) -> House:
    if request.param == "remote":
        request.getfixturevalue("far")
    return near


async def test_values_come_back_for_who_may_see_them(house: House) -> None:
    tokens = await house.tokenize(("name", "Max Mustermann"), ("note", "Hund beißt"), ("phone", "0171 2345678"), ("name", ""))
    items = list(zip(("name", "note", "phone", "name"), tokens, strict=True))
    assert await house.reveal(*items) == ["Max Mustermann", "Hund beißt", "0171 2345678", ""]
    assert await house.reveal(*items, user="paula") == ["M*** M***", "H*** b***", tokens[2], ""]
    assert await house.reveal(*items, user="import_job") == tokens
    assert await house.reveal(*items[:1], customer=OTHERS) == tokens[:1]


async def test_a_search_is_no_write(house: House) -> None:
    (token,) = await house.tokenize(("name", "Max Mustermann"))
    assert await house.tokenize(Clear("name", "Max Mustermann", search=True)) == [token]
    assert await house.tokenize(Clear("name", "Erika Musterfrau", search=True)) != [token]


async def test_a_session_crosses_whole(house: House) -> None:
    session = await house.session("paula")
    assert (session.customer, session.user, session.role) == (OURS, "paula", "auditor")
    assert session.expires > house.clock.now


async def test_refusals_keep_their_reason(house: House) -> None:
    for _ in range(5):
        with pytest.raises(Refused, match="password-wrong"):
            await house.vault.open_session(OURS, "maria", "falsch", ADDRESS)
    with pytest.raises(Refused, match="throttled") as refused:
        await house.vault.open_session(OURS, "maria", password("maria"), ADDRESS)
    assert refused.value.retry_after == 1
    with pytest.raises(Refused, match="mask-written-back"):
        await house.tokenize(("name", "M*** M***"))


async def test_an_ended_session_is_told_from_a_refusal(house: House) -> None:
    session = await house.session()
    with pytest.raises(SessionEnded):
        await house.vault.tokenize(b"forged", house.exchange(session), [])
    with pytest.raises(SessionEnded):
        await house.vault.detokenize(b"", "exchange-1", [AtRest("name", "x")])


async def test_a_missing_wall_keeps_its_reason(house: House) -> None:
    session = await house.session()
    with pytest.raises(Unavailable, match="policy-out-of-step"):
        await house.vault.tokenize(session.handle, house.exchange(session), [Clear("blood_type", "A")])
    await house.stores[OURS].close()
    with pytest.raises(Unavailable, match="vault-unavailable"):
        await house.vault.tokenize(session.handle, house.exchange(session), [Clear("name", "Max Mustermann")])


async def test_events_cross_whole(house: House) -> None:
    event = Event("refused", "x", OURS, "maria", "PUT", "/orders/{id}", ADDRESS, "ab" * 32, "role-denied", 403, 2, "0" * 16, True)
    await house.vault.record(event)
    (record,) = house.records("refused")
    fields = {name: getattr(event, name) for name in Event.__struct_fields__ if name != "kind"}
    assert {name: record[name] for name in fields} == fields


async def test_accounts_cross_whole(house: House) -> None:
    house.policies = write_policies(house.folder, users={**USERS, "nele": "importer"})
    session = await house.session()
    exchange = house.exchange(session)
    await house.vault.tokenize(session.handle, exchange, [])
    assert await house.vault.account(session.handle, exchange.id) == Account(True, ["nele"])
    made = await house.vault.make_user(session.handle, exchange.id, "nele", password("maria"), None)
    assert (await house.vault.open_session(OURS, "nele", made, ADDRESS)).role == "importer"
    for current, new, reason in (("falsch", None, "current-password-wrong"), (password("maria"), "kurz", "password-too-short")):
        with pytest.raises(Refused, match=reason):
            await house.vault.change_password(session.handle, exchange.id, current, new, 0)
    changed = await house.vault.change_password(session.handle, exchange.id, password("maria"), None, 60)
    for secret in (changed, password("maria")):
        await house.vault.open_session(OURS, "maria", secret, ADDRESS)


@pytest.mark.parametrize("user", ["zeile\num", "m" * 100_000, "\x00", "\u202etnatsixe"])
async def test_t_a5_strange_names_cross_and_are_unknown(house: House, user: str) -> None:
    with pytest.raises(Refused, match="password-wrong"):
        await house.vault.open_session(OURS, user, "geheim", ADDRESS)


async def test_many_at_once_get_their_own_answers(house: House) -> None:
    """T-A2: whatever travels in one frame, every answer goes to whom it belongs."""
    await house.session("import_job", OTHERS)

    async def there_and_back(number: int) -> list[str]:
        customer = (OURS, OTHERS)[number % 2]
        (token,) = await house.tokenize(("name", f"Max Mustermann {number}"), customer=customer)
        return await house.reveal(("name", token), customer=customer)

    answers = await asyncio.gather(*[there_and_back(number) for number in range(60)])
    assert answers == [[f"Max Mustermann {number}"] for number in range(60)]


#: One and two characters have so few tokens that these bodies would use them up.
TEXTS = st.just("") | st.text(st.characters(exclude_categories=["Cs"]), min_size=3, max_size=40).filter(lambda text: "***" not in text)
#: Nothing short in the reserved space: by chance it may have been issued, and then it is no value but a token.
FIELDS = st.tuples(st.sampled_from(STORED), TEXTS).filter(lambda field: len(field[1]) > 8 or MARKERS.isdisjoint(field[1]))
BODIES = st.lists(st.lists(FIELDS, max_size=6), min_size=1, max_size=4)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(bodies=BODIES)
async def test_whatever_is_sent_comes_back_as_it_was(house: House, bodies: list[list[tuple[str, str]]]) -> None:
    """Any sequence of requests, with values in common, and tokens that come back in writes: a dispatcher sees every value as it was."""
    sent: list[tuple[str, str]] = []
    tokens: list[str] = []
    for body in bodies:
        again = [(data_class, token) for (data_class, _), token in zip(sent, tokens, strict=True)][-3:]
        answer = await house.tokenize(*body, *again)
        assert answer[len(body) :] == [token for _, token in again]
        sent += body
        tokens += answer[: len(body)]
    seen = await house.reveal(*[(data_class, token) for (data_class, _), token in zip(sent, tokens, strict=True)])
    assert seen == [value for _, value in sent]
    assert not [value for (_, value), token in zip(sent, tokens, strict=True) if value == token and value]


# -- what only a socket has


async def test_what_a_lost_worker_began_is_ended_and_nothing_else(far: Far) -> None:
    house, other = far.house, far.worker()
    session = await house.session()
    mine, theirs, ended = house.exchange(session), house.exchange(session), house.exchange(session)
    await house.vault.tokenize(session.handle, mine, [])
    await house.vault.tokenize(session.handle, ended, [])
    await house.vault.record(Event("end", exchange=ended.id, status=200))
    await other.tokenize(session.handle, theirs, [])
    far.links[0].close()
    async with asyncio.timeout(10):
        while not far.lost:
            await asyncio.sleep(0)
    assert far.lost == [[mine.id]]
    assert [(r["exchange"], r.get("reason")) for r in house.records("end")] == [(ended.id, None), (mine.id, "process-ended")]
    assert await other.detokenize(session.handle, theirs.id, []) == []


async def test_an_exchange_that_could_not_begin_is_nobodys_to_end(far: Far) -> None:
    session = await far.house.session()
    exchange = msgspec.structs.replace(far.house.exchange(session), role="auditor")
    with pytest.raises(Unavailable, match="policy-out-of-step"):
        await far.house.vault.tokenize(session.handle, exchange, [])
    far.links[0].close()
    async with asyncio.timeout(10):
        while not far.lost:
            await asyncio.sleep(0)
    assert far.house.records("end") == []


async def test_a_restarted_vault_knows_no_old_session_and_no_old_exchange(far: Far) -> None:
    house = far.house
    (token,) = await house.tokenize(("name", "Max Mustermann"))
    session = await house.session()
    exchange = house.exchange(session)
    await house.vault.tokenize(session.handle, exchange, [])
    await far.callee.close()
    with pytest.raises(Unavailable, match="vault-unavailable"):
        await house.session()
    house.__post_init__()  # a new vault process over the same databases
    again = Far(house)
    await again.callee.listen(again.path)
    house.vault = again.worker()
    with pytest.raises(SessionEnded):
        await house.vault.detokenize(session.handle, exchange.id, [AtRest("name", token)])
    renewed = await house.session()
    with pytest.raises(Unavailable, match="policy-out-of-step"):
        await house.vault.detokenize(renewed.handle, exchange.id, [AtRest("name", token)])
    house.vault = again.worker()
    assert await house.reveal(("name", token)) == ["Max Mustermann"]
    await again.close()


async def test_a_vault_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    link = Link(tmp_path / "nothing.sock", SECRET, unavailable="vault-unavailable")
    vault = RemoteVault(link)
    with pytest.raises(Unavailable, match="vault-unavailable"):
        await vault.open_session(OURS, "maria", password("maria"), ADDRESS)
    with pytest.raises(Unavailable, match="vault-unavailable"):
        await vault.record(Event("closed"))
    link.close()


@pytest.mark.parametrize("verb", ["tokenize", "detokenize", "record", "open_session", "account", "change_password", "make_user", "list"])
async def test_what_is_no_request_is_answered_and_reveals_nothing(far: Far, verb: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Unavailable, match="internal"):
        await far.links[0].call(verb, ["Max Mustermann", 1])
    assert "Mustermann" not in caplog.text
