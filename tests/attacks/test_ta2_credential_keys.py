"""T-A2: credentials are remembered so that Argon2 runs once. What is remembered for one is never taken for another."""

import asyncio
import base64
import itertools

import pytest

from gateway.cipher.credentials import password
from gateway.cipher.customers import CustomerKeys
from gateway.demo.story import OTHER, OURS
from gateway.errors import Refused
from gateway.proxy.access import Client
from gateway.proxy.sessions import Sessions
from tests.vault import house as vault_house
from tests.vault.house import CHEAP, USERS, build, write_policies

#: Joined without their lengths, each of these is the same text as another one.
PARTS = [("a", "b:c"), ("a:b", "c"), ("a", "bc"), ("ab", "c"), ("a:", "b:c"), ("", "a:b:c"), ("a:b:c", "")]
TAIL = ", Kohl & Lauch am Zaun"


@pytest.fixture
async def house(tmp_path):
    house = build(tmp_path)
    operator = house.cipher._operator
    for customer, users in (("a", {"bc": "d" + TAIL, "b": "cd" + TAIL}), ("ab", {"c": "d" + TAIL}), ("abc", {"d": "e" + TAIL})):
        CustomerKeys(customer, house.cipher._files_of(customer), operator, CHEAP).create(users)
    yield house
    await house.close()


@pytest.mark.trap("T-A2", "Of names and passwords that are one text without their lengths only the right pair comes in, also all at once.")
async def test_ta2_a_colon_and_b_are_not_a_and_colon_b(house):
    keys = CustomerKeys(vault_house.OURS, house.cipher._files_of(vault_house.OURS), house.cipher._operator, CHEAP)
    by = vault_house.password("maria")
    await house.session("maria")
    keys.add_user("a", "b:c" + TAIL, authorised_by=password("maria", by))
    house.policies = write_policies(house.folder, users={**USERS, "a": "importer"})
    sessions = Sessions(house.vault)
    client = Client(vault_house.OURS, vault_house.ADDRESS, "ab" * 32)

    async def comes_in(user, secret):
        try:
            session = await sessions.of(client, user, secret + TAIL, house.clock.now)
        except Refused as refused:
            return refused.reason
        return session.user

    for order in itertools.islice(itertools.permutations(PARTS), 0, 5_040, 252):  # 20 orders, each all at once
        house.clock.now += 3_601
        answers = await asyncio.gather(*(comes_in(*pair) for pair in order))
        assert dict(zip(order, answers, strict=True)) == {pair: "a" if pair == ("a", "b:c") else "password-wrong" for pair in PARTS}


@pytest.mark.trap("T-A2", "The customer is part of what is remembered: the cipher confuses no names and passwords across customers.")
async def test_ta2_the_customer_is_part_of_it(house):
    right = {("a", "bc", "d"), ("a", "b", "cd"), ("ab", "c", "d"), ("abc", "d", "e")}
    tried = right | {("a", "bcd", "e"), ("abc", "", "de"), ("ab", "cd", "e"), ("ab", "bc", "d"), ("a", "c", "d"), ("abc", "c", "d")}

    async def opens(customer, user, secret):
        try:
            await house.cipher.unlock(customer, user, secret + TAIL)
        except Refused:
            return False
        return True

    for _ in range(3):  # the second time they are recognised
        answers = await asyncio.gather(*(opens(*each) for each in sorted(tried)))
        assert {each for each, opened in zip(sorted(tried), answers, strict=True) if opened} == right


def ask(user, password):
    told = base64.b64encode(f"{user}:{password}".encode())
    return b"GET /.gateway/account HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nAuthorization: Basic " + told + b"\r\n\r\n"


@pytest.mark.trap("T-A2", "One name in two customers: each certificate comes in with its own password only, on connections that alternate.")
def test_ta2_one_name_in_two_customers(attacker, environment):
    secrets = {customer: environment.customers[customer].passwords["import_job"] for customer in (OURS, OTHER)}
    lines = {customer: attacker.connect(customer) for customer in secrets}
    for _ in range(3):
        for customer, secret in itertools.product(secrets, secrets.values()):
            lines[customer].send(ask("import_job", secret))
            reply = lines[customer].reply()
            right = secret == secrets[customer]
            assert reply.status == (200 if right else 401)
            if right:
                assert reply.json()["customer"] == customer
