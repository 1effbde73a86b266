"""Putting other strings into the places that a scan has found, and leaving every other byte as it came (B-03, T-B4).

The one module of the body engine that the request path imports: scan, splice and the two guards. What never may come in: parsing
and dumping; it changes number spellings, key order, escapes and duplicates that somebody behind us relies on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from gateway.body.guards import echo, personal_data
from gateway.body.json_scan import Place, Scanned, scan
from gateway.errors import Unavailable

#: Kept: ``json.dumps`` with any option builds a new encoder for every string.
_quoted = json.JSONEncoder(ensure_ascii=False).encode

__all__ = ["Place", "Scanned", "echo", "personal_data", "scan", "splice"]


def splice(scanned: Scanned, replacements: Sequence[str | None]) -> bytes:
    """The body with ``replacements[i]`` at ``places[i]``. None, or the value that is there, leaves its bytes as they are.

    Raises Unavailable when there is not exactly one replacement per place: a body with a value left over must never go on.
    """
    if len(replacements) != len(scanned.places):
        raise Unavailable("internal")
    pieces: list[str] = []
    at = 0
    for place, replacement in zip(scanned.places, replacements, strict=True):
        if replacement is not None and replacement != place.value:
            pieces += scanned.text[at : place.start], _quoted(replacement)
            at = place.end
    pieces.append(scanned.text[at:])
    try:
        return "".join(pieces).encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate in a replacement; the exception itself would carry the whole body
        raise Unavailable("internal") from None
