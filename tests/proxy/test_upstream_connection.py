"""How a request is written for the upstream: one canonical form, and nothing that could end a line early (T-S7).

What a connection does with answers is tried in ``test_upstream.py``, on real sockets.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.proxy.upstream_connection import serialise

HEADERS = [(b"Host", b"suite"), (b"Accept", b"*/*")]


def test_one_form():
    assert serialise("GET", b"/a?b=%C3%A4", HEADERS, b"Content-Length: 2\r\n") == (
        b"GET /a?b=%C3%A4 HTTP/1.1\r\nHost: suite\r\nAccept: */*\r\nContent-Length: 2\r\n\r\n"
    )


@pytest.mark.parametrize("method", ["", "GE T", "GET\r\n", "GET\x00", "G\u00c4T"])
def test_ts7_a_method_is_one_word(method):
    with pytest.raises(Refused):
        serialise(method, b"/", HEADERS, b"")


@pytest.mark.parametrize("target", [b"", b"/a b", b"/a\r\nX: y", b"/\x00", b"/\xc3\xa4"])
def test_ts7_a_target_is_one_word(target):
    with pytest.raises(Refused):
        serialise("GET", target, HEADERS, b"")


@pytest.mark.parametrize(
    "header", [(b"X\r\nY", b"z"), (b"X:", b"z"), (b"X ", b"z"), (b"", b"z"), (b"X", b"a\r\nY: z"), (b"X", b"a\nb"), (b"X", b"\x00")]
)
def test_ts7_a_header_stays_one_line(header):
    with pytest.raises(Refused):
        serialise("GET", b"/", [*HEADERS, header], b"")


@pytest.mark.parametrize("hosts", [[], [(b"Host", b"a"), (b"host", b"b")]])
def test_there_is_exactly_one_host(hosts):
    with pytest.raises(Refused):
        serialise("GET", b"/", hosts, b"")


@given(st.binary(max_size=30), st.binary(max_size=30))
def test_ts7_whatever_a_header_holds_the_head_has_as_many_lines_as_headers(name, value):
    try:
        head = serialise("GET", b"/", [*HEADERS, (name, value)], b"")
    except Refused:
        return
    assert head.count(b"\n") == head.count(b"\r\n") == 1 + 3 + 1
