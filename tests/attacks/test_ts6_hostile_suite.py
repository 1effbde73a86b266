"""A suite that answers whatever hurts: nothing undeclared comes through, nothing is revealed beside its place, no answer is another's."""

import json

import pytest

from tests.attacks.codings import COMPRESS

MAX = {"household": {"name": "Max Mustermann", "phone": "0351 4567890"}, "notes": ["Klingel defekt"]}
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
def tokens(attacker, suite):
    """What the suite knows of an order: tokens of this customer."""
    assert attacker.ask(attacker.post(MAX)).status == 200
    sent = json.loads(suite.seen[0].split(b"\r\n\r\n", 1)[1])
    assert "Mustermann" not in json.dumps(sent, ensure_ascii=False)
    suite.reset()
    return sent


def test_declared_places_and_only_they_are_restored(attacker, suite, tokens, answer_of):
    name, phone = tokens["household"]["name"], tokens["household"]["phone"]
    suite.answer = answer_of(
        {"household": {"name": name, "street": name, "phone": name, "city": name}, "meter_number": phone, "notes": [name]}
    )
    shown = attacker.ask(attacker.head(b"GET /orders/1 HTTP/1.1")).json()
    assert shown["household"]["name"] == "Max Mustermann"
    others = [shown["household"][key] for key in ("street", "phone", "city")] + [shown["meter_number"], *shown["notes"]]
    assert others == [name, name, name, phone, name]  # a token of another class is plain text (V-07)


@pytest.mark.trap("T-B5", "A token of another customer is text, and stays what it is.")
def test_tb5_a_foreign_customers_token_stays_what_it_is(attacker, suite, tokens, answer_of, environment, ours):
    theirs = environment.client(ours, "maria").send("POST", "/orders", {"household": {"name": "Erika Mustermann"}})
    assert theirs.json()["household"]["name"] == "Erika Mustermann"
    listed = environment.client(ours, "import_job")
    token = listed.send("POST", "/orders", {"household": {"name": "Erika Mustermann"}}).json()["household"]["name"]
    assert token != "Erika Mustermann"
    suite.answer = answer_of({"household": {"name": token}})
    assert attacker.ask(attacker.head(b"GET /orders/1 HTTP/1.1")).json() == {"household": {"name": token}}


@pytest.mark.trap("T-B5", "Answers with revealed values are never stored by a cache.")
def test_tb5_what_was_revealed_is_never_stored(attacker, suite, tokens, answer_of):
    caching = ["Cache-Control: public, max-age=99", "Expires: Thu, 01 Jan 2099 00:00:00 GMT", 'ETag: "a"', "Age: 1", "Pragma: cache"]
    caching += ["Accept-Ranges: bytes", "Surrogate-Control: max-age=9", "CDN-Cache-Control: max-age=9"]
    suite.answer = answer_of({"household": tokens["household"]}, *caching)
    reply = attacker.ask(attacker.head(b"GET /orders/1 HTTP/1.1"))
    assert reply.json()["household"]["name"] == "Max Mustermann"
    assert reply.values("cache-control") == ["no-store"]
    assert "a" not in reply.values("etag")[0].strip('"').split("-")  # ours says nothing to a cache that knows the application's
    for name in ("expires", "age", "pragma", "accept-ranges", "surrogate-control", "cdn-cache-control"):
        assert reply.values(name) == []
    assert reply.values("x-content-type-options") == ["nosniff"]


UNREADABLE = {
    "unlisted field": '{"household": {"birthday": "1980"}}',
    "duplicate": '{"household": {"name": "%s", "name": "x"}}',
    "duplicate by escape": '{"household": {"name": "x", "n\\u0061me": "%s"}}',
    "case": '{"household": {"Name": "%s"}}',
    "number": '{"household": {"name": 5}}',
    "root array": '[{"household": {"name": "%s"}}]',
    "text": "%s",
    "HTML": "<html><script>alert('%s')</script></html>",
    "cut": '{"household": {"name": "%s"',
    "trailing": '{"household": {"name": "%s"}}x',
    "JSONP": 'x({"household": {"name": "%s"}})',
    "BOM": '\ufeff{"household": {"name": "%s"}}',
}


@pytest.mark.trap("B-14", "An answer that cannot be read never passes, whatever its status.")
@pytest.mark.parametrize("case", UNREADABLE)
@pytest.mark.parametrize("status", ["200 OK", "201 Created", "206 Partial Content", "400 Bad Request", "422 Unprocessable", "500 Oops"])
def test_b14_unreadable_answers_never_pass(attacker, suite, tokens, answer_of, case, status):
    name = tokens["household"]["name"]
    suite.answer = answer_of(UNREADABLE[case].replace("%s", name).encode(), status=status)
    reply = attacker.ask(attacker.head(b"GET /orders/1 HTTP/1.1"))
    assert reply.status == (502 if status < "300" else int(status[:3]))
    assert reply.values("content-type") == ["application/problem+json"]
    assert name not in reply.body.decode() and b"Mustermann" not in reply.body


@pytest.mark.trap("T-B2", "An answer of another media type than declared never passes.")
@pytest.mark.parametrize(
    "media",
    [
        "text/html",
        "text/html; charset=utf-8",
        "application/javascript",
        "image/svg+xml",
        "text/plain",
        "application/json; charset=utf-16",
        "",
    ],
)
@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request"])
def test_tb2_an_answer_that_calls_itself_something_else(attacker, suite, tokens, answer_of, media, status):
    """A revealed ``<script>`` in a JSON body that is called HTML would run in the dispatcher's browser."""
    suite.answer = answer_of({"household": tokens["household"]}, media=media, status=status)
    reply = attacker.ask(attacker.head(b"GET /orders/1 HTTP/1.1"))
    assert reply.status == (502 if status.startswith("2") else 400)
    assert b"Mustermann" not in reply.body
    assert reply.values("content-type") == ["application/problem+json"]


@pytest.mark.trap("T-B2", "An answer in a coding that is unknown, stacked or not its own never passes.")
@pytest.mark.parametrize("coding", ["gzip", "identity, gzip", "br", "aws-chunked"])
def test_tb2_a_coding_that_is_none(attacker, suite, tokens, answer_of, coding):
    suite.answer = answer_of({"household": tokens["household"]}, f"Content-Encoding: {coding}")
    assert attacker.ask(attacker.head(b"GET /orders/1 HTTP/1.1", b"Accept-Encoding: gzip, br")).status == 502
    assert b"Accept-Encoding: identity" in suite.seen[0] and suite.seen[0].lower().count(b"accept-encoding") == 1


@pytest.mark.trap("T-D1", "An answer that inflates a hundred times is refused; one that is compressed although nobody asked is read.")
@pytest.mark.trap("B-10", "What was restored is never compressed, and never stored on the way.")
@pytest.mark.parametrize("coding", COMPRESS)
def test_td1_b10_answers_that_come_compressed(attacker, suite, tokens, answer_of, coding):
    household = {"household": tokens["household"]}
    suite.answer = answer_of(COMPRESS[coding](json.dumps(household).encode()), f"Content-Encoding: {coding}")
    reply = attacker.ask(attacker.head(b"GET /orders/1 HTTP/1.1", b"Accept-Encoding: gzip, br, zstd"))
    assert reply.status == 200 and reply.json()["household"]["name"] == "Max Mustermann"
    assert reply.values("content-encoding") == [] and reply.values("cache-control") == ["no-store"]
    bomb = COMPRESS[coding](json.dumps({**household, "notes": [" " * (4 << 20)]}).encode())
    suite.answer = answer_of(bomb, f"Content-Encoding: {coding}")
    assert attacker.ask(attacker.head(b"GET /orders/1 HTTP/1.1")).status == 502


BROKEN = {
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "CL and TE": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "TE gzip, chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "fold": OK + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
    "bare LF": OK.replace(b"\r\n", b"\n") + b"Content-Length: 2\n\n{}",
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    "1xx flood": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 50 + OK + b"Content-Length: 2\r\n\r\n{}",
    "204 with a body": b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}",
    "304 with a body": b"HTTP/1.1 304 Not Modified\r\n\r\n{}",
    "HTTP/2.0": OK.replace(b"1.1", b"2.0") + b"Content-Length: 2\r\n\r\n{}",
    "HTTP/0.9": b'{"id": 1}',
    "status 999": OK.replace(b"200", b"999") + b"Content-Length: 2\r\n\r\n{}",
    "truncated": OK + b'Content-Length: 9\r\n\r\n{"id": 1',
    "truncated chunk": OK + b'Transfer-Encoding: chunked\r\n\r\n9\r\n{"id": 1',
    "no last chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 30_000,
    "300 headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"Content-Length: 2\r\n\r\n{}",
    "NUL": OK + b"X: a\0b\r\nContent-Length: 2\r\n\r\n{}",
    "two answers": (OK + b"Content-Length: 2\r\n\r\n{}") * 2,
    "nothing": b"",
    "TLS": b"\x16\x03\x01\x00\x05hello",
    "too large": OK + b"Content-Length: 99999999\r\n\r\n",
    "body on 2xx of HEAD-like": b"HTTP/1.1 205 Reset Content\r\nContent-Length: 5\r\n\r\nhello",
}


@pytest.mark.trap("T-S6", "An answer that can be read in two ways is 502, and its connection is not used again.")
@pytest.mark.parametrize("case", BROKEN)
def test_ts6_broken_answers(attacker, suite, case, answer_of):
    suite.answer, suite.keep = BROKEN[case], False
    line = attacker.connect()
    line.send(attacker.head(b"GET /orders/1 HTTP/1.1"))
    assert line.reply().status == 502
    suite.answer = answer_of({"id": 7})
    line.send(attacker.head(b"GET /orders/1 HTTP/1.1"))
    assert line.reply().json() == {"id": 7}  # and nothing of the other answer


@pytest.mark.trap("T-S5", "What an upstream sends behind an answer is never the answer to another request.")
@pytest.mark.parametrize("rest", [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsomebody's", b"0\r\n\r\n", b"\r\n", b"x"])
def test_ts5_what_comes_behind_an_answer_is_nobodys(attacker, suite, rest, eventually):
    suite.keep = True
    suite.answer = OK + b"Content-Length: 2\r\n\r\n{}" + rest
    assert attacker.ask(attacker.head(b"GET /orders/1 HTTP/1.1")).status in (200, 502)
    suite.answer = OK + b'Content-Length: 9\r\n\r\n{"id": 8}'
    for _ in range(3):
        assert attacker.ask(attacker.head(b"GET /orders/1 HTTP/1.1")).json() == {"id": 8}


@pytest.mark.trap("T-B3", "Answers without a body stay without one, and no part of one is asked for.")
@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified", "200 OK"])
def test_tb3_head_and_answers_without_a_body(attacker, suite, status):
    suite.answer = f'HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: 0\r\nETag: "x"\r\n\r\n'.encode()
    reply = attacker.ask(attacker.head(b"GET /orders/1 HTTP/1.1", b'If-None-Match: "x"', b"Range: bytes=0-4", b'If-Range: "x"'))
    assert reply.status == int(status[:3]) and reply.body == b"" and '"x"' not in reply.values("etag")
    for name in (b"if-none-match", b"range", b"if-range"):
        assert b"\r\n" + name not in suite.seen[0].lower()


@pytest.mark.trap("T-B3", "An entity tag is of one role's view, and is the application's own again when it comes back.")
def test_tb3_conditions(attacker, suite, tokens, answer_of):
    def condition(first, line, *, user="jens", status=200):
        suite.answer = answer_of({"household": tokens["household"]}, 'ETag: "v7"')
        suite.seen.clear()
        data = attacker.head(first, line, user=user) if first.startswith(b"GET") else attacker.post({}, line, first=first, user=user)
        reply = attacker.ask(data)
        assert reply.status == status
        return reply, [sent for request in suite.seen for sent in request.split(b"\r\n") if sent.startswith(b"If-")]

    (importers,) = condition(b"POST /orders HTTP/1.1", b"X: y", user="import_job")[0].values("etag")
    (tag,) = condition(b"GET /orders/1 HTTP/1.1", b"X: y")[0].values("etag")
    own = tag.encode()
    assert "v7" not in tag and tag != importers
    assert condition(b"GET /orders/1 HTTP/1.1", b"If-None-Match: " + own)[1] == [b'If-None-Match: "v7"']
    assert condition(b"GET /orders/1 HTTP/1.1", b"If-None-Match: " + importers.encode())[1] == []
    assert condition(b"PUT /orders/1 HTTP/1.1", b"If-Match: " + own)[1] == [b'If-Match: "v7"']
    assert condition(b"PUT /orders/1 HTTP/1.1", b"If-Match: " + importers.encode(), status=412)[1] == []


@pytest.mark.trap("T-B3", "HEAD names no length that is not true.")
@pytest.mark.parametrize("length", [b"Content-Length: 500\r\n", b"Transfer-Encoding: chunked\r\n", b""])
def test_tb3_head_on_a_record(attacker, suite, length, answer_of):
    suite.answer = OK + length + b"\r\n"
    line = attacker.connect()
    line.send(attacker.head(b"HEAD /orders/1 HTTP/1.1"))
    reply = line.reply("HEAD")
    assert reply.status == 200 and reply.values("content-length") in ([], ["0"])
    suite.answer = answer_of({"id": 9})
    line.send(attacker.head(b"GET /orders/1 HTTP/1.1"))
    assert line.reply().json() == {"id": 9}


@pytest.mark.trap("T-B3", "Lengths of what is passed stay true.")
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize("status", ["200 OK", "304 Not Modified", "206 Partial Content"])
def test_tb3_lengths_of_what_is_passed_stay_true(attacker, suite, method, status, answer_of):
    body = b"" if method == b"HEAD" or status.startswith("304") else b"%PDF-"
    suite.answer = f'HTTP/1.1 {status}\r\nContent-Type: application/pdf\r\nContent-Length: 5\r\nETag: "x"\r\n\r\n'.encode() + body
    line = attacker.connect()
    line.send(attacker.head(method + b" /orders/1/documents HTTP/1.1"))
    reply = line.reply(method.decode())
    assert reply.status == int(status[:3]) and reply.body == body and reply.values("content-length") in (["5"], [])
    suite.answer = answer_of({"id": 9})
    line.send(attacker.head(b"GET /orders/1 HTTP/1.1"))
    assert line.reply().json() == {"id": 9}


@pytest.mark.trap("B-01", "What breaks off upstream never counts as complete at the client.")
@pytest.mark.parametrize("answer", ["Content-Length: 9\r\n\r\n%PDF", "Transfer-Encoding: chunked\r\n\r\n9\r\n%PDF"])
def test_b01_what_breaks_off_upstream_never_counts_as_complete(attacker, suite, answer):
    suite.answer = f"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n{answer}".encode()
    with pytest.raises(EOFError):
        assert attacker.ask(attacker.head(b"GET /orders/1/documents HTTP/1.1")) is None or pytest.fail("complete")
        raise EOFError


LOCATIONS = {
    "/nord/orders/7": "/orders/7",
    "/musterstadt/orders/7": None,
    "/orders/7": None,
    "//evil.example/": None,
    "///evil.example/": None,
    "/nord//evil.example/": None,
    "/nord/\\evil.example": None,
    "https://localhost/orders/7": "/orders/7",
    "http://169.254.169.254/latest": None,
    "http://suite.internal/": None,
    "http://[::1]/": None,
    "http://10.0.0.1/": None,
    "javascript:alert(1)": None,
    "data:text/html,x": None,
    "https://localhost@evil.example/": None,
    "https:evil.example": None,
    "https://evil.example\\@localhost/": None,
    "/nord/a\tb": None,
}


@pytest.mark.trap("H-05", "A redirect is passed on only where it leads back to us, and followed by nobody.")
@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("name", ["Location", "Content-Location"])
def test_locations(attacker, suite, location, name):
    suite.answer = f"HTTP/1.1 302 Found\r\n{name}: {location}\r\nContent-Length: 9\r\n\r\nredirect!".encode()
    reply = attacker.ask(attacker.head(b"GET /orders/1 HTTP/1.1"))
    if LOCATIONS[location] is None:
        assert reply.status == 502 and reply.values(name.lower()) == []
    else:
        assert reply.status == 302 and reply.values(name.lower()) == [LOCATIONS[location]]
        assert reply.body == b""
    assert len(suite.seen) == 1  # and nobody followed it (H-05)


LINKS = {
    "</nord/orders?page=2>; rel=next": "</orders?page=2>; rel=next",
    "<orders?page=2>; rel=next": "<orders?page=2>; rel=next",
    '</nord/a>; rel="x", </nord/b>; rel="y, <z>"': None,
    '</nord/a>; rel=x, </nord/b>; rel="y"': '</a>; rel=x, </b>; rel="y"',
    "<http://suite.internal/orders?page=2>; rel=next": None,
    "<http://127.0.0.1:1/nord/orders>; rel=next": None,
    "</musterstadt/orders>; rel=next": None,
    "http://suite.internal": None,
    "<http://suite.internal": None,
}


@pytest.mark.trap("T-B15", "Links lead through us or nowhere.")
@pytest.mark.parametrize("link", LINKS)
def test_tb15_links_lead_through_us_or_nowhere(attacker, suite, answer_of, link):
    suite.answer = answer_of({"id": 1}, f"Link: {link}")
    reply = attacker.ask(attacker.head(b"GET /orders/1 HTTP/1.1"))
    assert reply.status == 200
    assert reply.values("link") == ([LINKS[link]] if LINKS[link] else [])


UNWANTED = """
    Server|X-Powered-By|Via|Alt-Svc|Refresh|Proxy-Authenticate|Connection|Keep-Alive|Trailer|Upgrade|Public-Key-Pins
    Access-Control-Allow-Origin|Access-Control-Allow-Credentials|Access-Control-Allow-Headers|Access-Control-Expose-Headers
    Timing-Allow-Origin|Gateway-User|X-Accel-Redirect|X-Sendfile|Report-To|NEL|Reporting-Endpoints|SourceMap|X-SourceMap|Forwarded
    X-Forwarded-For|Content-Security-Policy-Report-Only
"""
NAMES = [name for line in UNWANTED.split() for name in line.split("|")]


@pytest.mark.parametrize("path", ["/orders/1", "/orders/1/documents"])
def test_what_a_suite_must_not_say(attacker, suite, answer_of, path):
    """CORS: a suite that allows every origin would let any page that a dispatcher opens read what is revealed to the dispatcher."""
    given = [f"{name}: {'https://evil.example' if name != 'Connection' else 'x-y'}" for name in NAMES if name not in ("Upgrade",)]
    suite.answer = answer_of({"id": 1}, *given)
    reply = attacker.ask(attacker.head(f"GET {path} HTTP/1.1".encode(), b"Origin: https://evil.example"))
    assert reply.status == 200
    assert [(name, value) for name, value in reply.headers if "evil" in value] == []


def test_cookies_are_for_us_alone(attacker, suite, answer_of):
    cookies = ["a=1; Domain=.internal; Path=/", "b=2; domain=localhost;SECURE;DOMAIN = x", "c=3; Secure"]
    suite.answer = answer_of({"id": 1}, *(f"Set-Cookie: {cookie}" for cookie in cookies))
    reply = attacker.ask(attacker.head(b"GET /orders/1 HTTP/1.1"))
    assert reply.values("set-cookie") == ["a=1; Path=/; Secure", "b=2; Secure", "c=3; Secure"]


def test_trailers_mean_nothing(attacker, suite):
    suite.answer = (
        OK + b"Transfer-Encoding: chunked\r\nTrailer: Set-Cookie\r\n\r\n2\r\n{}\r\n0\r\nSet-Cookie: a=b\r\nLocation: http://x/\r\n\r\n"
    )
    reply = attacker.ask(attacker.head(b"GET /orders/1 HTTP/1.1"))
    assert reply.json() == {} and reply.values("set-cookie") == reply.values("location") == reply.values("trailer") == []


def test_an_undeclared_body_never_passes(attacker, suite, answer_of):
    suite.answer = answer_of({"name": "x"})
    assert attacker.ask(attacker.head(b"DELETE /orders/1 HTTP/1.1")).status == 502
    suite.answer = answer_of(b"<html>x</html>", status="404 Not Found", media="text/html")
    reply = attacker.ask(attacker.head(b"DELETE /orders/1 HTTP/1.1"))
    assert reply.status == 404 and b"html" not in reply.body
