"""The ledger forgets nothing, mixes nothing up, and is refused whole when a line of it cannot be read."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.ca.authority import Authority
from gateway.ca.ledger import Ledger, key_digest, record_revocation, stamp_of
from gateway.errors import ConfigurationError, Refused

ISSUE = {
    "event": "issue",
    "time": "2026-01-02T03:04:05Z",
    "serial": "a1",
    "fingerprint": "ff01",
    "label": "import",
    "not_after": "2027-01-02T03:04:05Z",
}
REVOKE = {"event": "revoke", "time": "2026-02-02T03:04:05Z", "serial": "a1"}


def write(path: Path, *lines: object) -> Path:
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return path


def test_entries_are_found_by_fingerprint(tmp_path: Path) -> None:
    ledger = Ledger.load(write(tmp_path / "l", ISSUE, {**ISSUE, "serial": "a2", "fingerprint": "ff02"}, REVOKE))
    assert [(entry.serial, entry.revoked is not None) for entry in ledger.entries.values()] == [("a1", True), ("a2", False)]
    assert ledger.entries["ff01"].label == "import"
    assert ledger.by_serial("a2") is ledger.entries["ff02"]
    assert ledger.by_serial("a3") is None


def test_a_ledger_of_the_first_version_is_read_and_goes_on(authority: Authority) -> None:
    """It knew neither keys nor renewals."""
    write(authority.ledger_path, ISSUE, REVOKE)
    issued = authority.issue("energie_nord", "import", renews="a1")
    old, new = Ledger.load(authority.ledger_path).entries.values()
    assert (old.serial, old.key, old.renews) == ("a1", None, None)
    assert (new.key, new.renews) == (key_digest(issued.certificate.public_key()), "a1")


def test_snapshot_cannot_be_changed(authority: Authority) -> None:
    with pytest.raises(TypeError):
        Ledger.load(authority.ledger_path).entries["x"] = None  # type: ignore[index]


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        (("garbage\n",), 1),
        ((ISSUE, "\n"), 2),
        ((ISSUE, json.dumps(REVOKE)), 2),
        ((ISSUE, json.dumps(REVOKE)[:20]), 2),
        ((ISSUE, {**ISSUE, "fingerprint": "ff02"}), 2),
        ((ISSUE, {**ISSUE, "serial": "a2"}), 2),
        ((REVOKE,), 1),
        (({**ISSUE, "event": "forget"},), 1),
        (({**ISSUE, "comment": "x"},), 1),
        (({**ISSUE, "renews": "a0"},), 1),
        (({**ISSUE, "renews": "a1"},), 1),
        (({**ISSUE, "serial": "A1"},), 1),
        (({**ISSUE, "not_after": "tomorrow"},), 1),
        (({**ISSUE, "time": "2026-01-02T03:04:05"},), 1),
        ((ISSUE, "\0" * 40 + "\n"), 2),
        (({key: value for key, value in ISSUE.items() if key != "label"},), 1),
    ],
)
def test_unreadable_ledger_is_refused_with_its_line(tmp_path: Path, lines: tuple[object, ...], place: int) -> None:
    path = write(tmp_path / "ledger.jsonl", *lines)
    with pytest.raises(ConfigurationError) as raised:
        Ledger.load(path)
    assert [(mistake.file, mistake.line) for mistake in raised.value.mistakes] == [(path, place)]


def test_all_mistakes_are_told_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Ledger.load(write(tmp_path / "l", "x\n", ISSUE, "y\n"))
    assert [mistake.line for mistake in raised.value.mistakes] == [1, 3]


def test_missing_ledger_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        Ledger.load(tmp_path / "none")


def test_revocation_is_kept_and_the_first_one_stands(authority: Authority) -> None:
    issued = authority.issue("energie_nord", "import")
    first = record_revocation(authority.ledger_path, issued.serial)
    assert first.revoked is not None
    assert record_revocation(authority.ledger_path, issued.serial) == first
    assert authority.ledger_path.read_bytes().count(b"\n") == 2


def test_unknown_serial_cannot_be_revoked(authority: Authority) -> None:
    with pytest.raises(Refused, match="certificate-not-in-ledger"):
        record_revocation(authority.ledger_path, "abc")


def test_nothing_is_appended_to_a_damaged_ledger(authority: Authority) -> None:
    authority.ledger_path.write_bytes(b'{"event":')
    with pytest.raises(ConfigurationError):
        authority.issue("energie_nord", "import")
    assert authority.ledger_path.read_bytes() == b'{"event":'


def test_writers_at_the_same_moment_lose_nothing(authority: Authority) -> None:
    with ThreadPoolExecutor(8) as pool:
        issued = list(pool.map(lambda number: authority.issue("energie_nord", f"machine {number}"), range(24)))
    assert set(Ledger.load(authority.ledger_path).entries) == {one.fingerprint for one in issued}


def test_stamp_changes_with_the_file(authority: Authority) -> None:
    before = Ledger.load(authority.ledger_path)
    assert before.stamp == stamp_of(authority.ledger_path)
    authority.issue("energie_nord", "import")
    assert before.stamp != stamp_of(authority.ledger_path)
