"""The operators' token: a file that only the gateway's user can read, and the one comparison with it.

Also on loopback a credential is asked for: every program and every user of the machine, and with some luck a page in somebody's
browser, reaches a loopback port (T-A4). What never may come in: a way to set the token from outside, or to read it.
"""

from __future__ import annotations

import contextlib
import hmac
import logging
import os
import secrets
from pathlib import Path

#: Characters below which a token is not believed: an empty file (a full disk) would be an open door. Ours have 43, 256 bits.
SHORTEST = 32
LONGEST = 4096

_log = logging.getLogger("gateway.admin")


def ensure_token(path: Path) -> None:
    """Make the token if there is none; it appears with all its characters. One that is there is never replaced."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
    finally:
        new.unlink()


def fault_of(path: Path) -> str:
    """Why the token in ``path`` opens nothing; empty when it does. Never a word of what is in it."""
    try:
        if path.stat().st_mode & 0o077:
            return "others may read or change it"
        size = len(path.read_bytes()[: LONGEST + 1].strip())
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return "" if SHORTEST <= size <= LONGEST else f"a token has {SHORTEST} to {LONGEST} characters"


def opens(path: Path, authorization: str | None) -> bool:
    """Does this ``Authorization`` show the token? Read at every call, so that a new token counts, and the old one ends, at once."""
    scheme, _, shown = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not shown:
        return False
    if fault := fault_of(path):
        _log.error("the operators' token lets nobody in: %s", fault)
        return False
    try:
        kept = path.read_bytes().strip()
    except OSError:
        return False
    return hmac.compare_digest(kept, shown.strip().encode(errors="surrogateescape"))
