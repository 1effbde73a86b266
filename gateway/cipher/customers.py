"""One customer's keys as the command line and the cipher process handle them: create, open, change users, draw data keys, shred.

Synchronous, files and both keys together; every change of a slot takes a credential of that customer *in the same call*. What never
may come in: an open session as a reason to write a slot, or a verb that hands a data key out of this package.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from gateway.cipher import credentials, data_keys, envelope, files, keyslots, shredding
from gateway.cipher.credentials import Credential
from gateway.cipher.data_keys import KeyList
from gateway.cipher.files import CustomerFiles
from gateway.cipher.keyslots import Slot, SlotList
from gateway.cipher.primitives import DEFAULT_COST, KEY, Argon2Parameters, wipe
from gateway.cipher.providers import OperatorKey
from gateway.errors import ConfigurationError, Mistake, Refused, Unavailable

SLOTS = (b"GWSLOTS\x02", "keyslots")  # magic of the file, purpose of its operator part
OLD_SLOTS = (b"GWSLOTS\x01", "keyslots")  # without ends; becomes the newest with its next change
KEYS = (b"GWDKEYS\x01", "data-keys")

#: Seconds that an old password may go on beside a new one: a week, for the import job that somebody must change by hand.
LONGEST_OVERLAP = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class CustomerKeys:
    """Everything of one customer on the bank's side of the counter. ``cost`` is for new slots only; a slot keeps its own.

    ``clock``: seconds since the epoch, for passwords that end.
    """

    customer: str
    files: CustomerFiles
    operator: OperatorKey
    cost: Argon2Parameters = DEFAULT_COST
    clock: Callable[[], float] = time.time

    # -- made and ended by the operator

    def create(self, users: Mapping[str, str]) -> str:
        """A new customer token, a slot per user and one for the recovery code, which is returned and must be printed: it is
        nowhere else. Never overwrites anything (ConfigurationError)."""
        self._require_new(users)
        for path in (self.files.keyslots, self.files.data_keys):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with files.locked(self.files.keyslots.parent):
            self._require_new(users)
            return self._create(users)

    def shred(self) -> None:
        """Crypto-shredding: from here on nothing of this customer can be read, in any backup that lacks the share."""
        if not self.files.keyslots.parent.is_dir():
            raise self._mistake("this customer has no keys")
        with files.locked(self.files.keyslots.parent):
            shredding.shred(self.files, self.operator, self.customer)

    def is_shredded(self) -> bool:
        return shredding.is_shredded(self.files, self.operator, self.customer)

    def exists(self) -> bool:
        return files.identity(self.files.keyslots) is not None

    # -- opened by a credential

    def open(self, credential: Credential) -> bytearray:
        """The customer token, to be wiped by the caller.

        Raises Refused('password-wrong') in the same time for an unknown customer or user; Unavailable('keys-unavailable') where no
        password would help.
        """
        return self.open_until(credential)[0]

    def open_until(self, credential: Credential) -> tuple[bytearray, int]:
        """Also until when this credential opens: Unix time, 0 is without an end."""
        if not files.CUSTOMER_NAME.fullmatch(self.customer) or (not self.exists() and not self.is_shredded()):
            keyslots.decoy(self.cost)
            raise Refused("password-wrong")
        token, slot = keyslots.open_list(self._slots(), credential, self.cost, self.clock())
        return token, slot.expires

    # -- users, changed by a credential

    def users(self) -> list[str]:
        """Who has a slot. Needs no credential; never goes to a client."""
        self._require_existing()
        return self._slots().users()

    def add_user(self, user: str, password: str, *, authorised_by: Credential) -> None:
        """Raises Refused where the user has a password already: nobody takes over another user by making it anew."""

        def change(slots: SlotList, token: bytearray) -> SlotList:
            if slots.find(user) is not None:
                raise Refused("user-has-password")
            return self._with_slot(slots, credentials.password(user, password), token)

        self._require_user(user)
        credentials.require_acceptable(password, user, self.customer)
        self._change(authorised_by, change)

    def set_password(self, user: str, password: str, *, authorised_by: Credential, overlap: int = 0) -> None:
        """The old password opens for ``overlap`` more seconds; one from an earlier overlap ends now. Who may change whose is policy,
        judged by the caller."""

        def change(slots: SlotList, token: bytearray) -> SlotList:
            old, new = self._require_slot(slots, user), credentials.password(user, password)
            if authorised_by.user == user and credentials.prepared(authorised_by) == credentials.prepared(new):
                raise Refused("password-unchanged")
            kept = replace(old, expires=int(self.clock()) + overlap) if overlap else None
            return self._with_slot(slots, new, token, kept)

        if not 0 <= overlap <= LONGEST_OVERLAP:
            raise Refused("overlap-too-long")
        credentials.require_acceptable(password, user, self.customer)
        self._change(authorised_by, change)

    def remove_user(self, user: str, *, authorised_by: Credential) -> None:
        def change(slots: SlotList, _: bytearray) -> SlotList:
            self._require_slot(slots, user)
            return keyslots.without_user(slots, user)

        self._change(authorised_by, change)

    def replace_recovery_code(self, *, authorised_by: Credential) -> str:
        """A new printed code; the old one is void."""
        code = credentials.generate_recovery_code()
        self._change(authorised_by, lambda slots, token: self._with_slot(slots, credentials.recovery(code), token))
        return code

    # -- data keys, read and drawn while the customer token is open

    def data_keys(self, token: bytearray) -> KeyList:
        return self._data_keys(token, self._share())

    def draw_data_keys(self, data_classes: set[str], token: bytearray) -> KeyList:
        """The list, with keys for those classes that had none. Under the lock: another process may have drawn them meanwhile."""
        with files.locked(self.files.data_keys.parent):
            share = self._share()
            keys = self._data_keys(token, share)
            if not data_classes <= keys.classes():
                keys = data_keys.with_classes(keys, data_classes, token)
                self._write_data_keys(keys, token, share)
            return keys

    def rotate_data_key(self, data_class: str, *, authorised_by: Credential) -> int:
        """A new version for the values of a class; returns its number. What was sealed before still opens."""
        token = self.open(authorised_by)
        try:
            with files.locked(self.files.data_keys.parent):
                share = self._share()
                keys = self._data_keys(token, share)
                if data_class not in keys.classes():
                    raise self._mistake("this data class has no keys yet")
                keys = data_keys.with_next_version(keys, data_class, token)
                self._write_data_keys(keys, token, share)
        finally:
            wipe(token)
        return keys.keys[-1].version

    # -- inside

    def _create(self, users: Mapping[str, str]) -> str:
        token, code = bytearray(secrets.token_bytes(KEY)), credentials.generate_recovery_code()
        every = [credentials.password(user, password) for user, password in users.items()] + [credentials.recovery(code)]
        slots = SlotList(self.customer, 1, tuple(keyslots.new_slot(self.customer, each, token, self.cost) for each in every))
        envelope.create_share(self.files.share)
        share = self._share()
        try:
            self._write_data_keys(KeyList(self.customer), token, share)
            self._write_slots(slots.authenticated(token), share)  # last: a customer exists when its slots do
        except BaseException:  # whatever interrupts: a share of nobody would block the next attempt
            for path in (self.files.share, self.files.data_keys):
                with suppress(OSError):
                    files.destroy(path)
            raise
        finally:
            wipe(token)
        return code

    def _change(self, authorised_by: Credential, change: Callable[[SlotList, bytearray], SlotList]) -> None:
        """Read, open with the credential, change, write: under one lock, so that two changes at once both count."""
        self._require_existing()
        with files.locked(self.files.keyslots.parent):
            slots, share, now = self._slots(), self._share(), self.clock()
            token, slot = keyslots.open_list(slots, authorised_by, self.cost, now)
            try:
                if slot.expires:  # whoever learned the old password must not be able to lock the new one out
                    raise Refused("password-replaced")
                self._write_slots(change(keyslots.without_expired(slots, now), token).authenticated(token), share)
            finally:
                wipe(token)

    def _with_slot(self, slots: SlotList, credential: Credential, token: bytearray, kept: Slot | None = None) -> SlotList:
        changed = keyslots.with_slot(slots, keyslots.new_slot(self.customer, credential, token, self.cost, kept), kept)
        if len(changed.slots) > keyslots.MOST_SLOTS:
            raise Refused("users-too-many")
        return changed

    def _share(self) -> bytes:
        """Every way to a key leads through here, so a tombstone stops all of them."""
        if self.is_shredded():
            raise Unavailable("keys-unavailable")
        return envelope.read_share(self.files.share)

    def _slots(self) -> SlotList:
        content = files.read(self.files.keyslots)
        old = content is not None and content.startswith(OLD_SLOTS[0])
        body = self._open_file(OLD_SLOTS if old else SLOTS, content, self._share())
        return keyslots.decode(self.customer, body, 1 if old else keyslots.NEWEST)

    def _data_keys(self, token: bytearray, share: bytes) -> KeyList:
        return data_keys.decode(self.customer, self._open_file(KEYS, files.read(self.files.data_keys), share), token)

    def _open_file(self, kind: tuple[bytes, str], content: bytes | None, share: bytes) -> bytes:
        if content is None:  # never an empty list instead: new keys would be drawn and the old data be lost
            raise Unavailable("keys-unavailable")
        return envelope.open_envelope(*kind, self.customer, content, self.operator, share)

    def _write_slots(self, slots: SlotList, share: bytes) -> None:
        files.write(self.files.keyslots, envelope.close(*SLOTS, self.customer, slots.encode(), self.operator, share))

    def _write_data_keys(self, keys: KeyList, token: bytearray, share: bytes) -> None:
        files.write(self.files.data_keys, envelope.close(*KEYS, self.customer, keys.encode(token), self.operator, share))

    def _require_new(self, users: Mapping[str, str]) -> None:
        if not files.CUSTOMER_NAME.fullmatch(self.customer):
            raise self._mistake("this is no name for a customer")
        if self.is_shredded():
            raise self._mistake("a customer of this name was shredded; the name is never used again")
        if any(files.identity(path) for path in (self.files.keyslots, self.files.data_keys, self.files.share)):
            raise self._mistake("this customer has keys already; they are never overwritten")
        for user, password in users.items():
            self._require_user(user)
            credentials.require_acceptable(password, user, self.customer)

    def _require_existing(self) -> None:
        if not self.exists() and not self.is_shredded():
            raise self._mistake("this customer has no keyslots")

    def _require_user(self, user: str) -> None:
        if not user or len(user) > 128 or not user.isprintable() or ":" in user:  # RFC 7617: a user-id has no colon
            raise self._mistake("this is no name for a user")

    def _require_slot(self, slots: SlotList, user: str) -> Slot:
        slot = slots.find(user)
        if slot is None:
            raise self._mistake("this user has no keyslot")
        return slot

    def _mistake(self, text: str) -> ConfigurationError:
        return ConfigurationError([Mistake(self.files.keyslots, 0, text)])
