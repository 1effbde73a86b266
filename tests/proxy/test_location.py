"""Redirects of an upstream, as its clients may see them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.policy.model import Server, Upstream
from gateway.proxy.location import public_links, public_location

PREFIXED = Upstream("https", "suite.internal", 443, "/musterstadt", None, "drop")
PLAIN = Upstream("http", "127.0.0.1", 8081, "", None, "drop")
SEVERAL = Upstream("https", "suite.example", 443, "/nord", None, "drop", servers=(Server("a.example", 8443), Server("", 0, "/run/s")))
HOST = "gateway.example:8443"


@pytest.mark.parametrize(
    ("upstream", "value", "public"),
    [
        (PREFIXED, "https://suite.internal/musterstadt/orders/1?a=b#c", "/orders/1?a=b#c"),
        (PREFIXED, "HTTPS://SUITE.internal:443/musterstadt/orders", "/orders"),
        (PREFIXED, "//suite.internal/musterstadt/orders", "/orders"),
        (PREFIXED, "https://suite.internal/musterstadt", "/"),
        (PREFIXED, "/musterstadt/orders/1", "/orders/1"),
        (PREFIXED, "/musterstadt", "/"),
        (PREFIXED, "1", "1"),
        (PREFIXED, "../orders?page=2", "../orders?page=2"),
        (PREFIXED, "?page=2", "?page=2"),
        (PREFIXED, "https://gateway.example:8443/musterstadt/orders", "/orders"),
        (PREFIXED, "https://gateway.example:8443/orders", "/orders"),
        (PREFIXED, "https://login.example.org/sso?back=1", "https://login.example.org/sso?back=1"),
        (PLAIN, "http://127.0.0.1:8081/orders/1", "/orders/1"),
        (PLAIN, "http://127.0.0.1:8081", "/"),
        (PLAIN, "/orders/1", "/orders/1"),
        (SEVERAL, "https://suite.example/nord/orders/1", "/orders/1"),
        (SEVERAL, "https://a.example:8443/nord/orders/1", "/orders/1"),
    ],
)
def test_mapped(upstream, value, public):
    assert public_location(value, upstream, HOST) == public


@pytest.mark.parametrize(
    ("upstream", "value"),
    [
        (PREFIXED, "https://suite.internal/energie_nord/orders"),  # another customer's area
        (PREFIXED, "https://suite.internal/musterstadt2/orders"),
        (PREFIXED, "https://suite.internal/"),
        (PREFIXED, "/energie_nord/orders"),
        (PREFIXED, "/musterstadt//evil.example/"),
        (PREFIXED, "https://suite.internal/musterstadt//evil.example/"),
        (PREFIXED, "https://suite.internal:8443/musterstadt/"),
        (PREFIXED, "http://suite.internal/musterstadt/"),
        (PREFIXED, "https://maria@suite.internal/musterstadt/"),
        (PREFIXED, "https://other.internal/"),
        (PREFIXED, "https://suite/"),
        (PREFIXED, "http://10.0.0.5/"),
        (PREFIXED, "http://[::1]/"),
        (PREFIXED, "http://[::1/"),
        (PREFIXED, "http://login.example.org:99999/"),
        (PREFIXED, "javascript:alert(1)"),
        (PREFIXED, "ftp://login.example.org/"),
        (PREFIXED, "/musterstadt/\\evil.example"),
        (PREFIXED, "/musterstadt/a b"),
        (PLAIN, "http://127.0.0.1:8082/"),
        (PLAIN, "http://localhost:8081/"),
        (PLAIN, "http:orders"),
    ],
)
def test_refused(upstream, value):
    with pytest.raises(Refused, match="upstream-malformed"):
        public_location(value, upstream, HOST)


@given(st.text("/.:@\\?#sutemrainl ht[]"))
def test_the_inside_is_never_named(value):
    try:
        public = public_location("https://suite.internal/musterstadt/" + value, PREFIXED, HOST)
    except Refused:
        return
    assert public.startswith("/") and not public.startswith("//")


LINKS = {
    "</musterstadt/orders?page=2>; rel=next": "</orders?page=2>; rel=next",
    '<orders?page=1>; rel="prev", </musterstadt/orders?page=3>;rel=next': '<orders?page=1>; rel="prev", </orders?page=3>;rel=next',
    "<https://example.org/licence>; rel=license": "<https://example.org/licence>; rel=license",
    "</musterstadt/style.css>; rel=preload; as=style; crossorigin": "</style.css>; rel=preload; as=style; crossorigin",
    "</berlin/orders>; rel=next": "",
    "<https://suite.internal:8080/orders>; rel=next": "",
    '</musterstadt/a>; title="a, </berlin/b>"': "",
    "/musterstadt/orders": "",
    "</musterstadt/orders": "",
    "": "",
}


@pytest.mark.parametrize("value", LINKS)
def test_tb15_links_are_mapped_or_left_out(value):
    assert public_links(value, PREFIXED, HOST) == LINKS[value]


@given(st.text(alphabet='<>;,=" \t/ab', max_size=60))
def test_links_of_any_shape_never_raise(value):
    public_links(value, PLAIN, HOST)
