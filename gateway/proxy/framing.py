"""Is this request one that every parser behind us reads as we do? Asked first, of every request (design section 6).

What belongs here: version, framing, target form, and the grammar of the head, as one synchronous check over what aiohttp's
parser let through. What never may: a decision about who asks, or for what. The parser's own refusals (bare LF, obs-fold, two
lengths, CL with TE) are regression tests of ``server.py``; here are those that it does not make (H-01, H-02, H-03, N-02).
"""

from __future__ import annotations

import re

from aiohttp import HttpVersion10, HttpVersion11
from aiohttp.web import BaseRequest

from gateway.errors import Refused

# RFC 9110 section 7.2 without the userinfo and percent-encoding that no browser or client sends, and some proxies read differently.
_HOST = re.compile(rb"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9.])?|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?")
_TARGET = re.compile(r"/[\x21\x22\x24-\x7e]*")  # origin form; no fragment (T-P2), no blank, nothing beyond ASCII
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SINGLE = frozenset(
    {
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"content-type",
        b"content-encoding",
        b"authorization",
        b"expect",
        b"origin",
        b"sec-fetch-site",
        b"if-match",
    }
)
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})


def check_framing(request: BaseRequest) -> None:
    """Raises Refused('request-version' | 'request-malformed' | 'request-framing' | 'header-malformed')."""
    if request.version not in (HttpVersion10, HttpVersion11):
        raise Refused("request-version")
    if not _TARGET.fullmatch(request.raw_path) or request.method == "CONNECT":
        raise Refused("request-malformed")  # absolute form, authority form, *: each names its resource in a second way
    headers = request.raw_headers
    single = _single_ones(headers)
    _check_values(headers)
    _check_body_framing(single, request.version == HttpVersion11)
    _check_host(single.get(b"host"))
    expect = single.get(b"expect", b"100-continue")
    if expect.lower() != b"100-continue":
        raise Refused("header-malformed")


def _single_ones(headers: tuple[tuple[bytes, bytes], ...]) -> dict[bytes, bytes]:
    """The headers that only one value can be right for. A second one would be judged by us and read by nobody, or the reverse (T-I7)."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in _SINGLE:
            if lower in found:
                raise Refused("request-framing" if lower in _FRAMING else "header-malformed")
            found[lower] = value
        elif lower == b"upgrade":
            raise Refused("request-framing")  # no other protocol is spoken here, and bytes behind the head would be one (T-S5)
    return found


def _check_values(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    """UTF-8 without control characters: a lone surrogate is judged as one text and sent as another (N-02)."""
    joined = b"\n".join([value for _, value in headers])
    try:
        text = joined.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("header-malformed") from None
    if text.count("\n") != len(headers) - 1 or _CONTROL.search(text):
        raise Refused("header-malformed")


def _check_body_framing(single: dict[bytes, bytes], persistent: bool) -> None:
    coding = single.get(b"transfer-encoding")
    length = single.get(b"content-length")
    if coding is not None and (coding.lower() != b"chunked" or length is not None or not persistent):
        raise Refused("request-framing")
    if length is not None and not (length.isdigit() and len(length) <= 18):
        raise Refused("request-framing")


def _check_host(host: bytes | None) -> None:
    """Required on HTTP/1.0 too: without it aiohttp would answer with the socket's address (H-03)."""
    match = _HOST.fullmatch(host) if host is not None else None
    if match is None or int(match[1] or 0) > 65535:
        raise Refused("header-malformed")
