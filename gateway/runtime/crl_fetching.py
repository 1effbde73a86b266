"""Revocation lists that customers publish: fetched in the background by one process, kept in the state folder, and watched over.

No request ever waits for a list, and none is refused because somebody else's server is slow: workers read the file that is kept here,
as they read any other. What never may come in: a redirect, a proxy from the environment, or a list that was not checked
(``gateway.ca.revocation``).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp

from gateway.ca.anchors import CustomerTrust, read_anchors, read_certificates
from gateway.ca.blocks import MAX_FILE
from gateway.ca.files import PRIVATE, replace_file
from gateway.ca.revocation import newer_lists, window_of
from gateway.ca.trust import sources_of
from gateway.ca.validity import Validity, validities
from gateway.config import Config, load_config
from gateway.errors import ConfigurationError, GatewayError, Unavailable
from gateway.policy.load import load_policies, revision
from gateway.policy.model import PolicySet
from gateway.runtime.operator_events import note
from gateway.runtime.snapshot import watched_files
from gateway.runtime.watch import INTERVAL, digest
from gateway.wire import place_of

TIMEOUT = 30.0  # seconds, from the name look-up to the last byte (T-D6)
USUAL = 3600.0  # seconds between two looks at a list that is long good
SHORTEST = 60.0  # seconds: nobody's server is asked more often than that
DAILY = 86400.0  # seconds until the same alarm is given again

Fetch = Callable[[str], Awaitable[bytes]]

_log = logging.getLogger("gateway.revocation")


class NotFetched(GatewayError):
    """Nothing came from the URL, or nothing that could be taken."""


async def keep_fetched(path: Path, stop: asyncio.Event) -> None:
    """Keep every customer's list fresh, and say in time when one is about to end; until ``stop``. ``path``: the configuration.

    For one process only. It never raises: a customer whose list cannot be had is refused by the workers, and no other is.
    """
    # Nothing of the environment: a proxy that somebody set for the shell would see, and could hold back, every list.
    connector = aiohttp.TCPConnector(limit=8, force_close=True, ssl=ssl.create_default_context())
    async with aiohttp.ClientSession(
        connector=connector,
        trust_env=False,
        auto_decompress=False,  # a list of 16 MiB may come out of 16 kB otherwise (T-D1)
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity", "User-Agent": "pii-gateway"},
        timeout=aiohttp.ClientTimeout(total=TIMEOUT),
    ) as session:
        await ListKeeper(path, lambda url: fetch(session, url)).run(stop)


async def fetch(session: aiohttp.ClientSession, url: str) -> bytes:
    """The body of a plain 200, at most 16 MiB of it (T-D7). Raises NotFetched, whose text holds nothing that the server said."""
    try:
        async with session.get(url, allow_redirects=False) as answer:
            if answer.status != 200:
                raise NotFetched(f"the answer has status {answer.status}")
            if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise NotFetched("the answer is compressed, which nobody asked for")
            body = bytearray()
            async for piece in answer.content.iter_chunked(1 << 16):
                body += piece
                if len(body) > MAX_FILE:
                    raise NotFetched(f"the answer is larger than {MAX_FILE >> 20} MiB")
            return bytes(body)
    except TimeoutError:
        raise NotFetched(f"no whole answer within {TIMEOUT:.0f} seconds") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise NotFetched(f"the connection failed ({type(error).__name__})") from None


@dataclass
class _Schedule:
    """When a customer's list is looked for next. ``authority``: the hash of the file that vouches for it."""

    source: CustomerTrust
    authority: bytes
    due: float = 0.0
    failures: int = 0
    task: asyncio.Task[None] | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """What the files said when they last were without a mistake, and what they looked like."""

    config: Config
    policies: PolicySet
    sources: Mapping[str, CustomerTrust]
    seen: bytes

    def fetched(self) -> dict[str, tuple[CustomerTrust, bytes]]:
        return {name: (source, digest([source.authority])) for name, source in self.sources.items() if source.fetched is not None}


@dataclass
class ListKeeper:
    """What ``keep_fetched`` runs. ``fetch`` and ``now`` are given, so that a test needs neither a network nor patience."""

    path: Path
    fetch: Fetch
    now: Callable[[], float] = time.time
    interval: float = INTERVAL
    _known: _Known | None = None
    _schedules: dict[str, _Schedule] = field(default_factory=dict)
    _told: dict[tuple[str, str], float] = field(default_factory=dict)
    _look_again: float = 0.0
    _noting: threading.Lock = field(default_factory=threading.Lock)

    async def run(self, stop: asyncio.Event) -> None:
        """A look each second, as everywhere: at the files, and at what is due."""
        while not stop.is_set():
            try:
                await self.look()
            except Exception as error:  # whatever it was: the next look may be luckier, and no list at all would be worse
                _log.error("revocation lists: %s at %s", type(error).__name__, place_of(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self.interval)
        running = [schedule.task for schedule in self._schedules.values() if schedule.task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def look(self) -> None:
        """Take over changed policies, begin what is due, and give alarms."""
        known = await asyncio.to_thread(_read, self.path, self._known)
        changed = known is not self._known
        if changed and known is not None:
            self._known = known
            self._reschedule(await asyncio.to_thread(known.fetched))
        now = self.now()
        for customer, schedule in self._schedules.items():
            if schedule.task is None and now >= schedule.due:
                schedule.task = asyncio.create_task(self._refresh(customer, schedule))
        if changed or now >= self._look_again:
            self._look_again = now + USUAL
            await asyncio.to_thread(self._watch_over, now)

    def _reschedule(self, wanted: Mapping[str, tuple[CustomerTrust, bytes]]) -> None:
        """What stayed as it was keeps its time; what is new, or vouched for by others now, is due at once."""
        for customer, schedule in list(self._schedules.items()):
            if wanted.get(customer) != (schedule.source, schedule.authority):
                if schedule.task is not None:
                    schedule.task.cancel()
                del self._schedules[customer]
        for customer, (source, authority) in wanted.items():
            self._schedules.setdefault(customer, _Schedule(source, authority))

    async def _refresh(self, customer: str, schedule: _Schedule) -> None:
        source = schedule.source
        assert source.fetched is not None
        try:
            content = await self.fetch(source.fetched)
            schedule.due = await asyncio.to_thread(_take, source, content, self.now())
            schedule.failures = 0
        except Exception as error:  # also a bug in a parser: it is this customer's list that fails, and nobody else's
            schedule.failures += 1
            schedule.due = self.now() + pause_after_failures(schedule.failures)
            _log.warning("customer %s: no new revocation list from %s: %s", customer, source.fetched, _said(error))
            await asyncio.to_thread(self._note, customer, "crl-fetch-failed")
        finally:
            schedule.task = None

    def _watch_over(self, now: float) -> None:
        for validity in self._validities(now):
            reason = _alarm(validity, now)
            if reason and self._note(validity.customer, reason):
                _log.warning("%s: %s", reason, validity.sentence(now))

    def _validities(self, now: float) -> Iterator[Validity]:
        """Of every customer whose files can be read; the others' mistakes are told by whoever loads them."""
        for customer, source in self._known.sources.items() if self._known is not None else ():
            with suppress(ConfigurationError):
                yield from validities(customer, source, read_anchors(source, now, running=True))

    def _note(self, customer: str, reason: str) -> bool:
        """Into the audit log, once a day. True when it was time."""
        now = self.now()
        with self._noting:  # two of our own threads would otherwise find the log held, and leave one record to the next writer
            if now < self._told.get((customer, reason), 0.0) or self._known is None:
                return False
            self._told[customer, reason] = now + DAILY
            try:
                note(self._known.config, customer=customer, reason=reason)
            except Unavailable:
                _log.error("%s of customer %s could not be recorded", reason, customer)
        return True


def pause_after_success(until: float, now: float) -> float:
    """An hour, and less when the list is about to end: half of what is left, so that the last minutes see several attempts."""
    return max(SHORTEST, min(USUAL, (until - now) / 2))


def pause_after_failures(failures: int) -> float:
    """A minute, doubled each time, up to an hour: a server that is down is not helped by being asked."""
    return float(min(USUAL, SHORTEST * 2 ** min(failures - 1, 10)))


def _read(path: Path, known: _Known | None) -> _Known | None:
    """``known`` itself while no file changed. With a mistake in them the last good ones go on: the workers say what it is."""
    if known is not None:
        seen = digest(watched_files(path, known.policies, known.config))
        if seen == known.seen:
            return known
    try:
        config = load_config(path)
        policies = load_policies(config)
    except ConfigurationError:
        return replace(known, seen=seen) if known is not None else None
    seen = digest(watched_files(path, policies))
    if revision(config) != policies.revision:  # saved meanwhile: what we would call seen was not read
        return known
    return _Known(config, policies, sources_of(policies, config.authority_dir, config.fetched_crl), seen)


def _take(source: CustomerTrust, content: bytes, now: float) -> float:
    """Keep what came, if it may be; returns when to look again. Raises ConfigurationError or OSError."""
    assert source.crl is not None
    lists = newer_lists(source.crl, read_certificates(source.authority, now), content, now)
    _keep(source.crl, content)
    return now + pause_after_success(min(window_of(crl)[1] for crl in lists), now)


def _keep(file: Path, content: bytes) -> None:
    """Whole or not at all, also through a power cut. The same content is not written again: workers would reload for nothing."""
    with suppress(OSError):
        if file.read_bytes() == content:
            return
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(file, content, PRIVATE)


def _alarm(validity: Validity, now: float) -> str:
    if not validity.until or not validity.ends_soon(now):  # where none ever came, it is the fetching that fails
        return ""
    if validity.kind == "authority":
        return "authority-expires-soon"
    return "crl-expired" if validity.ended(now) else "crl-expires-soon"


def _said(error: Exception) -> str:
    if isinstance(error, ConfigurationError):
        return "; ".join(str(mistake) for mistake in error.mistakes)
    return str(error) if isinstance(error, NotFetched) else f"{type(error).__name__} at {place_of(error)}"
