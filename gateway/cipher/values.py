"""What the keys of one customer and data class do to a value: seal, open, find again (fingerprint), self-checking tokens.

Pure: no disk, no clock. What never may come in: a look at another class's keys, or an answer that tells why something did not open.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from gateway.cipher.data_keys import WrappedKey, unwrap_key
from gateway.cipher.interface import Sealed, ToOpen, ToSeal
from gateway.cipher.layout import number
from gateway.cipher.primitives import VALUE_NONCE, DoesNotOpen, authenticate, length_prefixed, open_value, same, seal_value, wipe
from gateway.errors import Refused, Unavailable
from gateway.tokens import opaque

RANDOM, DETERMINISTIC = 1, 2  # first byte of everything sealed
TOKEN_FORMAT = b"\x01"  # first byte of an opaque token of method vault
TOKEN_RANDOM = 12
TOKEN_MAC = 10  # bytes: 2**80 trials, each of them a request to the gateway


class ClassKeys:
    """The open keys of one customer and class. AES-SIV objects are kept: building one costs twice what sealing does."""

    def __init__(self, customer: str, data_class: str, keys: Iterable[WrappedKey], token: bytearray) -> None:
        self._name = (customer, data_class)
        self._ciphers: dict[int, AESSIV] = {}
        self._associated: dict[tuple[str, int, int], bytes] = {}
        self._single: dict[str, bytearray] = {}
        for wrapped in keys:
            self._take(customer, wrapped, token)
        if not self._ciphers or self._single.keys() != {"fingerprint", "token"}:
            raise Unavailable("keys-unavailable")
        self._current = max(self._ciphers)
        self._token_name = length_prefixed("pii-gateway opaque token", *self._name)

    def _take(self, customer: str, wrapped: WrappedKey, token: bytearray) -> None:
        key = unwrap_key(customer, wrapped, token)
        if wrapped.kind != "value":
            self._single[wrapped.kind] = key
            return
        self._ciphers[wrapped.version] = AESSIV(key)
        wipe(key)
        for place in ("vault", "token"):
            for mode in (RANDOM, DETERMINISTIC):
                name = (place, mode, wrapped.version)
                version = number(wrapped.version, 2)
                self._associated[name] = length_prefixed("pii-gateway value 1", place, number(mode, 1), *self._name, version)

    def close(self) -> None:
        wipe(*self._single.values())
        self._ciphers.clear()  # OpenSSL cleanses its copy of the key when the context is freed

    # -- the two verbs

    def seal(self, item: ToSeal) -> Sealed:
        try:
            value = item.value.encode()
        except UnicodeEncodeError:
            raise Refused("body-lone-surrogate") from None
        if item.method == "sealed":
            mode = DETERMINISTIC if item.repeat == "same" else RANDOM
            return Sealed(token=opaque.encode_sealed(self._seal("token", mode, value)))
        fingerprint = self._fingerprint(value) if item.method == "search" or item.repeat == "same" else b""
        if item.method == "search":
            return Sealed(fingerprint)
        return Sealed(fingerprint, self._seal("vault", RANDOM, value), self._new_token() if item.opaque else "")

    def open(self, item: ToOpen) -> str | None:
        try:
            value = self._open_stored(item) if item.sealed else self._open_token(item.token)
            return value.decode()
        except (DoesNotOpen, UnicodeDecodeError):
            return None

    # -- values

    def _seal(self, place: str, mode: int, value: bytes) -> bytes:
        version = self._current
        nonce = secrets.token_bytes(VALUE_NONCE) if mode == RANDOM else None
        associated = self._associated[place, mode, version]
        return number(mode, 1) + number(version, 2) + (nonce or b"") + seal_value(self._ciphers[version], value, associated, nonce)

    def _open(self, place: str, sealed: bytes) -> bytes:
        mode, version, rest = sealed[:1], int.from_bytes(sealed[1:3], "big"), sealed[3:]
        associated = self._associated.get((place, mode[0] if mode else 0, version))
        if associated is None:
            raise DoesNotOpen
        if mode[0] == DETERMINISTIC:
            return open_value(self._ciphers[version], rest, associated, None)
        return open_value(self._ciphers[version], rest[VALUE_NONCE:], associated, rest[:VALUE_NONCE])

    def _open_stored(self, item: ToOpen) -> bytes:
        if item.token and not self._issued(item.token):
            raise DoesNotOpen
        return self._open("vault", item.sealed)

    def _open_token(self, text: str) -> bytes:
        sealed = opaque.decode_sealed(text)
        if sealed is None:
            raise DoesNotOpen
        return self._open("token", sealed)

    # -- tokens and fingerprints

    def _fingerprint(self, value: bytes) -> bytes:
        return authenticate(self._single["fingerprint"], value)

    def _new_token(self) -> str:
        start = TOKEN_FORMAT + secrets.token_bytes(TOKEN_RANDOM)
        return opaque.encode(start + self._token_mac(start))

    def _issued(self, text: str) -> bool:
        raw = opaque.decode(text)
        return raw is not None and raw[:1] == TOKEN_FORMAT and same(raw[-TOKEN_MAC:], self._token_mac(raw[:-TOKEN_MAC]))

    def _token_mac(self, start: bytes) -> bytes:
        return authenticate(self._single["token"], self._token_name + start)[:TOKEN_MAC]
