"""The few cryptographic functions that the cipher uses, each once, under the name of what it is for.

What belongs here: calls into ``cryptography``, with the reason why the parameters are safe. What never may: a file, a customer's
state, a decision; and no primitive of our own.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.backends.openssl.backend import backend
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY = 32  # bytes: AES-256, HMAC-SHA256, X25519, the customer token
NONCE = 12  # bytes: AES-GCM (NIST SP 800-38D, 8.2.2: random 96 bits)
TAG = 16
SALT = 16  # bytes: Argon2id (RFC 9106, 3.1 recommends 16)
MAC = 32  # bytes: HMAC-SHA256
VALUE_KEY = 64  # bytes: AES-256-SIV takes two keys (RFC 5297, 2.2)
VALUE_NONCE = 16

_HPKE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)

Bytes = bytes | bytearray


class DoesNotOpen(Exception):
    """A tag, a key or a length does not fit. Whoever catches it knows whether that is a wrong password or a damaged
    file; it never leaves this package."""


def length_prefixed(*parts: Bytes | str) -> bytes:
    """Unambiguous concatenation: ("a:b", "c") and ("a", "b:c") differ (T-A2). Each part: u32 big-endian length, then its bytes."""
    encoded = [part.encode() if isinstance(part, str) else bytes(part) for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def derive(key: Bytes, *, salt: Bytes = b"", info: bytes, length: int = KEY) -> bytearray:
    """HKDF-SHA256 (RFC 5869): independent keys from one, told apart by ``info``, which callers build with ``length_prefixed``."""
    derived = bytearray(length)
    HKDF(algorithm=hashes.SHA256(), length=length, salt=bytes(salt), info=info).derive_into(key, derived)
    return derived


def authenticate(key: Bytes, message: Bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104); the one-shot form is the fast path into OpenSSL, and takes a key that can be wiped."""
    return hmac.digest(key, message, "sha256")


def same(one: Bytes, other: Bytes) -> bool:
    """Constant-time comparison: a byte-wise one would tell by its time how much of a forged MAC was right."""
    return hmac.compare_digest(one, other)


def wrap(key: Bytes, plaintext: Bytes, associated: bytes) -> bytes:
    """AES-256-GCM with a random nonce, nonce first. For keys and lists of keys: written a few thousand times under one key at
    most, far below the 2**32 random nonces that SP 800-38D (8.3) allows."""
    nonce = secrets.token_bytes(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, associated)


def unwrap(key: Bytes, wrapped: Bytes, associated: bytes) -> bytearray:
    """Undo ``wrap``. The plaintext comes in a buffer that the caller can ``wipe``."""
    if len(wrapped) < NONCE + TAG:
        raise DoesNotOpen
    plaintext = bytearray(len(wrapped) - NONCE - TAG)
    try:
        AESGCM(key).decrypt_into(wrapped[:NONCE], wrapped[NONCE:], associated, plaintext)
    except InvalidTag:
        raise DoesNotOpen from None
    return plaintext


def seal_value(cipher: AESSIV, value: bytes, associated: bytes, nonce: bytes | None) -> bytes:
    """AES-256-SIV (RFC 5297): misuse-resistant, so a repeated nonce shows equality and no more. Without a nonce it is the
    deterministic mode on purpose (method ``sealed``, repeat ``same``). The nonce is the last associated-data component (section 3)."""
    return cipher.encrypt(value, [associated] if nonce is None else [associated, nonce])


def open_value(cipher: AESSIV, sealed: bytes, associated: bytes, nonce: bytes | None) -> bytes:
    if len(sealed) < TAG:
        raise DoesNotOpen
    try:
        return cipher.decrypt(sealed, [associated] if nonce is None else [associated, nonce])
    except InvalidTag:
        raise DoesNotOpen from None


def new_key_pair() -> tuple[bytearray, bytes]:
    """X25519 (RFC 7748): private and public key, raw."""
    key = X25519PrivateKey.generate()
    return bytearray(key.private_bytes_raw()), key.public_key().public_bytes_raw()


def seal_to(public_key: bytes, plaintext: Bytes, info: bytes) -> bytes:
    """HPKE, RFC 9180 mode base, single shot: whoever rotates the customer token needs only the public keys of the slots."""
    return _HPKE.encrypt(bytes(plaintext), X25519PublicKey.from_public_bytes(public_key), info)


def open_with(private_key: Bytes, sealed: bytes, info: bytes) -> bytearray:
    try:
        return bytearray(_HPKE.decrypt(sealed, X25519PrivateKey.from_private_bytes(private_key), info))
    except (InvalidTag, ValueError):  # ValueError: too short, or not a point
        raise DoesNotOpen from None


@dataclass(frozen=True, slots=True)
class Argon2Parameters:
    """Cost of one guess. Stored beside what it protects, so it can be raised later."""

    memory: int = 19 * 1024  # KiB; 19 MiB, 2 passes, 1 lane: OWASP Password Storage Cheat Sheet
    iterations: int = 2
    lanes: int = 1

    def acceptable(self) -> bool:
        """Within what Argon2 can do (RFC 9106, 3.1) and what a hostile file may make us spend: 256 MiB, 16 passes, 4 lanes."""
        return 1 <= self.lanes <= 4 and 1 <= self.iterations <= 16 and 8 * self.lanes <= self.memory <= 256 * 1024


DEFAULT_COST = Argon2Parameters()


def stretch(secret: bytes, salt: bytes, cost: Argon2Parameters) -> bytearray:
    """Argon2id (RFC 9106): makes each guess of a password cost memory and time. Releases the GIL."""
    if not cost.acceptable():
        raise DoesNotOpen
    key = bytearray(KEY)
    Argon2id(salt=salt, length=KEY, iterations=cost.iterations, lanes=cost.lanes, memory_cost=cost.memory).derive_into(secret, key)
    return key


def wipe(*buffers: bytearray) -> None:
    """Overwrite, in place. What CPython copied before cannot be reached from here; see ``hardening.py``."""
    for buffer in buffers:
        buffer[:] = bytes(len(buffer))


def openssl_version() -> str:
    """Of the OpenSSL that these primitives come from. The interpreter's, which does TLS, is another one (C-12)."""
    return backend.openssl_version_text().split()[1]
