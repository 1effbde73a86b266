"""The data keys of one customer: random, one per data class, kind and version, in one authenticated list.

Inside, every key is wrapped under HKDF(customer token, its name); outside is the operator's envelope. What never may come in: a
disk, or a key that is derived instead of drawn (a derived one could not be rotated).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.cipher.keyslots import list_mac
from gateway.cipher.layout import Fields, number
from gateway.cipher.primitives import KEY, MAC, VALUE_KEY, DoesNotOpen, derive, length_prefixed, same, unwrap, wipe, wrap
from gateway.errors import Unavailable

#: kind → its length. ``value`` keys rotate; the other two never do by themselves: they find and recognise what exists.
KINDS: Mapping[str, int] = {"value": VALUE_KEY, "fingerprint": KEY, "token": KEY}
MOST_CLASSES = 256  # per customer: bounds what a broken vault can make us write
LONGEST_CLASS = 128  # bytes


@dataclass(frozen=True, slots=True)
class WrappedKey:
    data_class: str
    kind: str
    version: int
    wrapped: bytes

    def encode(self) -> bytes:
        return length_prefixed(self.data_class, self.kind) + number(self.version, 2) + length_prefixed(self.wrapped)


@dataclass(frozen=True, slots=True)
class KeyList:
    """``keys`` are still wrapped; ``encode`` needs the customer token, so only whoever has it open can write one."""

    customer: str
    generation: int = 0
    keys: tuple[WrappedKey, ...] = ()

    def encode(self, token: bytearray) -> bytes:
        content = number(self.generation, 8) + number(len(self.keys), 2) + b"".join(key.encode() for key in self.keys)
        return content + list_mac(token, "data-keys", self.customer, content)

    def classes(self) -> set[str]:
        return {key.data_class for key in self.keys}

    def of_class(self, data_class: str) -> list[WrappedKey]:
        return [key for key in self.keys if key.data_class == data_class]


def decode(customer: str, body: bytes, token: bytearray) -> KeyList:
    """Parse and authenticate; a list that was not written with this customer's token open is ``Unavailable``."""
    fields = Fields(body)
    try:
        generation = fields.number(8)
        keys = tuple(_decode_key(fields) for _ in range(fields.number(2)))
        content, mac = body[: fields.position], fields.take(MAC)
        fields.end()
    except DoesNotOpen:
        raise Unavailable("keys-unavailable") from None
    if not same(mac, list_mac(token, "data-keys", customer, content)):
        raise Unavailable("keys-unavailable")
    return KeyList(customer, generation, keys)


def _decode_key(fields: Fields) -> WrappedKey:
    return WrappedKey(fields.text(), fields.text(), fields.number(2), fields.prefixed())


def with_classes(keys: KeyList, data_classes: Iterable[str], token: bytearray) -> KeyList:
    """The list with version 1 of every kind for each class that has none."""
    new = sorted(set(data_classes) - keys.classes())
    if any(not name or len(name.encode()) > LONGEST_CLASS for name in new) or len(keys.classes()) + len(new) > MOST_CLASSES:
        raise Unavailable("keys-unavailable")
    made = tuple(_new_key(keys.customer, name, kind, 1, token) for name in new for kind in KINDS)
    return KeyList(keys.customer, keys.generation + 1, keys.keys + made)


def with_next_version(keys: KeyList, data_class: str, token: bytearray) -> KeyList:
    """Rotation: values are sealed under the new version from now on, and those of before still open."""
    version = 1 + max((key.version for key in keys.of_class(data_class) if key.kind == "value"), default=0)
    made = _new_key(keys.customer, data_class, "value", version, token)
    return KeyList(keys.customer, keys.generation + 1, (*keys.keys, made))


def _name(customer: str, key: WrappedKey) -> bytes:
    return length_prefixed("pii-gateway data key 1", customer, key.data_class, key.kind, number(key.version, 2))


def _new_key(customer: str, data_class: str, kind: str, version: int, token: bytearray) -> WrappedKey:
    name = _name(customer, WrappedKey(data_class, kind, version, b""))
    wrapping, drawn = derive(token, info=name), bytearray(secrets.token_bytes(KINDS[kind]))
    wrapped = wrap(wrapping, drawn, name)
    wipe(wrapping, drawn)
    return WrappedKey(data_class, kind, version, wrapped)


def unwrap_key(customer: str, key: WrappedKey, token: bytearray) -> bytearray:
    """The key itself; the caller wipes it."""
    name = _name(customer, key)
    wrapping = derive(token, info=name)
    try:
        opened = unwrap(wrapping, key.wrapped, name)
    except DoesNotOpen:
        raise Unavailable("keys-unavailable") from None
    finally:
        wipe(wrapping)
    if len(opened) != KINDS.get(key.kind, -1):
        raise Unavailable("keys-unavailable")
    return opened
