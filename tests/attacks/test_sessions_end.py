"""Who is taken away, changed or shredded while a session runs: what is still revealed, and for how long."""

import pytest

from gateway.cipher import credentials, files, opened
from gateway.cipher.customers import CustomerKeys
from gateway.errors import Refused, SessionEnded, Unavailable
from gateway.vault.interface import AtRest
from gateway.vault.sessions import LEASE
from gateway.vault.throttle import CAPACITY
from tests.vault.house import ADDRESS, CHEAP, GONE, OTHERS, OURS, USERS, build, password, write_policies

NOTE = ("note", "Hund im Garten")


@pytest.fixture
async def house(tmp_path):
    house = build(tmp_path)
    yield house
    await house.close()


def keys(house, customer=OURS):
    return CustomerKeys(customer, house.cipher._files_of(customer), house.cipher._operator, CHEAP)


async def begun(house, user="maria"):
    token = (await house.tokenize(NOTE))[0]
    session = await house.session(user)
    exchange = house.exchange(session)
    await house.vault.tokenize(session.handle, exchange, [])
    return lambda: house.vault.detokenize(session.handle, exchange.id, [AtRest("note", token)])


async def test_a_user_out_of_the_policy_sees_nothing_from_that_moment_on(house):
    reveal = await begun(house)
    assert await reveal() == [NOTE[1]]
    house.policies = write_policies(house.folder, users={"import_job": "importer"})
    with pytest.raises(SessionEnded):
        await reveal()
    with pytest.raises(Refused, match="password-wrong"):
        await house.session("maria")


async def test_a_user_in_another_role_sees_nothing_of_the_old_one_from_that_moment_on(house):
    reveal = await begun(house)
    house.policies = write_policies(house.folder, users={**USERS, "maria": "importer"})
    with pytest.raises(SessionEnded):
        await reveal()


@pytest.mark.parametrize("change", ["password", "removed"])
async def test_an_old_password_opens_nothing_and_its_session_ends_with_the_lease(house, change):
    """Recognising a repeated password must not outlive the slot that it was checked against."""
    reveal = await begun(house)
    by = credentials.password("import_job", password("import_job"))
    if change == "password":
        keys(house).set_password("maria", "Möhre, Lauch & Sellerie", authorised_by=by)
    else:
        keys(house).remove_user("maria", authorised_by=by)
    with pytest.raises(Refused, match="password-wrong"):
        await house.session("maria")
    house.clock.now += LEASE
    with pytest.raises(SessionEnded):
        await reveal()


@pytest.mark.trap("V-13", "A shredded customer is closed at once, also after a restore of everything but the tombstone.")
async def test_v13_a_shredded_customer_is_closed_at_once_although_its_token_was_open(house):
    reveal = await begun(house)
    paths = house.cipher._files_of(OURS)
    backup = {path: path.read_bytes() for path in (paths.keyslots, paths.data_keys, paths.share)}
    keys(house).shred()
    with pytest.raises(Unavailable, match="keys-unavailable"):
        await reveal()
    for path, content in backup.items():  # a restore that brings everything back but the tombstone's absence
        files.write(path, content)
    with pytest.raises((Unavailable, SessionEnded)):
        await reveal()
    with pytest.raises(Unavailable, match="keys-unavailable"):
        await house.session()


async def test_a_slot_whose_user_no_policy_names_lets_nobody_in(house):
    with pytest.raises(Refused, match="password-wrong"):
        await house.session(GONE)


@pytest.mark.trap("T-A5", "No other spelling of a name stands for a user, and none for the recovery code.")
@pytest.mark.parametrize("user", ["", "recovery", "maria\0", "maria ", "Maria", "mａria", "maria\u200b", "*", "../maria"])
async def test_ta5_no_other_name_stands_for_a_user_or_for_the_recovery_code(house, user):
    code = keys(house).replace_recovery_code(authorised_by=credentials.password("maria", password("maria")))
    for secret in (code, password("maria"), ""):
        with pytest.raises(Refused, match="password-wrong"):
            await house.vault.open_session(OURS, user, secret, ADDRESS)
        house.clock.now += 400


@pytest.mark.parametrize(
    "customer", ["", ".", "..", f"../customers/{OURS}", f"{OURS}/", f"{OURS}\0", OURS.upper(), "x" * 300, "gibt_es_nicht"]
)
async def test_no_other_name_stands_for_a_customer(house, customer):
    with pytest.raises(Refused, match="password-wrong"):
        await house.vault.open_session(customer, "maria", password("maria"), ADDRESS)
    assert house.cipher.open_customers() == []


async def test_a_password_of_one_customer_is_none_of_another(house):
    keys(house).set_password("maria", "Möhre, Lauch & Sellerie", authorised_by=credentials.password("maria", password("maria")))
    with pytest.raises(Refused, match="password-wrong"):
        await house.vault.open_session(OTHERS, "maria", "Möhre, Lauch & Sellerie", ADDRESS)
    with pytest.raises(Refused, match="password-wrong"):
        await house.vault.open_session(OURS, "maria", password("maria"), ADDRESS)


async def test_spellings_of_one_password_do_not_fill_the_ciphers_memory(house, monkeypatch):
    """Each "ö" can be typed in two ways: one user of one customer could have filled the locked memory that all share."""
    monkeypatch.setattr(opened, "MOST_RECOGNISED", 3)
    blanks = ["\u0020", "\u00a0", "\u2003", "\u2004", "\u2005", "\u2006"]  # one password, by RFC 8265
    keys(house).set_password("maria", "Lauch Sellerie Möhre", authorised_by=credentials.password("maria", password("maria")))
    for blank in blanks:
        await house.vault.open_session(OURS, "maria", f"Lauch{blank}Sellerie Möhre", ADDRESS)
    assert len(house.cipher._opened[OURS]._recognised) <= 3


async def test_long_names_do_not_fill_the_vaults_memory(house):
    """The table of failures has 50,000 places: six kilobytes in each would be 300 MB."""
    for number in range(4):
        with pytest.raises(Refused):
            await house.vault.open_session(OURS, f"{number}" * 6_000, "falsch, falsch", ADDRESS)
    kept = [name for table in (house.local._throttle._failures, house.local._throttle._names) for key in table for name in key]
    assert max(map(len, kept)) * CAPACITY < 10 << 20
