"""The operator key (the bank's) and who keeps it. A provider gives *operator parts* only, never the key.

What belongs here: the protocol, the registry, the encrypted file. What never may: a customer's key, or a verb that returns the key.
"""

from __future__ import annotations

import secrets
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from gateway.cipher import files
from gateway.cipher.layout import Fields, cost_field, number
from gateway.cipher.primitives import (
    KEY,
    SALT,
    Argon2Parameters,
    DoesNotOpen,
    authenticate,
    length_prefixed,
    stretch,
    unwrap,
    wipe,
    wrap,
)
from gateway.errors import ConfigurationError, Mistake, Unavailable

MAGIC = b"GWOPKEY\x01"
#: RFC 9106, section 4, second recommended option, on one lane: once per start, so it may cost half a second.
OPERATOR_COST = Argon2Parameters(memory=64 * 1024, iterations=3, lanes=1)


class OperatorKey(Protocol):
    """The bank's key, wherever it lies."""

    @property
    def current(self) -> int:
        """The key's newest version: what is wrapped now is wrapped under this one."""

    def operator_part(self, purpose: str, customer: str, version: int) -> bytes:
        """32 bytes: HMAC-SHA256(operator key of that version, length-prefixed label, purpose, customer, version).

        HMAC, because every HSM and KMS has it without exporting the key. Raises Unavailable('keys-unavailable').
        """


class FileOperatorKey:
    """The default provider: a file encrypted under a passphrase (layout in ``docs/cryptography.md``)."""

    def __init__(self, versions: Mapping[int, bytearray]) -> None:
        self._versions = dict(versions)

    @classmethod
    def create(cls, path: Path, passphrase: str, cost: Argon2Parameters = OPERATOR_COST) -> FileOperatorKey:
        """Make a new key. Never overwrites: a lost operator key is every customer's data lost."""
        versions = {1: bytearray(secrets.token_bytes(KEY))}
        try:
            files.create(path, _encode(versions, passphrase, cost))
        except FileExistsError:
            raise _mistake(path, "there is an operator key already; it is never overwritten") from None
        return cls(versions)

    @classmethod
    def load(cls, path: Path, passphrase: str) -> FileOperatorKey:
        _require_private(path)
        content = files.read(path)
        if content is None:
            raise _mistake(path, "there is no operator key")
        try:
            return cls(_decode(content, passphrase))
        except DoesNotOpen:
            raise _mistake(path, "the passphrase does not open this operator key, or the file is damaged") from None

    @property
    def current(self) -> int:
        return max(self._versions)

    def operator_part(self, purpose: str, customer: str, version: int) -> bytes:
        key = self._versions.get(version)
        if key is None:
            raise Unavailable("keys-unavailable")
        return authenticate(key, length_prefixed("pii-gateway operator part", purpose, customer, number(version, 2)))

    def close(self) -> None:
        """Wipe the key; every later use fails."""
        wipe(*self._versions.values())
        self._versions = {}


#: The first part of ``operator_key: file:certs/operator.key`` → how to open the second, with the passphrase.
PROVIDERS: dict[str, Callable[[Path, str], OperatorKey]] = {"file": FileOperatorKey.load}


def _mistake(path: Path, text: str) -> ConfigurationError:
    return ConfigurationError([Mistake(path, 0, text)])


def _require_private(path: Path) -> None:
    """Others who may read it may guess the passphrase at leisure; who may write it may swap it."""
    try:
        mode = path.stat().st_mode
    except OSError:
        raise _mistake(path, "there is no operator key, or it cannot be read") from None
    if not stat.S_ISREG(mode):
        raise _mistake(path, "the operator key is not a regular file")
    if mode & 0o077:
        raise _mistake(path, "the operator key is open to group or others; chmod 600 it")


def _encode(versions: Mapping[int, bytearray], passphrase: str, cost: Argon2Parameters) -> bytes:
    header = MAGIC + cost_field(cost) + secrets.token_bytes(SALT)
    body = number(len(versions), 2) + b"".join(number(version, 2) + key for version, key in sorted(versions.items()))
    key = stretch(passphrase.encode(), header[-SALT:], cost)
    wrapped = wrap(key, body, header)
    wipe(key)
    return header + wrapped


def _decode(content: bytes, passphrase: str) -> dict[int, bytearray]:
    fields = Fields(content)
    if fields.take(len(MAGIC)) != MAGIC:
        raise DoesNotOpen
    cost, salt = fields.cost(), fields.take(SALT)
    header, wrapped = content[: fields.position], fields.rest()
    key = stretch(passphrase.encode(), salt, cost)
    body = unwrap(key, wrapped, header)
    inner = Fields(body)
    versions = {inner.number(2): bytearray(inner.take(KEY)) for _ in range(inner.number(2))}
    inner.end()
    wipe(key, body)
    if not versions:
        raise DoesNotOpen
    return versions
