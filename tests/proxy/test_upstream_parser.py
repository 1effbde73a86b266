"""Hostile answers, as bytes (T-S6): one table of what is refused, one of what is read, both in every slicing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.proxy.upstream_parser import MAX_HEAD, ResponseParser

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

REFUSED = {
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
    "two different lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nab",
    "a list of lengths": OK + b"Content-Length: 2, 2\r\n\r\nab",
    "a signed length": OK + b"Content-Length: +2\r\n\r\nab",
    "an empty length": OK + b"Content-Length: \r\n\r\nab",
    "length and chunked": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    "chunked and length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    "gzip, chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    "gzip alone": OK + b"Transfer-Encoding: gzip\r\n\r\nab",
    "identity": OK + b"Transfer-Encoding: identity\r\n\r\nab",
    "chunked twice": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    "chunked on 1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    "bare LF after the status line": b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nab",
    "bare LF after a header": OK + b"Content-Length: 2\n\r\nab",
    "bare LF before the body": OK + b"Content-Length: 2\r\n\nab",
    "bare CR in a value": OK + b"X: a\rb\r\nContent-Length: 2\r\n\r\nab",
    "obs-fold": OK + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\nab",
    "NUL in a value": OK + b"X: a\x00b\r\nContent-Length: 2\r\n\r\nab",
    "control character in a value": OK + b"X: a\x01b\r\nContent-Length: 2\r\n\r\nab",
    "NUL in a name": OK + b"X\x00: a\r\nContent-Length: 2\r\n\r\nab",
    "blank before the colon": OK + b"X : a\r\nContent-Length: 2\r\n\r\nab",
    "no name": OK + b": a\r\nContent-Length: 2\r\n\r\nab",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nab",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\nab",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nab",
    "RTSP": b"RTSP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab",
    "an empty line first": b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
    "status 099": b"HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nab",
    "status 999": b"HTTP/1.1 999 OK\r\nContent-Length: 2\r\n\r\nab",
    "101 that nobody asked for (T-S5)": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc",
    "101 without Upgrade": b"HTTP/1.1 101 Switching\r\n\r\n",
    "1xx flood": b"HTTP/1.1 103 Early\r\n\r\n" * 9 + OK + b"Content-Length: 0\r\n\r\n",
    "length on 1xx": b"HTTP/1.1 103 Early\r\nContent-Length: 5\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n",
    "length on 204": b"HTTP/1.1 204 None\r\nContent-Length: 2\r\n\r\n",
    "chunked on 204": b"HTTP/1.1 204 None\r\nTransfer-Encoding: chunked\r\n\r\n",
    "body on 304": b"HTTP/1.1 304 Same\r\nContent-Length: 2\r\n\r\nab",
    "data after the message": OK + b"Content-Length: 2\r\n\r\nabXYZ",
    "a second answer": OK + b"Content-Length: 2\r\n\r\nab" + OK + b"Content-Length: 0\r\n\r\n",
    "data after close": OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nabZ",
    "chunk size 0x": CHUNKED + b"0x2\r\nab\r\n0\r\n\r\n",
    "chunk size +": CHUNKED + b"+2\r\nab\r\n0\r\n\r\n",
    "chunk size with underscore": CHUNKED + b"0_2\r\nab\r\n0\r\n\r\n",
    "chunk size with blank": CHUNKED + b"2 \r\nab\r\n0\r\n\r\n",
    "chunk size empty": CHUNKED + b"\r\nab\r\n0\r\n\r\n",
    "chunk size 2^64": CHUNKED + b"10000000000000000\r\nab\r\n0\r\n\r\n",
    "bare LF after the chunk size (T-S2)": CHUNKED + b"2\nab\r\n0\r\n\r\n",
    "chunk longer than its size": CHUNKED + b"2\r\nabc\r\n0\r\n\r\n",
    "an endless header": OK + b"X: " + b"a" * (MAX_HEAD + 10),
    "an endless reason": b"HTTP/1.1 200 " + b"a" * (MAX_HEAD + 10),
    "201 headers": OK + b"X: a\r\n" * 201 + b"Content-Length: 0\r\n\r\n",
    "201 trailers": CHUNKED + b"0\r\n" + b"X: a\r\n" * 201 + b"\r\n",
    "an endless chunk extension (T-D3)": CHUNKED + b"2;" + b"a" * (MAX_HEAD + 100),
}

READ = {
    "length": (OK + b"Content-Length: 2\r\n\r\nab", b"ab", True),
    "length with blanks": (OK + b"Content-Length:  2 \r\n\r\nab", b"ab", True),
    "chunked": (CHUNKED + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", b"abc", True),
    "Chunked": (OK + b"transfer-encoding: Chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", b"ab", True),
    "trailers are dropped": (CHUNKED + b"2\r\nab\r\n0\r\nGateway-User: maria\r\n\r\n", b"ab", True),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nab", b"ab", True),
    "interim answers": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\na",
        b"a",
        True,
    ),
    "close": (OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nab", b"ab", False),
    "1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", b"ab", False),
    "204": (b"HTTP/1.1 204 None\r\n\r\n", b"", True),
    "304 with the length of what it stands for (T-B3)": (b"HTTP/1.1 304 Same\r\nContent-Length: 200\r\n\r\n", b"", True),
}


@st.composite
def sliced(draw, transcripts):
    name = draw(st.sampled_from(sorted(transcripts)))
    return name, draw(st.lists(st.integers(1, 40), min_size=1, max_size=20))


def pieces(data, sizes):
    """Cut by ``sizes`` in turn; the rest comes at once, so that 64 KiB do not arrive in 1-byte pieces."""
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


def fed(data, sizes=(), method="GET"):
    parser = ResponseParser(method)
    for piece in pieces(data, sizes):
        if piece:
            parser.feed(piece)
    return parser


@pytest.mark.parametrize("name", REFUSED)
def test_ts6_refused(name):
    with pytest.raises(Refused, match="upstream-malformed"):
        fed(REFUSED[name])


@given(sliced(REFUSED))
def test_ts6_refused_in_every_slicing(case):
    name, sizes = case
    with pytest.raises(Refused):
        fed(REFUSED[name], sizes)


@pytest.mark.parametrize("name", READ)
def test_read(name):
    data, body, keep_alive = READ[name]
    parser = fed(data)
    assert parser.complete
    assert (parser.take(), parser.keep_alive) == (body, keep_alive)
    assert b"gateway-user" not in [name.lower() for name, _ in parser.headers]


@given(sliced(READ))
def test_read_alike_in_every_slicing(case):
    name, sizes = case
    data, body, keep_alive = READ[name]
    parser = fed(data, sizes)
    assert (parser.complete, parser.take(), parser.keep_alive) == (True, body, keep_alive)
    assert parser.headers == fed(data).headers


@pytest.mark.parametrize("head", [b"", b"Content-Length: 2\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_head_has_no_body(head):
    parser = fed(OK + head + b"\r\n", method="HEAD")
    assert parser.complete
    for more in (b"ab", b"2\r\nab\r\n"):
        with pytest.raises(Refused):
            fed(OK + head + b"\r\n" + more, method="HEAD")
        with pytest.raises(Refused):
            parser.feed(more)


def test_an_answer_without_a_length_ends_with_the_connection():
    parser = fed(OK + b"\r\nab")
    assert not parser.complete and parser.until_eof and not parser.keep_alive
    parser.eof()
    assert parser.complete


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 2", OK, OK + b"Content-Length: 3\r\n\r\nab", CHUNKED + b"2\r\nab\r\n", CHUNKED + b"2\r\nab\r\n0\r\n"]
)
def test_an_answer_that_breaks_off_is_never_complete(data):
    parser = fed(data)
    with pytest.raises(Refused):
        parser.eof()


def test_one_byte_chunks_of_a_long_body_are_no_attack():
    assert fed(CHUNKED + b"1\r\na\r\n" * 50_000 + b"0\r\n\r\n").take() == b"a" * 50_000
