"""Key files on disk: private, whole or not at all, one writer at a time."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from gateway.cipher import files
from gateway.errors import Unavailable


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_created_files_are_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "shares" / "stadtwerke"
    files.create(path, b"one")
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    with pytest.raises(FileExistsError):
        files.create(path, b"two")
    assert files.read(path) == b"one"


def test_a_planted_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        files.create(tmp_path / "link", b"secret")
    assert not (tmp_path / "elsewhere").exists()


def test_writing_replaces_as_a_whole_and_changes_the_identity(tmp_path: Path) -> None:
    path = tmp_path / "keyslots"
    files.write(path, b"one")
    before = files.identity(path)
    files.write(path, b"two")
    assert (files.read(path), mode(path)) == (b"two", 0o600)
    assert files.identity(path) != before
    assert [each.name for each in tmp_path.iterdir()] == ["keyslots"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keyslots"
    files.write(path, b"one")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gateway.cipher.files.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write(path, b"two")
    assert files.read(path) == b"one"
    assert [each.name for each in tmp_path.iterdir()] == ["keyslots"]


def test_absent_is_none_but_unreadable_or_huge_is_unavailable(tmp_path: Path) -> None:
    assert files.read(tmp_path / "nothing") is None
    assert files.identity(tmp_path / "nothing") is None
    (tmp_path / "huge").write_bytes(bytes(files.LARGEST + 1))
    for path in (tmp_path, tmp_path / "huge"):
        with pytest.raises(Unavailable):
            files.read(path)


def test_the_lock_admits_one_at_a_time(tmp_path: Path) -> None:
    inside, most = [], []

    def work() -> None:
        for _ in range(20):
            with files.locked(tmp_path):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (max(most), len(most)) == (1, 80)


def test_there_is_no_lock_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unavailable), files.locked(tmp_path / "nothing"):
        pass


def test_destroying_overwrites_before_it_unlinks(tmp_path: Path) -> None:
    path, other = tmp_path / "share", tmp_path / "second-name"
    path.write_bytes(b"the share of a customer")
    other.hardlink_to(path)
    files.destroy(path)
    files.destroy(path)  # can be repeated
    assert not path.exists()
    assert b"share" not in other.read_bytes()


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("stadtwerke_musterstadt", True),
        ("a", True),
        ("..", False),
        ("a/b", False),
        ("", False),
        ("a\0", False),
        ("ä", False),
        ("a\n", False),
    ],
)
def test_names_that_may_become_paths(name: str, good: bool) -> None:
    assert bool(files.CUSTOMER_NAME.fullmatch(name)) is good
