"""The operator's wrap around a customer's key files: the outer of the two, and the random share that is mixed into it.

Everything that a customer's side has sealed is put into one envelope per file, under HKDF(operator part, salt: share). So a stolen
file cannot be guessed at, any changed byte is noticed before a password is tried, and the operator key rotates with nobody
present. What never may come in: a customer token, or a key that it opens.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from gateway.cipher import files
from gateway.cipher.layout import Fields, number
from gateway.cipher.primitives import KEY, DoesNotOpen, derive, length_prefixed, unwrap, wipe, wrap
from gateway.cipher.providers import OperatorKey
from gateway.errors import ConfigurationError, Mistake, Unavailable

SHARE_MAGIC = b"GWSHARE\x01"


def create_share(path: Path) -> None:
    """32 random bytes per customer, kept apart from all else: destroying them makes every copy of that customer's keys worthless."""
    try:
        files.create(path, SHARE_MAGIC + secrets.token_bytes(KEY))
    except FileExistsError:
        raise ConfigurationError([Mistake(path, 0, "this customer has a share already; it is never overwritten")]) from None


def read_share(path: Path) -> bytes:
    """Without the share nothing opens: Unavailable, never a default."""
    content = files.read(path)
    if content is None or len(content) != len(SHARE_MAGIC) + KEY or not content.startswith(SHARE_MAGIC):
        raise Unavailable("keys-unavailable")
    return content[len(SHARE_MAGIC) :]


def _outer_key(operator: OperatorKey, share: bytes, purpose: str, customer: str, version: int) -> bytearray:
    part = operator.operator_part(purpose, customer, version)
    return derive(part, salt=share, info=length_prefixed("pii-gateway outer", purpose, customer, number(version, 2)))


def close(magic: bytes, purpose: str, customer: str, body: bytes, operator: OperatorKey, share: bytes) -> bytes:
    """magic (8) · operator key version (2) · customer (4 + n) · nonce (12) · AES-256-GCM(body) + tag (16)."""
    version = operator.current
    header = magic + number(version, 2) + length_prefixed(customer)
    key = _outer_key(operator, share, purpose, customer, version)
    wrapped = wrap(key, body, header)
    wipe(key)
    return header + wrapped


def open_envelope(magic: bytes, purpose: str, customer: str, content: bytes, operator: OperatorKey, share: bytes) -> bytes:
    """The body. Whatever does not fit (customer, share, operator key, one bit) is Unavailable: it is no password's fault."""
    try:
        version, header, wrapped = _parse(magic, customer, content)
        key = _outer_key(operator, share, purpose, customer, version)
        body = unwrap(key, wrapped, header)
    except DoesNotOpen:
        raise Unavailable("keys-unavailable") from None
    wipe(key)
    return bytes(body)


def _parse(magic: bytes, customer: str, content: bytes) -> tuple[int, bytes, bytes]:
    fields = Fields(content)
    if fields.take(len(magic)) != magic:
        raise DoesNotOpen
    version = fields.number(2)
    if fields.text() != customer:
        raise DoesNotOpen
    return version, content[: fields.position], fields.rest()
