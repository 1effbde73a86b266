"""One body's values: which get a token, which stay, what is refused, and that each wall is asked once however many there are."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.cipher.interface import Cipher, Sealed, ToOpen, ToSeal
from gateway.errors import Refused, Unavailable
from gateway.tokens import opaque
from gateway.tokens.form import DataClass
from gateway.tokens.same_length import SameLengthForm
from gateway.vault.interface import Clear
from gateway.vault.store import MemoryStore, NewToken
from gateway.vault.tokenizing import LONGEST_VALUE, SMALL_SPACE, Tokenizing
from tests.vault.house import OURS, STORED, House


class Counted:
    """The real cipher and a real store, and how often each was asked for how many."""

    def __init__(self, cipher: Cipher) -> None:
        self._cipher, self._store = cipher, MemoryStore()
        self.asked: list[tuple[str, int]] = []

    def _note(self, verb: str, items: Sequence[Any]) -> None:
        if items:
            self.asked.append((verb, len(items)))

    async def unlock(self, customer: str, user: str, password: str) -> None:
        await self._cipher.unlock(customer, user, password)

    async def seal(self, customer: str, items: Sequence[ToSeal]) -> list[Sealed]:
        self._note("seal", items)
        return await self._cipher.seal(customer, items)

    async def open(self, customer: str, items: Sequence[ToOpen]) -> list[str | None]:
        self._note("open", items)
        return await self._cipher.open(customer, items)

    async def lookup(self, tokens: Sequence[tuple[str, str]]) -> list[bytes | None]:
        self._note("lookup", tokens)
        return await self._store.lookup(tokens)

    async def find(self, fingerprints: Sequence[tuple[str, bytes]]) -> list[str | None]:
        self._note("find", fingerprints)
        return await self._store.find(fingerprints)

    async def upsert(self, rows: Sequence[NewToken]) -> list[str]:
        self._note("upsert", rows)
        return await self._store.upsert(rows)

    async def close(self) -> None:
        await self._store.close()


class Body:
    """Tokenizes one body after the other for one customer, whose key is open."""

    def __init__(self, counted: Counted, classes: dict[str, DataClass]) -> None:
        self._counted, self.classes = counted, classes

    async def __call__(self, *items: tuple[str, str], search: bool = False) -> list[str]:
        self._counted.asked.clear()
        clear = [Clear(data_class, value, search) for data_class, value in items]
        return await Tokenizing(OURS, self._counted, self._counted).run(clear, [self.classes[name] for name, _ in items])

    @property
    def asked(self) -> dict[str, int]:
        """Verb → for how many; a verb that was asked twice fails the test."""
        verbs = [verb for verb, _ in self._counted.asked]
        assert len(verbs) == len(set(verbs)), verbs
        return dict(self._counted.asked)


@pytest.fixture
async def body(house: House) -> Body:
    await house.session()
    return Body(Counted(house.cipher), dict(house.policies.data_classes))


# -- one trip each


async def test_a_body_costs_one_call_to_each_wall(body: Body) -> None:
    items = [("name", f"Person {number}") for number in range(20)] + [("note", "klingeln"), ("phone", "+49 30 1234567")]
    tokens = await body(*items)
    assert body.asked == {"seal": 22, "upsert": 22}
    assert await body(*zip([name for name, _ in items], tokens, strict=True)) == tokens
    assert body.asked == {"lookup": 22}
    await body(("name", tokens[0]), ("name", "Neu"), ("name", tokens[1]))
    assert body.asked == {"lookup": 2, "seal": 1, "upsert": 1}


@pytest.mark.parametrize(
    ("items", "asked"),
    [
        ([], {}),
        ([("name", ""), ("note", "")], {}),
        ([("initials", "Max Mustermann"), ("religion", "ev.")], {}),
        ([("meter", "1EMH0012345678"), ("memo", "Schlüssel")], {"seal": 2}),
        ([("name", "Max Mustermann")] * 50, {"seal": 1, "upsert": 1}),
        ([("note", "klingeln")] * 3, {"seal": 3, "upsert": 3}),
        ([("name", "Max"), ("iban", "Max")], {"seal": 2, "upsert": 2}),
    ],
    ids=["nothing", "empty", "one-way", "sealed", "equal", "fresh", "two classes"],
)
async def test_no_wall_is_asked_for_more_than_it_must(body: Body, items: list[tuple[str, str]], asked: dict[str, int]) -> None:
    await body(*items)
    assert body.asked == asked


async def test_a_search_costs_one_call_to_each_wall(body: Body) -> None:
    (token,) = await body(("name", "Max Mustermann"))
    assert (await body(("name", "Max Mustermann"), ("name", "Erika Mustermann"), search=True))[0] == token
    assert body.asked == {"seal": 2, "find": 2, "lookup": 1}


# -- small spaces


def letters() -> Iterator[str]:
    return map(chr, itertools.count(0x4E00))


async def fill(body: Body) -> dict[str, str]:
    """Distinct one-letter names until there are no more tokens for them: value → token."""
    tokens: dict[str, str] = {}
    with pytest.raises(Unavailable, match="token-space-exhausted"):
        for letter in letters():
            (tokens[letter],) = await body(("name", letter))
    return tokens


async def test_a_full_space_is_said_and_what_has_a_token_keeps_it(body: Body) -> None:
    tokens = await fill(body)
    assert len(set(tokens.values())) == len(tokens)
    assert await body(*(("name", letter) for letter in tokens)) == list(tokens.values())
    (longer,) = await body(("name", "Max Mustermann"))
    assert len(longer) == len("Max Mustermann")


async def test_v_12_a_search_in_a_crowded_space_finds_nobody_else(body: Body) -> None:
    tokens = await fill(body)
    unknown = [("name", letter) for letter in itertools.islice(letters(), 1_000, 1_200)]
    found = await body(*unknown, search=True)
    assert not set(found) & set(tokens.values())
    assert await body(*(("name", letter) for letter in tokens), search=True) == list(tokens.values())


@pytest.mark.parametrize(
    ("value", "digits", "repeats"), [("12345", 3, True), ("1234567", 5, True), ("12345678", 6, False), ("1" * 12, 10, False)]
)
async def test_fresh_is_same_where_tokens_are_few(body: Body, value: str, digits: int, repeats: bool) -> None:
    assert (10**digits < SMALL_SPACE) is repeats
    first, second = await body(("pin", value), ("pin", value))
    (third,) = await body(("pin", value))
    assert (first == second == third) is repeats
    assert len({first, second, third}) == (1 if repeats else 3)


# -- what a token may not look like


async def test_b_11_no_token_looks_like_a_mask(body: Body, monkeypatch: pytest.MonkeyPatch) -> None:
    """The alphabet windows-1252 holds the star: three in a row would be refused as a mask when the token comes back."""
    drawn = iter(["a***§", "***§*", "a§***", "a§b**"])
    monkeypatch.setattr(SameLengthForm, "generate", lambda *_: next(drawn))
    (token,) = await body(("look", "Jürgen"))
    assert token == "a§b**"
    assert await body(("look", token)) == [token]


async def test_v_01_what_a_search_makes_up_is_no_token(body: Body) -> None:
    (guess,) = await body(("note", "nie gesendet"), search=True)
    assert opaque.decode(guess) is not None
    (token,) = await body(("note", guess))
    assert token != guess


# -- what is refused


@pytest.mark.parametrize("data_class", [*STORED, "religion"])
@pytest.mark.parametrize("text", ["M*** M***", "***", "Max ***"])
async def test_b_11_a_mask_is_no_value(body: Body, data_class: str, text: str) -> None:
    with pytest.raises(Refused, match="mask-written-back"):
        await body(("name", "Erika Mustermann"), (data_class, text))
    assert body.asked == {}


async def test_a_mask_is_at_home_in_a_masked_class(body: Body) -> None:
    assert await body(("initials", "M*** M***"), ("initials", "Max Mustermann")) == ["M*** M***"] * 2


@pytest.mark.parametrize("data_class", [*STORED, "initials", "religion"])
async def test_a_document_is_no_value(body: Body, data_class: str) -> None:
    assert await body((data_class, "ä" * LONGEST_VALUE)) != ["ä" * LONGEST_VALUE]
    with pytest.raises(Refused, match="value-too-long"):
        await body(("name", "Erika Mustermann"), (data_class, "ä" * (LONGEST_VALUE + 1)))
    assert body.asked == {}


@pytest.mark.parametrize("data_class", ["name", "note", "memo", "phone"])
async def test_half_a_surrogate_pair_is_refused(body: Body, data_class: str) -> None:
    with pytest.raises(Refused, match="body-lone-surrogate"):
        await body((data_class, "Max \ud83d Mustermann"))


# -- any text

# Every character but surrogates, and no three stars in a row, which are a mask.
values = st.text(st.characters(exclude_categories=["Cs"]), max_size=60).filter(lambda text: "***" not in text)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(STORED), values), max_size=12))
async def test_whatever_is_sent_comes_back_and_twice_is_as_once(house: House, items: list[tuple[str, str]]) -> None:
    tokens = await house.tokenize(*items)
    again = list(zip([name for name, _ in items], tokens, strict=True))
    assert await house.tokenize(*again) == tokens  # V-07
    assert await house.reveal(*again) == [value for _, value in items]
    assert await house.reveal(*again, user="import_job") == tokens
    assert all(token != value for token, (_, value) in zip(tokens, items, strict=True) if value)
