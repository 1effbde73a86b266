"""The vault as workers meet it: values become tokens and come back for those who may see them, and for nobody else."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing

import msgspec
import pytest

from gateway.errors import Refused, SessionEnded, Unavailable
from gateway.tokens import opaque
from gateway.tokens.mask import mask
from gateway.vault import vault as module
from gateway.vault.interface import AtRest, Clear, Event
from gateway.vault.sessions import LEASE
from tests.vault.house import ADDRESS, GONE, OTHERS, OURS, STORED, USERS, House, password, write_policies

VALUES = {
    "name": "Max Mustermann",
    "alias": "Mäxchen",
    "look": "Jürgen Groß",
    "phone": "+49 171 234567-89",
    "pin": "4711 0815",
    "email": "max.mustermann@example.org",
    "device": "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    "iban": "DE02120300000000202051",
    "note": "Hund beißt, bitte klingeln",
    "memo": "Schlüssel bei Erika Mustermann",
    "meter": "1EMH0012345678",
}


# -- there and back


@pytest.mark.parametrize("data_class", STORED)
async def test_a_value_becomes_a_token_and_comes_back(house: House, data_class: str) -> None:
    value = VALUES[data_class]
    (token,) = await house.tokenize((data_class, value))
    assert value not in token
    assert await house.reveal((data_class, token)) == [value]


async def test_a_whole_body_comes_back_in_order(house: House) -> None:
    items = [*VALUES.items(), ("name", ""), *VALUES.items()]
    tokens = await house.tokenize(*items)
    assert await house.reveal(*zip([name for name, _ in items], tokens, strict=True)) == [value for _, value in items]


@pytest.mark.parametrize(("data_class", "repeats"), [("name", True), ("iban", True), ("meter", True), ("note", False), ("memo", False)])
async def test_equal_values_get_equal_tokens_only_where_the_policy_says_so(house: House, data_class: str, repeats: bool) -> None:
    first, second = await house.tokenize((data_class, "Max Mustermann"), (data_class, "Max Mustermann"))
    (third,) = await house.tokenize((data_class, "Max Mustermann"))
    assert (first == second == third) is repeats
    assert len({first, second, third}) == (1 if repeats else 3)


@pytest.mark.parametrize("other", ["max mustermann", "Max  Mustermann", "Max Mustermann ", "Max Mu\u0308stermann", "Max Mustermann\u200b"])
async def test_v_06_equal_means_equal_code_points(house: House, other: str) -> None:
    tokens = await house.tokenize(("iban", "Max Mustermann"), ("iban", other))
    assert tokens[0] != tokens[1]
    assert await house.reveal(*[("iban", token) for token in tokens]) == ["Max Mustermann", other]


async def test_two_requests_with_the_same_new_value_get_the_same_token(house: House) -> None:
    answers = await asyncio.gather(*[house.tokenize(("name", "Erika Mustermann")) for _ in range(20)])
    assert len({token for (token,) in answers}) == 1


@pytest.mark.parametrize(("data_class", "value"), [("phone", "siehe Notiz, Büro"), ("phone", "110"), ("email", "keine"), ("device", "?")])
async def test_a_value_without_room_in_its_form_becomes_opaque(house: House, data_class: str, value: str) -> None:
    (token,) = await house.tokenize((data_class, value))
    assert opaque.decode(token) is not None
    assert await house.reveal((data_class, token)) == [value]
    assert await house.tokenize((data_class, token)) == [token]


# -- who sees what

SEEN = [
    ("maria", "name", "Max Mustermann"),
    ("maria", "note", "Hund beißt, bitte klingeln"),
    ("paula", "name", "M*** M***"),
    ("paula", "memo", mask(VALUES["memo"])),
    ("paula", "iban", None),  # the token itself
    ("paula", "meter", None),
    ("import_job", "name", None),
    ("import_job", "memo", None),
]


@pytest.mark.parametrize(("user", "data_class", "seen"), SEEN)
async def test_each_role_sees_what_its_policy_says(house: House, user: str, data_class: str, seen: str | None) -> None:
    (token,) = await house.tokenize((data_class, VALUES[data_class]))
    assert await house.reveal((data_class, token), user=user) == [token if seen is None else seen]


AT_REST = [
    ("maria", "name", "Max Mustermann", "Max Mustermann"),
    ("paula", "name", "Max Mustermann", "M*** M***"),
    ("paula", "iban", "DE02120300000000202051", "***"),
    ("import_job", "name", "Max Mustermann", "***"),
    ("import_job", "meter", "1EMH0012345678", "***"),
    ("import_job", "name", "", ""),
    ("import_job", "initials", "M*** M***", "M*** M***"),  # masked on its way in: there is nothing left to hide
    ("import_job", "initials", "Max Mustermann", "***"),
    ("maria", "initials", "M*** M***", "M*** M***"),
]


@pytest.mark.parametrize(("user", "data_class", "text", "seen"), AT_REST)
async def test_v_14_clear_values_from_before_are_shown_only_to_who_may_see_them(
    house: House, user: str, data_class: str, text: str, seen: str
) -> None:
    assert await house.reveal((data_class, text), user=user) == [seen]


async def test_what_was_shown_is_counted_and_not_named(house: House) -> None:
    tokens = await house.tokenize(("name", "Max Mustermann"), ("note", "klingeln"))
    await house.reveal(("name", tokens[0]), ("name", "Erika Mustermann"), ("name", ""), ("note", tokens[1]), ("note", tokens[1]))
    await house.reveal(("name", tokens[0]), ("note", "offen"), ("iban", "DE02120300000000202051"), user="paula")
    dispatcher, auditor = house.records("reveal")
    assert (dispatcher["clear"], dispatcher["clear_at_rest"]) == ({"name": 2, "note": 2}, {"name": 1})
    assert "masked" not in dispatcher
    assert (auditor["masked"], auditor["clear_at_rest"]) == ({"name": 1, "note": 1}, {"note": 1, "iban": 1})
    assert (auditor["user"], auditor["role"], auditor["route"]) == ("paula", "auditor", "/orders")


async def test_nothing_is_revealed_without_its_record(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """O-02: the record is first, the value second."""
    (token,) = await house.tokenize(("name", "Max Mustermann"))
    session = await house.session()
    exchange = house.exchange(session)
    await house.vault.tokenize(session.handle, exchange, [])

    def unwritable(kind: str, fields: object) -> None:
        raise Unavailable("audit-unavailable")

    monkeypatch.setattr(house.audit, "write", unwritable)
    with pytest.raises(Unavailable, match="audit-unavailable"):
        await house.vault.detokenize(session.handle, exchange.id, [AtRest("name", token)])
    with pytest.raises(Unavailable, match="audit-unavailable"):
        await house.vault.tokenize(session.handle, house.exchange(session), [Clear("name", "Erika Mustermann")])


# -- a token is recognised, never guessed


@pytest.mark.parametrize("data_class", STORED)
async def test_v_07_a_token_that_comes_back_stays_as_it_is(house: House, data_class: str) -> None:
    (token,) = await house.tokenize((data_class, VALUES[data_class]))
    assert await house.tokenize((data_class, token), (data_class, token), user="maria") == [token, token]


OTHER_CLASS = {"name": "alias", "phone": "pin", "email": "name", "iban": "note", "note": "iban", "memo": "meter", "meter": "name"}


@pytest.mark.parametrize(("data_class", "other"), OTHER_CLASS.items())
async def test_a_token_of_another_class_is_a_value(house: House, data_class: str, other: str) -> None:
    """A note's token pasted into a name reveals nothing."""
    (token,) = await house.tokenize((data_class, VALUES[data_class]))
    assert await house.reveal((other, token)) == [token]
    (again,) = await house.tokenize((other, token))
    assert again != token
    assert await house.reveal((other, again)) == [token]


@pytest.mark.parametrize("data_class", STORED)
async def test_a_token_of_another_customer_is_a_value(house: House, data_class: str) -> None:
    (token,) = await house.tokenize((data_class, VALUES[data_class]))
    assert await house.reveal((data_class, token), customer=OTHERS) == [token]
    (again,) = await house.tokenize((data_class, token), customer=OTHERS)
    assert again != token
    assert await house.reveal((data_class, again), customer=OTHERS) == [token]


@pytest.mark.parametrize(
    ("data_class", "forged"),
    [
        ("note", opaque.encode(b"\x01" + b"\x2a" * 22)),
        ("memo", opaque.encode_sealed(b"\x01\x00\x01" + b"\x2a" * 40)),
        ("phone", "0199 123456-89"),
        ("email", "abcdefghij0123456789@token.invalid"),
        ("name", "§max¤mustermann"),
    ],
)
async def test_a_forged_token_is_a_value(house: House, data_class: str, forged: str) -> None:
    (token,) = await house.tokenize((data_class, forged))
    assert token != forged
    assert await house.reveal((data_class, token), (data_class, forged)) == [forged, forged]


@pytest.mark.parametrize("text", ["M*** M***", "***", "klingeln *** Hund"])
async def test_b_11_a_mask_that_comes_back_is_refused(house: House, text: str) -> None:
    with pytest.raises(Refused, match="mask-written-back"):
        await house.tokenize(("iban", "DE02120300000000202051"), ("name", text))


async def test_a_document_is_no_field(house: House) -> None:
    longest = "x" * (64 << 10)
    assert await house.reveal(("note", (await house.tokenize(("note", longest)))[0])) == [longest]
    with pytest.raises(Refused, match="value-too-long"):
        await house.tokenize(("note", longest + "x"))


async def test_one_way_forms_keep_nothing(house: House) -> None:
    tokens = await house.tokenize(("initials", "Max Mustermann"), ("religion", "evangelisch"), ("initials", "M*** M***"), ("religion", ""))
    assert tokens == ["M*** M***", "", "M*** M***", ""]
    with closing(sqlite3.connect(house.folder / "state" / "customers" / OURS / "vault.db")) as database:
        assert database.execute("SELECT count(*) FROM tokens").fetchone() == (0,)


# -- searching


@pytest.mark.parametrize("data_class", ["name", "look", "phone", "email", "device", "iban", "meter"])
async def test_a_search_finds_the_token_of_its_value(house: House, data_class: str) -> None:
    (token,) = await house.tokenize((data_class, VALUES[data_class]))
    assert await house.tokenize(Clear(data_class, VALUES[data_class], search=True), user="maria") == [token]
    assert await house.tokenize(Clear(data_class, token, search=True), user="maria") == [token]


@pytest.mark.parametrize("data_class", ["name", "phone", "email", "iban", "note"])
async def test_v_12_a_search_for_what_was_never_sent_looks_alike_and_stores_nothing(house: House, data_class: str) -> None:
    await house.tokenize((data_class, VALUES[data_class]))
    unknown = VALUES[data_class][::-1] if data_class != "email" else "nobody@example.org"
    first, second = [(await house.tokenize(Clear(data_class, unknown, search=True)))[0] for _ in range(2)]
    assert unknown not in (first, second)
    assert first != second
    assert await house.reveal((data_class, first)) == [first]
    with closing(sqlite3.connect(house.folder / "state" / "customers" / OURS / "vault.db")) as database:
        assert database.execute("SELECT count(*) FROM tokens").fetchone() == (1,)


# -- sessions


@pytest.mark.parametrize(
    ("customer", "user", "secret"),
    [
        (OURS, "maria", "falsch"),
        (OURS, "maria", password("paula")),
        (OURS, "niemand", password("maria")),
        ("niemand", "maria", password("maria")),
        ("../" + OURS, "maria", password("maria")),
        (OURS, GONE, password(GONE)),
    ],
)
async def test_whoever_is_not_in_gets_one_answer(house: House, customer: str, user: str, secret: str) -> None:
    with pytest.raises(Refused, match="password-wrong"):
        await house.vault.open_session(customer, user, secret, ADDRESS)


@pytest.mark.parametrize("user", ["a*b()", "x\0y", "a:b", "zeile\num", "\u202etnatsixe", "m" * 1_000_000])
async def test_t_a5_strange_names_are_just_unknown(house: House, user: str) -> None:
    with pytest.raises(Refused, match="password-wrong"):
        await house.vault.open_session(OURS, user, "geheim", ADDRESS)


async def test_a_session_says_who_and_until_when(house: House) -> None:
    session = await house.session("paula")
    assert (session.customer, session.user, session.role) == (OURS, "paula", "auditor")
    assert session.expires == house.clock.now + LEASE


async def test_guessing_is_slowed_down_for_the_right_password_too(house: House) -> None:
    for _ in range(5):
        with pytest.raises(Refused, match="password-wrong"):
            await house.vault.open_session(OURS, "maria", "falsch", ADDRESS)
    with pytest.raises(Refused, match="throttled") as refused:
        await house.session("maria")
    assert refused.value.retry_after == 1
    await house.session("paula")
    house.clock.now += 1
    await house.session("maria")


Act = Callable[[House, bytes], Awaitable[object]]


async def _tokenize(house: House, handle: bytes) -> object:
    session = await house.session()
    return await house.vault.tokenize(handle, house.exchange(session), [])


async def _detokenize(house: House, handle: bytes) -> object:
    return await house.vault.detokenize(handle, "exchange-1", [])


@pytest.mark.parametrize("act", [_tokenize, _detokenize])
@pytest.mark.parametrize(
    "forge", [lambda h: b"", lambda h: h[:-1], lambda h: h[:40] + bytes([h[40] ^ 1]) + h[41:], lambda h: bytes(32) + h[32:]]
)
async def test_a_forged_handle_is_an_ended_session(house: House, act: Act, forge: Callable[[bytes], bytes]) -> None:
    session = await house.session()
    with pytest.raises(SessionEnded):
        await act(house, forge(session.handle))


async def test_a_lease_ends_and_is_taken_again(house: House) -> None:
    session = await house.session()
    exchange = house.exchange(session)
    assert await house.vault.tokenize(session.handle, exchange, []) == []
    house.clock.now += LEASE
    with pytest.raises(SessionEnded):
        await house.vault.detokenize(session.handle, exchange.id, [])
    assert await house.vault.detokenize((await house.session()).handle, exchange.id, []) == []


async def test_a_customer_that_was_closed_shows_the_password_again(house: House) -> None:
    (token,) = await house.tokenize(("name", "Max Mustermann"))
    session = await house.session()
    exchange = house.exchange(session)
    await house.vault.tokenize(session.handle, exchange, [])
    house.cipher.lock(OURS)
    for call in (
        house.vault.tokenize(session.handle, exchange, [Clear("name", "Erika Mustermann")]),
        house.vault.detokenize(session.handle, exchange.id, [AtRest("name", token)]),
    ):
        with pytest.raises(SessionEnded):
            await call
    again = await house.session()
    assert await house.vault.detokenize(again.handle, exchange.id, [AtRest("name", token)]) == ["Max Mustermann"]


# -- policies that change meanwhile


async def test_a_removed_user_is_out_at_once(house: House) -> None:
    session = await house.session()
    exchange = house.exchange(session)
    await house.vault.tokenize(session.handle, exchange, [])
    house.policies = write_policies(house.folder, users={user: role for user, role in USERS.items() if user != "maria"})
    with pytest.raises(SessionEnded):
        await house.vault.detokenize(session.handle, exchange.id, [])
    with pytest.raises(SessionEnded):
        await house.vault.tokenize(session.handle, exchange, [])
    with pytest.raises(Refused, match="password-wrong"):
        await house.session()


async def test_a_changed_role_counts_at_once(house: House) -> None:
    (token,) = await house.tokenize(("name", "Max Mustermann"))
    session = await house.session()
    exchange = house.exchange(session)
    await house.vault.tokenize(session.handle, exchange, [])
    house.policies = write_policies(house.folder, users={**USERS, "maria": "auditor"})
    with pytest.raises(SessionEnded):
        await house.vault.detokenize(session.handle, exchange.id, [AtRest("name", token)])
    again = await house.session()
    assert await house.vault.detokenize(again.handle, exchange.id, [AtRest("name", token)]) == ["M*** M***"]


async def test_a_class_that_a_role_may_no_longer_see_is_hidden_at_once(house: House) -> None:
    (token,) = await house.tokenize(("name", "Max Mustermann"))
    session = await house.session()
    exchange = house.exchange(session)
    await house.vault.tokenize(session.handle, exchange, [])
    house.policies = write_policies(house.folder, clear=["note"])
    assert await house.vault.detokenize(session.handle, exchange.id, [AtRest("name", token)]) == [token]


async def test_a_class_that_this_process_does_not_know_is_out_of_step(house: House) -> None:
    session = await house.session()
    exchange = house.exchange(session)
    with pytest.raises(Unavailable, match="policy-out-of-step"):
        await house.vault.tokenize(session.handle, exchange, [Clear("blood_type", "A")])
    assert house.records("begin") == []
    await house.vault.tokenize(session.handle, exchange, [])
    with pytest.raises(Unavailable, match="policy-out-of-step"):
        await house.vault.detokenize(session.handle, exchange.id, [AtRest("blood_type", "A")])


async def test_a_customer_without_a_database_is_out_of_step(house: House) -> None:
    session = await house.session()
    await house.stores.pop(OURS).close()
    with pytest.raises(Unavailable, match="policy-out-of-step"):
        await house.vault.tokenize(session.handle, house.exchange(session), [Clear("name", "Max Mustermann")])


# -- exchanges


async def test_an_exchange_begins_once_before_anything_and_ends_once(house: House) -> None:
    session = await house.session()
    exchange = house.exchange(session)
    for _ in range(3):
        await house.vault.tokenize(session.handle, exchange, [Clear("name", "Max Mustermann")])
    (begun,) = house.records("begin")
    facts = {"exchange": exchange.id, "customer": OURS, "user": "maria", "role": "dispatcher", "method": "POST", "route": "/orders"}
    assert {name: begun[name] for name in facts} == facts
    assert (begun["address"], begun["certificate"], begun["revision"]) == (ADDRESS, "ab" * 32, house.policies.revision)
    await house.vault.record(Event("end", exchange=exchange.id, status=201))
    house.local.abandon([exchange.id])
    (ended,) = house.records("end")
    assert (ended["exchange"], ended["status"]) == (exchange.id, 201)
    assert "count" not in ended


@pytest.mark.parametrize("change", [{"customer": OTHERS}, {"user": "paula"}, {"role": "auditor"}])
async def test_an_exchange_must_be_of_whom_the_session_is(house: House, change: dict[str, str]) -> None:
    session = await house.session()
    with pytest.raises(Unavailable, match="policy-out-of-step"):
        await house.vault.tokenize(session.handle, msgspec.structs.replace(house.exchange(session), **change), [])
    assert house.records("begin") == []


async def test_a_known_exchange_keeps_its_facts(house: House) -> None:
    """Otherwise a worker that was broken into would do everything under one record."""
    session = await house.session()
    exchange = house.exchange(session)
    await house.vault.tokenize(session.handle, exchange, [])
    with pytest.raises(Unavailable, match="policy-out-of-step"):
        await house.vault.tokenize(session.handle, msgspec.structs.replace(exchange, route="/elsewhere"), [])


@pytest.mark.parametrize("state", ["never begun", "another customer's", "another user's", "ended", "abandoned"])
async def test_nothing_is_revealed_without_an_open_exchange_of_that_session(house: House, state: str) -> None:
    (token,) = await house.tokenize(("name", "Max Mustermann"))
    whose = {"another customer's": ("maria", OTHERS), "another user's": ("paula", OURS)}.get(state, ("maria", OURS))
    beginner, session = await house.session(*whose), await house.session()
    exchange = house.exchange(beginner)
    if state != "never begun":
        await house.vault.tokenize(beginner.handle, exchange, [])
    if state == "ended":
        await house.vault.record(Event("end", exchange=exchange.id))
    if state == "abandoned":
        house.local.abandon([exchange.id])
    with pytest.raises(Unavailable, match="policy-out-of-step"):
        await house.vault.detokenize(session.handle, exchange.id, [AtRest("name", token)])
    assert house.records("reveal") == []


async def test_what_a_vanished_worker_began_is_ended(house: House) -> None:
    session = await house.session()
    exchanges = [house.exchange(session) for _ in range(3)]
    for exchange in exchanges:
        await house.vault.tokenize(session.handle, exchange, [])
    await house.vault.record(Event("end", exchange=exchanges[0].id, status=200))
    house.local.abandon([each.id for each in exchanges] + ["never begun"])
    house.local.abandon([each.id for each in exchanges])
    ended = [(record["exchange"], record.get("reason")) for record in house.records("end")]
    assert ended == [(exchanges[0].id, None), (exchanges[1].id, "process-ended"), (exchanges[2].id, "process-ended")]
    assert {record["customer"] for record in house.records("end")[1:]} == {OURS}


async def test_an_end_that_could_not_be_written_can_be_written_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    session = await house.session()
    exchange = house.exchange(session)
    await house.vault.tokenize(session.handle, exchange, [])

    def unwritable(kind: str, fields: object) -> None:
        raise Unavailable("audit-unavailable")

    with monkeypatch.context() as patched:
        patched.setattr(house.audit, "write", unwritable)
        with pytest.raises(Unavailable):
            await house.vault.record(Event("end", exchange=exchange.id))
    house.local.abandon([exchange.id])
    assert [record["exchange"] for record in house.records("end")] == [exchange.id]


async def test_too_many_open_exchanges_are_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OPEN", 2)
    session = await house.session()
    for _ in range(2):
        await house.vault.tokenize(session.handle, house.exchange(session), [])
    with pytest.raises(Unavailable, match="vault-unavailable"):
        await house.vault.tokenize(session.handle, house.exchange(session), [])


async def test_a_refusal_is_recorded_with_what_is_known(house: House) -> None:
    await house.vault.record(Event("refused", exchange="x", address=ADDRESS, reason="certificate-missing", status=403, replayed=True))
    await house.vault.record(Event("closed", address=ADDRESS, reason="network-unknown", count=7))
    (refused,), (closed,) = house.records("refused"), house.records("closed")
    assert (refused["reason"], refused["status"], refused["replayed"]) == ("certificate-missing", 403, True)
    assert (closed["reason"], closed["count"]) == ("network-unknown", 7)
    assert "user" not in refused


# -- rows that were moved or damaged

MOVED = {
    "another class": "UPDATE tokens SET data_class = 'alias'",
    "another value's sealed bytes of another class": "UPDATE tokens SET sealed = (SELECT sealed FROM tokens WHERE data_class = 'iban') "
    "WHERE data_class = 'name'",
    "one bit": "UPDATE tokens SET sealed = CAST(x'ff' || substr(sealed, 2) AS BLOB) WHERE data_class = 'name'",
    "cut short": "UPDATE tokens SET sealed = substr(sealed, 1, length(sealed) - 1) WHERE data_class = 'name'",
    "emptied": "UPDATE tokens SET sealed = x'' WHERE data_class = 'name'",
}


@pytest.mark.parametrize("damage", MOVED)
async def test_a_moved_or_damaged_row_reveals_nothing(house: House, damage: str) -> None:
    name, _ = await house.tokenize(("name", "Max Mustermann"), ("iban", VALUES["iban"]))
    with closing(sqlite3.connect(house.folder / "state" / "customers" / OURS / "vault.db")) as database:
        database.execute(MOVED[damage])
        database.commit()
    data_class = "alias" if damage == "another class" else "name"
    with pytest.raises(Unavailable, match="vault-integrity"):
        await house.reveal((data_class, name))
    assert await house.reveal(("name", name), user="import_job") in ([name], ["***"])
    assert house.records("reveal")[-1]["user"] == "import_job"


async def test_a_row_moved_to_another_customer_reveals_nothing(house: House) -> None:
    (token,) = await house.tokenize(("name", "Max Mustermann"))
    await house.tokenize(("name", "Erika Mustermann"), customer=OTHERS)
    folder = house.folder / "state" / "customers"
    with closing(sqlite3.connect(folder / OTHERS / "vault.db")) as database:
        database.execute("ATTACH ? AS ours", (str(folder / OURS / "vault.db"),))
        database.execute("INSERT INTO tokens SELECT * FROM ours.tokens")
        database.commit()
    with pytest.raises(Unavailable, match="vault-integrity"):
        await house.reveal(("name", token), customer=OTHERS)


async def test_an_opaque_token_whose_row_was_renamed_reveals_nothing(house: House) -> None:
    """Its MAC is checked beside the row: a name that the cipher never made is nobody's."""
    await house.tokenize(("iban", VALUES["iban"]))
    forged = opaque.encode(b"\x01" + b"\x2a" * 22)
    with closing(sqlite3.connect(house.folder / "state" / "customers" / OURS / "vault.db")) as database:
        database.execute("UPDATE tokens SET token = ?", (forged,))
        database.commit()
    with pytest.raises(Unavailable, match="vault-integrity"):
        await house.reveal(("iban", forged))


async def test_o_01_the_vaults_files_hold_no_value(house: House) -> None:
    await house.tokenize(*VALUES.items())
    await house.reveal(*VALUES.items())
    await house.close()
    content = b"".join(path.read_bytes() for path in (house.folder / "state").rglob("*") if path.is_file())
    for value in VALUES.values():
        assert value.encode() not in content
        assert value.encode("utf-16-le") not in content
