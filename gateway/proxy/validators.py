"""Entity tags of answers that are looked into: one for each view, and mapped back so that conditions go on working (T-B3).

A tag of ours is the upstream's own in other letters: ``"gw1-VIEW-TAG"``. VIEW is a hash of policy revision, customer and role, TAG
the upstream's tag in base64url, so any worker reads it, also after a restart, and there is no state and no key. It needs none: who
makes one up gains a condition on a request of their own, as they could state directly. And it says no more than the upstream's
tag does, which was made over tokens and went to every client before there was a gateway.

What never may come in: an unchanged tag of the upstream on an answer that differs from role to role.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from hashlib import sha256

from gateway.errors import Refused

#: Bytes of an upstream's tag. Longer ones would not fit into a header once they are encoded, twice in a list.
LONGEST = 1024

# RFC 9110 section 8.8.3; and without quotation marks, as some applications write them: what is sent back is what they wrote.
_TAG = re.compile(rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*+"|[\x21\x23-\x2b\x2d-\x7e]++')
_OURS = re.compile(rb'(W/)?"gw1-([\w-]{11})-([\w-]++)"', re.ASCII)
_MARK = b'"gw1-'


@lru_cache(maxsize=1024)
def view_of(revision: str, customer: str, role: str) -> bytes:
    """Who has the same view gets the same bytes for the same bytes of the upstream."""
    return urlsafe_b64encode(sha256(f"{revision}\0{customer}\0{role}".encode()).digest()[:8]).rstrip(b"=")


def public_tag(tag: bytes, view: bytes) -> str:
    """Ours for one of the upstream's; weak if that is. Empty for one that is no tag."""
    if len(tag) > LONGEST or not _TAG.fullmatch(tag):
        return ""
    own = b'"gw1-%b-%b"' % (view, urlsafe_b64encode(tag).rstrip(b"="))
    return (b"W/" + own if tag.startswith(b"W/") else own).decode("ascii")


def if_match(value: bytes, view: bytes) -> bytes:
    """For the upstream, which judges it. Raises Refused('precondition-unknown') when nothing is left that it could know.

    A tag that is not ours goes on as it is: the application gave it to its client on a route that is passed, or inside a body.
    """
    if _MARK not in value:
        return value
    kept = [tag for tag in _mapped(value, view) if tag]
    if not kept:
        raise Refused("precondition-unknown")
    return b", ".join(kept)


def if_none_match(value: bytes, view: bytes, *, reads: bool, looked_into: bool) -> bytes:
    """For the upstream; empty when nothing is left. Raises Refused('precondition-unknown').

    ``reads``: the answer may be 304, which says that the client's copy is what it would get. So on a route that is looked into
    only tags of this very view count, and on one that is passed only those that are not ours.
    """
    if value.strip(b" \t") == b"*":
        return value
    if _MARK not in value:
        return b"" if reads and looked_into else value
    tags = _split(value)
    if reads:
        tags = [tag for tag in tags if (_OURS.fullmatch(tag) is not None) == looked_into]
        return b", ".join([tag for tag in (_upstreams(tag, view) for tag in tags) if tag])
    mapped = [_upstreams(tag, view) for tag in tags]
    if not all(mapped):
        raise Refused("precondition-unknown")  # left out, the condition would hold although it may not
    return b", ".join(mapped)


def _split(value: bytes) -> list[bytes]:
    return re.findall(rb'(?:W/)?"[^"]*+"|[^\s,"]++', value)


def _mapped(value: bytes, view: bytes) -> list[bytes]:
    return [_upstreams(tag, view) for tag in _split(value)]


def _upstreams(tag: bytes, view: bytes) -> bytes:
    """The upstream's own tag; empty for one of ours that is of another view, or made up. What is not ours stays."""
    ours = _OURS.fullmatch(tag)
    if ours is None:
        return tag if not tag.lstrip(b'W/"').startswith(b"gw1-") else b""
    if ours[2] != view:
        return b""
    try:
        own = urlsafe_b64decode(ours[3] + b"=" * (-len(ours[3]) % 4))
    except ValueError:
        return b""
    if not _TAG.fullmatch(own):
        return b""  # made up: it could end a line (T-S7)
    # Whoever stands between may have weakened it, as nginx does when it compresses: then it is no strong one any more.
    return b"W/" + own if ours[1] and own.startswith(b'"') else own
