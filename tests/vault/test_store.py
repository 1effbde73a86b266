"""The contract of a store, on every one there is: what was issued is found, and nothing else is."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.errors import Unavailable
from gateway.vault.sqlite import SqliteStore
from gateway.vault.store import TRIES, MemoryStore, NewToken, Store


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "vault.db")
    yield store
    await store.close()


def candidates(*tokens: str) -> Callable[[], str]:
    """Gives these, the last one for ever."""
    return itertools.chain(tokens, itertools.repeat(tokens[-1])).__next__


def row(token: str, *more: str, data_class: str = "name", fingerprint: bytes | None = None, sealed: bytes = b"sealed") -> NewToken:
    return NewToken(data_class, fingerprint, sealed, candidates(token, *more))


async def test_what_was_stored_is_found_in_order(store: Store) -> None:
    rows = [row("a", sealed=b"1"), row("b", sealed=b"2", fingerprint=b"f"), row("c", data_class="note", sealed=b"\0")]
    assert await store.upsert(rows) == ["a", "b", "c"]
    asked = [("note", "c"), ("name", "x"), ("name", "a"), ("name", "b"), ("name", "a")]
    assert await store.lookup(asked) == [b"\0", None, b"1", b"2", b"1"]
    assert await store.find([("name", b"f"), ("name", b"g")]) == ["b", None]


async def test_a_token_of_one_class_is_nothing_in_another(store: Store) -> None:
    await store.upsert([row("t", data_class="note", fingerprint=b"f")])
    assert await store.lookup([("name", "t")]) == [None]
    assert await store.find([("name", b"f")]) == [None]
    assert await store.upsert([row("t", data_class="name", fingerprint=b"f", sealed=b"other")]) == ["t"]
    assert await store.lookup([("name", "t"), ("note", "t")]) == [b"other", b"sealed"]


async def test_one_fingerprint_has_one_token(store: Store) -> None:
    first = await store.upsert([row("a", fingerprint=b"f", sealed=b"1"), row("b", fingerprint=b"f", sealed=b"2")])
    again = await store.upsert([row("c", fingerprint=b"f", sealed=b"3")])
    assert first + again == ["a", "a", "a"]
    assert await store.lookup([("name", "a"), ("name", "b"), ("name", "c")]) == [b"1", None, None]


async def test_one_fingerprint_has_one_token_whoever_comes_first(store: Store) -> None:
    answers = await asyncio.gather(*(store.upsert([row(f"t{number}", fingerprint=b"f")]) for number in range(50)))
    assert len({token for (token,) in answers}) == 1


async def test_without_a_fingerprint_every_row_has_a_token_of_its_own(store: Store) -> None:
    assert await store.upsert([row("a"), row("b"), row("c")]) == ["a", "b", "c"]


async def test_a_taken_token_is_not_given_twice(store: Store) -> None:
    await store.upsert([row("a", sealed=b"first")])
    assert await store.upsert([row("a", "a", "b", sealed=b"second"), row("b", "c", sealed=b"third")]) == ["b", "c"]
    assert await store.lookup([("name", "a"), ("name", "b"), ("name", "c")]) == [b"first", b"second", b"third"]


async def test_a_full_space_is_said_and_the_store_lives_on(store: Store) -> None:
    await store.upsert([row("only")])
    with pytest.raises(Unavailable, match="token-space-exhausted"):
        await store.upsert([row("only", fingerprint=b"f")])
    assert await store.find([("name", b"f")]) == [None]
    assert await store.upsert([row(*["only"] * (TRIES - 1), "last")]) == ["last"]


async def test_tokens_are_compared_by_their_code_points(store: Store) -> None:
    """The database folds nothing: tokens that a careless collation takes for one are two."""
    tokens = ["ab", "AB", "a\u0308", "ä", "ab ", " ab", "", "a\0b", "a", "€§", "🔑"]
    assert await store.upsert([row(token, sealed=str(at).encode()) for at, token in enumerate(tokens)]) == tokens
    assert await store.lookup([("name", token) for token in tokens]) == [str(at).encode() for at in range(len(tokens))]


async def test_sql_in_a_token_is_a_token(store: Store) -> None:
    token = "'); DROP TABLE tokens; --"
    await store.upsert([row(token)])
    assert await store.lookup([("name", token), ("name", "' OR 1=1 --")]) == [b"sealed", None]


async def test_nothing_is_asked_for_nothing(store: Store) -> None:
    assert (await store.lookup([]), await store.find([]), await store.upsert([])) == ([], [], [])
