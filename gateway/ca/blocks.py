"""Reading files of certificates and revocation lists: PEM or DER, whole or not at all.

What belongs here: bytes, blocks and their lines. What never may: what a block says, or any of its text in a message.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

from gateway.errors import ConfigurationError, Mistake

#: T-D7: a revocation list of a large PKI has a few MB.
MAX_FILE = 16 << 20
_BLOCK = re.compile(rb"^-----BEGIN ([A-Z0-9 ]+)-----([^-]*)(-----END \1-----)?", re.MULTILINE)


def blocks(path: Path, kind: bytes, content: bytes | None = None) -> Iterator[tuple[int, bytes]]:
    """(line, DER) of each block of a PEM file, or the one of a DER file. Only blocks of ``kind``, and at least one.

    ``content``: what the file would hold, where it was fetched and lies nowhere yet. Raises ConfigurationError.
    """
    content = read_file(path) if content is None else content
    if not content.strip():
        raise mistake(path, 0, "is empty")
    if content[:1] == b"\x30":
        yield 0, content
        return
    found = list(_BLOCK.finditer(content))
    if not found or len(found) != content.count(b"-----BEGIN"):
        raise mistake(path, 0, f"is neither PEM nor DER of a {kind.decode()}, or is damaged")
    for block in found:
        line = content.count(b"\n", 0, block.start()) + 1
        if block[1] != kind:
            # Also a private key, which has no business here.
            raise mistake(path, line, f"only {kind.decode()} blocks belong here")
        if block[3] is None:
            raise mistake(path, line, "the block is cut off")
        yield line, _decoded(path, line, block[2])


def mistake(path: Path, line: int, text: str) -> ConfigurationError:
    return ConfigurationError([Mistake(path, line, text)])


def _decoded(path: Path, line: int, text: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except ValueError:
        raise mistake(path, line, "the block is not base64") from None


def read_file(path: Path) -> bytes:
    """At most MAX_FILE bytes: a file that grew without end must not end the process."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except OSError as error:
        raise mistake(path, 0, f"cannot be read ({error.strerror})") from None
    if len(content) > MAX_FILE:
        raise mistake(path, 0, f"is larger than {MAX_FILE >> 20} MiB")
    return content
