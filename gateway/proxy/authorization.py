"""Passwords in headers: reading the client's, and the one that an upstream wants from us.

What never may come in: a comparison with a password. That is done by opening a keyslot, two processes away.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from functools import lru_cache
from pathlib import Path

from gateway.errors import Refused

LONGEST_NAME = 256  # characters; a name of 1 MB would be hashed, throttled and logged (T-A5)
LONGEST_PASSWORD = 1024
LONGEST_VALUE = 8000  # bytes: servers take 8 kB of a header
_VALUE = re.compile(rb"(?=.{1,%d}\Z)[\x21-\x7e]+(?: [\x21-\x7e]+)*" % LONGEST_VALUE)


def basic_credentials(value: str | None) -> tuple[str, str]:
    """User and password of an Authorization header (RFC 7617, UTF-8).

    Raises Refused('credentials-missing' | 'credentials-malformed').
    """
    if not value:
        raise Refused("credentials-missing")
    scheme, _, encoded = value.partition(" ")
    if scheme.lower() != "basic":
        raise Refused("credentials-missing")
    decoded = _decoded(encoded.strip(" "))
    user, colon, password = decoded.partition(":")
    if not (colon and 0 < len(user) <= LONGEST_NAME and len(password) <= LONGEST_PASSWORD) or _has_hidden(user) or _has_hidden(password):
        raise Refused("credentials-malformed")
    return user, password


def _decoded(encoded: str) -> str:
    try:
        decoded = base64.b64decode(encoded, validate=True)
        if base64.b64encode(decoded).decode() != encoded:  # Python takes surplus padding and stray bits: two texts for one password
            raise Refused("credentials-malformed")
        return decoded.decode("utf-8")
    except (binascii.Error, ValueError):  # ValueError: beyond ASCII, or not UTF-8
        raise Refused("credentials-malformed") from None


def _has_hidden(text: str) -> bool:
    """Control and format characters: forbidden by RFC 7617, and the bidirectional ones make a log show another name (T-A5)."""
    return not text.isprintable() and any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in text)


def from_file(path: Path) -> bytes:
    """The value for an upstream's Authorization header, read again when the file changes. Raises Refused('upstream-unreachable').

    A file that holds no such value (empty, half written, several lines) is the operator's matter: no client is told that its request
    is malformed, and nothing goes out without the credential that the application asks for.
    """
    try:
        state = path.stat()
        # Whoever replaces a file may keep its time (cp -p, a mounted volume): the inode and its own time change all the same.
        value = _read(path, (state.st_mtime_ns, state.st_ctime_ns, state.st_ino, state.st_size))
    except OSError:
        raise Refused("upstream-unreachable") from None
    if not _VALUE.fullmatch(value):
        raise Refused("upstream-unreachable")
    return value


@lru_cache(maxsize=256)
def _read(path: Path, changed: tuple[int, ...]) -> bytes:
    with path.open("rb") as opened:
        return opened.read(LONGEST_VALUE + 1).strip()  # never more, whatever the path leads to (T-D7)
