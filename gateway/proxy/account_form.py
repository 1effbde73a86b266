"""What somebody asks of the account page: a form of the browser's, or JSON of a script's, read strictly into one wish.

What never may come in: leniency. A field that is unknown or comes twice could be read as two wishes. And no judgement of a password;
that is the cipher's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

import msgspec

from gateway.body.codec import check_media_type
from gateway.body.rewrite import scan
from gateway.body.selector import Record, compile_record
from gateway.errors import Refused
from gateway.schema import seconds_of

LARGEST = 16 << 10  # bytes: three passwords of 1,024 bytes, each byte as %XX, and their names
_FORM = re.compile(r"application/x-www-form-urlencoded(?:[ \t]*;[ \t]*charset=\"?utf-8\"?)?", re.ASCII | re.IGNORECASE)
# What browsers and every library leave as it is (WHATWG URL, application/x-www-form-urlencoded serializing), and RFC 3986 beside it.
_VALUE = re.compile(r"(?:[A-Za-z0-9*\-._~+!'()]|%[0-9A-Fa-f]{2})*", re.ASCII)
_NAMES = ("current_password", "new_password")


@dataclass(frozen=True, slots=True)
class Wish:
    """``new`` is None where one shall be generated. ``user`` is empty where it is about the own password."""

    current: str = field(repr=False)
    new: str | None = field(repr=False)
    overlap: int = 0
    user: str = ""


def is_form(content_type: str | None) -> bool:
    """Or else JSON, or Refused('media-type')."""
    if content_type is not None and _FORM.fullmatch(content_type.strip(" \t")):
        return True
    check_media_type(content_type)
    return False


def read_form(body: bytes, own: str) -> Wish:
    """``own``: the one field that this form has beside the passwords. Raises Refused('form-malformed' | 'passwords-differ')."""
    fields = _fields(body, frozenset({*_NAMES, "how", "new_password_again", own}))
    if fields.get("how") not in ("own", "generated"):
        raise Refused("form-malformed")
    chosen, again = fields.get("new_password", ""), fields.get("new_password_again", "")
    if fields["how"] == "own" and chosen != again:
        raise Refused("passwords-differ")
    return _wish(fields, chosen if fields["how"] == "own" else None)


def read_json(body: bytes, own: str) -> Wish:
    """The same fields by the same names, without ``how`` and the repetition. Raises Refused('body-…' | 'form-malformed')."""
    scan(body, _RECORDS[own], depth=1)
    # The scan passes over empty strings. A script whose variable is empty would lose its password to a generated one.
    said = msgspec.json.decode(body, type=dict[str, str | None] | None) or {}
    fields = {name: text for name, text in said.items() if text is not None}
    return _wish(fields, fields.get("new_password"))


def _wish(fields: Mapping[str, str], new: str | None) -> Wish:
    current, overlap = fields.get("current_password"), fields.get("overlap", "0")
    seconds = 0 if overlap == "0" else seconds_of(overlap)
    if not current or seconds is None:
        raise Refused("form-malformed")
    return Wish(current, new, seconds, fields.get("user", ""))


def _record(own: str) -> Record:
    """The engine that reads orders reads this too: it takes no key twice, and nothing that is not listed."""
    return compile_record("account", {name: name for name in (*_NAMES, own)}, [])


_RECORDS = {own: _record(own) for own in ("overlap", "user")}


def _fields(body: bytes, known: frozenset[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for pair in body.decode("latin-1").split("&"):
        name, equals, value = pair.partition("=")
        if not equals or name not in known or name in fields or not _VALUE.fullmatch(value):
            raise Refused("form-malformed")
        try:
            fields[name] = unquote_to_bytes(value.replace("+", " ")).decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("form-malformed") from None
    return fields
