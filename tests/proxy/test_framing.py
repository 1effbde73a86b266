"""The head of a request as the parser leaves it: one table of what is refused, one of what is not."""

import pytest
from aiohttp import HttpVersion, HttpVersion10, HttpVersion11
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.proxy.framing import check_framing

HOST = (b"Host", b"gateway.example")


class Head:
    """The four things that ``check_framing`` looks at."""

    def __init__(self, *headers, method="GET", target="/orders", version=HttpVersion11, host=HOST):
        self.method, self.raw_path, self.version = method, target, version
        self.raw_headers = (*([host] if host else []), *headers)


REFUSED = {
    # H-01
    "HTTP/2.0": (Head(version=HttpVersion(2, 0)), "request-version"),
    "HTTP/0.9": (Head(version=HttpVersion(0, 9)), "request-version"),
    "HTTP/1.2": (Head(version=HttpVersion(1, 2)), "request-version"),
    # H-02
    "gzip, chunked": (Head((b"Transfer-Encoding", b"gzip, chunked")), "request-framing"),
    "identity, chunked": (Head((b"Transfer-Encoding", b"identity, chunked")), "request-framing"),
    "chunked with a parameter": (Head((b"Transfer-Encoding", b"chunked;q=1")), "request-framing"),
    "chunked twice": (Head((b"Transfer-Encoding", b"chunked"), (b"transfer-encoding", b"chunked")), "request-framing"),
    "chunked on 1.0": (Head((b"Transfer-Encoding", b"chunked"), version=HttpVersion10), "request-framing"),
    "chunked and a length": (Head((b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"2")), "request-framing"),
    "two lengths": (Head((b"Content-Length", b"2"), (b"Content-Length", b"2")), "request-framing"),
    "a signed length": (Head((b"Content-Length", b"+2")), "request-framing"),
    "a length of 20 digits": (Head((b"Content-Length", b"1" * 20)), "request-framing"),
    "Upgrade (T-S5)": (Head((b"Upgrade", b"h2c")), "request-framing"),
    # H-03
    "absolute form": (Head(target="http://gateway.example/orders"), "request-malformed"),
    "CONNECT": (Head(method="CONNECT", target="/"), "request-malformed"),
    "authority form": (Head(target="gateway.example:443"), "request-malformed"),
    "OPTIONS *": (Head(method="OPTIONS", target="*"), "request-malformed"),
    "a fragment (T-P2)": (Head(target="/orders#x"), "request-malformed"),
    "beyond ASCII": (Head(target="/\udcc3\udca4"), "request-malformed"),
    "a blank": (Head(target="/a b"), "request-malformed"),
    "no Host": (Head(host=None), "header-malformed"),
    "no Host on 1.0": (Head(host=None, version=HttpVersion10), "header-malformed"),
    # N-02, T-S7, T-I7
    "a byte that is not UTF-8": (Head((b"X", b"adm\xffin")), "header-malformed"),
    "an encoded surrogate": (Head((b"X", b"\xed\xb3\xbf")), "header-malformed"),
    "NUL": (Head((b"X", b"a\x00b")), "header-malformed"),
    "LF": (Head((b"X", b"a\nb")), "header-malformed"),
    "CR": (Head((b"X", b"a\rb")), "header-malformed"),
    "DEL": (Head((b"X", b"a\x7fb")), "header-malformed"),
    "another expectation (T-S4)": (Head((b"Expect", b"200-ok")), "header-malformed"),
    **{
        f"{name.decode()} twice": (Head((name, b"a"), (name.lower(), b"a")), "header-malformed")
        for name in (b"Content-Type", b"Content-Encoding", b"Authorization", b"Origin", b"Sec-Fetch-Site", b"Expect", b"If-Match")
    },
    "Host twice": (Head(HOST), "header-malformed"),
}

HOSTS = [
    b"a@b:99999",
    b"a,b",
    b"a b",
    b"a:",
    b"a:99999",
    b"a:123456",
    b"a/b",
    b"a?b",
    b"a%41",
    b"",
    b".a",
    b"-a",
    b"a_b",
    b"[::1",
    b"::1",
    b"a" * 300,
]


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    head, reason = REFUSED[name]
    with pytest.raises(Refused) as refused:
        check_framing(head)
    assert refused.value.reason == reason


@pytest.mark.parametrize("host", HOSTS)
def test_h03_hosts_that_are_none(host):
    with pytest.raises(Refused, match="header-malformed"):
        check_framing(Head(host=(b"Host", host)))


@pytest.mark.parametrize(
    "head",
    [
        Head(),
        Head(version=HttpVersion10),
        Head(method="POST", target="/orders?name=Max%20Mustermann&page=2"),
        Head((b"Transfer-Encoding", b"chunked"), method="POST"),
        Head((b"transfer-encoding", b"Chunked"), method="POST"),
        Head((b"Content-Length", b"0"), (b"Expect", b"100-Continue"), method="POST"),
        Head((b"X-Name", "Jörg Müller\t(Essen)".encode())),
        Head((b"X-Empty", b""), (b"Accept", b"a"), (b"Accept", b"b")),
        *(
            Head(host=(b"Host", host))
            for host in (b"a", b"A.example.", b"a:8443", b"192.0.2.1:443", b"[2001:db8::1]", b"[2001:db8::1]:8443")
        ),
    ],
)
def test_let_through(head):
    check_framing(head)


@given(st.binary(max_size=20))
def test_no_value_is_judged_as_one_text_and_sent_as_another(value):
    """Whatever passes is UTF-8 that encodes back to the same bytes, and cannot end a line."""
    try:
        check_framing(Head((b"X", value)))
    except Refused:
        return
    assert value.decode().encode() == value
    assert not set(value) & {0, 10, 13}
