"""Recognised, never guessed: a text is a token only when it was issued to this customer and this class."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.errors import Unavailable
from gateway.tokens import opaque
from gateway.vault.interface import AtRest
from gateway.vault.issued import Issued, find_issued
from gateway.vault.store import MemoryStore, NewToken
from tests.vault.house import OTHERS, OURS, House

NOT_ISSUED = opaque.encode(b"\x01" + b"r" * (opaque.RAW_BYTES - 1))


class Asked(MemoryStore):
    """A real store that counts its round trips."""

    trips = 0

    async def lookup(self, tokens):  # type: ignore[no-untyped-def]
        self.trips += bool(tokens)
        return await super().lookup(tokens)


async def find(house: House, *items: tuple[str, str], customer: str = OURS, wanted: bool = True) -> list[Issued | None]:
    await house.session(customer=customer)
    texts = [AtRest(*item) for item in items]
    return await find_issued(customer, texts, house.cipher, house.stores[customer], lambda _: wanted)


async def test_what_was_issued_is_found_with_its_value(house: House) -> None:
    items = [("name", "Max Mustermann"), ("note", "klingeln"), ("memo", "Schlüssel"), ("phone", "+49 30 1234567")]
    tokens = await house.tokenize(*items)
    texts = list(zip([name for name, _ in items], tokens, strict=True))
    mixed = [("name", "Erika"), *texts, ("name", ""), *reversed(texts)]
    values = [Issued(value) for _, value in items]
    assert await find(house, *mixed) == [None, *values, None, *reversed(values)]


async def test_nothing_is_opened_that_nobody_asked_for(house: House) -> None:
    tokens = await house.tokenize(("name", "Max Mustermann"), ("note", "klingeln"))
    await house.session()
    house.cipher.lock(OURS)  # with the key away, only looking at rows still works
    texts = [AtRest("name", tokens[0]), AtRest("note", tokens[1]), AtRest("name", "Erika")]
    assert await find_issued(OURS, texts, house.cipher, house.stores[OURS], lambda _: False) == [Issued(None), Issued(None), None]


@pytest.mark.parametrize("data_class", ["name", "look", "phone", "email", "device", "iban", "note", "memo", "meter"])
async def test_t_b5_another_customers_token_is_text(house: House, data_class: str) -> None:
    value = {"phone": "+49 30 1234567", "email": "max@example.org", "device": "3f2504e0-4f89-11d3-9a0c-0305e82c3301"}.get(data_class, "Max")
    (token,) = await house.tokenize((data_class, value))
    assert await find(house, (data_class, token)) == [Issued(value)]
    assert await find(house, (data_class, token), customer=OTHERS) == [None]


@pytest.mark.parametrize(("mine", "other"), [("note", "name"), ("memo", "note"), ("name", "look"), ("meter", "memo"), ("iban", "note")])
async def test_another_classs_token_is_text(house: House, mine: str, other: str) -> None:
    (token,) = await house.tokenize((mine, "Max"))
    assert await find(house, (mine, token), (other, token)) == [Issued("Max"), None]


@pytest.mark.parametrize("text", ["", "Max Mustermann", NOT_ISSUED, "gs1_" + "0" * 40, "gt1_", "gs1_", "gt1_" + "z" * 36, "x" * 100_000])
async def test_what_only_looks_like_one_is_text(house: House, text: str) -> None:
    assert await find(house, ("note", text), ("memo", text)) == [None, None]


async def test_a_second_spelling_of_a_token_is_text(house: House) -> None:
    """T-A2: one token, one spelling."""
    tokens = await house.tokenize(("note", "klingeln"), ("memo", "Schlüssel"))
    for data_class, token in zip(("note", "memo"), tokens, strict=True):
        spellings = [token.upper(), token + " ", " " + token, token + "=", token.replace("1_", "1-", 1), token[:-1], token + "\0"]
        assert await find(house, *((data_class, spelling) for spelling in spellings)) == [None] * len(spellings)


async def test_a_body_costs_one_look_at_the_database(house: House) -> None:
    store = Asked()
    texts = [AtRest("name", f"text {number}") for number in range(200)]
    await house.session()
    assert await find_issued(OURS, texts, house.cipher, store, lambda _: True) == [None] * 200
    assert store.trips == 1


async def stored(house: House, data_class: str, value: str) -> NewToken:
    """A row as the vault keeps it, to be laid where it does not belong."""
    (token,) = await house.tokenize((data_class, value))
    (sealed,) = await house.stores[OURS].lookup([(data_class, token)])
    assert sealed is not None
    return NewToken(data_class, None, sealed, lambda: token)


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("wrong", ["class", "bytes", "empty", "name of the token"])
async def test_a_row_that_does_not_open_is_never_taken_for_text(house: House, wrong: str, wanted: bool) -> None:
    """Taken for text, it would be shown as a clear value from before, or tokenized again."""
    row = await stored(house, "iban", "DE02120300000000202051")
    forged = {
        "class": replace(row, data_class="note"),
        "bytes": replace(row, sealed=row.sealed[:-1] + bytes([row.sealed[-1] ^ 1]), candidate=lambda: "forged"),
        "empty": replace(row, sealed=b"\0", candidate=lambda: "forged"),
        "name of the token": replace(row, candidate=lambda: NOT_ISSUED),
    }[wrong]
    (token,) = await house.stores[OURS].upsert([forged])
    if wanted:
        with pytest.raises(Unavailable, match="vault-integrity"):
            await find(house, (forged.data_class, token))
    else:
        assert await find(house, (forged.data_class, token), wanted=False) == [Issued(None)]
