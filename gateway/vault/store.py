"""Where tokens and sealed values lie: the protocol of a store, one per customer, and the one in memory.

Batches only. A store knows neither keys nor values: fingerprints and sealed bytes are all it sees. What never may come in: a verb
that lists, or one that deletes a single token (crypto-shredding ends a customer as a whole).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import Unavailable

#: Candidates that are tried before a space counts as full: at half full, 64 misses in a row have a probability of 2**-64.
TRIES = 64


@dataclass(frozen=True, slots=True)
class NewToken:
    """A sealed value that needs a token. ``fingerprint`` None: always a new one (``repeat: fresh``)."""

    data_class: str
    fingerprint: bytes | None
    sealed: bytes
    candidate: Callable[[], str]


class Store(Protocol):
    async def lookup(self, tokens: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """What is sealed under each (data class, token); None where no such token was issued."""

    async def find(self, fingerprints: Sequence[tuple[str, bytes]]) -> list[str | None]:
        """The token of each (data class, fingerprint), if there is one."""

    async def upsert(self, rows: Sequence[NewToken]) -> list[str]:
        """A token for each row, on disk when this returns. Raises Unavailable('token-space-exhausted' | 'vault-unavailable')."""

    async def close(self) -> None: ...


class MemoryStore:
    """Forgets everything at its end: for trying out policies (``gateway test``), never for customers."""

    def __init__(self) -> None:
        self._sealed: dict[tuple[str, str], bytes] = {}
        self._tokens: dict[tuple[str, bytes], str] = {}

    async def lookup(self, tokens: Sequence[tuple[str, str]]) -> list[bytes | None]:
        return [self._sealed.get(key) for key in tokens]

    async def find(self, fingerprints: Sequence[tuple[str, bytes]]) -> list[str | None]:
        return [self._tokens.get(key) for key in fingerprints]

    async def upsert(self, rows: Sequence[NewToken]) -> list[str]:
        return [self._one(row) for row in rows]

    def _one(self, row: NewToken) -> str:
        if row.fingerprint is not None and (known := self._tokens.get((row.data_class, row.fingerprint))) is not None:
            return known
        for _ in range(TRIES):
            token = row.candidate()
            if (row.data_class, token) not in self._sealed:
                self._sealed[row.data_class, token] = row.sealed
                if row.fingerprint is not None:
                    self._tokens[row.data_class, row.fingerprint] = token
                return token
        raise Unavailable("token-space-exhausted")

    async def close(self) -> None:
        self._sealed.clear()
        self._tokens.clear()
