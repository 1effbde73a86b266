"""Keeps every customer's revocation list new: made when the ledger changed, and again when half of its time is over.

Runs in the cipher process, the only one that can open an authority while the gateway runs. Nothing waits for it and nothing is let
in by it: what goes wrong is logged and tried again. What never may come in: a key that outlives the list it was opened for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

from gateway.ca.authority import CERTIFICATE_FILE, LEDGER_FILE, Authority
from gateway.ca.crl import DER_FILE, PEM_FILE, due, publish
from gateway.config import Config
from gateway.errors import GatewayError
from gateway.wire import place_of

INTERVAL = 1.0  # seconds between two looks; each costs four stat calls per customer
SOURCES, LISTS = (LEDGER_FILE, CERTIFICATE_FILE), (DER_FILE, PEM_FILE)
RETRY = 60.0  # seconds: a token that was pulled out is not asked once a second

_log = logging.getLogger("gateway.crl")

Marks = tuple[object, ...]


class CrlKeeper:
    """``open_authority`` is called only when a list must be signed, and its result dropped at once."""

    def __init__(self, config: Config, open_authority: Callable[[str], Authority]) -> None:
        self._config = config
        self._open_authority = open_authority
        self._seen: dict[str, tuple[Marks, float]] = {}

    async def run(self, stop: asyncio.Event, interval: float = INTERVAL) -> None:
        while not stop.is_set():
            await asyncio.to_thread(self.look, time.time())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), interval)

    def look(self, now: float) -> None:
        """One round over all customers. Never raises."""
        for directory in sorted(self._config.customers_dir.glob("*/ca")):
            customer = directory.parent.name
            seen, again = self._seen.get(customer, ((), 0.0))
            before = _marks(directory, SOURCES)
            if (seen == before + _marks(directory, LISTS) and now < again) or self._config.tombstone(customer).exists():
                continue
            again = self._keep(customer, directory, now)
            # The sources as they were before: a revocation that came meanwhile is a change, our own writing is none.
            self._seen[customer] = before + _marks(directory, LISTS), again

    def _keep(self, customer: str, directory: Path, now: float) -> float:
        """Returns when to look again although nothing changed."""
        try:
            until = due(directory, now)
            if until <= now:
                publish(self._open_authority(customer), now)
                _log.info("revocation list of %s made", customer)
                until = due(directory, now)
        except GatewayError as error:
            _log.error("no revocation list for %s: %s", customer, error)
        except OSError as error:
            _log.error("no revocation list for %s: %s: %s", customer, error.filename, error.strerror)
        except Exception as error:  # the root of a background task: one customer's damaged file must not end the others' lists
            _log.error("no revocation list for %s: %s at %s", customer, type(error).__name__, place_of(error))
        else:
            return until
        return now + RETRY


def _marks(directory: Path, names: tuple[str, ...]) -> Marks:
    return tuple(_mark(directory / name) for name in names)


def _mark(file: Path) -> object:
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
