"""The audit log: what is written stays provable, and what cannot be written stops everything (O-02)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import resource
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway import audit
from gateway.audit import FIRST, AuditLog, append_once, files, read, verify
from gateway.errors import Unavailable
from gateway.vault.interface import Event, Exchange

DOCUMENT = Path(__file__).parent.parent / "docs" / "audit.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[AuditLog]:
    log = AuditLog(folder)
    try:
        yield log
    finally:
        asyncio.run(log.close())


def written(folder: Path, count: int) -> Path:
    """A log of ``count`` records that a vault wrote and closed; its one file."""
    with opened(folder) as log:
        for number in range(count):
            log.write("end", {"status": 200 + number})
    return files(folder)[0]


def numbers(folder: Path) -> list[int]:
    return [record["seq"] for record in read(folder)]


# -- the chain


def test_records_are_numbered_and_chained(folder: Path) -> None:
    file = written(folder, 5)
    assert numbers(folder) == [1, 2, 3, 4, 5]
    verdict = verify(folder)
    assert (verdict.ok, verdict.records, verdict.first_bad) == (True, 5, "")
    assert json.loads(file.read_bytes().splitlines()[0])["prev"] == FIRST


def test_an_empty_log_is_whole(folder: Path) -> None:
    written(folder, 0)
    assert verify(folder).ok
    assert verify(folder).head == FIRST


def test_nobody_else_may_read_it(folder: Path) -> None:
    file = written(folder, 1)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_chain_goes_on_after_a_restart(folder: Path) -> None:
    for _ in range(3):
        written(folder, 2)
    assert verify(folder).ok
    assert numbers(folder) == [1, 2, 3, 4, 5, 6]


def test_the_chain_goes_on_in_the_next_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "LARGEST_FILE", 300)
    written(folder, 5)
    written(folder, 5)
    assert [file.name for file in files(folder)][:2] == ["audit-000001.jsonl", "audit-000002.jsonl"]
    assert len(files(folder)) > 3
    assert verify(folder).ok
    assert numbers(folder) == list(range(1, 11))


Lines = list[bytes]
TAMPERED: list[tuple[str, Callable[[Lines], Lines], int, str]] = [
    ("a status changed", lambda x: [x[0], x[1].replace(b"201", b"403"), *x[2:]], 3, "does not follow"),
    ("a time changed in the first", lambda x: [x[0].replace(b'"time":"2', b'"time":"1'), *x[1:]], 2, "does not follow"),
    ("white space added", lambda x: [x[0], x[1].replace(b"{", b"{ "), *x[2:]], 3, "does not follow"),
    ("one removed", lambda x: [*x[:2], *x[3:]], 3, "does not follow"),
    ("the first removed", lambda x: x[1:], 1, "does not follow"),
    ("two exchanged", lambda x: [x[0], x[2], x[1], *x[3:]], 2, "does not follow"),
    ("one inserted", lambda x: [*x[:2], b'{"seq":3,"kind":"end","prev":"' + b"0" * 64 + b'"}\n', *x[2:]], 3, "does not follow"),
    ("one repeated", lambda x: [*x[:2], x[1], *x[2:]], 3, "does not follow"),
    ("one cut short", lambda x: [*x[:2], x[2][:-20] + b"\n", *x[3:]], 3, "not a record"),
    ("garbage", lambda x: [*x[:3], b"\xff\x00\n", *x[3:]], 4, "not a record"),
    ("a list", lambda x: [*x[:3], b"[1]\n", *x[3:]], 4, "not a record"),
    ("nested to the end of the stack", lambda x: [*x[:3], b"[" * 100_000 + b"\n", *x[3:]], 4, "not a record"),
    ("two made one line", lambda x: [*x[:2], x[2][:-1], *x[3:]], 3, "not a record"),
    ("the end of the last one gone", lambda x: [*x[:-1], x[-1][:-9]], 6, "cut off"),
    ("the last number changed", lambda x: [*x[:-1], x[-1].replace(b'"seq":6', b'"seq":9')], 6, "record 9 stands where 6 belongs"),
]


@pytest.mark.parametrize(("tamper", "line", "reason"), [row[1:] for row in TAMPERED], ids=[row[0] for row in TAMPERED])
def test_tampering_shows_where(folder: Path, tamper: Callable[[Lines], Lines], line: int, reason: str) -> None:
    file = written(folder, 6)
    file.write_bytes(b"".join(tamper(file.read_bytes().splitlines(keepends=True))))
    verdict = verify(folder)
    assert not verdict.ok
    assert verdict.first_bad == f"{file}:{line}"
    assert reason in verdict.reason
    assert verdict.records == line - 1


def test_a_missing_file_shows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "LARGEST_FILE", 300)
    written(folder, 12)
    files(folder)[1].unlink()
    assert verify(folder).first_bad == f"{folder / 'audit-000003.jsonl'}:1"


@pytest.mark.parametrize(
    "tamper", [lambda lines: lines[:-2], lambda lines: [*lines[:-1], lines[-1].replace(b"205", b"403")]], ids=["two removed", "one changed"]
)
def test_tampering_at_the_very_end_shows_with_a_kept_head(folder: Path, tamper: Callable[[Lines], Lines]) -> None:
    """The chain alone cannot show it: that is said in the documents, and this is the remedy."""
    file = written(folder, 6)
    kept = verify(folder).head
    written(folder, 1)
    assert verify(folder, kept).ok
    file.write_bytes(b"".join(tamper(file.read_bytes().splitlines(keepends=True)[:6])))
    assert verify(folder).ok
    assert "kept head" in verify(folder, kept).reason


def test_a_record_that_is_just_being_written_is_no_alarm(folder: Path) -> None:
    file = written(folder, 2)
    with opened(folder), file.open("ab") as half:
        half.write(b'{"seq":3')
        half.flush()
        assert verify(folder).ok
    assert verify(folder).reason == "the record is cut off"


# -- after a crash


def test_what_a_crash_left_of_a_record_is_removed_and_said(folder: Path) -> None:
    file = written(folder, 2)
    with file.open("ab") as torn:
        torn.write(b'{"seq":3,"ti')
    written(folder, 1)
    assert verify(folder).ok
    assert [(r["kind"], r.get("reason"), r.get("count")) for r in read(folder)][2] == ("operator", "torn-record-removed", 12)


def test_a_crash_between_two_files_loses_nothing(folder: Path) -> None:
    written(folder, 2)
    (folder / "audit-000002.jsonl").touch(mode=0o600)
    written(folder, 1)
    assert verify(folder).ok
    assert numbers(folder) == [1, 2, 3]


def test_a_damaged_end_is_not_built_upon(folder: Path) -> None:
    file = written(folder, 2)
    with file.open("ab") as damaged:
        damaged.write(b"\x00\x00\x00\n")
    with pytest.raises(Unavailable, match="audit-unavailable"):
        AuditLog(folder)
    assert verify(folder).first_bad.endswith(":3")


def test_other_files_beside_it_do_not_matter(folder: Path) -> None:
    written(folder, 1)
    for name in ("audit-old.jsonl", "audit-٣.jsonl", "audit-000001.jsonl.bak"):
        (folder / name).write_text("{}")
    written(folder, 1)
    assert verify(folder).records == 2


# -- O-02: it cannot be written


@contextlib.contextmanager
def full_disk(file: Path, left: int) -> Iterator[None]:
    """Files cannot grow beyond ``left`` more bytes: the kernel then writes a part, or nothing (RLIMIT_FSIZE)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + left, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("left", [0, 10])
def test_o_02_a_full_disk_refuses_every_record_until_there_is_room(folder: Path, left: int) -> None:
    file = written(folder, 2)
    before = file.read_bytes()
    with opened(folder) as log:
        with full_disk(file, left):
            for _ in range(3):
                with pytest.raises(Unavailable, match="audit-unavailable"):
                    log.write("begin", {})
        assert file.read_bytes() == before
        log.write("begin", {})
    assert verify(folder).ok
    assert numbers(folder) == [1, 2, 3]


def test_o_02_an_error_of_the_disk_is_never_taken_for_success(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(file: int) -> None:
        raise OSError(5, "Input/output error")

    with opened(folder) as log:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fdatasync", broken)
            with pytest.raises(Unavailable):
                log.write("begin", {})
        log.write("begin", {})
    assert verify(folder).ok


async def test_o_02_after_a_failed_fsync_it_looks_at_what_is_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AuditLog(folder)
    failed = asyncio.Event()

    def broken(file: int) -> None:
        loop.call_soon_threadsafe(loop.call_soon, failed.set)
        raise OSError(5, "Input/output error")

    loop = asyncio.get_running_loop()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", broken)
        log.write("begin", {})
        await failed.wait()
        await asyncio.sleep(0.01)
    file = files(folder)[0]
    file.write_bytes(b"")  # what the disk never took is gone (a failed fsync may drop the pages)
    log.write("begin", {})
    await log.close()
    assert verify(folder).ok
    assert verify(folder).records == 1


def test_o_02_a_lost_folder_refuses_and_its_return_heals(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "LARGEST_FILE", 0)
    with opened(folder) as log:
        log.write("begin", {})
        folder.rename(folder.with_name("elsewhere"))
        for _ in range(2):
            with pytest.raises(Unavailable):
                log.write("begin", {})
        folder.with_name("elsewhere").rename(folder)
        log.write("begin", {})
    assert verify(folder).ok
    assert numbers(folder) == [1, 2]


def test_a_failed_log_never_touches_the_file_that_has_its_number_now(folder: Path, tmp_path: Path) -> None:
    """A descriptor is given to the next who opens something: closing or writing it twice would hit a customer's database."""
    file = written(folder, 1)
    with opened(folder) as log:
        with full_disk(file, 0), pytest.raises(Unavailable):
            log.write("begin", {})
        others = [os.open(tmp_path / str(number), os.O_RDWR | os.O_CREAT) for number in range(8)]
        log.write("begin", {})
        assert [os.fstat(other).st_size for other in others] == [0] * 8  # all still open, all untouched
        for other in others:
            os.close(other)


def test_a_file_where_the_folder_should_be_refuses(folder: Path) -> None:
    folder.write_text("")
    with pytest.raises(Unavailable, match="audit-unavailable"):
        AuditLog(folder)
    with pytest.raises(Unavailable, match="audit-unavailable"):
        append_once(folder, {"reason": "customer-added"})


# -- on disk soon


async def test_many_records_share_one_fsync_and_it_comes_by_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AuditLog(folder)
    synced = []
    seen = asyncio.Event()
    loop = asyncio.get_running_loop()

    def counted(file: int) -> None:
        synced.append(file)
        loop.call_soon_threadsafe(seen.set)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", counted)
        for _ in range(500):
            log.write("end", {})
        assert not synced
        await seen.wait()
        assert len(synced) == 1
    await log.close()
    assert audit.FSYNC_WITHIN < 0.1
    assert verify(folder).records == 500


# -- one writer


def test_one_writer_at_a_time(folder: Path) -> None:
    with opened(folder), pytest.raises(Unavailable, match="audit-unavailable"):
        AuditLog(folder)
    with opened(folder):
        pass


async def test_closing_it_twice_closes_nobody_elses_file(folder: Path, tmp_path: Path) -> None:
    log = AuditLog(folder)
    await log.close()
    others = [os.open(tmp_path / str(number), os.O_RDWR | os.O_CREAT) for number in range(4)]
    await log.close()
    for other in others:
        os.close(other)  # raises if it was closed already


def test_an_operator_event_goes_straight_into_a_log_that_nobody_holds(folder: Path) -> None:
    append_once(folder, {"customer": "energie_nord", "reason": "customer-added"})
    append_once(folder, {"customer": "energie_nord", "reason": "user-added", "user": "jens"})
    assert verify(folder).ok
    assert [(r["kind"], r["reason"]) for r in read(folder)] == [("operator", "customer-added"), ("operator", "user-added")]


async def test_an_operator_event_waits_for_the_vault_that_holds_the_log(folder: Path) -> None:
    log = AuditLog(folder)
    for number in range(3):
        append_once(folder, {"reason": "user-added", "user": f"user{number}"})
    assert list(read(folder)) == []
    log.watch_spool()
    assert [r["user"] for r in read(folder)] == ["user0", "user1", "user2"]
    assert all(r["at"] <= r["time"] for r in read(folder))
    assert list((folder / "spool").iterdir()) == []
    await log.close()
    assert verify(folder).ok


def test_the_next_one_who_holds_the_log_takes_in_what_was_left(folder: Path) -> None:
    with opened(folder):
        append_once(folder, {"reason": "user-added"})
    append_once(folder, {"reason": "user-removed"})
    assert [r["reason"] for r in read(folder)] == ["user-added", "user-removed"]


def test_an_operator_event_survives_a_log_that_is_damaged(folder: Path) -> None:
    written(folder, 1).write_bytes(b"damaged\n")
    append_once(folder, {"reason": "user-added"})
    assert [json.loads(path.read_bytes())["reason"] for path in (folder / "spool").glob("*.json")] == ["user-added"]


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"reason":', b"null"])
async def test_a_broken_file_in_the_spool_stops_nobody(folder: Path, content: bytes) -> None:
    (folder / "spool").mkdir(parents=True)
    (folder / "spool" / "0.json").write_bytes(content)
    log = AuditLog(folder)
    append_once(folder, {"reason": "user-added"})
    log.watch_spool()
    assert [r["reason"] for r in read(folder)] == ["user-added"]
    await log.close()


async def test_the_spool_is_looked_at_again_and_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "SPOOL_EVERY", 0.001)
    log = AuditLog(folder)
    log.watch_spool()
    append_once(folder, {"reason": "user-added"})
    async with asyncio.timeout(10):
        while not list(read(folder)):
            await asyncio.sleep(0.001)
    await log.close()


# -- what stands in it


@pytest.mark.parametrize(
    "hostile",
    ["a\nb", "a\r\n{}", "\x1b[2J\x1b[31m", "\u202etnatsixe ton\u202c", "\u2028\u2029\x85", '","kind":"end', "\x00", "\ud800", "m\u0308"],
)
def test_t_a7_a_field_stays_inside_its_record(folder: Path, hostile: str) -> None:
    with opened(folder) as log:
        log.write("refused", {"user": hostile})
    raw = files(folder)[0].read_bytes()
    assert raw.count(b"\n") == 1
    assert all(0x20 <= byte < 0x7F for byte in raw[:-1])
    (record,) = read(folder)
    assert (record["kind"], record["user"]) == ("refused", hostile)
    assert verify(folder).ok


def test_t_a5_a_user_name_of_a_megabyte_is_cut(folder: Path) -> None:
    with opened(folder) as log:
        log.write("refused", {"user": "\U0001f4a3" * 1_000_000})
    (record,) = read(folder)
    assert len(record["user"]) == audit.LONGEST_TEXT + 1
    assert record["user"].endswith("…")
    written(folder, 1)
    assert verify(folder).records == 2


def test_a_record_longer_than_what_is_read_at_once_is_chained_to(folder: Path) -> None:
    with opened(folder) as log:
        log.write("reveal", {"clear": {f"class{number}": number for number in range(20_000)}})
    written(folder, 1)
    assert verify(folder).records == 2


def test_a_field_cannot_pose_as_the_logs_own(folder: Path) -> None:
    with opened(folder) as log:
        log.write("operator", {"seq": 99, "time": "never", "kind": "begin", "prev": "x", "reason": "user-added"})
    (record,) = read(folder)
    assert (record["seq"], record["kind"], record["prev"], record["reason"]) == (1, "operator", FIRST, "user-added")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", record["time"])


@pytest.mark.parametrize("field", sorted({*Exchange.__struct_fields__, *Event.__struct_fields__} - {"id"}))
def test_every_field_is_documented(field: str) -> None:
    assert f"| `{field}` |" in DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["begin", "reveal", "end", "refused", "closed", "operator"])
def test_every_kind_of_record_is_documented(kind: str) -> None:
    assert f"| `{kind}` |" in DOCUMENT.read_text(encoding="utf-8")
