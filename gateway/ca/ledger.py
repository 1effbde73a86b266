"""The ledger: every certificate that an authority of ours issued, and which of them were taken back.

One file per customer, JSON lines, only ever appended to, each line on disk before the certificate leaves our hands. Readers take
an immutable snapshot. What never may come in: a private key, a password, or a way to forget an entry.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from gateway.errors import ConfigurationError, Mistake, Refused

Hex = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]+$", max_length=64)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Stamp = tuple[int, int, int]


class Issue(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="event", tag="issue"):
    """``key`` and ``renews`` are missing in ledgers of the first version."""

    time: Moment
    serial: Hex
    fingerprint: Hex
    label: Annotated[str, msgspec.Meta(max_length=64)]
    not_after: Moment
    key: Hex | None = None
    renews: Hex | None = None


class Revocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="revoke"):
    time: Moment
    serial: Hex


_DECODER = msgspec.json.Decoder(Issue | Revocation)


@dataclass(frozen=True, slots=True)
class Entry:
    """One certificate. ``revoked`` is when it was taken back, None while it counts.

    ``key`` is the SHA-256 of its public key, ``renews`` the serial of the certificate that it was issued to follow.
    """

    serial: str
    label: str
    fingerprint: str
    not_after: datetime
    issued: datetime
    revoked: datetime | None = None
    key: str | None = None
    renews: str | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """A snapshot: fingerprint → entry, in the order of issue. ``stamp`` changes when the file does."""

    entries: Mapping[str, Entry]
    stamp: Stamp = (0, 0, 0)

    @classmethod
    def load(cls, path: Path) -> Ledger:
        """All lines or ConfigurationError: a line that cannot be read may be the revocation that matters."""
        with _locked(path, fcntl.LOCK_SH) as descriptor:
            return _read(path, descriptor)

    def by_serial(self, serial: str) -> Entry | None:
        return next((entry for entry in self.entries.values() if entry.serial == serial), None)


def fingerprint_of(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()


def serial_of(certificate: x509.Certificate) -> str:
    return f"{certificate.serial_number:x}"


def stamp_of(path: Path) -> Stamp:
    """Inode too, so that a file put in the other's place is seen even if size and time agree."""
    return _stamp(path.stat())


def key_digest(key: PublicKeyTypes) -> str:
    """What two certificates with one key have in common."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def record_issue(path: Path, certificate: x509.Certificate, label: str, renews: str | None = None) -> Entry:
    """Append an issued certificate; it is on disk when this returns."""
    issue = Issue(
        _now(),
        serial_of(certificate),
        fingerprint_of(certificate),
        label,
        certificate.not_valid_after_utc,
        key_digest(certificate.public_key()),
        renews,
    )
    with _locked(path, fcntl.LOCK_EX) as descriptor:
        return _append(path, descriptor, issue).entries[issue.fingerprint]


def record_revocation(path: Path, serial: str) -> Entry:
    """Append a revocation. Said twice, the first one stands. Raises Refused('certificate-not-in-ledger')."""
    with _locked(path, fcntl.LOCK_EX) as descriptor:
        entry = _read(path, descriptor).by_serial(serial)
        if entry is None:
            raise Refused("certificate-not-in-ledger")
        if entry.revoked is not None:
            return entry
        return _append(path, descriptor, Revocation(_now(), serial)).entries[entry.fingerprint]


@contextmanager
def _locked(path: Path, how: int) -> Iterator[int]:
    """An open descriptor under flock: a reader never sees half a line, two writers never mix theirs."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC if how == fcntl.LOCK_EX else os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigurationError([Mistake(path, 0, f"the ledger cannot be opened ({error.strerror})")]) from None
    try:
        fcntl.flock(descriptor, how)
        yield descriptor
    finally:
        os.close(descriptor)


def _append(path: Path, descriptor: int, event: Issue | Revocation) -> Ledger:
    """Read all, then add, so that nothing is ever appended to a ledger that could not be read back."""
    size = os.fstat(descriptor).st_size
    pages = _pages(path, descriptor)
    pages.add(event)
    line = msgspec.json.encode(event) + b"\n"
    if os.write(descriptor, line) != len(line):
        os.ftruncate(descriptor, size)
        raise ConfigurationError([Mistake(path, 0, "the ledger could not be written completely")])
    os.fsync(descriptor)
    return pages.snapshot(_stamp(os.fstat(descriptor)))


def _read(path: Path, descriptor: int) -> Ledger:
    return _pages(path, descriptor).snapshot(_stamp(os.fstat(descriptor)))


def _pages(path: Path, descriptor: int) -> _Pages:
    content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    pages = _Pages()
    mistakes: list[Mistake] = []
    for number, line in enumerate(content.splitlines(keepends=True), start=1):
        try:
            if not line.endswith(b"\n"):
                raise ValueError("the line is not complete")
            pages.add(_DECODER.decode(line))
        except ValueError as error:  # msgspec's errors are ValueErrors, and name the member and what was expected, never the value
            mistakes.append(Mistake(path, number, f"not a ledger entry: {error}"))
    if mistakes:
        raise ConfigurationError(mistakes)
    return pages


class _Pages:
    """The ledger while it is read: entries by fingerprint, and the way from a serial to them."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._fingerprints: dict[str, str] = {}

    def add(self, event: Issue | Revocation) -> None:
        if isinstance(event, Issue):
            self._issue(event)
        else:
            self._revoke(event)

    def snapshot(self, stamp: Stamp) -> Ledger:
        return Ledger(MappingProxyType(self._entries), stamp)

    def _issue(self, event: Issue) -> None:
        if event.serial in self._fingerprints or event.fingerprint in self._entries:
            raise ValueError("a certificate is issued once only")
        if event.renews is not None and event.renews not in self._fingerprints:
            raise ValueError("renews a certificate that was not issued")
        self._fingerprints[event.serial] = event.fingerprint
        self._entries[event.fingerprint] = Entry(
            event.serial, event.label, event.fingerprint, event.not_after, event.time, key=event.key, renews=event.renews
        )

    def _revoke(self, event: Revocation) -> None:
        if event.serial not in self._fingerprints:
            raise ValueError("revokes a certificate that was not issued")
        fingerprint = self._fingerprints[event.serial]
        entry = self._entries[fingerprint]
        self._entries[fingerprint] = entry if entry.revoked else replace(entry, revoked=event.time)


def _stamp(stat: os.stat_result) -> Stamp:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
