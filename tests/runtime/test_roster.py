"""Who runs, as a file: whole, for its owner, and not believed when its writer is gone."""

import os
import subprocess
import sys

import pytest

from gateway.runtime import roster
from gateway.runtime.roster import FILE, Roster, Runs

HERE = Roster(os.getpid(), (Runs("vault", 7, True, 0), Runs("proxy", 8, False, 3)))


def test_what_is_written_is_read(tmp_path):
    roster.write(tmp_path / "run", HERE)
    assert roster.read(tmp_path / "run") == roster.read(tmp_path / "run", os.getpid()) == HERE
    assert [path.name for path in (tmp_path / "run").iterdir()] == [FILE]
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    roster.remove(tmp_path / "run")
    assert roster.read(tmp_path / "run") is None
    roster.remove(tmp_path / "run")


def test_another_supervisors_word_is_not_ours(tmp_path):
    roster.write(tmp_path, HERE)
    assert roster.read(tmp_path, os.getpid() + 1) is None


def test_what_a_dead_supervisor_left_behind_is_nothing(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    roster.write(tmp_path, Roster(dead.pid, ()))
    assert roster.read(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"supervisor": "1", "processes": []}', b"\xff"])
def test_a_damaged_one_is_nothing(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    assert roster.read(tmp_path) is None


def test_that_it_cannot_be_written_ends_nothing(tmp_path, caplog):
    (tmp_path / "run").write_text("a file where a folder should be")
    roster.write(tmp_path / "run", HERE)
    assert "who runs cannot be written down" in caplog.text
