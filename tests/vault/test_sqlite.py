"""One file, one thread, one transaction for all that wait: durable when answered, and no fault leaves anybody waiting."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.errors import Unavailable
from gateway.vault.sqlite import MIGRATIONS, SqliteStore
from gateway.vault.store import NewToken


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "customers" / "energie_nord" / "vault.db"


@pytest.fixture
async def store(file: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(file)
    yield store
    await store.close()


def row(token: str | Callable[[], str], sealed: bytes = b"sealed", fingerprint: bytes | None = None) -> NewToken:
    return NewToken("name", fingerprint, sealed, token if callable(token) else lambda: token)


class Gate:
    """A candidate that holds the store's thread until it is told to go on: what comes meanwhile gathers."""

    def __init__(self) -> None:
        self.entered, self.leave = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.entered.set()
        assert self.leave.wait(30)
        return "gate"

    async def hold(self, store: SqliteStore) -> asyncio.Task[list[str]]:
        task = asyncio.create_task(store.upsert([row(self)]))
        assert await asyncio.to_thread(self.entered.wait, 30)
        return task


def statements(store: SqliteStore) -> list[str]:
    """What the store says to SQLite from now on."""
    said: list[str] = []
    store._database.set_trace_callback(said.append)
    return said


# -- group commit


async def test_all_that_waits_shares_one_transaction(store: SqliteStore) -> None:
    gate = Gate()
    first = await gate.hold(store)
    said = statements(store)
    waiting = [asyncio.create_task(store.upsert([row(f"t{number}")])) for number in range(100)]
    await asyncio.sleep(0)
    gate.leave.set()
    assert await first == ["gate"]
    assert await asyncio.gather(*waiting) == [[f"t{number}"] for number in range(100)]
    assert said.count("COMMIT") == 2  # the one that was held, and one for the hundred


async def test_readers_do_not_wait_for_the_disk(store: SqliteStore) -> None:
    gate = Gate()
    first = await gate.hold(store)
    said = statements(store)
    writing, reading = asyncio.create_task(store.upsert([row("late")])), asyncio.create_task(store.lookup([("name", "gate")]))
    await asyncio.sleep(0)
    gate.leave.set()
    await asyncio.gather(first, writing)
    assert await reading == [b"sealed"]
    select = next(at for at, text in enumerate(said) if "t.sealed" in text)
    assert said.index("COMMIT") < select < len(said) - 1 - said[::-1].index("COMMIT")


async def test_who_was_answered_reads_what_was_written(store: SqliteStore) -> None:
    """V-09: no other connection, no cache: there is nothing that could lag."""
    for number in range(50):
        (token,) = await store.upsert([row(f"t{number}", b"%d" % number)])
        assert await store.lookup([("name", token)]) == [b"%d" % number]


async def test_a_caller_who_has_gone_disturbs_nobody(store: SqliteStore) -> None:
    gate = Gate()
    first = await gate.hold(store)
    gone, other = asyncio.create_task(store.upsert([row("a")])), asyncio.create_task(store.upsert([row("b")]))
    await asyncio.sleep(0)
    gone.cancel()
    gate.leave.set()
    assert (await first, await other) == (["gate"], ["b"])
    with pytest.raises(asyncio.CancelledError):
        await gone


# -- durable


WRITER = """
import asyncio, sys
from pathlib import Path
from gateway.vault.sqlite import SqliteStore
from gateway.vault.store import NewToken

async def one(store, number):
    while True:
        token = f"{number}-{one.count}"
        one.count += 1
        await store.upsert([NewToken("name", token.encode(), token.encode(), lambda: token)])
        print(token, flush=True)

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    await asyncio.gather(*(one(store, number) for number in range(20)))

one.count = 0
asyncio.run(main())
"""


@pytest.mark.parametrize("answers", [1, 50, 500])
async def test_v_08_every_token_that_was_answered_outlasts_a_kill(file: Path, answers: int) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(file)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    tokens = [writer.stdout.readline().strip() for _ in range(answers)]
    writer.send_signal(signal.SIGKILL)
    tokens += [line.strip() for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    writer.stdout.close()
    writer.wait()
    store = SqliteStore(file)
    assert await store.lookup([("name", token) for token in tokens]) == [token.encode() for token in tokens]
    assert await store.find([("name", token.encode()) for token in tokens]) == tokens
    await store.close()
    with contextlib.closing(sqlite3.connect(file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_every_commit_is_synced_and_what_is_overwritten_is_gone(store: SqliteStore) -> None:
    pragmas = {name: store._database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode", "secure_delete")}
    assert pragmas == {"synchronous": 2, "journal_mode": "wal", "secure_delete": 1}


async def test_a_closed_file_holds_everything(file: Path) -> None:
    store = SqliteStore(file)
    writing = [asyncio.create_task(store.upsert([row(f"t{number}")])) for number in range(20)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*writing)
    again = SqliteStore(file)
    assert None not in await again.lookup([("name", f"t{number}") for number in range(20)])
    await again.close()


# -- faults


def broken() -> str:
    raise ValueError("Max Mustermann")


@pytest.mark.parametrize("bad", [row(broken), row("\ud800")], ids=["candidate", "no Unicode"])
async def test_a_faulty_request_fails_alone_and_whole(store: SqliteStore, bad: NewToken, caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    first = await gate.hold(store)
    asked = [asyncio.create_task(store.upsert(rows)) for rows in ([row("before")], [row("half"), bad], [row("after")])]
    await asyncio.sleep(0)
    gate.leave.set()
    await first
    good, failed, also_good = await asyncio.gather(*asked, return_exceptions=True)
    assert (good, also_good) == (["before"], ["after"])
    assert isinstance(failed, Unavailable)
    assert failed.reason == "vault-unavailable"
    assert await store.lookup([("name", "half")]) == [None]
    assert await store.upsert([row("later")]) == ["later"]
    assert "Mustermann" not in caplog.text


async def test_a_question_that_is_no_unicode_is_answered(store: SqliteStore) -> None:
    with pytest.raises(Unavailable, match="vault-unavailable"):
        await store.lookup([("name", "\udfff")])
    assert await store.lookup([("name", "x")]) == [None]


async def test_a_full_space_takes_nothing_of_its_request_and_nobody_elses(store: SqliteStore) -> None:
    await store.upsert([row("taken")])
    gate = Gate()
    first = await gate.hold(store)
    full, other = asyncio.create_task(store.upsert([row("half"), row("taken")])), asyncio.create_task(store.upsert([row("other")]))
    await asyncio.sleep(0)
    gate.leave.set()
    await first
    assert await other == ["other"]
    with pytest.raises(Unavailable, match="token-space-exhausted"):
        await full
    assert await store.lookup([("name", "half"), ("name", "other")]) == [None, b"sealed"]


class Failing:
    """A connection of which one statement fails, as on a full or dying disk."""

    def __init__(self, database: sqlite3.Connection, statement: str, error: Exception) -> None:
        self._database, self._statement, self._error = database, statement, error

    def execute(self, text: str, *more: object) -> object:
        if text.startswith(self._statement):
            raise self._error
        return self._database.execute(text, *more)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> object:
        return getattr(self._database, name)


FAULTS = [sqlite3.OperationalError("disk I/O error"), sqlite3.DatabaseError("malformed"), MemoryError()]


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("statement", ["BEGIN", "INSERT", "COMMIT"])
async def test_nothing_is_answered_that_is_not_on_disk(file: Path, store: SqliteStore, statement: str, error: Exception) -> None:
    real = store._database
    store._database = Failing(real, statement, error)  # type: ignore[assignment]
    with pytest.raises(Unavailable, match="vault-unavailable"):
        await store.upsert([row("lost")])
    store._database = real
    assert await store.lookup([("name", "lost")]) == [None]
    assert await store.upsert([row("later")]) == ["later"]


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("statement", ["SAVEPOINT", "ROLLBACK TO", "RELEASE", "COMMIT"])
async def test_nor_when_a_neighbour_fails(store: SqliteStore, statement: str, error: Exception) -> None:
    """One request of a transaction finds its space full: everything is done again, each apart, and then the disk fails."""
    await store.upsert([row("taken")])
    real = store._database
    store._database = Failing(real, statement, error)  # type: ignore[assignment]
    full = NewToken("name", None, b"sealed", lambda: "taken")
    results = await asyncio.gather(store.upsert([row("lost")]), store.upsert([full]), return_exceptions=True)
    store._database = real
    assert [str(result) for result in results] == ["vault-unavailable"] * 2
    assert await store.lookup([("name", "lost")]) == [None]
    assert await store.upsert([row("later")]) == ["later"]


async def test_a_neighbour_that_fails_costs_the_others_nothing(store: SqliteStore) -> None:
    await store.upsert([row("taken")])
    said = statements(store)
    full = NewToken("name", None, b"sealed", lambda: "taken")
    results = await asyncio.gather(store.upsert([row("one")]), store.upsert([full]), store.upsert([row("two")]), return_exceptions=True)
    assert [str(result) for result in results] == ["['one']", "token-space-exhausted", "['two']"]
    assert said.count("COMMIT") == 1 and said.count("SAVEPOINT request") == 3
    assert await store.lookup([("name", "one"), ("name", "two")]) == [b"sealed", b"sealed"]


async def test_many_keys_are_one_statement_each_hundred(store: SqliteStore) -> None:
    rows = [row(f"t{number}", b"%d" % number) for number in range(250)]
    await store.upsert(rows)
    said = statements(store)
    keys = [("name", f"t{number}") for number in range(250)] + [("name", "nobody"), ("street", "t1"), ("name", "t1")]
    found = await store.lookup(keys)
    assert found == [*(b"%d" % number for number in range(250)), None, None, b"1"]
    assert len(said) == 3


async def test_a_locked_file_refuses_and_recovers(store: SqliteStore, file: Path) -> None:
    store._database.execute("PRAGMA busy_timeout = 1")
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="vault-unavailable"):
            await store.upsert([row("t")])
        assert await store.lookup([("name", "t")]) == [None]
        other.execute("ROLLBACK")
    assert await store.upsert([row("t")]) == ["t"]


async def test_a_closed_store_answers_nobody(file: Path) -> None:
    store = SqliteStore(file)
    await store.close()
    await store.close()
    with pytest.raises(Unavailable, match="vault-unavailable"):
        await store.lookup([("name", "t")])


def test_one_store_serves_two_loops(file: Path) -> None:
    store = SqliteStore(file)
    gate = Gate()
    answers: list[list[str]] = []

    def other() -> None:
        answers.append(asyncio.run(store.upsert([row("other")])))

    async def main() -> None:
        first = await gate.hold(store)
        mine = asyncio.create_task(store.upsert([row("mine")]))
        await asyncio.sleep(0)
        thread = threading.Thread(target=other)
        thread.start()
        while store._jobs.qsize() < 2:
            await asyncio.sleep(0.001)
        gate.leave.set()
        answers.extend(await asyncio.gather(first, mine))
        await asyncio.to_thread(thread.join)
        await store.close()

    asyncio.run(main())
    assert sorted(answers) == [["gate"], ["mine"], ["other"]]


# -- the file


async def test_nobody_else_may_read_it(store: SqliteStore, file: Path) -> None:
    await store.upsert([row("t")])
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()} == {
        "vault.db": 0o600,
        "vault.db-wal": 0o600,
        "vault.db-shm": 0o600,
    }
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_file_of_a_newer_version_is_not_opened(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.parent.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute(f"PRAGMA user_version = {len(list(MIGRATIONS.glob('*.sql'))) + 1}")
    with pytest.raises(Unavailable, match="vault-unavailable"):
        SqliteStore(file)
    assert "newer version" in caplog.text


@pytest.mark.parametrize(
    "content", [b"no database at all, and longer than its header would be " * 40, b"SQLite format 3\0" + b"\xff" * 4096]
)
def test_a_damaged_file_is_not_opened(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    with pytest.raises(Unavailable, match="vault-unavailable"):
        SqliteStore(file)
    assert file.read_bytes() == content


def test_a_folder_in_its_place_is_not_opened(file: Path) -> None:
    file.mkdir(parents=True)
    with pytest.raises(Unavailable, match="vault-unavailable"):
        SqliteStore(file)


async def test_damage_that_comes_later_is_an_error_and_not_an_answer(file: Path) -> None:
    store = SqliteStore(file)
    await store.upsert([row(f"t{number}", os.urandom(64)) for number in range(2_000)])
    await store.close()
    content = file.read_bytes()
    file.write_bytes(content[:8192] + b"\xff" * (len(content) - 8192))
    store = SqliteStore(file)
    with pytest.raises(Unavailable, match="vault-unavailable"):
        await store.lookup([("name", f"t{number}") for number in range(2_000)])
    await store.close()


async def test_a_migration_that_fails_changes_nothing(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(file)
    await store.upsert([row("t")])
    await store.close()
    steps = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, steps)
    (steps / f"{len(list(steps.iterdir())) + 1:04}.sql").write_text("ALTER TABLE tokens ADD COLUMN more TEXT;\nALTER TABLE nowhere ADD x;")
    with monkeypatch.context() as patched:
        patched.setattr("gateway.vault.sqlite.MIGRATIONS", steps)
        with pytest.raises(Unavailable, match="vault-unavailable"):
            SqliteStore(file)
    store = SqliteStore(file)
    assert await store.upsert([row("u")]) == ["u"]
    await store.close()


def test_migrations_are_numbered_without_gaps() -> None:
    assert [int(step.stem) for step in sorted(MIGRATIONS.glob("*.sql"))] == list(range(1, len(list(MIGRATIONS.iterdir())) + 1))
