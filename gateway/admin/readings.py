"""What the files say now, as samples: certificates, authorities, revocation lists, policies, processes.

A customer whose files cannot be read gets one sample that says so, and takes no other customer's away. What never may come in: a
value, a user, an address; a customer's name, and what the operator wrote as a certificate's label, are the most that a label says.
"""

from __future__ import annotations

import platform
import shutil
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

import gateway
from gateway.ca.anchors import CustomerTrust, read_anchors
from gateway.ca.crl import DER_FILE
from gateway.ca.crl import read as read_crl
from gateway.ca.expiry import DAY, WARN, expiring, renewed_by
from gateway.ca.ledger import Ledger
from gateway.ca.server_chain import ends, read_chain
from gateway.ca.validity import validities
from gateway.cipher.primitives import openssl_version
from gateway.errors import ConfigurationError
from gateway.metrics import Sample

Marks = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What the process itself knows; the rest is read. ``sources``: each customer's trust, as the policies name it."""

    state: Path
    certificate: Path
    revision: str | None
    sources: Mapping[str, CustomerTrust]
    failed: bool
    failures: int
    processes: Iterable[tuple[str, bool, int]]  # role, serving, restarts
    refused: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Ends:
    """Of one customer: when the first of its authorities and of its lists ends, and its ledger if the authority is ours."""

    authority: float
    crl: float | None
    ledger: Ledger | None


@dataclass
class Readings:
    """Remembers what it read of files that did not change: a thousand customers are read in milliseconds then."""

    _seen: dict[str, tuple[Marks, _Ends]] = field(default_factory=dict)

    def take(self, known: Known, now: float) -> list[Sample]:
        """Never raises for a file. Takes its time: not for an event loop."""
        samples = [*_program(known), *_processes(known)]
        with suppress(ConfigurationError):
            samples.append(Sample("gateway_server_certificate_expiry_seconds", ends(read_chain(known.certificate)) - now))
        for customer, source in known.sources.items():
            samples += self._customer(customer, source, now)
        for customer in self._seen.keys() - known.sources.keys():
            del self._seen[customer]
        return samples

    def _customer(self, customer: str, source: CustomerTrust, now: float) -> Iterator[Sample]:
        try:
            read = self._read(customer, source, now)
        except ConfigurationError:
            yield Sample("gateway_customer_unreadable", 1, (customer,))
            return
        yield Sample("gateway_authority_expiry_seconds", read.authority - now, (customer,))
        if read.crl is not None:
            yield Sample("gateway_crl_expiry_seconds", read.crl - now if read.crl else 0, (customer,))  # 0: none has come yet
        if read.ledger is not None:
            yield Sample("gateway_certificates_expiring", len(expiring(read.ledger, now)), (customer,))
            yield from _certificates(customer, read.ledger, now)

    def _read(self, customer: str, source: CustomerTrust, now: float) -> _Ends:
        marks = _marks(source)
        seen, read = self._seen.get(customer, (None, None))
        if read is None or seen != marks:
            read = _ends(customer, source, now)
            self._seen[customer] = marks, read
        return read


def _ends(customer: str, source: CustomerTrust, now: float) -> _Ends:
    """``running``: a list that has expired is a number below 0, and not unreadable."""
    found = list(validities(customer, source, read_anchors(source, now, running=True)))
    authority = min(validity.until for validity in found if validity.kind == "authority")
    lists = [validity.until for validity in found if validity.kind == "crl"]
    if source.ledger is None:
        return _Ends(authority, min(lists, default=None), None)
    own = read_crl(source.ledger.parent)
    end = own.next_update_utc if own is not None else None
    return _Ends(authority, end.timestamp() if end is not None else None, Ledger.load(source.ledger))


def _certificates(customer: str, ledger: Ledger, now: float) -> Iterator[Sample]:
    """Not revoked, not renewed, and not over for longer than the time in which somebody should have noticed."""
    heirs = renewed_by(ledger, now)
    for entry in ledger.entries.values():
        left = entry.not_after.timestamp() - now
        if entry.revoked is None and entry.serial not in heirs and left > -WARN * DAY:
            yield Sample("gateway_certificate_expiry_seconds", left, (customer, entry.label, entry.serial))


def _program(known: Known) -> Iterator[Sample]:
    tls = ssl.OPENSSL_VERSION.split()[1]
    yield Sample("gateway_build_info", 1, (gateway.__version__, platform.python_version(), aiohttp.__version__, tls, openssl_version()))
    if known.revision is not None:
        yield Sample("gateway_policy_info", 1, (known.revision,))
    yield Sample("gateway_customers", len(known.sources))
    yield Sample("gateway_reload_failed", known.failed)
    yield Sample("gateway_reload_failures_total", known.failures)
    with suppress(OSError):
        yield Sample("gateway_state_free_bytes", shutil.disk_usage(known.state).free)
    for reason, count in sorted(known.refused.items()):
        yield Sample("gateway_admin_refused_total", count, (reason,))


def _processes(known: Known) -> Iterator[Sample]:
    serving: dict[str, int] = {}
    restarts: dict[str, int] = {}
    for role, serves, again in known.processes:
        serving[role] = serving.get(role, 0) + serves
        restarts[role] = restarts.get(role, 0) + again
    for role in sorted(serving):
        yield Sample("gateway_process_up", serving[role], (role,))
        yield Sample("gateway_process_restarts_total", restarts[role], (role,))


def _marks(source: CustomerTrust) -> Marks:
    own = source.ledger.parent / DER_FILE if source.ledger is not None else None
    return (source, *(_mark(file) for file in (source.authority, source.crl, source.ledger, own)))


def _mark(file: Path | None) -> object:
    """Inode too, so that a file put in the other's place is seen even if size and time agree."""
    if file is None:
        return None
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
