"""Keyslots, as in LUKS: how a customer's credentials open its token. Format and operations over values, no disk, no operator key.

Checking a password *is* opening its slot; there is no password hash beside it. While a changed password overlaps with the old one a
user has two slots; they share salt and cost, so one Argon2 tries both, and their number does not show in the time (T-A1). What never
may come in: a way to make a slot for somebody who does not hold the customer token at that moment, or a branch that answers sooner
for an unknown user.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from gateway.cipher.credentials import Credential, prepared
from gateway.cipher.layout import Fields, cost_field, number
from gateway.cipher.primitives import (
    KEY,
    MAC,
    SALT,
    Argon2Parameters,
    DoesNotOpen,
    authenticate,
    derive,
    length_prefixed,
    new_key_pair,
    open_with,
    same,
    seal_to,
    stretch,
    unwrap,
    wipe,
    wrap,
)
from gateway.errors import Refused, Unavailable

PASSWORD, RECOVERY = 1, 2
SLOT_ID = 16
MOST_SLOTS = 1000
SLOTS_OF_A_USER = 2  # the current password, and for a while the one before
NEWEST = 2  # format of the list: 2 has an end for each slot
_LIST_NAMES = {1: "keyslots", 2: "keyslots 2"}  # a list of one format never passes for one of the other, whoever changes its magic


@dataclass(frozen=True, slots=True)
class Slot:
    """One credential's way in. Opaque without the operator's envelope, which is around the whole list."""

    kind: int
    id: bytes
    user: str  # "" for the recovery code
    cost: Argon2Parameters
    salt: bytes
    public_key: bytes
    private_key: bytes  # wrapped by Argon2id(credential)
    token: bytes  # the customer token, HPKE-sealed to ``public_key``
    expires: int = 0  # Unix time from which it opens nothing; 0 is never: only a password that was replaced has an end

    def binding(self, customer: str) -> bytes:
        """Associated data of both seals: a slot under another name, in another customer or at another cost does not open."""
        identity = (number(self.kind, 1), self.id, self.user, cost_field(self.cost), self.salt, self.public_key)
        return length_prefixed("pii-gateway keyslot 1", customer, *identity)

    def encode(self, version: int) -> bytes:
        fixed = number(self.kind, 1) + self.id + length_prefixed(self.user) + cost_field(self.cost) + self.salt + self.public_key
        return fixed + length_prefixed(self.private_key, self.token) + (number(self.expires, 8) if version > 1 else b"")


@dataclass(frozen=True, slots=True)
class SlotList:
    customer: str
    generation: int
    slots: tuple[Slot, ...]
    mac: bytes = b""
    version: int = NEWEST

    def encode(self) -> bytes:
        return self._content() + self.mac

    def _content(self) -> bytes:
        slots = b"".join(slot.encode(self.version) for slot in self.slots)
        return number(self.generation, 8) + number(len(self.slots), 2) + slots

    def _list_mac(self, token: bytearray) -> bytes:
        return list_mac(token, _LIST_NAMES[self.version], self.customer, self._content())

    def authenticated(self, token: bytearray) -> SlotList:
        """The list, in the newest format, with its MAC under the customer token: the operator cannot add, drop, reorder or rename
        slots unnoticed, nor prolong one."""
        newest = replace(self, version=NEWEST)
        return replace(newest, mac=newest._list_mac(token))

    def genuine(self, token: bytearray) -> bool:
        return same(self.mac, self._list_mac(token))

    def find(self, user: str | None) -> Slot | None:
        """The slot of a user's current password; of the recovery code for None."""
        return next((slot for slot in self._of(user) if not slot.expires), None)

    def valid(self, user: str | None, now: float) -> list[Slot]:
        """What opens for a user at this moment: the current password, and the one before while it overlaps."""
        return [slot for slot in self._of(user) if not slot.expires or now < slot.expires]

    def _of(self, user: str | None) -> list[Slot]:
        kind = RECOVERY if user is None else PASSWORD
        return [slot for slot in self.slots if slot.kind == kind and slot.user == (user or "")]

    def users(self) -> list[str]:
        return [slot.user for slot in self.slots if slot.kind == PASSWORD and not slot.expires]


def list_mac(token: bytearray, name: str, customer: str, content: bytes) -> bytes:
    """Also used by the list of data keys. Only what holds the open customer token can write such a list."""
    key = derive(token, info=length_prefixed("pii-gateway list", name, customer))
    mac = authenticate(key, content)
    wipe(key)
    return mac


def decode(customer: str, body: bytes, version: int = NEWEST) -> SlotList:
    """Parse what was in the envelope (and is thus authentic, as far as the operator goes); a misfit is ``Unavailable``."""
    fields = Fields(body)
    try:
        generation = fields.number(8)
        slots = tuple(_decode_slot(fields, version) for _ in range(fields.number(2)))
        mac = fields.take(MAC)
        fields.end()
    except DoesNotOpen:
        raise Unavailable("keys-unavailable") from None
    return SlotList(customer, generation, slots, mac, version)


def _decode_slot(fields: Fields, version: int) -> Slot:
    kind, slot_id, user = fields.number(1), fields.take(SLOT_ID), fields.text()
    cost, salt, public_key = fields.cost(), fields.take(SALT), fields.take(KEY)
    private_key, token = fields.prefixed(), fields.prefixed()
    return Slot(kind, slot_id, user, cost, salt, public_key, private_key, token, fields.number(8) if version > 1 else 0)


def new_slot(customer: str, credential: Credential, token: bytearray, cost: Argon2Parameters, beside: Slot | None = None) -> Slot:
    """A slot takes the open customer token and a fresh key pair. A new password always means a new slot, never an edited one.

    ``beside``: the slot that stays open next to it for a while, whose salt and cost it takes.
    """
    octets = prepared(credential)
    if octets is None:
        raise ValueError("a credential that no slot can be made with reached the keyslots unchecked")
    private_key, public_key = new_key_pair()
    kind = RECOVERY if credential.user is None else PASSWORD
    salt, cost = (secrets.token_bytes(SALT), cost) if beside is None else (beside.salt, beside.cost)
    slot = Slot(kind, secrets.token_bytes(SLOT_ID), credential.user or "", cost, salt, public_key, b"", b"")
    binding = slot.binding(customer)
    key = stretch(octets, salt, cost)
    filled = replace(slot, private_key=wrap(key, private_key, binding), token=seal_to(public_key, token, binding))
    wipe(key, private_key)
    return filled


def open_list(slots: SlotList, credential: Credential, cost: Argon2Parameters, now: float) -> tuple[bytearray, Slot]:
    """The customer token, and the slot that opened it.

    Refused('password-wrong') whether user or password is wrong, or the password's time is over, after the same work (T-A1).
    """
    valid = slots.valid(credential.user, now)
    octets = prepared(credential)
    if not valid or octets is None:
        decoy(next((each.cost for each in slots.slots), cost))
        raise Refused("password-wrong")
    token, slot = _open_one(slots.customer, valid[:SLOTS_OF_A_USER], octets)
    if not slots.genuine(token):
        wipe(token)
        raise Unavailable("keys-unavailable")
    return token, slot


def _open_one(customer: str, valid: list[Slot], octets: bytes) -> tuple[bytearray, Slot]:
    key = stretch(octets, valid[0].salt, valid[0].cost)
    try:
        for slot in valid:
            try:
                return _token_of(slot, key, slot.binding(customer)), slot
            except DoesNotOpen:
                continue
        _try_in_vain(key, SLOTS_OF_A_USER - len(valid))
        raise Refused("password-wrong")
    finally:
        wipe(key)


def _token_of(slot: Slot, key: bytearray, binding: bytes) -> bytearray:
    private_key = unwrap(key, slot.private_key, binding)
    try:
        token = open_with(private_key, slot.token, binding)
    finally:
        wipe(private_key)
    if len(token) != KEY:
        raise DoesNotOpen
    return token


def decoy(cost: Argon2Parameters) -> None:
    """The work of a wrong password where there is no slot (T-A1)."""
    key = stretch(b"nobody", bytes(SALT), cost)
    _try_in_vain(key, SLOTS_OF_A_USER)
    wipe(key)


def _try_in_vain(key: bytearray, times: int) -> None:
    """So that everybody who is refused was tried on as many slots."""
    for _ in range(times):
        with suppress(DoesNotOpen):
            unwrap(key, bytes(KEY + 28), b"")


def with_slot(slots: SlotList, slot: Slot, kept: Slot | None = None) -> SlotList:
    """The list with ``slot`` in place of those of the same user, or at its end; ``kept`` is the old one that stays for a while."""
    added = (slot,) if kept is None else (kept, slot)
    return replace(slots, generation=slots.generation + 1, slots=(*_without(slots.slots, slot.kind, slot.user), *added))


def without_user(slots: SlotList, user: str) -> SlotList:
    return replace(slots, generation=slots.generation + 1, slots=_without(slots.slots, PASSWORD, user))


def without_expired(slots: SlotList, now: float) -> SlotList:
    return replace(slots, slots=tuple(slot for slot in slots.slots if not slot.expires or now < slot.expires))


def _without(slots: Iterable[Slot], kind: int, user: str) -> tuple[Slot, ...]:
    return tuple(slot for slot in slots if (slot.kind, slot.user) != (kind, user))
