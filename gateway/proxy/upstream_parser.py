"""One upstream answer, from bytes to parts: llhttp in its strict mode, and the checks that llhttp does not make.

What belongs here: framing of responses, without I/O. What never may: leniency. An answer that two parsers could read in two
ways is refused, because behind it the next customer's answer may hide (T-S1, T-S6). Measured on httptools 0.9.0, llhttp
itself refuses bare LF, obs-fold, two lengths, CL with TE, NUL and control characters; it lets pass TE codings other than
``chunked``, TE on HTTP/1.0, HTTP/2.0 and 0.9, RTSP, any status number, endless heads and endless chunk extensions.
"""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from gateway.errors import Refused

MAX_HEAD = 64 * 1024  # bytes, interim answers included
MAX_HEADERS = 200
MAX_INTERIM = 8  # 1xx answers before the real one; a flood of them would hold the exchange for ever
OVERHEAD = 16  # wire bytes that one byte of body may cost: 1-byte chunks cost 6, an endless chunk extension more (T-D3)

_BODILESS = frozenset({204, 304})


class _Ambiguous(Exception):
    """Raised inside llhttp's callbacks; leaves this module only as Refused('upstream-malformed')."""


class ResponseParser:
    """Fed with what the connection brings; ``head_done``, ``complete`` and ``take()`` say how far it is."""

    __slots__ = (
        "_body_bytes",
        "_chunks",
        "_count",
        "_encoding",
        "_fed",
        "_head_bytes",
        "_interim",
        "_length",
        "_llhttp",
        "_method",
        "_start",
        "_tail",
        "buffered",
        "complete",
        "head_done",
        "headers",
        "keep_alive",
        "length",
        "status",
        "until_eof",
    )

    def __init__(self, method: str) -> None:
        self._method = method
        self._llhttp: HttpResponseParser | None = HttpResponseParser(self)
        self._fed = self._head_bytes = self._body_bytes = self._interim = self._count = 0
        self._length: list[bytes] = []
        self._encoding: list[bytes] = []
        self._chunks: list[bytes] = []
        self._start = self._tail = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.status = 0
        self.buffered = 0
        self.length: int | None = None
        self.head_done = self.complete = self.keep_alive = self.until_eof = False

    @property
    def begun(self) -> bool:
        """Has any byte of an answer come?"""
        return self._fed > 0

    def feed(self, data: bytes) -> None:
        """Raises Refused('upstream-malformed'); after that the connection is good for nothing."""
        if self.complete or self._llhttp is None:
            raise Refused("upstream-malformed")
        self._fed += len(data)
        try:
            self._check_start(data)
            self._llhttp.feed_data(data)
            self._check_size(data)
        except (HttpParserError, HttpParserUpgrade, _Ambiguous):
            self._llhttp = None
            raise Refused("upstream-malformed") from None  # llhttp's text may quote the answer
        if self.complete:
            self._llhttp = None  # breaks the reference cycle: one dead parser per request would wait for the collector

    def eof(self) -> None:
        """The upstream has ended its side in order: completes an answer without a length, and breaks off every other."""
        if self.until_eof:
            self.complete = True
        elif not self.complete:
            raise Refused("upstream-malformed")

    def take(self) -> bytes:
        """The body bytes that have come since the last call."""
        chunks, self._chunks, self.buffered = self._chunks, [], 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _check_start(self, data: bytes) -> None:
        if len(self._start) < 5:
            self._start = (self._start + data[:5])[:5]
            if not b"HTTP/".startswith(self._start):  # llhttp also speaks RTSP and ICE, and skips empty lines before
                raise _Ambiguous

    def _check_size(self, data: bytes) -> None:
        if self._method == "HEAD":
            # llhttp does not know of HEAD, and waits for the body: half a chunk size behind the head would pass unnoticed.
            self._tail = (self._tail + data[-4:])[-4:]
            if self.complete and self._tail != b"\r\n\r\n":
                raise _Ambiguous
        if not self.head_done:
            if self._fed > MAX_HEAD:
                raise _Ambiguous
        elif self._fed - self._head_bytes > MAX_HEAD + OVERHEAD * self._body_bytes:
            raise _Ambiguous

    # --- called by llhttp ---

    def on_message_begin(self) -> None:
        if self.complete or self.head_done:
            raise _Ambiguous  # a second answer in the same read: it belongs to nobody

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + 4
        self._count += 1
        if self._head_bytes > MAX_HEAD or self._count > MAX_HEADERS:
            raise _Ambiguous
        if self.head_done:
            return  # a trailer: counted, never merged into the head (RFC 9110 section 6.5.1)
        value = value.strip(b" \t")
        lower = name.lower()
        if lower == b"content-length":
            self._length.append(value)
        elif lower == b"transfer-encoding":
            self._encoding.append(value.lower())
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        assert self._llhttp is not None
        version = self._llhttp.get_http_version()
        self.status = self._llhttp.get_status_code()
        if version not in ("1.0", "1.1") or not 100 <= self.status <= 599 or self.status == 101:
            raise _Ambiguous  # 101 was never asked for: the bytes after it would be nobody's protocol (T-S5)
        if self.status < 200:
            return self._interim_answer()
        self._framing(version)
        self.keep_alive = self._llhttp.should_keep_alive()
        self.head_done = True
        if self._method == "HEAD" or self.status in _BODILESS:
            self.complete = True
        return None

    def _interim_answer(self) -> None:
        self._interim += 1
        if self._interim > MAX_INTERIM or self._encoding or self._length not in ([], [b"0"]):
            raise _Ambiguous
        self.headers = []
        self._length = []

    def _framing(self, version: str) -> None:
        if self._encoding and (self._encoding != [b"chunked"] or self._length or version != "1.1"):
            raise _Ambiguous
        if len(self._length) > 1 or (self._length and not self._length[0].isdigit()):
            raise _Ambiguous
        self.length = int(self._length[0]) if self._length and len(self._length[0]) < 19 else None
        if self.status == 204 and (self._encoding or self.length):
            raise _Ambiguous  # a body announced where there can be none: half of all parsers would read one
        self.until_eof = not (self._encoding or self._length or self._method == "HEAD" or self.status in _BODILESS)

    def on_chunk_header(self) -> None:
        if self.complete:
            raise _Ambiguous

    def on_body(self, data: bytes) -> None:
        if self.complete:
            raise _Ambiguous  # a body on HEAD
        self._chunks.append(data)
        self.buffered += len(data)
        self._body_bytes += len(data)

    def on_message_complete(self) -> None:
        if self.status >= 200:
            self.complete = True
