"""Names of servers and their addresses: asked for again and again, off the event loop, and within a bound of time.

The system's resolver has no deadline of its own and cannot be stopped, so it runs in a few threads that nobody waits for at the end.
What never may come in: a connection, or an opinion on whether an address may be connected to.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple

from gateway.errors import Refused

FRESH = 5.0  # seconds: within them a burst of new connections asks once
AGAIN = 10.0  # seconds after which a name in use is asked for again, so that idle connections to old addresses end within 30
STALE = 60.0  # seconds for which the last answer serves while the resolver gives none
LONGEST_LOOKUP = 5.0
MOST_LOOKUPS = 8  # threads: a resolver that hangs must not eat all memory (T-D7)
MOST_ADDRESSES = 8  # of one name

Lookup = Callable[[str], tuple[str, ...]]


def look_up(name: str) -> tuple[str, ...]:
    """The addresses in the system's order of preference (RFC 6724). Raises OSError, UnicodeError; blocks."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]).partition("%")[0] for *_, address in found))[:MOST_ADDRESSES]


class _Answer(NamedTuple):
    addresses: tuple[str, ...]
    at: float


class Directory:
    """For one event loop. One question per name is under way at a time, whoever asks."""

    def __init__(self, lookup: Lookup = look_up) -> None:
        self._lookup = lookup
        self._known: dict[str, _Answer] = {}
        self._asking: dict[str, asyncio.Future[tuple[str, ...]]] = {}

    async def addresses(self, name: str) -> tuple[str, ...]:
        """Raises Refused('upstream-unreachable' | 'upstream-timeout')."""
        loop = asyncio.get_running_loop()
        known = self._known.get(name)
        if known is not None and loop.time() - known.at < FRESH:
            return known.addresses
        try:
            async with asyncio.timeout(LONGEST_LOOKUP):
                found = await asyncio.shield(self._ask(name, loop))
        except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
            if known is not None and loop.time() - known.at < STALE and _is_passing(error):
                return known.addresses
            self._known.pop(name, None)
            raise Refused("upstream-timeout" if isinstance(error, TimeoutError) else "upstream-unreachable") from None
        return found

    def refresh(self, names: Iterable[str]) -> None:
        """Ask in the background for those whose answer is old; ``holds`` tells what came of it."""
        loop = asyncio.get_running_loop()
        for name in names:
            known = self._known.get(name)
            if (known is None or loop.time() - known.at >= AGAIN) and name not in self._asking and len(self._asking) < MOST_LOOKUPS:
                self._ask(name, loop)

    def holds(self, name: str, address: str) -> bool:
        """Is this still one of the addresses? A name that is no longer known has none."""
        known = self._known.get(name)
        return known is not None and address in known.addresses

    def _ask(self, name: str, loop: asyncio.AbstractEventLoop) -> asyncio.Future[tuple[str, ...]]:
        asking = self._asking.get(name)
        if asking is not None:
            return asking
        if len(self._asking) >= MOST_LOOKUPS:
            raise TimeoutError
        asking = self._asking[name] = loop.create_future()
        asking.add_done_callback(lambda done: done.cancelled() or done.exception())  # whoever asked may be gone: nobody else hears of it
        threading.Thread(target=self._run, args=(name, loop), name="lookup", daemon=True).start()
        return asking

    def _run(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread."""
        found: tuple[str, ...] | Exception
        try:
            found = self._lookup(name) or OSError("no address")
        except (OSError, UnicodeError) as error:
            found = error
        try:
            loop.call_soon_threadsafe(self._learn, name, found, loop)
        except RuntimeError:
            return  # the loop has ended, and with it all who asked

    def _learn(self, name: str, found: tuple[str, ...] | Exception, loop: asyncio.AbstractEventLoop) -> None:
        asking = self._asking.pop(name)
        if isinstance(found, Exception):
            if not _is_passing(found):
                self._known.pop(name, None)
            asking.set_exception(found)
        else:
            self._known[name] = _Answer(found, loop.time())
            asking.set_result(found)


def _is_passing(error: Exception) -> bool:
    """The resolver could not be asked; it did not say that there is no such name."""
    return isinstance(error, TimeoutError) or (isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN)
