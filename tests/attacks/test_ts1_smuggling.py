"""Requests that two parsers could read in two ways: refused, alone, and nothing behind them is ever taken for a request."""

import pytest

CHUNKED = b"Transfer-Encoding: chunked"
JSON = b"Content-Type: application/json"
POST = b"POST /orders HTTP/1.1"

FRAMINGS = {
    "CL and TE": ([b"Content-Length: 5", CHUNKED], b"0\r\n\r\n"),
    "TE and CL": ([CHUNKED, b"Content-Length: 5"], b"0\r\n\r\n"),
    "two CL": ([b"Content-Length: 2", b"Content-Length: 3"], b"{}"),
    "two equal CL": ([b"Content-Length: 2", b"Content-Length: 2"], b"{}"),
    "listed CL": ([b"Content-Length: 2, 2"], b"{}"),
    "CL +": ([b"Content-Length: +2"], b"{}"),
    "CL -": ([b"Content-Length: -2"], b"{}"),
    "CL 0x": ([b"Content-Length: 0x2"], b"{}"),
    "CL 1_0": ([b"Content-Length: 1_0"], b"{}12345678"),
    "CL 2^64+2": ([b"Content-Length: 18446744073709551618"], b"{}"),
    "CL empty": ([b"Content-Length:"], b""),
    "CL arabic digits": (["Content-Length: ٢".encode()], b"{}"),
    "TE twice": ([CHUNKED, CHUNKED], b"0\r\n\r\n"),
    "TE list": ([b"Transfer-Encoding: chunked, chunked"], b"0\r\n\r\n"),
    "TE gzip, chunked": ([b"Transfer-Encoding: gzip, chunked"], b"0\r\n\r\n"),
    "TE identity, chunked": ([b"Transfer-Encoding: identity, chunked"], b"0\r\n\r\n"),
    "TE chunked, identity": ([b"Transfer-Encoding: chunked, identity"], b"0\r\n\r\n"),
    "TE identity": ([b"Transfer-Encoding: identity"], b"0\r\n\r\n"),
    "TE xchunked": ([b"Transfer-Encoding: xchunked"], b"0\r\n\r\n"),
    "TE with a tab inside": ([b"Transfer-Encoding: \x0bchunked"], b"0\r\n\r\n"),
    "TE quoted": ([b'Transfer-Encoding: "chunked"'], b"0\r\n\r\n"),
    "TE with parameter": ([b"Transfer-Encoding: chunked;q=1"], b"0\r\n\r\n"),
    "space before colon": ([b"Transfer-Encoding : chunked"], b"0\r\n\r\n"),
    "space before name": ([b" Transfer-Encoding: chunked"], b"0\r\n\r\n"),
    "folded TE": ([b"X: y\r\n Transfer-Encoding: chunked"], b"0\r\n\r\n"),
    "folded TE value": ([b"Transfer-Encoding:\r\n chunked"], b"0\r\n\r\n"),
    "bare LF before TE": ([b"X: y\nTransfer-Encoding: chunked"], b"0\r\n\r\n"),
    "bare CR before TE": ([b"X: y\rTransfer-Encoding: chunked"], b"0\r\n\r\n"),
    "NUL in a header": ([b"X: a\0b"], b""),
    "empty name": ([b": x"], b""),
    "no colon": ([b"chunked"], b""),
}


@pytest.mark.trap("T-S1", "A request whose length can be read in two ways is refused, and nothing behind it is answered.")
@pytest.mark.trap("H-02", "Every transfer coding but exactly chunked, once, is refused.")
@pytest.mark.parametrize("case", FRAMINGS)
def test_two_readings_of_a_length(attacker, suite, case):
    headers, body = FRAMINGS[case]
    line = attacker.connect()
    line.send(attacker.head(POST, JSON, *headers) + body + attacker.head(b"GET /orders?page=66 HTTP/1.1"))
    reply = line.reply()
    assert reply is None or reply.status in (400, 413), case
    assert line.closed(), "what stood behind it was answered"
    assert not any(b"page=66" in request for request in suite.seen)
    assert not any(request.startswith(b"POST") for request in suite.seen)


CHUNKS = {
    "0x": b"0x2\r\n{}\r\n0\r\n\r\n",
    "+": b"+2\r\n{}\r\n0\r\n\r\n",
    "-": b"-2\r\n{}\r\n0\r\n\r\n",
    "_": b"0_2\r\n{}\r\n0\r\n\r\n",
    "leading space": b" 2\r\n{}\r\n0\r\n\r\n",
    "trailing space": b"2 \r\n{}\r\n0\r\n\r\n",
    "empty": b"\r\n{}\r\n0\r\n\r\n",
    "2^64+2": b"10000000000000002\r\n{}\r\n0\r\n\r\n",
    "not hex": b"g\r\n{}\r\n0\r\n\r\n",
    "bare LF after size": b"2\n{}\r\n0\r\n\r\n",
    "bare CR after size": b"2\r{}\r\n0\r\n\r\n",
    "bare LF after data": b"2\r\n{}\n0\r\n\r\n",
    "no end of data": b"2\r\n{}0\r\n\r\n",
    "longer than said": b"2\r\n{}xx\r\n0\r\n\r\n",
    "LF in an extension": b"2;a\nb\r\n{}\r\n0\r\n\r\n",
    "bare LF at the end": b"2\r\n{}\r\n0\n\n",
    "NUL": b"2\0\r\n{}\r\n0\r\n\r\n",
}


@pytest.mark.trap("T-S2", "A chunk line that is not plain hexadecimal and CR LF ends the connection.")
@pytest.mark.parametrize("case", CHUNKS)
def test_ts2_chunks(attacker, suite, case):
    line = attacker.connect()
    line.send(attacker.head(POST, JSON, CHUNKED) + CHUNKS[case] + attacker.head(b"GET /orders?page=66 HTTP/1.1"))
    reply = line.reply()
    assert reply is None or reply.status == 400, (case, reply.status)
    assert line.closed()
    assert suite.seen == []


TAILS = [b"0\r\n\r\n", b"0;last\r\n\r\n", b'2;a="b"\r\n  \r\n0\r\n\r\n', b"0\r\nContent-Length: 99\r\nGateway-User: x\r\n\r\n"]


@pytest.mark.trap("T-S1", "What is let through reaches the upstream in one canonical form.")
@pytest.mark.parametrize("tail", TAILS)
def test_one_canonical_form(attacker, suite, tail):
    """Extensions and trailers mean nothing here: what goes on is one length and one body."""
    reply = attacker.ask(attacker.head(POST, JSON, CHUNKED) + b"2\r\n{}\r\n" + tail)
    assert reply.status in (200, 400)
    for request in suite.seen:
        head, body = request.split(b"\r\n\r\n", 1)
        assert body.strip() == b"{}" and b"chunked" not in head and b"99" not in head.lower().split(b"content-length")[1][:6]
        assert request.count(b"Gateway-User") == 1


FIRST_LINES = {
    "HTTP/0.9": b"GET /orders",
    "HTTP/0.9 said": b"GET /orders HTTP/0.9",
    "HTTP/2.0": b"GET /orders HTTP/2.0",
    "HTTP/1.2": b"GET /orders HTTP/1.2",
    "HTTP/3": b"GET /orders HTTP/3",
    "http/1.1": b"GET /orders http/1.1",
    "HTTP/1.1 and more": b"GET /orders HTTP/1.1 HTTP/1.0",
    "HTTP/2 preface": b"PRI * HTTP/2.0",
    "absolute": b"GET http://localhost/orders HTTP/1.1",
    "absolute https": b"GET https://localhost/orders HTTP/1.1",
    "absolute elsewhere": b"GET http://169.254.169.254/orders HTTP/1.1",
    "CONNECT": b"CONNECT suite.internal:443 HTTP/1.1",
    "CONNECT path": b"CONNECT /orders HTTP/1.1",
    "OPTIONS *": b"OPTIONS * HTTP/1.1",
    "fragment": b"GET /orders#/x HTTP/1.1",
    "tab": b"GET\t/orders\tHTTP/1.1",
    "lower case": b"get /orders HTTP/1.1",
    "unknown": b"LEAK /orders HTTP/1.1",
    "blank in the target": b"GET /orders /x HTTP/1.1",
    "raw umlaut": "GET /orders?name=Jörg HTTP/1.1".encode(),
    "NUL": b"GET /orders\0 HTTP/1.1",
    "no slash": b"GET orders HTTP/1.1",
    "quotes": b'GET "/orders" HTTP/1.1',
}


@pytest.mark.trap("H-01", "Every version but 1.0 and 1.1 is refused.")
@pytest.mark.trap("H-03", "A target that names a host is refused.")
@pytest.mark.parametrize("case", FIRST_LINES)
def test_h01_h03_first_lines(attacker, suite, case):
    line = attacker.connect()
    line.send(attacker.head(FIRST_LINES[case]) + attacker.head(b"GET /orders?page=66 HTTP/1.1"))
    reply = line.reply()
    assert reply is None or reply.status == 400, (case, reply.status)
    assert line.closed()
    assert suite.seen == []


@pytest.mark.trap("T-S5", "No other protocol is agreed on over a connection.")
@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket", b"TLS/1.0", b"h2c, websocket"])
@pytest.mark.parametrize("method", [b"GET /orders HTTP/1.1", b"OPTIONS /orders HTTP/1.1"])
def test_ts5_upgrades(attacker, suite, upgrade, method):
    headers = [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: " + upgrade, b"HTTP2-Settings: AAMAAABk", b"Sec-WebSocket-Key: eA=="]
    line = attacker.connect()
    line.send(attacker.head(method, *headers) + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + attacker.head(b"GET /orders?page=66 HTTP/1.1"))
    assert line.reply().status == 400
    assert line.closed()
    assert suite.seen == []


@pytest.mark.trap("H-07", "A method that the policy does not list is refused, OPTIONS and TRACE among them.")
@pytest.mark.parametrize("method", [b"TRACE", b"TRACK", b"OPTIONS", b"PROPFIND", b"DELETE", b"MKCOL", b"PURGE"])
def test_h07_methods_that_nobody_declared(attacker, suite, method):
    reply = attacker.ask(attacker.head(method + b" /orders HTTP/1.1"))
    assert reply.status in (400, 405)
    assert suite.seen == []


HEADERS = (b"X-HTTP-Method-Override", b"X-HTTP-Method", b"X-Method-Override", b"X-Http-Method_Override")


@pytest.mark.parametrize("name", HEADERS)
def test_no_header_changes_the_method(attacker, suite, name):
    attacker.ask(attacker.head(b"GET /orders HTTP/1.1", name + b": DELETE"))
    assert len(suite.seen) == 1 and b"DELETE" not in suite.seen[0]
    assert attacker.ask(attacker.head(b"GET /orders?_method=DELETE HTTP/1.1")).status == 400


def test_a_refused_body_is_never_the_next_request(attacker, suite):
    """The body of a request that was refused before it was read looks like a request (T-S4)."""
    inner = attacker.head(b"GET /orders?page=66 HTTP/1.1")
    for first, status in ((b"POST /nowhere HTTP/1.1", 404), (b"GET /orders HTTP/1.1", 400), (b"DELETE /orders HTTP/1.1", 405)):
        line = attacker.connect()
        line.send(attacker.head(first, b"Content-Length: %d" % len(inner)) + inner)
        assert line.reply().status == status
        assert line.closed()
    assert suite.seen == []


@pytest.mark.trap("T-D2", "Pipelined requests are judged one by one.")
def test_td2_pipelined_requests_are_judged_one_by_one(attacker, suite, answer_of):
    suite.answer = answer_of({"total": 1})
    line = attacker.connect()
    good, bad = attacker.head(), attacker.head(b"GET /orders?street=x HTTP/1.1")
    line.send(good + bad + good)
    assert [line.reply().status for _ in range(3)] == [200, 400, 200]
    assert len(suite.seen) == 2


@pytest.mark.trap("T-D2", "Behind a request that is refused for its framing nothing more is answered.")
def test_td2_a_flood_behind_a_refusal(attacker, suite):
    line = attacker.connect()
    line.send((attacker.head(b"GET /nowhere HTTP/1.1") * 50) + b"GET /orders HTTP/2.0\r\n\r\n" + attacker.head() * 50)
    statuses = []
    while (reply := line.reply()) is not None:
        statuses.append(reply.status)
    assert set(statuses) <= {404, 400} and statuses.count(400) <= 1
    assert suite.seen == []
