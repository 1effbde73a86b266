"""Which texts are tokens: recognised, never guessed (design section 4).

A text is a token only when it was issued to this customer and this data class: its row is in this customer's database, or (method
``sealed``) this customer's key opens it. Everything else is a value. What never may come in: a decision who may see it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.cipher.interface import Cipher, ToOpen
from gateway.errors import Unavailable
from gateway.tokens import opaque
from gateway.vault.interface import AtRest
from gateway.vault.store import Store


@dataclass(frozen=True, slots=True)
class Issued:
    """A token of ours. ``value`` is only there when it was asked for."""

    value: str | None


async def find_issued(
    customer: str, items: Sequence[AtRest], cipher: Cipher, store: Store, wanted: Callable[[str], bool]
) -> list[Issued | None]:
    """For each text, whether it is a token, and its value where ``wanted(data class)``: only what is shown is ever opened.

    Raises Unavailable('vault-integrity') when a row of ours does not open: it was moved or damaged, and what it was is unknown.
    """
    containing = {at for at, item in enumerate(items) if opaque.decode_sealed(item.text) is not None}
    stored_at = [at for at, item in enumerate(items) if at not in containing and item.text]
    rows = await store.lookup([(items[at].data_class, items[at].text) for at in stored_at])
    stored = {at: row for at, row in zip(stored_at, rows, strict=True) if row is not None}
    questions: dict[int, ToOpen] = {at: ToOpen(items[at].data_class, b"", items[at].text) for at in containing}
    for at, sealed in stored.items():
        if wanted(items[at].data_class):
            checked = items[at].text if opaque.decode(items[at].text) is not None else ""
            questions[at] = ToOpen(items[at].data_class, sealed, checked)
    values = await cipher.open(customer, list(questions.values())) if questions else []
    opened = dict(zip(questions, values, strict=True))
    return [_found(at, stored, containing, opened) for at in range(len(items))]


def _found(at: int, stored: dict[int, bytes], containing: set[int], opened: dict[int, str | None]) -> Issued | None:
    if at in containing:
        value = opened[at]
        return Issued(value) if value is not None else None
    if at not in stored:
        return None
    if at in opened and opened[at] is None:
        raise Unavailable("vault-integrity")
    return Issued(opened.get(at))
