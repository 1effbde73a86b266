"""A customer's database in SQLite: one file, one thread, and one transaction for everything that waits (group commit).

An insert per request would cost an fsync each (2 ms); what gathers while the disk is busy goes into the next transaction together
(0.1 ms each at 256). Answers leave only after COMMIT with ``synchronous=FULL``: a token that went
upstream is on disk. What never may come in: a key, or a value that is not sealed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from gateway.errors import Unavailable
from gateway.vault.store import TRIES, NewToken

MIGRATIONS = Path(__file__).with_name("migrations")
KEYS_AT_ONCE = 100  # in one statement; a page of a table has as many
MOST_AT_ONCE = 256  # requests in one transaction: more gain nothing, and the first ones would wait for the last

_log = logging.getLogger("gateway.vault")


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    writes: bool
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]


class SqliteStore:
    """Opened at once: raises Unavailable('vault-unavailable') for a file that cannot be opened, or that a newer version made."""

    def __init__(self, path: Path) -> None:
        self._jobs: SimpleQueue[list[_Job] | None] = SimpleQueue()
        self._asked: dict[asyncio.AbstractEventLoop, list[_Job]] = {}  # in this turn of the loop (of each: there is one, but for tests)
        self._database = _open(path)
        self._thread = threading.Thread(target=self._run, name="vault", daemon=True)
        self._thread.start()
        self._closed = False

    async def lookup(self, tokens: Sequence[tuple[str, str]]) -> list[bytes | None]:
        return await self._ask(lambda database: _sealed_of(database, tokens)) if tokens else []

    async def find(self, fingerprints: Sequence[tuple[str, bytes]]) -> list[str | None]:
        return await self._ask(lambda database: _tokens_of(database, fingerprints)) if fingerprints else []

    async def upsert(self, rows: Sequence[NewToken]) -> list[str]:
        return await self._ask(lambda database: _upsert(database, rows), writes=True) if rows else []

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._hand_over(asyncio.get_running_loop())
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)

    async def _ask(self, work: Callable[[sqlite3.Connection], Any], *, writes: bool = False) -> Any:
        if self._closed:
            raise Unavailable("vault-unavailable")
        loop = asyncio.get_running_loop()
        job = _Job(work, writes, loop, loop.create_future())
        if loop in self._asked:
            self._asked[loop].append(job)
        else:
            self._asked[loop] = [job]
            loop.call_soon(self._hand_over, loop)
        return await job.future

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        """What was asked in one turn of the loop wakes the thread once: each time costs both threads a fight for the interpreter."""
        asked = self._asked.pop(loop, None)
        if asked:
            self._jobs.put(asked)

    # -- in the thread

    def _run(self) -> None:
        while (jobs := self._gathered()) is not None:
            self._serve(jobs)
        with contextlib.suppress(sqlite3.Error):
            self._database.execute("PRAGMA optimize")
        self._database.close()

    def _gathered(self) -> list[_Job] | None:
        first = self._jobs.get()
        if first is None:
            return None
        jobs = list(first)
        while len(jobs) < MOST_AT_ONCE and not self._jobs.empty():
            more = self._jobs.get()
            if more is None:
                self._jobs.put(None)  # serve what came before the end first
                break
            jobs += more
        return jobs

    def _serve(self, jobs: list[_Job]) -> None:
        """Readers first: they need no disk, and would otherwise wait for everybody else's COMMIT."""
        readers, writers = [job for job in jobs if not job.writes], [job for job in jobs if job.writes]
        _answer(readers, [_alone(job, self._database) for job in readers])
        if writers:
            _answer(writers, self._in_one_transaction(writers))

    def _in_one_transaction(self, jobs: list[_Job]) -> list[Any]:
        """Without savepoints at first: nearly always all of them succeed. When one does not, everything is done again, each apart."""
        try:
            self._database.execute("BEGIN IMMEDIATE")
            results = [_alone(job, self._database, trouble=sqlite3.Error) for job in jobs]
            if any(isinstance(result, Unavailable) for result in results):
                self._database.execute("ROLLBACK")
                self._database.execute("BEGIN IMMEDIATE")
                results = [_apart(job, self._database) for job in jobs]
            self._database.execute("COMMIT")
        except Exception as error:  # whatever it was: nobody was promised anything yet, and without this thread all would wait for ever
            _log.error("the vault's database failed: %s", type(error).__name__)
            if self._database.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
            return [Unavailable("vault-unavailable") for _ in jobs]
        return results


def _apart(job: _Job, database: sqlite3.Connection) -> Any:
    """One request inside the common transaction: all of its rows or none, and its failure is not the others'."""
    database.execute("SAVEPOINT request")
    result = _alone(job, database, trouble=sqlite3.Error)
    if isinstance(result, Unavailable):
        database.execute("ROLLBACK TO request")
    database.execute("RELEASE request")
    return result


def _alone(job: _Job, database: sqlite3.Connection, *, trouble: type[Exception] | tuple[()] = ()) -> Any:
    """What the request gets; ``trouble`` is not its own, but the whole transaction's."""
    try:
        return job.work(database)
    except Unavailable as unavailable:  # its space is full
        return unavailable
    except trouble:
        raise
    except Exception as error:  # a fault of this one request, such as a text that is no Unicode: it must hear of it, and the thread live on
        _log.error("a request to the vault's database failed: %s", type(error).__name__)
        return Unavailable("vault-unavailable")


def _answer(jobs: list[_Job], results: list[Any]) -> None:
    """Each loop is woken once, however many of its requests were served (there is one loop, but for tests)."""
    for loop in {job.loop for job in jobs}:
        mine = [(job, result) for job, result in zip(jobs, results, strict=True) if job.loop is loop]
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(_settle, mine)


def _settle(answers: list[tuple[_Job, Any]]) -> None:
    for job, result in answers:
        if job.future.done():
            continue
        if isinstance(result, Unavailable):
            job.future.set_exception(Unavailable(result.reason))
        else:
            job.future.set_result(result)


def _sealed_of(database: sqlite3.Connection, keys: Sequence[tuple[str, str]]) -> list[bytes | None]:
    found = _found(database, "token", "sealed", keys)
    return [found.get(key) for key in keys]


def _tokens_of(database: sqlite3.Connection, keys: Sequence[tuple[str, bytes]]) -> list[str | None]:
    found = _found(database, "fingerprint", "token", keys)
    return [found.get(key) for key in keys]


def _found(database: sqlite3.Connection, by: str, wanted: str, keys: Sequence[tuple[str, Any]]) -> dict[tuple[str, Any], Any]:
    """``wanted`` of every (data class, ``by``) that is there: one statement for many keys, a quarter of one for each."""
    found: dict[tuple[str, Any], Any] = {}
    for at in range(0, len(keys), KEYS_AT_ONCE):
        some = keys[at : at + KEYS_AT_ONCE]
        rows = database.execute(_look_up(by, wanted, len(some)), [part for key in some for part in key])
        found |= {(data_class, key): value for data_class, key, value in rows}
    return found


@lru_cache(maxsize=128)
def _look_up(by: str, wanted: str, count: int) -> str:
    """CROSS JOIN, so that SQLite goes from key to key by the index, whatever its statistics say. The names are ours, never a client's."""
    keys = ", ".join(["(?, ?)"] * count)
    place = f"t.data_class = k.data_class AND t.{by} = k.{by}"
    return f"WITH k(data_class, {by}) AS (VALUES {keys}) SELECT k.data_class, k.{by}, t.{wanted} FROM k CROSS JOIN tokens t ON {place}"  # noqa: S608


def _upsert(database: sqlite3.Connection, rows: Sequence[NewToken]) -> list[str]:
    """Inside the one writer's transaction, so that two requests with the same new value get the same token."""
    known = _found(database, "fingerprint", "token", [(row.data_class, row.fingerprint) for row in rows if row.fingerprint is not None])
    tokens = []
    for row in rows:
        token = known.get((row.data_class, row.fingerprint)) if row.fingerprint is not None else None
        if token is None:
            token = _insert(database, row)
            if row.fingerprint is not None:
                known[row.data_class, row.fingerprint] = token
        tokens.append(token)
    return tokens


def _insert(database: sqlite3.Connection, row: NewToken) -> str:
    for _ in range(TRIES):
        token = row.candidate()
        inserted = database.execute(
            "INSERT INTO tokens VALUES (?, ?, ?, ?, ?) ON CONFLICT (data_class, token) DO NOTHING",
            (row.data_class, token, row.fingerprint, row.sealed, int(time.time())),
        )
        if inserted.rowcount == 1:
            return token
    raise Unavailable("token-space-exhausted")


def _open(path: Path) -> sqlite3.Connection:
    database = None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON", "trusted_schema = OFF", "cell_size_check = ON"):
            database.execute(f"PRAGMA {pragma}")
        _migrate(database)
    except (sqlite3.Error, OSError) as error:
        if database is not None:
            database.close()
        _log.error("the vault's database cannot be opened: %s", type(error).__name__)
        raise Unavailable("vault-unavailable") from None
    except Unavailable:
        if database is not None:
            database.close()
        raise
    return database


def _migrate(database: sqlite3.Connection) -> None:
    """Numbered steps, each with its number in one transaction. A file from a newer version is not opened: it may mean other things."""
    version = database.execute("PRAGMA user_version").fetchone()[0]
    steps = sorted(MIGRATIONS.glob("*.sql"))
    if version > len(steps):
        _log.error("the vault's database was made by a newer version of the gateway")
        raise Unavailable("vault-unavailable")
    for number, step in enumerate(steps[version:], version + 1):
        database.executescript(f"BEGIN IMMEDIATE;\n{step.read_text()}\nPRAGMA user_version = {number};\nCOMMIT;")
