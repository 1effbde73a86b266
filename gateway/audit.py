"""The audit log: who was let in, refused and shown what, provable afterwards (ISO/IEC 27001, A.8.15).

JSON lines, each chained to the one before by the SHA-256 of its bytes, so that a changed, removed, inserted or moved line shows.
Removing lines from the very end does not show in the chain alone: keep what ``gateway audit verify`` prints as the head elsewhere.
What never may come in: a value, a raw target, a password. Records hold counts, templates, reasons and names of users.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import logging
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.errors import Unavailable

FIRST = "0" * 64  # what the first record of all is chained to
LARGEST_FILE = 64 << 20  # bytes; then the next file is begun, and the chain goes on in it
FSYNC_WITHIN = 0.05  # seconds; the promise is 0.1
SPOOL_EVERY = 1.0  # seconds between two looks for what the command line left

_log = logging.getLogger("gateway.audit")

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """``first_bad``: file:line of the first record that does not fit, empty when all do. ``head``: the last record's hash."""

    ok: bool
    records: int
    first_bad: str = ""
    reason: str = ""
    head: str = FIRST


class AuditLog:
    """The one writer of a folder. Raises Unavailable('audit-unavailable') where another one holds it, or it cannot be written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number, self._seq, self._head, self._file = 1, 0, FIRST, -1
        self._failed = False
        self._syncing: asyncio.Handle | None = None
        self._spooling: asyncio.Handle | None = None
        self._lock = _take_lock(folder)
        try:
            self._recover()
        except BaseException:  # whatever it was: the lock must not outlive a log that was not opened
            os.close(self._lock)
            raise

    def write(self, kind: str, fields: Record) -> None:
        """Append one record; it is with the operating system when this returns, and on disk within 0.1 s.

        Once a write has failed nothing is accepted until one works again: no exchange runs unrecorded (O-02).
        """
        record = {"seq": self._seq + 1, "time": _now(), "kind": kind, **fields, "prev": self._head}
        line = json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
        try:
            self._append(line)
        except OSError as error:
            _log.error("the audit log cannot be written: %s", error.strerror)
            self._failed = True
            raise Unavailable("audit-unavailable") from None
        self._seq += 1
        self._head = hashlib.sha256(line).hexdigest()
        self._schedule()

    def _append(self, line: bytes) -> None:
        if self._failed:
            self._reopen()
        if os.fstat(self._file).st_size > LARGEST_FILE:
            os.fdatasync(self._file)
            os.close(self._file)
            self._number += 1
            self._file = _open(self._folder, self._number)
        end = os.fstat(self._file).st_size
        if os.write(self._file, line) != len(line):
            os.ftruncate(self._file, end)  # half a record would break the chain for everything after it
            raise OSError(28, "no space left")

    def _reopen(self) -> None:
        """After a failure: look at what is really there, and go on from that."""
        os.close(self._file)
        self._recover()
        self._failed = False

    def _recover(self) -> None:
        numbers = sorted(_number(path) for path in self._folder.glob("audit-*.jsonl"))
        self._number = numbers[-1] if numbers else 1
        self._file = _open(self._folder, self._number)
        torn = _drop_torn_line(self._file)
        last = _last_line(self._folder, numbers)
        if last:
            try:
                self._seq = int(json.loads(last)["seq"])
            except (ValueError, KeyError, TypeError):
                _log.error("the last record of the audit log is damaged: gateway audit verify says where")
                raise Unavailable("audit-unavailable") from None
            self._head = hashlib.sha256(last).hexdigest()
        if torn:
            self.write("operator", {"reason": "torn-record-removed", "count": torn})

    def _schedule(self) -> None:
        if self._syncing is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                os.fdatasync(self._file)
                return
            self._syncing = loop.call_later(FSYNC_WITHIN, self._sync, loop)

    def _sync(self, loop: asyncio.AbstractEventLoop) -> None:
        self._syncing = None
        file = os.dup(self._file)  # rotation may close the original meanwhile
        loop.run_in_executor(None, _sync_and_close, file).add_done_callback(self._synced)

    def _synced(self, done: asyncio.Future[None]) -> None:
        if not done.cancelled() and done.exception() is not None:
            _log.error("the audit log cannot be put on disk")
            self._failed = True

    def watch_spool(self) -> None:
        """Take in, from now on, what the command line left while this process holds the log."""
        loop = asyncio.get_running_loop()
        self._take_spool()
        self._spooling = loop.call_later(SPOOL_EVERY, self.watch_spool)

    def _take_spool(self) -> None:
        for path in sorted((self._folder / "spool").glob("*.json")):
            with contextlib.suppress(Unavailable, OSError, ValueError):  # it stays where it is, and is tried again
                self.write("operator", json.loads(path.read_bytes()))
                path.unlink()

    async def close(self) -> None:
        """Everything on disk, and the lock given back."""
        for handle in (self._syncing, self._spooling):
            if handle is not None:
                handle.cancel()
        await asyncio.to_thread(os.fdatasync, self._file)
        os.close(self._file)
        os.close(self._lock)


def append_once(folder: Path, fields: Record) -> None:
    """One operator record, from the command line: into the log, or (a running vault holds it) into its spool. None is lost."""
    try:
        log = AuditLog(folder)
    except Unavailable:
        _spool(folder, fields)
        return
    log._take_spool()
    log.write("operator", fields)
    asyncio.run(log.close())


def _spool(folder: Path, fields: Record) -> None:
    spool = folder / "spool"
    spool.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{datetime.now(UTC).timestamp():.6f}-{secrets.token_hex(4)}"
    file = os.open(spool / f".{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(file, json.dumps(fields, ensure_ascii=True).encode())
    _sync_and_close(file)
    (spool / f".{name}").rename(spool / f"{name}.json")


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("audit-*.jsonl"), key=_number)


def read(folder: Path) -> Iterator[Record]:
    """All records, oldest first; damaged lines are passed over (``verify`` finds them)."""
    for path in files(folder):
        with path.open("rb") as file:
            for line in file:
                with contextlib.suppress(ValueError):
                    record = json.loads(line)
                    if isinstance(record, dict):
                        yield record


def verify(folder: Path) -> Verdict:
    """Follow the chain from the first record to the last."""
    head, seq = FIRST, 0
    for path in files(folder):
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                reason = _fault(line, seq + 1, head)
                if reason:
                    return Verdict(False, seq, f"{path}:{number}", reason, head)
                seq += 1
                head = hashlib.sha256(line).hexdigest()
    return Verdict(True, seq, head=head)


def _fault(line: bytes, seq: int, head: str) -> str:
    try:
        record = json.loads(line)
        found, prev = record["seq"], record["prev"]
    except (ValueError, KeyError, TypeError):
        return "not a record"
    if not line.endswith(b"\n"):
        return "the record is cut off"
    if prev != head:
        return "this record does not follow the one before: something was changed, removed, inserted or moved"
    return "" if found == seq else f"record {found} stands where {seq} belongs"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _number(path: Path) -> int:
    digits = path.stem.removeprefix("audit-")
    return int(digits) if digits.isdigit() else 0


def _take_lock(folder: Path) -> int:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        raise Unavailable("audit-unavailable") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise Unavailable("audit-unavailable") from None
    return lock


def _open(folder: Path, number: int) -> int:
    return os.open(folder / f"audit-{number:06}.jsonl", os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)


def _drop_torn_line(file: int) -> int:
    """Cut off what a crash left of a record that was never acknowledged; returns how many bytes."""
    size = os.fstat(file).st_size
    whole = size
    while whole > 0:
        start = max(0, whole - 65536)
        at = os.pread(file, whole - start, start).rfind(b"\n")
        if at >= 0:
            whole = start + at + 1
            break
        whole = start
    if whole < size:
        os.ftruncate(file, whole)
    return size - whole


def _last_line(folder: Path, numbers: list[int]) -> bytes:
    for number in reversed(numbers):
        with (folder / f"audit-{number:06}.jsonl").open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 65536))
            lines = file.read().splitlines(keepends=True)
        if lines:
            return lines[-1]
    return b""


def _sync_and_close(file: int) -> None:
    try:
        os.fdatasync(file)
    finally:
        os.close(file)
