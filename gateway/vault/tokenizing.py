"""One body's values on their way to tokens: what stays, what is sealed, what is stored; each batch once.

Equal values of a class in one body are one value. What never may come in: the session or the role (tokenizing is the same for all
who may write), or a token that is returned before it is on disk.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Literal

from gateway.cipher.interface import Cipher, Sealed, ToSeal
from gateway.errors import Refused
from gateway.tokens import opaque
from gateway.tokens.form import DataClass
from gateway.tokens.forms import form_of, recognised
from gateway.tokens.mask import is_masked
from gateway.vault.filling import SMALL_SPACE, Filling
from gateway.vault.interface import AtRest, Clear
from gateway.vault.issued import find_issued
from gateway.vault.store import NewToken, Store

LONGEST_VALUE = 64 << 10  # characters: a note; a document is not a field


class Tokenizing:
    """For one customer and one body. ``filling`` hears how often a candidate was taken already."""

    def __init__(self, customer: str, cipher: Cipher, store: Store, filling: Filling | None = None) -> None:
        self._customer = customer
        self._cipher = cipher
        self._store = store
        self._filling = filling

    async def run(self, items: Sequence[Clear], classes: Sequence[DataClass]) -> list[str]:
        """The token of every item. Raises Refused('mask-written-back' | 'value-too-long'), Unavailable, SessionEnded."""
        settled: dict[int, str] = {}
        for at, (item, data_class) in enumerate(zip(items, classes, strict=True)):
            if (text := _one_way(item, data_class)) is not None:
                settled[at] = text
        await self._keep_tokens(items, classes, settled)
        await self._seal(items, classes, settled)
        return [settled[at] for at in range(len(items))]

    async def _keep_tokens(self, items: Sequence[Clear], classes: Sequence[DataClass], settled: dict[int, str]) -> None:
        """What was issued to this customer and class stays as it is: nothing is tokenized twice (V-07)."""
        likely = [at for at in range(len(items)) if at not in settled and recognised(classes[at], items[at].value)]
        if not likely:
            return
        texts = [AtRest(classes[at].name, items[at].value) for at in likely]
        for at, found in zip(likely, await find_issued(self._customer, texts, self._cipher, self._store, lambda _: False), strict=True):
            if found is not None:
                settled[at] = items[at].value

    async def _seal(self, items: Sequence[Clear], classes: Sequence[DataClass], settled: dict[int, str]) -> None:
        """One call to the cipher for all that is left, then one to the store for what is looked for and one for what is new."""
        groups: dict[tuple[str, str, bool, int], list[int]] = {}
        for at in range(len(items)):
            if at not in settled:
                # ``fresh`` gives every occurrence a token of its own, also within one body.
                apart = at if _repeat(classes[at], items[at].value) == "fresh" else -1
                groups.setdefault((classes[at].name, items[at].value, items[at].search, apart), []).append(at)
        if not groups:
            return
        firsts = [members[0] for members in groups.values()]
        wishes = [_wish(items[at], classes[at]) for at in firsts]
        sealed = await self._cipher.seal(self._customer, wishes)
        tokens = await self._tokens([(items[at], classes[at], got) for at, got in zip(firsts, sealed, strict=True)])
        for members, token in zip(groups.values(), tokens, strict=True):
            for at in members:
                settled[at] = token

    async def _tokens(self, sealed: Sequence[tuple[Clear, DataClass, Sealed]]) -> list[str]:
        tokens: dict[int, str] = {at: got.token for at, (_, data_class, got) in enumerate(sealed) if data_class.method == "sealed"}
        searched = [at for at, (item, _, _) in enumerate(sealed) if item.search and at not in tokens]
        stored = [at for at in range(len(sealed)) if at not in tokens and not sealed[at][0].search]
        tokens |= dict(zip(searched, await self._search([sealed[at] for at in searched]), strict=True))
        tokens |= dict(zip(stored, await self._keep([sealed[at] for at in stored]), strict=True))
        return [tokens[at] for at in range(len(sealed))]

    async def _keep(self, sealed: Sequence[tuple[Clear, DataClass, Sealed]]) -> list[str]:
        """The token of each, on disk: the one it had, or a new one."""
        drawing = [_Drawing(data_class, item.value) for item, data_class, _ in sealed]
        rows = [_row(data_class, got, drawn) for (_, data_class, got), drawn in zip(sealed, drawing, strict=True)]
        tokens = await self._store.upsert(rows)
        for drawn in drawing:
            if self._filling is not None and drawn.count:
                self._filling.drew(self._customer, drawn.data_class.name, drawn.space(), drawn.count)
        return tokens

    async def _search(self, wanted: Sequence[tuple[Clear, DataClass, Sealed]]) -> list[str]:
        """The token of each value, or for one that was never sent a text that finds nothing: issued to nobody, and not kept."""
        known = await self._store.find([(data_class.name, sealed.fingerprint) for _, data_class, sealed in wanted])
        guesses = [token or _candidate(data_class, item.value) for token, (item, data_class, _) in zip(known, wanted, strict=True)]
        unknown = [at for at, token in enumerate(known) if token is None]
        taken = await self._store.lookup([(wanted[at][1].name, guesses[at]) for at in unknown])
        for at, row in zip(unknown, taken, strict=True):
            if row is not None:  # a small space: this one would find somebody else
                guesses[at] = _nobodys()
        return guesses


def _one_way(item: Clear, data_class: DataClass) -> str | None:
    """What needs neither cipher nor store: nothing, masks, and what is dropped. Raises Refused."""
    if len(item.value) > LONGEST_VALUE:
        raise Refused("value-too-long")
    if is_masked(item.value) and data_class.form != "mask":
        raise Refused("mask-written-back")
    if item.value == "":
        return ""
    form = form_of(data_class)
    if form.one_way:
        return item.value if form.recognises(data_class, item.value) else form.generate(data_class, item.value, secrets.randbelow)
    return None


def _is_opaque(data_class: DataClass, value: str) -> bool:
    """Also for a value that its form has no room for (a telephone number with a remark): it must not leave as it is."""
    return data_class.form == "opaque" or not form_of(data_class).fits(data_class, value)


def _repeat(data_class: DataClass, value: str) -> Literal["same", "fresh"]:
    if data_class.repeat == "fresh" and not _is_opaque(data_class, value):
        space = form_of(data_class).space(data_class, value)
        return "same" if space is not None and space < SMALL_SPACE else "fresh"
    return data_class.repeat


def _wish(item: Clear, data_class: DataClass) -> ToSeal:
    repeat = _repeat(data_class, item.value)
    if data_class.method == "sealed":
        return ToSeal(data_class.name, item.value, "sealed", "same" if item.search else repeat, True)
    if item.search:
        return ToSeal(data_class.name, item.value, "search")
    return ToSeal(data_class.name, item.value, "vault", repeat, _is_opaque(data_class, item.value))


def _candidate(data_class: DataClass, value: str) -> str:
    if _is_opaque(data_class, value):
        return _nobodys()
    while is_masked(token := form_of(data_class).generate(data_class, value, secrets.randbelow)):
        pass  # three stars in a row: it would be refused as a mask when it comes back (B-11)
    return token


def _nobodys() -> str:
    """Spelled as an opaque token, and issued to nobody: only the cipher can make the MAC."""
    return opaque.encode(b"\x01" + secrets.token_bytes(opaque.RAW_BYTES - 1))


class _Drawing:
    """Random candidates for one value, and how many it took."""

    def __init__(self, data_class: DataClass, value: str) -> None:
        self.data_class = data_class
        self._value = value
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        return _candidate(self.data_class, self._value)

    def space(self) -> int | None:
        return form_of(self.data_class).space(self.data_class, self._value)


def _row(data_class: DataClass, sealed: Sealed, drawing: _Drawing) -> NewToken:
    fingerprint = sealed.fingerprint or None
    return NewToken(data_class.name, fingerprint, sealed.sealed, (lambda: sealed.token) if sealed.token else drawing)
