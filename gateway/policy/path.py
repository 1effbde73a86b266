"""One reading of a request target. What two servers might read differently is refused, never repaired (T-P1 to T-P5).

The raw target is forwarded byte for byte; policy judges the canonical form that is made here. So the two must name the same
resource on every server, and whatever leaves a doubt is a 400. What never may come in: a switch that skips a check.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import msgspec

from gateway.errors import Refused

RESERVED = ".gateway"  # the first segment of the gateway's own pages
LONGEST = 8000  # characters of a target

# RFC 3986 pchar without ';': path parameters are read by some servers and not by others.
_SEGMENT = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,=:@]|%[0-9A-Fa-f]{2})+", re.ASCII)
_QUERY = re.compile(r"(?:[A-Za-z0-9\-._~!$'()*+,=:@/?&\[\]]|%[0-9A-Fa-f]{2})*", re.ASCII)
_SEPARATORS = frozenset("/\\%;?#")
_MOST_PARAMETERS = 100


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter, decoded. ``start`` and ``end`` are where its raw value lies in the target."""

    name: str
    value: str
    start: int
    end: int


class Target(msgspec.Struct, frozen=True):
    """``segments`` are decoded; the path ``/`` has none."""

    segments: tuple[str, ...]
    parameters: tuple[Parameter, ...]


def canonical(target: str) -> Target:
    """Raises Refused('path-ambiguous' | 'query-malformed')."""
    path, question, query = target.partition("?")
    if len(target) > LONGEST or not path.startswith("/") or "#" in target:
        raise Refused("path-ambiguous")
    segments = () if path == "/" else tuple(_segment(raw) for raw in path[1:].split("/"))
    return Target(segments, tuple(_parameters(query, len(path) + 1)) if question else ())


def is_reserved(target: str) -> bool:
    """Does it name a page of the gateway's own, in whatever spelling some server might take for it? Raises as ``canonical``."""
    if target[1:2] not in (".", "%"):  # all other requests, at the price of a comparison
        return False
    segments = canonical(target).segments
    return bool(segments) and unicodedata.normalize("NFKC", segments[0]).casefold() == RESERVED


def _segment(raw: str) -> str:
    """Empty segments, dots, encoded slashes and percent signs, trailing dots: each is dropped or kept by some server."""
    if not _SEGMENT.fullmatch(raw):
        raise Refused("path-ambiguous")
    if "%" not in raw:  # ASCII without separators and blanks, by the expression above: it has one form only
        if raw.endswith("."):
            raise Refused("path-ambiguous")
        return raw
    text = _decoded(raw, "path-ambiguous")
    # A server that folds compatibility forms reads U+FF0F as a slash and U+2026 as three dots.
    for reading in (text, unicodedata.normalize("NFKC", text)):
        if not _SEPARATORS.isdisjoint(reading) or reading.endswith((".", " ")) or reading.startswith(" "):
            raise Refused("path-ambiguous")
    return text


def _decoded(raw: str, reason: str) -> str:
    try:
        text = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:  # overlong and broken UTF-8
        raise Refused(reason) from None
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in text):
        raise Refused(reason)
    if not unicodedata.is_normalized("NFC", text) and reason == "path-ambiguous":
        raise Refused(reason)
    return text


def _parameters(query: str, offset: int) -> list[Parameter]:
    if not _QUERY.fullmatch(query):
        raise Refused("query-malformed")
    found: list[Parameter] = []
    at = offset
    for pair in query.split("&") if query else []:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise Refused("query-malformed")  # "?a" is an empty value to some and no parameter to others
        start = at + len(name) + 1
        found.append(Parameter(_form_decoded(name), _form_decoded(value), start, start + len(value)))
        at += len(pair) + 1
    names = [parameter.name for parameter in found]
    if len(found) > _MOST_PARAMETERS or len(set(names)) < len(names):
        raise Refused("query-malformed")  # the first counts for some servers, the last or a list for others (T-P5)
    return found


def _form_decoded(raw: str) -> str:
    return _decoded(raw.replace("+", " "), "query-malformed")
