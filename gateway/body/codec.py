"""Which media types are looked into, and by what: the registry of body codecs.

The route decides that a body is a record; the media type only says how to read it, and one that is not here is refused (T-B2). What
never may come in: guessing from the content, or a codec that passes on what it does not understand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.body.rewrite import Scanned, scan, splice
from gateway.body.selector import Record
from gateway.errors import Refused


class Scan(Protocol):
    def __call__(self, body: bytes, record: Record, *, depth: int) -> Scanned: ...


@dataclass(frozen=True, slots=True)
class Codec:
    scan: Scan
    splice: Callable[[Scanned, Sequence[str | None]], bytes]


CODECS: dict[str, Codec] = {"application/json": Codec(scan, splice)}

#: Names members in *values* (``"path": "/household/name"``), which no selector sees (B-06).
_NOT_AS_JSON = frozenset({"application/json-patch+json"})

# RFC 9110 sections 5.6.2, 5.6.4, 5.6.6 and 8.3.1.
_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_TYPE = re.compile(rf"({_WORD}/{_WORD})", re.ASCII)
_PARAMETER = re.compile(rf"[ \t]*+;[ \t]*+(?:({_WORD})=(?:({_WORD})|\"([^\"\\\x00-\x1f\x7f]*+)\"))?+", re.ASCII)


def check_media_type(content_type: str | None) -> Codec:
    """The codec of a ``Content-Type``: JSON and its ``+json`` relatives, in UTF-8. Raises Refused('media-type')."""
    essence = _TYPE.match(content_type or "")
    if content_type is None or essence is None:
        raise Refused("media-type")
    charsets = [value for name, value in _parameters(content_type, essence.end()) if name == "charset"]
    if any(charset != "utf-8" for charset in charsets) or len(charsets) > 1:
        raise Refused("media-type")
    return _codec_of(essence[1].lower())


def _codec_of(media_type: str) -> Codec:
    if media_type in _NOT_AS_JSON:
        raise Refused("media-type")
    if media_type.startswith("application/") and media_type.endswith("+json"):
        media_type = "application/json"
    if media_type not in CODECS:
        raise Refused("media-type")
    return CODECS[media_type]


def _parameters(content_type: str, at: int) -> Iterator[tuple[str, str]]:
    """The parameters, in lower case; a quoted pair is refused, since nobody needs one in a charset and readers differ."""
    content_type = content_type.rstrip(" \t")
    while at < len(content_type):
        found = _PARAMETER.match(content_type, at)
        if found is None:
            raise Refused("media-type")
        if found[1] is not None:
            yield found[1].lower(), (found[2] if found[2] is not None else found[3]).lower()
        at = found.end()
