"""Opaque tokens: the spelling only. The bytes inside, with their MAC or their AES-SIV ciphertext, are made by the cipher.

Two spaces, one per method: ``gt1_`` and 36 characters of ``[0-9a-z]`` (method ``vault``: version, random part, MAC), and ``gs1_``
and base32hex in lower case (method ``sealed``: the value is inside). One case, no ``+ / =``: a token survives URLs, file names,
case-folding databases and a double click. Every token has exactly one spelling (T-A2): what decodes but would be encoded
otherwise is no token. What never may come in: a key, or randomness of our own.
"""

from __future__ import annotations

import re
from base64 import b32hexdecode, b32hexencode

from gateway.errors import Unavailable
from gateway.tokens.form import DataClass, Randbelow

RAW_BYTES = 23  # version 1, random 12, MAC 10
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_LENGTH = 36  # 36**36 > 2**(8 * 23)
_VAULT = re.compile(r"gt1_([0-9a-z]{36})", re.ASCII)
_SEALED = re.compile(r"gs1_([0-9a-v]+)", re.ASCII)


def encode(raw: bytes) -> str:
    """The token of method ``vault`` that spells ``raw``, which has exactly 23 bytes."""
    if len(raw) != RAW_BYTES:
        raise ValueError("an opaque token spells 23 bytes")
    number = int.from_bytes(raw, "big")
    digits = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, 36)
        digits.append(_DIGITS[digit])
    return "gt1_" + "".join(reversed(digits))


def decode(text: str) -> bytes | None:
    """The bytes that ``text`` spells; None when it is no such token."""
    match = _VAULT.fullmatch(text)
    if match is None:
        return None
    number = int(match[1], 36)
    return number.to_bytes(RAW_BYTES, "big") if number < 1 << (8 * RAW_BYTES) else None


def encode_sealed(raw: bytes) -> str:
    """The token of method ``sealed`` that spells ``raw``."""
    if not raw:
        raise ValueError("a sealed token holds at least one byte")
    return "gs1_" + b32hexencode(raw).decode("ascii").rstrip("=").lower()


def decode_sealed(text: str) -> bytes | None:
    """The bytes that ``text`` spells; None when it is no such token, or a second spelling of one (stray bits at the end)."""
    match = _SEALED.fullmatch(text)
    if match is None or len(match[1]) % 8 in (1, 3, 6):  # lengths that no number of whole bytes gives (RFC 4648 section 6)
        return None
    raw = b32hexdecode(match[1].upper() + "=" * (-len(match[1]) % 8))
    return raw if encode_sealed(raw) == text else None


class OpaqueForm:
    """The default, and the refuge of every value that another form cannot take."""

    one_way = False

    def fits(self, data_class: DataClass, value: str) -> bool:
        return True

    def generate(self, data_class: DataClass, value: str, randbelow: Randbelow) -> str:
        # A candidate without a MAC would be no token. Whoever lands here has left out the cipher: nothing may go on.
        raise Unavailable("internal")

    def recognises(self, data_class: DataClass, text: str) -> bool:
        return (decode(text) if data_class.method == "vault" else decode_sealed(text)) is not None

    def space(self, data_class: DataClass, value: str) -> int | None:
        return None
