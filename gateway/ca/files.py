"""Writing certificate and key files: new, complete and with the right mode, or not at all.

What belongs here: creating files that must never replace others, and replacing those that are made anew again and again. What never
may: deciding what is in them.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from gateway.errors import ConfigurationError, Mistake

PUBLIC = 0o644
PRIVATE = 0o600

Contents = Mapping[str, tuple[bytes, int]]
"""File name → what is in it, and its mode."""


def write_all(directory: Path, contents: Contents) -> None:
    """Write every file, or none if one of them exists already: a key that was overwritten is gone for good."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    require_absent(directory / name for name in contents)
    for name, (data, mode) in contents.items():
        write_new(directory / name, data, mode)
    sync_directory(directory)


def require_absent(paths: Iterable[Path]) -> None:
    present = [Mistake(path, 0, "exists already, and is never overwritten") for path in paths if path.exists()]
    if present:
        raise ConfigurationError(present)


def write_new(path: Path, data: bytes, mode: int) -> None:
    """The mode is set by ``open``, so that a private key is at no moment readable by others."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, data: bytes, mode: int) -> None:
    """The old file or the new one, whatever happens meanwhile: a reader never sees half of it."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        write_new(unfinished, data, mode)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """A file is only there after a power cut when its directory entry is on disk too."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
