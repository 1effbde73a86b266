"""What a client says of itself never reaches the suite as if we had said it; and what it says besides holds no hidden value."""

import re

import pytest

NAMES = [
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Prefix",
    "X-Forwarded-Client-Cert",
    "Forwarded",
    "X-Forward-For",
    "X-Real-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "CF-Connecting-IPv6",
    "X-Original-URL",
    "X-Original-For",
    "X-Originating-IP",
    "X-Rewrite-URL",
    "Client-IP",
    "WL-Proxy-Client-IP",
    "Proxy-Client-IP",
    "Fly-Client-IP",
    "Akamai-Client-IP",
    "X-Request-Id",
    "Gateway-Customer",
    "Gateway-User",
    "Gateway-Role",
    "Client-Cert",
    "Client-Cert-Chain",
    "Remote-User",
    "Remote-Groups",
    "Remote-Email",
    "X-Remote-User",
    "X-Auth-Request-User",
    "X-Authenticated-User",
    "X-WebAuth-User",
    "X-Goog-Authenticated-User-Email",
    "X-Amzn-Oidc-Identity",
    "X-MS-Client-Principal",
    "SSL-Client-Verify",
    "X-Scheme",
    "X-Url-Scheme",
    "Front-End-Https",
    "X-Script-Name",
]
OURS = {
    b"host": b"127.0.0.1:",
    b"forwarded": b'for=127.0.0.1;host="localhost";proto=https',
    b"x-forwarded-for": b"127.0.0.1",
    b"x-forwarded-proto": b"https",
    b"x-forwarded-host": b"localhost",
    b"gateway-customer": b"energie_nord",
    b"gateway-user": b"jens",
    b"gateway-role": b"dispatcher",
}
SPELLINGS = {
    "as it is": lambda name: name,
    "upper": str.upper,
    "underscores": lambda name: name.replace("-", "_"),
    "mixed": lambda name: name.replace("-", "_", 1),
    "dots": lambda name: name.replace("-", "."),
    "doubled": lambda name: name.replace("-", "--"),
}


def headers_of(request):
    lines = request.split(b"\r\n\r\n", 1)[0].split(b"\r\n")[1:]
    return [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]


def squeezed(name):
    return re.sub(rb"[^a-z0-9]", b"", name.lower())


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_ti3_ti5_ti6_forged(attacker, suite, spelling):
    forged = [SPELLINGS[spelling](name).encode() + b": forged" for name in NAMES]
    assert attacker.ask(attacker.head(b"GET /orders HTTP/1.1", *forged)).status == 200
    [request] = suite.seen
    assert b"forged" not in request
    check_ours(request)


def check_ours(request):
    found = headers_of(request)
    for name, value in OURS.items():
        values = [each for given, each in found if squeezed(given) == squeezed(name)]
        assert len(values) == 1 and values[0].startswith(value), name


@pytest.mark.parametrize("case", [str, str.lower, str.upper])
def test_ti4_connection_deletes_nothing_of_ours(attacker, suite, case):
    named = [case(name) for name in (*NAMES, "Host", "Content-Length", "Accept-Encoding", "close")]
    options = [("Connection: " + ", ".join(named[i : i + 8])).encode() for i in range(0, len(named), 8)]
    assert attacker.ask(attacker.post({}, *options)).status == 200
    [request] = suite.seen
    check_ours(request)
    assert request.endswith(b"{}") and (b"content-length", b"2") in headers_of(request)


@pytest.mark.parametrize("value", [b"a\xffb", b"\xed\xa0\x80", b"a\x01b", b"a\x7fb", b"\xc0\xaf", b"\xf5\x80\x80\x80"])
def test_n02_values_that_are_judged_as_one_text_and_sent_as_another(attacker, suite, value):
    assert attacker.ask(attacker.head(b"GET /orders HTTP/1.1", b"X-Suite: " + value)).status == 400
    assert suite.seen == []


@pytest.mark.parametrize(
    "name", [b"Authorization: Basic eDp5", b"Origin: https://localhost", b"Sec-Fetch-Site: none", b"Content-Type: application/json"]
)
def test_ti7_two_values_where_one_is_judged(attacker, suite, name):
    assert attacker.ask(attacker.post({}, name, name)).status == 400
    assert suite.seen == []


LOCALHOST = b"https://localhost:8443/"


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
    assert (b"referer", b"https://localhost:8443/") in headers_of(suite.seen[0])


ECHOES = {
    "a path": (b"PUT /orders/Max%20Mustermann HTTP/1.1", []),
    "a cookie": (b"PUT /orders/1 HTTP/1.1", [b"Cookie: page=1; last=Max%20Mustermann"]),
    "a cookie with a plus": (b"PUT /orders/1 HTTP/1.1", [b"Cookie: last=max+mustermann"]),
    "a header": (b"PUT /orders/1 HTTP/1.1", [b"X-Household: Mustermann, Max Mustermann"]),
    "a title": (b"PUT /orders/1 HTTP/1.1", [b"Slug: Max-Mustermann"]),
}


@pytest.mark.parametrize("case", ECHOES)
def test_b13_a_value_that_is_hidden_in_the_body_stands_in_the_head(attacker, suite, case):
    first, headers = ECHOES[case]
    reply = attacker.ask(attacker.post({"household": {"name": "Max Mustermann"}}, *headers, first=first))
    assert reply.status == 400
    assert suite.seen == []


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
