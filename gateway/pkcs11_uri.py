"""``pkcs11:token=NAME?module-path=…&pin-source=…`` (RFC 7512): which token, by which module, and where its PIN lies.

Strict: an attribute that we would not heed could name another token than the one that is used. What never may come in: the PIN, and
a text of the URI in a message, since somebody may have written the PIN into it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

SHAPE = "pkcs11:token=NAME?module-path=/PATH/OF/MODULE.so&pin-source=file:PATH"

# RFC 7512, section 2.3: unreserved and pk11-res-avail, and what a path or a query may hold besides.
_VALUE = re.compile(r"(?:[A-Za-z0-9._~:\[\]@!$'()*+,=/?|-]|%[0-9A-Fa-f]{2})+", re.ASCII)
_LONGEST_LABEL = 32  # bytes, PKCS#11's CK_TOKEN_INFO


@dataclass(frozen=True, slots=True)
class TokenUri:
    """``pin_file`` holds the PIN and a line break at most."""

    token: str
    module: Path
    pin_file: Path


def parse_token_uri(text: str, folder: Path) -> TokenUri:
    """Relative paths of PIN files count from ``folder``. Raises ValueError with a sentence."""
    path, mark, query = text.removeprefix("pkcs11:").partition("?")
    if not text.startswith("pkcs11:") or not mark:
        raise ValueError(f"expected {SHAPE}")
    where = _attributes(path, ";", ("token",))
    how = _attributes(query, "&", ("module-path", "pin-source"))
    kind, colon, pin_file = how["pin-source"].partition(":")
    if kind != "file" or not colon or not pin_file:
        raise ValueError("pin-source is a file: write pin-source=file:PATH")
    if not how["module-path"].startswith("/"):
        raise ValueError("module-path is an absolute path")  # or the loader searches for it, and may find another one
    if len(where["token"].encode()) > _LONGEST_LABEL:
        raise ValueError(f"a token's name has at most {_LONGEST_LABEL} bytes")
    return TokenUri(where["token"], Path(how["module-path"]), folder / pin_file)


def _attributes(text: str, separator: str, names: tuple[str, ...]) -> dict[str, str]:
    """Exactly these attributes, each once, decoded."""
    found: dict[str, str] = {}
    for part in text.split(separator):
        name, _, value = part.partition("=")
        if name == "pin-value":
            raise ValueError("a PIN does not belong into this file: write pin-source=file:PATH")
        if name not in names:
            raise ValueError(f"only {' and '.join(names)} belong on this side of the question mark: {SHAPE}")
        if name in found or not _VALUE.fullmatch(value):
            raise ValueError(f"{name} stands there once, with a value whose special characters are written as %XX")
        found[name] = _decoded(name, value)
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(f"{' and '.join(missing)} missing: {SHAPE}")
    return found


def _decoded(name: str, value: str) -> str:
    try:
        decoded = unquote(value, encoding="utf-8", errors="strict")
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not UTF-8") from None
    if not decoded.isprintable():
        raise ValueError(f"{name} holds characters that are not seen")
    return decoded
