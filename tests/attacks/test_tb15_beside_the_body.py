"""What a client says beside the body holds no hidden value: pages' addresses, paths, cookies, other headers (T-B15, B-13)."""

import pytest

from tests.attacks.forged import headers_of

LOCALHOST = b"https://localhost:8443/"


@pytest.mark.trap("T-B15", "Of the address of a page only the site goes on.")
@pytest.mark.parametrize(
    "referer",
    [
        LOCALHOST + b"orders?name=Max+Mustermann",
        LOCALHOST + b"orders?name=Max%20Mustermann#/Mustermann",
        LOCALHOST + b"search/Mustermann",
        b"HTTPS://localhost/orders?name=Mustermann",
        b"/orders?name=Mustermann",
        b"orders?Mustermann",
        b"?Mustermann",
        b"https://localhost?Mustermann",
        b"https://Mustermann@localhost/",
        b"//localhost/Mustermann",
        b"about:Mustermann",
    ],
)
@pytest.mark.parametrize("name", [b"Referer", b"REFERER"])
def test_tb15_a_referer_holds_what_was_searched_for(attacker, suite, referer, name):
    """A page whose address holds the name that was searched for names it in every request that it makes."""
    assert attacker.ask(attacker.head(b"GET /orders HTTP/1.1", name + b": " + referer)).status == 200
    assert b"Mustermann" not in suite.seen[0]


def test_tb15_a_referer_still_says_where_from(attacker, suite):
    """Suites check it against forgery: the site is what they need."""
    attacker.ask(attacker.head(b"GET /orders HTTP/1.1", b"Referer: https://localhost:8443/orders?page=2"))
    assert (b"Referer", b"https://localhost:8443/") in headers_of(suite.seen[0])


ECHOES = {
    "a path": (b"PUT /orders/Max%20Mustermann HTTP/1.1", []),
    "a cookie": (b"PUT /orders/1 HTTP/1.1", [b"Cookie: page=1; last=Max%20Mustermann"]),
    "a cookie with a plus": (b"PUT /orders/1 HTTP/1.1", [b"Cookie: last=max+mustermann"]),
    "a header": (b"PUT /orders/1 HTTP/1.1", [b"X-Household: Mustermann, Max Mustermann"]),
    "a title": (b"PUT /orders/1 HTTP/1.1", [b"Slug: Max-Mustermann"]),
}


@pytest.mark.trap("B-13", "A value that is hidden in the body and stands in path, cookie or header is refused.")
@pytest.mark.parametrize("case", ECHOES)
def test_b13_a_value_that_is_hidden_in_the_body_stands_in_the_head(attacker, suite, case):
    first, headers = ECHOES[case]
    reply = attacker.ask(attacker.post({"household": {"name": "Max Mustermann"}}, *headers, first=first))
    assert reply.status == 400
    assert suite.seen == []


@pytest.mark.trap("B-13", "A value that is searched for and stands elsewhere in the query is refused.")
@pytest.mark.parametrize(
    "target", [b"/orders?page=Max%20Mustermann&name=Max+Mustermann", b"/orders?name=Max+Mustermann&page=Max+Mustermann"]
)
def test_b13_a_value_that_is_searched_for_stands_beside_itself(attacker, suite, target):
    assert attacker.ask(attacker.head(b"GET " + target + b" HTTP/1.1")).status == 400
    assert suite.seen == []


def test_b13_a_user_who_is_in_the_data(attacker, suite):
    """Credentials, host and agent are not searched: whoever works with orders may be in one."""
    reply = attacker.ask(attacker.post({"household": {"name": "localhost"}}, b"User-Agent: localhost/1.0"))
    assert reply.status == 200
