"""What becomes of issued certificates as time goes by: which ones end soon, which were renewed, and what to call their state.

Pure functions over a ledger's snapshot: the command line shows them, a metric counts them. What never may come in: a decision to
let somebody in; that is ``trust.py``, which asks no label and no successor.
"""

from __future__ import annotations

from gateway.ca.ledger import Entry, Ledger

#: Days: time to hand over new files, and to have them installed by people who are on holiday.
WARN = 30
DAY = 86400.0


def expiring(ledger: Ledger, now: float, days: int = WARN) -> list[Entry]:
    """Certificates that count now, end within ``days``, and have no successor that counts. The first to end comes first."""
    successors = _successors(ledger)
    soon = [entry for entry in ledger.entries.values() if _counts(entry, now) and days_left(entry, now) <= days]
    return sorted((entry for entry in soon if _heir(entry, successors, now) is None), key=lambda entry: entry.not_after)


def renewed_by(ledger: Ledger, now: float) -> dict[str, str]:
    """Serial → serial of the newest certificate that follows it and counts now."""
    successors = _successors(ledger)
    heirs = {entry.serial: _heir(entry, successors, now) for entry in ledger.entries.values()}
    return {serial: heir.serial for serial, heir in heirs.items() if heir is not None}


def days_left(entry: Entry, now: float) -> int:
    """Whole days until it ends; negative when it has."""
    return int((entry.not_after.timestamp() - now) // DAY)


def status(entry: Entry, heirs: dict[str, str], now: float) -> str:
    """One word for people and programs: revoked, expired, renewed, expiring or valid. ``heirs`` comes from ``renewed_by``."""
    if entry.revoked is not None:
        return "revoked"
    if not _counts(entry, now):
        return "expired"
    if entry.serial in heirs:
        return "renewed"
    return "expiring" if days_left(entry, now) <= WARN else "valid"


def _counts(entry: Entry, now: float) -> bool:
    return entry.revoked is None and now < entry.not_after.timestamp()


def _successors(ledger: Ledger) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in ledger.entries.values():
        if entry.renews is not None:
            found.setdefault(entry.renews, []).append(entry)
    return found


def _heir(entry: Entry, successors: dict[str, list[Entry]], now: float) -> Entry | None:
    """The one that ends last of all that follow it, also over several renewals. A ledger refuses links forward, so this ends."""
    waiting, heir = [entry], None
    while waiting:
        for follower in successors.get(waiting.pop().serial, ()):
            waiting.append(follower)
            if _counts(follower, now) and follower.not_after > (heir or entry).not_after:
                heir = follower
    return heir
