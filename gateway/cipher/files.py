"""How key files are read, written, locked and destroyed. The only place of the cipher that touches the disk.

What never may come in: a look into the contents; they are bytes here.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import Unavailable

LARGEST = 1 << 20  # bytes; a key file of a customer with 1,000 users is below 400 kB
CUSTOMER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)

Identity = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class CustomerFiles:
    """Where one customer's keys lie. ``share`` and ``tombstone`` lie apart from the other two, and are backed up apart."""

    keyslots: Path
    data_keys: Path
    share: Path
    tombstone: Path


def identity(path: Path) -> Identity | None:
    """Changes whenever the file was replaced (every write is a rename, so the inode changes too); None when it is absent."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        raise Unavailable("keys-unavailable") from None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def read(path: Path) -> bytes | None:
    """The whole file; None when it is absent. Unreadable or absurdly large is ``Unavailable``, not an empty key list."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        raise Unavailable("keys-unavailable") from None
    if len(content) > LARGEST:
        raise Unavailable("keys-unavailable")
    return content


def write(path: Path, content: bytes) -> None:
    """Replace as a whole: a crash leaves the old file or the new one, never half of a key list."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write_new(temporary, content)
        temporary.replace(path)
    except BaseException:  # also on cancellation: key material must not stay behind under a forgotten name
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def create(path: Path, content: bytes) -> None:
    """A file that must not exist yet (FileExistsError): nobody's key is ever overwritten by creating another."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_new(path, content)
    sync_folder(path.parent)


def _write_new(path: Path, content: bytes) -> None:
    # O_EXCL also refuses to follow a symbolic link that somebody planted under that name.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Without this a rename may be undone by a power cut (fsync(2), notes)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One writer of a customer's key files at a time, across processes. The lock is on the folder: files are replaced by rename,
    so a lock on them would be held on something that is no longer there."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        raise Unavailable("keys-unavailable") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def destroy(path: Path) -> None:
    """Overwrite, then unlink. On journalling file systems and flash the overwriting promises nothing: the promise is the share."""
    try:
        with path.open("r+b") as file:
            size = os.fstat(file.fileno()).st_size
            file.write(secrets.token_bytes(size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    except FileNotFoundError:
        return
    sync_folder(path.parent)
