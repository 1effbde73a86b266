"""Who may change which password, and make whom: by the vault's own policies, with the current password in the same call."""

from __future__ import annotations

import pytest

from gateway.errors import Refused, SessionEnded, Unavailable
from gateway.vault.sessions import LEASE
from gateway.vault.throttle import FREE
from tests.vault.house import ADDRESS, OTHERS, OURS, USERS, House, password, write_policies

NEW = "Lauch, Kohl & Sellerie"
LISTED = {**USERS, "nele": "importer", "ole": "dispatcher"}


async def begun(house: House, user: str = "maria", customer: str = OURS) -> tuple[bytes, str]:
    session = await house.session(user, customer)
    exchange = house.exchange(session)
    await house.vault.tokenize(session.handle, exchange, [])
    return session.handle, exchange.id


def said(house: House) -> list[tuple[object, ...]]:
    return [(r["reason"], r["user"], r["account"], r["role"], r["address"], r["exchange"]) for r in house.records("account")]


async def test_everybody_changes_the_own_password(house: House) -> None:
    for user, role in USERS.items():
        handle, exchange = await begun(house, user)
        assert await house.vault.change_password(handle, exchange, password(user), NEW, 0) == NEW
        with pytest.raises(Refused, match="password-wrong"):
            await house.session(user)
        await house.vault.open_session(OURS, user, NEW, ADDRESS)
        assert said(house)[-1] == ("password-changed", user, user, role, ADDRESS, exchange)
    await house.session("maria", OTHERS)


async def test_the_record_holds_no_password(house: House) -> None:
    handle, exchange = await begun(house)
    generated = await house.vault.change_password(handle, exchange, password("maria"), None, 3600)
    (record,) = house.records("account")
    assert set(record) == {
        "seq", "time", "kind", "prev", "exchange", "customer", "user", "role", "address", "certificate", "revision", "reason", "account"
    }  # fmt: skip
    written = b"".join(file.read_bytes() for file in (house.folder / "state" / "audit").iterdir())
    assert generated.encode() not in written
    assert password("maria").encode() not in written


async def test_a_session_of_the_old_password_ends_with_its_lease(house: House) -> None:
    handle, exchange = await begun(house)
    await house.vault.change_password(handle, exchange, password("maria"), NEW, 0)
    assert await house.vault.detokenize(handle, exchange, []) == []
    house.clock.now += LEASE
    with pytest.raises(SessionEnded):
        await house.vault.detokenize(handle, exchange, [])


async def test_with_an_overlap_both_open(house: House) -> None:
    handle, exchange = await begun(house)
    await house.vault.change_password(handle, exchange, password("maria"), NEW, 3600)
    await house.session("maria")
    await house.vault.open_session(OURS, "maria", NEW, ADDRESS)


async def test_neither_side_alone_makes_a_user(house: House) -> None:
    """The security team lists, the customer gives the password; until both have, nobody comes in under that name."""
    handle, exchange = await begun(house)
    with pytest.raises(Refused, match="user-unlisted"):
        await house.vault.make_user(handle, exchange, "nele", password("maria"), NEW)
    house.policies = write_policies(house.folder, users=LISTED)
    with pytest.raises(Refused, match="password-wrong"):
        await house.vault.open_session(OURS, "nele", NEW, ADDRESS)
    assert (await house.vault.account(handle, exchange)).without_password == ["nele", "ole"]
    assert await house.vault.make_user(handle, exchange, "nele", password("maria"), NEW) == NEW
    assert (await house.vault.open_session(OURS, "nele", NEW, ADDRESS)).role == "importer"
    assert (await house.vault.account(handle, exchange)).without_password == ["ole"]
    assert said(house) == [("user-made", "maria", "nele", "dispatcher", ADDRESS, exchange)]
    with pytest.raises(Refused, match="user-has-password"):
        await house.vault.make_user(handle, exchange, "nele", password("maria"), NEW)
    with pytest.raises(Refused, match="password-wrong"):
        await house.vault.open_session(OTHERS, "nele", NEW, ADDRESS)


@pytest.mark.parametrize("user", ["import_job", "paula"])
async def test_a_role_without_the_right_makes_nobody_and_is_told_no_names(house: House, user: str) -> None:
    house.policies = write_policies(house.folder, users=LISTED)
    handle, exchange = await begun(house, user)
    account = await house.vault.account(handle, exchange)
    assert (account.makes_users, account.without_password) == (False, [])
    with pytest.raises(Refused, match="role-denied"):
        await house.vault.make_user(handle, exchange, "nele", password(user), NEW)
    assert said(house) == []


async def test_a_right_that_was_taken_away_is_gone_at_once(house: House) -> None:
    handle, exchange = await begun(house)
    house.policies = write_policies(house.folder, users={**LISTED, "maria": "auditor"})
    for verb in (house.vault.account(handle, exchange), house.vault.make_user(handle, exchange, "nele", password("maria"), NEW)):
        with pytest.raises(SessionEnded):
            await verb


async def test_a_01_guessing_in_an_open_browser_becomes_slow(house: House) -> None:
    """Who sits there is signed in, and stays so: neither does that take the failures back, nor do they stop the work beside it."""
    handle, exchange = await begun(house)
    for _ in range(FREE):
        with pytest.raises(Refused, match="current-password-wrong"):
            await house.vault.change_password(handle, exchange, "geraten", NEW, 0)
        await house.session("maria")
    with pytest.raises(Refused, match="throttled"):
        await house.vault.make_user(handle, exchange, "paula", "geraten", NEW)
    with pytest.raises(Refused, match="throttled") as refused:
        await house.vault.change_password(handle, exchange, password("maria"), NEW, 0)
    assert refused.value.retry_after == 1
    other_handle, other = await begun(house, "paula")
    assert await house.vault.change_password(other_handle, other, password("paula"), NEW, 0) == NEW
    house.clock.now += 2
    handle, exchange = await begun(house)
    assert await house.vault.change_password(handle, exchange, password("maria"), NEW, 0) == NEW


async def test_only_in_an_exchange_that_began_here_and_is_the_users_own(house: House) -> None:
    handle, exchange = await begun(house)
    paula, _ = await begun(house, "paula")
    far, _ = await begun(house, "maria", OTHERS)
    for who, where in ((handle, "unheard-of"), (paula, exchange), (far, exchange)):
        with pytest.raises(Unavailable, match="policy-out-of-step"):
            await house.vault.change_password(who, where, password("maria"), NEW, 0)
        with pytest.raises(Unavailable, match="policy-out-of-step"):
            await house.vault.account(who, where)
    with pytest.raises(SessionEnded):
        await house.vault.change_password(b"forged", exchange, password("maria"), NEW, 0)
    assert said(house) == []


async def test_a_password_that_nobody_else_knows_is_told_also_when_its_record_fails(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or its user would be locked out. That the exchange began is written, and how it ended is tried again."""
    handle, exchange = await begun(house)

    def fails(kind: str, fields: object) -> None:
        raise Unavailable("audit-unavailable")

    with monkeypatch.context() as broken:
        broken.setattr(house.audit, "write", fails)
        generated = await house.vault.change_password(handle, exchange, password("maria"), None, 0)
    await house.vault.open_session(OURS, "maria", generated, ADDRESS)
