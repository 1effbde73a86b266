"""Content codings (RFC 9110 section 8.4): what a compressed body says, for as long as its output stays within limits.

Pure: bytes in, bytes out. What never may come in: output beyond the limit, held even for a moment (T-D1); a body whose end is not
proven; a second coding under the first, or one that is guessed: what we would read under another name than the application does.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Sequence
from typing import Protocol

import brotli

from gateway.errors import Refused

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: Output bytes for each input byte. DEFLATE reaches 1,032 and Brotli 600,000; a page of 500 orders, as measured, 4 with any of them.
#: Envoy's promise is our measure: nothing costs more than 100 times its own bytes.
RATIO = 100
#: Output bytes that a body may have at any ratio: a short page of equal rows is no bomb.
FREE = 64 << 10
#: Streams behind one another (members of gzip, frames of zstd): parallel compressors write them, and an empty one costs 20 bytes.
STREAMS = 64
#: RFC 9659 section 3: more of a window than 8 MB need not be supported, and is memory.
_WINDOW_LOG = 23
_STEP = 64 << 10  # bytes that Brotli may put out before it is looked at


class _Stream(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def content_coding(values: Sequence[str]) -> str:
    """The one coding of all ``Content-Encoding`` lines; empty for none. Raises Refused('content-coding') for unknown and stacked ones."""
    if not values:
        return ""
    coding = values[0].strip(" \t").lower()
    coding = _ALIASES.get(coding, coding)
    if len(values) > 1 or (coding and coding not in _CODINGS):
        raise Refused("content-coding")
    return coding


def decoded(coding: str, body: bytes, limit: int) -> bytes:
    """Raises Refused('body-too-large' | 'body-coding-broken')."""
    if not coding:
        return body
    try:
        return _CODINGS[coding](body, min(limit, max(FREE, RATIO * len(body))))
    except (zlib.error, zstd.ZstdError, brotli.error):
        raise Refused("body-coding-broken") from None  # without its text, which may quote


def _streams(start: Callable[[], _Stream], body: bytes, limit: int, most: int = STREAMS) -> bytes:
    pieces: list[bytes] = []
    for _ in range(most):
        stream = start()
        piece = stream.decompress(body, limit + 1)  # never 0, which would mean: without limit
        limit -= len(piece)
        if limit < 0:
            raise Refused("body-too-large")
        if not stream.eof:
            break  # all of it was taken, and its end did not come
        pieces.append(piece)
        body = stream.unused_data
        if not body:
            return b"".join(pieces)
    raise Refused("body-coding-broken")


def _gzip(body: bytes, limit: int) -> bytes:
    return _streams(lambda: zlib.decompressobj(16 + zlib.MAX_WBITS), body, limit)


def _deflate(body: bytes, limit: int) -> bytes:
    """In its zlib wrapping (RFC 1950), or bare as some clients have always sent it (RFC 9110 section 8.4.1.2); the first two bytes tell."""
    wrapped = len(body) > 1 and body[0] & 0x8F == 0x08 and (body[0] << 8 | body[1]) % 31 == 0
    return _streams(lambda: zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS), body, limit, most=1)


def _zstd(body: bytes, limit: int) -> bytes:
    return _streams(lambda: zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}), body, limit)


def _br(body: bytes, limit: int) -> bytes:
    pieces: list[bytes] = []
    stream = brotli.Decompressor()
    while not stream.is_finished():
        piece = stream.process(body, output_buffer_limit=_STEP)
        if not piece and not body:
            raise Refused("body-coding-broken")
        body = b""
        limit -= len(piece)
        if limit < 0:
            raise Refused("body-too-large")
        pieces.append(piece)
    return b"".join(pieces)


_CODINGS: dict[str, Callable[[bytes, int], bytes]] = {"gzip": _gzip, "deflate": _deflate, "br": _br, "zstd": _zstd}
_ALIASES = {"identity": "", "x-gzip": "gzip"}  # RFC 9110 section 8.4.1.3
