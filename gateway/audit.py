"""The audit log: who was let in, refused and shown what, provable afterwards (ISO/IEC 27001, A.8.15).

JSON lines, each chained to the one before by the SHA-256 of its bytes, so that a changed, removed, inserted or moved line shows.
What is changed or removed at the very end does not show in the chain alone: keep what ``gateway audit verify`` prints as the head
elsewhere, and give it to the next one.
What never may come in: a value, a raw target, a password. Records hold counts, templates, reasons and names of users.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
import re
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
LONGEST_TEXT = 256  # characters of one field: a user name of a megabyte is an attack on whoever reads the log (T-A5)
OWN = frozenset({"seq", "time", "kind", "prev"})  # what only this module says

_log = logging.getLogger("gateway.audit")
CUT_OFF = "the record is cut off"
_NAME = re.compile(r"audit-[0-9]{6,}\.jsonl", re.ASCII)

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
        self._number, self._seq, self._head, self._file, self._size = 1, 0, FIRST, -1, 0
        self._syncing: asyncio.Handle | None = None
        self._spooling: asyncio.Handle | None = None
        self._lock = _take_lock(folder)
        try:
            self._recover()
        except BaseException as error:  # whatever it was: the lock must not outlive a log that was not opened
            self._release()
            if isinstance(error, OSError):
                raise Unavailable("audit-unavailable") from None
            raise

    def write(self, kind: str, fields: Record) -> None:
        """Append one record; it is with the operating system when this returns, and on disk within 0.1 s.

        Once a write has failed nothing is accepted until one works again: no exchange runs unrecorded (O-02).
        """
        try:
            if self._file < 0:
                self._recover()  # first, because what is really there decides what this record is chained to
            if self._size > LARGEST_FILE:
                self._begin_next()
            self._append(kind, fields)
            self._schedule()
        except (OSError, Unavailable) as error:
            _log.error("the audit log cannot be written: %s", getattr(error, "strerror", error))
            self._give_up()
            raise Unavailable("audit-unavailable") from None

    def _append(self, kind: str, fields: Record) -> None:
        said = {name: _bounded(value) for name, value in fields.items() if name not in OWN}
        record = {"seq": self._seq + 1, "time": _now(), "kind": kind, **said, "prev": self._head}
        line = json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
        if os.write(self._file, line) != len(line):
            os.ftruncate(self._file, self._size)  # half a record would break the chain for everything after it
            raise OSError(errno.ENOSPC, "half a record was written")
        self._size += len(line)
        self._seq += 1
        self._head = hashlib.sha256(line).hexdigest()

    def _begin_next(self) -> None:
        os.fdatasync(self._file)
        self._close_file()
        self._number += 1
        self._file, self._size = _open(self._folder, self._number), 0

    def _recover(self) -> None:
        """Look at what is really there, and go on from that: at the start, and after a failure."""
        there = files(self._folder)
        self._number = _number(there[-1]) if there else 1
        self._file = _open(self._folder, self._number)
        torn = _drop_torn_line(self._file)
        self._size = os.fstat(self._file).st_size
        last = next((line for path in reversed(there) if (line := _last_line(path))), b"")
        self._seq, self._head = (_seq_of(last), hashlib.sha256(last).hexdigest()) if last else (0, FIRST)
        if torn:
            self._append("operator", {"reason": "torn-record-removed", "count": torn})

    def _give_up(self) -> None:
        """Until a write works again: the next one begins with what is really there."""
        with contextlib.suppress(OSError):
            self._close_file()

    def _close_file(self) -> None:
        """Forgets the number before it is free: it may be somebody else's file a moment later."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def _release(self) -> None:
        """Also a second time: the numbers of closed descriptors belong to others by then."""
        self._give_up()
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)

    # -- on disk, in groups

    def _schedule(self) -> None:
        if self._syncing is not None:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            os.fdatasync(self._file)
            return
        self._syncing = loop.call_later(FSYNC_WITHIN, self._sync, loop)

    def _sync(self, loop: asyncio.AbstractEventLoop) -> None:
        self._syncing = None
        if self._file < 0:
            return
        file = os.dup(self._file)  # rotation may close the original meanwhile
        loop.run_in_executor(None, _sync_and_close, file).add_done_callback(self._synced)

    def _synced(self, done: asyncio.Future[None]) -> None:
        if not done.cancelled() and done.exception() is not None:
            _log.error("the audit log cannot be put on disk")
            self._give_up()

    # -- what the command line left

    def watch_spool(self) -> None:
        """Take in, from now on, what the command line left while this process holds the log."""
        loop = asyncio.get_running_loop()
        self.take_spool()
        self._spooling = loop.call_later(SPOOL_EVERY, self.watch_spool)

    def take_spool(self) -> None:
        """What cannot be taken in stays where it is, and is tried again."""
        for path in sorted((self._folder / "spool").glob("*.json")):
            with contextlib.suppress(Unavailable, OSError, ValueError):
                fields = json.loads(path.read_bytes())
                if isinstance(fields, dict):
                    self.write("operator", fields)
                    path.unlink()

    async def close(self) -> None:
        """Everything on disk, and the lock given back."""
        for handle in (self._syncing, self._spooling):
            if handle is not None:
                handle.cancel()
        try:
            if self._file >= 0:
                await asyncio.to_thread(os.fdatasync, self._file)
        finally:
            self._release()


def append_once(folder: Path, fields: Record) -> None:
    """One operator record, from the command line: into the log, or (a running vault holds it) into its spool. None is lost.

    Raises Unavailable('audit-unavailable') when it is in neither.
    """
    try:
        log = AuditLog(folder)
    except Unavailable:
        _spool(folder, fields)
        return
    try:
        log.take_spool()
        log.write("operator", fields)
        os.fdatasync(log._file)
    except OSError:
        raise Unavailable("audit-unavailable") from None
    finally:
        log._release()


def _spool(folder: Path, fields: Record) -> None:
    """Complete under its name or not there at all. ``at``: when it happened; ``time`` will be when it was taken in."""
    spool, name = folder / "spool", f"{datetime.now(UTC).timestamp():.6f}-{secrets.token_hex(4)}"
    try:
        spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(spool / f".{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "wb") as written:
            written.write(json.dumps({"at": _now(), **fields}, ensure_ascii=True).encode())
            written.flush()
            os.fsync(file)
        (spool / f".{name}").rename(spool / f"{name}.json")
        _sync_folder(spool)
    except OSError:
        raise Unavailable("audit-unavailable") from None


def files(folder: Path) -> list[Path]:
    """The files of the log, oldest first."""
    return sorted((path for path in folder.glob("audit-*.jsonl") if _NAME.fullmatch(path.name)), key=_number)


def read(folder: Path) -> Iterator[Record]:
    """All records, oldest first; damaged lines are passed over (``verify`` finds them)."""
    for path in files(folder):
        with path.open("rb") as file:
            for line in file:
                with contextlib.suppress(ValueError, RecursionError):
                    record = json.loads(line)
                    if isinstance(record, dict):
                        yield record


def verify(folder: Path, kept_head: str = "") -> Verdict:
    """Follow the chain from the first record to the last.

    ``kept_head``: what an earlier verdict gave as head, kept where nobody who can write this folder can: with it, records that
    were taken from the end show too. The one record that a running vault is just writing is not judged.
    """
    head, seq, last, met = FIRST, 0, "", kept_head in ("", FIRST)
    for path in files(folder):
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                last = f"{path}:{number}"
                reason = _fault(line, seq + 1, head)
                if reason == CUT_OFF and is_held(folder):
                    break
                if reason:
                    return Verdict(False, seq, last, reason, head)
                seq += 1
                head = hashlib.sha256(line).hexdigest()
                met = met or head == kept_head
    if not met:
        return Verdict(False, seq, last or str(folder), "the kept head is not in this log: its end was removed or changed", head)
    return Verdict(True, seq, head=head)


def _fault(line: bytes, seq: int, head: str) -> str:
    if not line.endswith(b"\n"):
        return CUT_OFF
    try:
        record = json.loads(line)
        found, prev = record["seq"], record["prev"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "not a record"
    if prev != head:
        return "this record does not follow the one before: something was changed, removed, inserted or moved"
    return "" if found == seq else f"record {found} stands where {seq} belongs"


def is_held(folder: Path) -> bool:
    """Does a vault hold this log now? Whoever may not ask (an auditor with a copy) has one that nobody writes."""
    try:
        with (folder / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _number(path: Path) -> int:
    return int(path.stem.removeprefix("audit-"))


def _bounded(value: Any) -> Any:
    return value if not isinstance(value, str) or len(value) <= LONGEST_TEXT else value[:LONGEST_TEXT] + "…"


def _seq_of(line: bytes) -> int:
    try:
        return int(json.loads(line)["seq"])
    except (ValueError, KeyError, TypeError):
        _log.error("the last record of the audit log is damaged: gateway audit verify says where")
        raise Unavailable("audit-unavailable") from None


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
    path = folder / f"audit-{number:06}.jsonl"
    new = not path.exists()
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    if new:
        _sync_folder(folder)  # or a crash leaves synced records in a file without a name
    return file


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _drop_torn_line(file: int) -> int:
    """Cut off what a crash left of a record that was never acknowledged; returns how many bytes."""
    size = os.fstat(file).st_size
    whole = _after_newline(file, size)
    if whole < size:
        os.ftruncate(file, whole)
    return size - whole


def _last_line(path: Path) -> bytes:
    """The last whole record; nothing when there is none."""
    with path.open("rb") as file:
        end = _after_newline(file.fileno(), os.fstat(file.fileno()).st_size)
        start = _after_newline(file.fileno(), end - 1)
        return os.pread(file.fileno(), end - start, start) if end else b""


def _after_newline(file: int, end: int) -> int:
    """Where the text after the last newline before ``end`` begins; 0 when there is no newline."""
    while end > 0:
        start = max(0, end - 65536)
        at = os.pread(file, end - start, start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0


def _sync_and_close(file: int) -> None:
    try:
        os.fdatasync(file)
    finally:
        os.close(file)
