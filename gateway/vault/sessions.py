"""Session handles: what a worker shows instead of the password, for a few seconds.

A handle says customer, user, role and expiry under a MAC whose key was born with this process. It is short on purpose: a removed
user, a changed password or role bites when the lease ends, and asking again costs no Argon2. What never may come in: a password.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable

import msgspec

from gateway.errors import SessionEnded
from gateway.vault.interface import Session

LEASE = 5.0  # seconds
_MAC = 32


class _Claims(msgspec.Struct, frozen=True, array_like=True):
    customer: str
    user: str
    role: str
    expires: float


_decode = msgspec.msgpack.Decoder(_Claims).decode


class Handles:
    """Issues and verifies. ``clock``: seconds since the epoch."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._key = secrets.token_bytes(32)
        self._clock = clock

    def issue(self, customer: str, user: str, role: str) -> Session:
        expires = self._clock() + LEASE
        claims = msgspec.msgpack.encode(_Claims(customer, user, role, expires))
        return Session(self._mac(claims) + claims, customer, user, role, expires)

    def verify(self, handle: bytes) -> Session:
        """Raises SessionEnded for a handle that is expired, forged, or of a process that has ended."""
        mac, claims = handle[:_MAC], handle[_MAC:]
        if not hmac.compare_digest(mac, self._mac(claims)):
            raise SessionEnded
        decoded = _decode(claims)
        if decoded.expires <= self._clock():
            raise SessionEnded
        return Session(handle, decoded.customer, decoded.user, decoded.role, decoded.expires)

    def _mac(self, claims: bytes) -> bytes:
        return hmac.digest(self._key, claims, "sha256")
