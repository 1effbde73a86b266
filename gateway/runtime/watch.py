"""Noticing that files changed: content hashes, compared once a second, and at once on SIGHUP.

Not inotify: a symlink that is swapped to a new folder (how Kubernetes updates mounted files) gives no event (Y-04). What never
may come in: knowing what the files mean. A bad file changes nothing, and says why.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.wire import place_of

INTERVAL = 1.0  # seconds; also the bound within which a revocation bites

_log = logging.getLogger("gateway.reload")


def digest(files: Iterable[Path]) -> bytes:
    """One hash over names and contents; a file that is missing or unreadable counts as such, and not as an error."""
    total = hashlib.sha256()
    for file in sorted(files):
        total.update(str(file).encode() + b"\0")
        try:
            total.update(hashlib.sha256(file.read_bytes()).digest())
        except OSError:
            total.update(b"absent")
    return total.digest()


async def watch(
    files: Callable[[], Iterable[Path]],
    reload: Callable[[], str],
    asked: asyncio.Event,
    stop: asyncio.Event,
    *,
    seen: bytes,
    interval: float = INTERVAL,
) -> None:
    """Call ``reload`` (build, check, swap; returns the revision) whenever the files differ, or ``asked`` is set, until ``stop``.

    The hash is taken before the build: a file that changes meanwhile is noticed the next time round. So is ``seen``, before what this
    process began with was built: a revocation at the moment of a restart would not be noticed otherwise.
    """
    while not stop.is_set():
        await _first_of(asked, stop, interval)
        if stop.is_set():
            return
        now = await asyncio.to_thread(lambda: digest(files()))
        if now == seen and not asked.is_set():
            continue
        asked.clear()
        seen = now
        _reload(reload)


async def _first_of(asked: asyncio.Event, stop: asyncio.Event, interval: float) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in (asked, stop)]
    await asyncio.wait(waits, timeout=interval, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


def _reload(reload: Callable[[], str]) -> None:
    try:
        revision = reload()
    except ConfigurationError as error:
        for mistake in error.mistakes:
            _log.error("not reloaded: %s", mistake)
    except OSError as error:
        _log.error("not reloaded: %s: %s", error.filename, error.strerror)
    except Exception as error:  # a file that our reader stumbles over must not end the process: what is running goes on (Y-03)
        _log.error("not reloaded: %s at %s", type(error).__name__, place_of(error))
    else:
        _log.info("reloaded, revision %s", revision)
