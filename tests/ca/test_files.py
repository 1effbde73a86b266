"""Files appear new and with their mode, or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gateway.ca.files import PRIVATE, PUBLIC, write_all, write_new
from gateway.errors import ConfigurationError


def test_modes_do_not_depend_on_the_umask_for_private_files(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_all(tmp_path / "new", {"a.key": (b"secret", PRIVATE), "a.pem": (b"open", PUBLIC)})
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()}
    assert modes == {"a.key": 0o600, "a.pem": 0o644}
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_one_file_that_exists_stops_all(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"kept")
    with pytest.raises(ConfigurationError) as raised:
        write_all(tmp_path, {"a": (b"new", PUBLIC), "b": (b"new", PUBLIC)})
    assert [mistake.file.name for mistake in raised.value.mistakes] == ["b"]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"b": b"kept"}


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "a", b"x", PRIVATE)
    assert not (tmp_path / "elsewhere").exists()
