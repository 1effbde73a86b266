"""A customer whose token is open: its keys in memory, whom we recognise, and when it must be closed.

What never may come in: a password (only its HMAC under the boot-time key), or a copy of the token.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.cipher import files
from gateway.cipher.customers import CustomerKeys
from gateway.cipher.data_keys import KeyList
from gateway.cipher.files import Identity
from gateway.cipher.primitives import wipe
from gateway.cipher.values import ClassKeys
from gateway.errors import Unavailable

#: Passwords that one customer's users are recognised by. One password has many spellings, and this memory is locked and everybody's;
#: who is forgotten pays for another Argon2.
MOST_RECOGNISED = 10_000


class OpenCustomer:
    """Owns ``token`` from now on, and wipes it."""

    def __init__(self, keys: CustomerKeys, token: bytearray, now: float) -> None:
        self._keys = keys
        self._token = token
        self._opened = self._used = now
        self._classes: dict[str, ClassKeys] = {}
        self._read: Identity | None = None
        self._recognised: dict[bytes, tuple[Identity, int]] = {}

    # -- time

    def touch(self, now: float) -> None:
        self._used = now

    def expired(self, now: float, idle: float, longest: float) -> bool:
        return now - self._used >= idle or now - self._opened >= longest

    def close(self) -> None:
        wipe(self._token)
        self._forget_classes()
        self._recognised.clear()

    # -- people

    def same_token(self, token: bytearray) -> bool:
        return token == self._token

    def remember(self, proof: bytes, slots: Identity, until: int = 0) -> None:
        """``slots`` is the keyslot file as it was *before* the password was checked: a later change makes us check again.

        ``until``: Unix time at which the password ends; 0 is never.
        """
        self._recognised = {known: each for known, each in self._recognised.items() if each[0] == slots}
        if len(self._recognised) >= MOST_RECOGNISED:
            self._recognised.clear()
        self._recognised[proof] = slots, until

    def recognises(self, proof: bytes, today: float) -> bool:
        """A dictionary look-up, not a constant-time comparison: ``proof`` is a MAC under a key that nobody outside has.

        ``today``: seconds since the epoch; the file does not change when the time of a replaced password is over.
        """
        slots, until = self._recognised.get(proof, (None, 0))
        return slots is not None and (not until or today < until) and slots == files.identity(self._keys.files.keyslots)

    # -- keys

    def classes(self, wanted: set[str], *, draw: bool) -> Mapping[str, ClassKeys]:
        """Open keys; those of ``wanted`` are among them if they exist or (``draw``) may be made. One ``stat`` while nothing
        changes; whatever changed (rotated, shredded, restored) is read again through every check."""
        now = files.identity(self._keys.files.data_keys)
        if now is None:
            raise Unavailable("keys-unavailable")
        if now != self._read:
            self._take(self._keys.data_keys(self._token), now)
        if draw and not wanted <= self._classes.keys():
            drawn = self._keys.draw_data_keys(wanted, self._token)
            self._take(drawn, None)  # read once more on the next call: another process may have written since
        return self._classes

    def _take(self, keys: KeyList, read: Identity | None) -> None:
        self._forget_classes()
        customer = self._keys.customer
        self._classes = {name: ClassKeys(customer, name, keys.of_class(name), self._token) for name in keys.classes()}
        self._read = read

    def _forget_classes(self) -> None:
        for each in self._classes.values():
            each.close()
        self._classes = {}
