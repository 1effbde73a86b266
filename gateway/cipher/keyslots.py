"""Keyslots, as in LUKS: how a customer's credentials open its token. Format and operations over values, no disk, no operator key.

Checking a password *is* opening its slot; there is no password hash beside it. What never may come in: a way to make a slot for
somebody who does not hold the customer token at that moment, or a branch that answers sooner for an unknown user.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
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

    def binding(self, customer: str) -> bytes:
        """Associated data of both seals: a slot under another name, in another customer or at another cost does not open."""
        identity = (number(self.kind, 1), self.id, self.user, cost_field(self.cost), self.salt, self.public_key)
        return length_prefixed("pii-gateway keyslot 1", customer, *identity)

    def encode(self) -> bytes:
        fixed = number(self.kind, 1) + self.id + length_prefixed(self.user) + cost_field(self.cost) + self.salt + self.public_key
        return fixed + length_prefixed(self.private_key, self.token)


@dataclass(frozen=True, slots=True)
class SlotList:
    customer: str
    generation: int
    slots: tuple[Slot, ...]
    mac: bytes = b""

    def encode(self) -> bytes:
        return self._content() + self.mac

    def _content(self) -> bytes:
        return number(self.generation, 8) + number(len(self.slots), 2) + b"".join(slot.encode() for slot in self.slots)

    def authenticated(self, token: bytearray) -> SlotList:
        """The list with its MAC under the customer token: the operator cannot add, drop, reorder or rename slots unnoticed."""
        return replace(self, mac=list_mac(token, "keyslots", self.customer, self._content()))

    def genuine(self, token: bytearray) -> bool:
        return same(self.mac, list_mac(token, "keyslots", self.customer, self._content()))

    def find(self, user: str | None) -> Slot | None:
        """The slot of a user; of the recovery code for None."""
        kind = RECOVERY if user is None else PASSWORD
        return next((slot for slot in self.slots if slot.kind == kind and slot.user == (user or "")), None)

    def users(self) -> list[str]:
        return [slot.user for slot in self.slots if slot.kind == PASSWORD]


def list_mac(token: bytearray, name: str, customer: str, content: bytes) -> bytes:
    """Also used by the list of data keys. Only what holds the open customer token can write such a list."""
    key = derive(token, info=length_prefixed("pii-gateway list", name, customer))
    mac = authenticate(key, content)
    wipe(key)
    return mac


def decode(customer: str, body: bytes) -> SlotList:
    """Parse what was in the envelope (and is thus authentic, as far as the operator goes); a misfit is ``Unavailable``."""
    fields = Fields(body)
    try:
        generation = fields.number(8)
        slots = tuple(_decode_slot(fields) for _ in range(fields.number(2)))
        mac = fields.take(MAC)
        fields.end()
    except DoesNotOpen:
        raise Unavailable("keys-unavailable") from None
    return SlotList(customer, generation, slots, mac)


def _decode_slot(fields: Fields) -> Slot:
    kind, slot_id, user = fields.number(1), fields.take(SLOT_ID), fields.text()
    cost, salt, public_key = fields.cost(), fields.take(SALT), fields.take(KEY)
    return Slot(kind, slot_id, user, cost, salt, public_key, fields.prefixed(), fields.prefixed())


def new_slot(customer: str, credential: Credential, token: bytearray, cost: Argon2Parameters) -> Slot:
    """A slot takes the open customer token and a fresh key pair. A new password always means a new slot, never an edited one."""
    octets = prepared(credential)
    if octets is None:
        raise ValueError("a credential that no slot can be made with reached the keyslots unchecked")
    private_key, public_key = new_key_pair()
    kind = RECOVERY if credential.user is None else PASSWORD
    salt = secrets.token_bytes(SALT)
    slot = Slot(kind, secrets.token_bytes(SLOT_ID), credential.user or "", cost, salt, public_key, b"", b"")
    binding = slot.binding(customer)
    key = stretch(octets, salt, cost)
    filled = replace(slot, private_key=wrap(key, private_key, binding), token=seal_to(public_key, token, binding))
    wipe(key, private_key)
    return filled


def open_list(slots: SlotList, credential: Credential, cost: Argon2Parameters) -> bytearray:
    """The customer token. Refused('password-wrong') whether user or password is wrong, after the same work (T-A1)."""
    slot = slots.find(credential.user)
    octets = prepared(credential)
    if slot is None or octets is None:
        decoy(next((each.cost for each in slots.slots), cost))
        raise Refused("password-wrong")
    try:
        token = _open_slot(slots.customer, slot, octets)
    except DoesNotOpen:
        raise Refused("password-wrong") from None
    if not slots.genuine(token):
        wipe(token)
        raise Unavailable("keys-unavailable")
    return token


def _open_slot(customer: str, slot: Slot, octets: bytes) -> bytearray:
    binding = slot.binding(customer)
    key = stretch(octets, slot.salt, slot.cost)
    try:
        private_key = unwrap(key, slot.private_key, binding)
    finally:
        wipe(key)
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
    try:
        unwrap(key, bytes(KEY + 28), b"")
    except DoesNotOpen:
        wipe(key)


def with_slot(slots: SlotList, slot: Slot) -> SlotList:
    """The list with ``slot`` in place of the one of the same user, or at its end."""
    return replace(slots, generation=slots.generation + 1, slots=(*_without(slots.slots, slot.kind, slot.user), slot))


def without_user(slots: SlotList, user: str) -> SlotList:
    return replace(slots, generation=slots.generation + 1, slots=_without(slots.slots, PASSWORD, user))


def _without(slots: Iterable[Slot], kind: int, user: str) -> tuple[Slot, ...]:
    return tuple(slot for slot in slots if (slot.kind, slot.user) != (kind, user))
