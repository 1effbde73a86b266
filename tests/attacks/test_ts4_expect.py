"""Expect: a body is invited only when all that can be judged without it has been judged."""

import pytest

JSON = b"Content-Type: application/json"
EXPECT = b"Expect: 100-continue"
POST = b"POST /orders HTTP/1.1"


@pytest.mark.trap("T-S4", "A body is invited once, and the connection stays in step.")
def test_ts4_invited_once(attacker, suite):
    line = attacker.connect()
    line.send(attacker.head(POST, JSON, EXPECT, b"Content-Length: 2"))
    assert line.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    line.send(b"{}")
    assert line.reply().status == 200
    assert b"xpect" not in suite.seen[0]
    line.send(attacker.head())
    assert line.reply().status == 200


REFUSED = {
    "no such route": (b"POST /nowhere HTTP/1.1", [JSON], "jens", 404),
    "role": (b"PUT /orders/1 HTTP/1.1", [JSON], "import_job", 403),
    "media type": (POST, [b"Content-Type: text/plain"], "jens", 415),
    "coding": (POST, [JSON, b"Content-Encoding: compress"], "jens", 415),
}


@pytest.mark.trap("T-S4", "A request that is refused without its body is refused before the body is invited.")
@pytest.mark.parametrize("case", REFUSED)
def test_ts4_not_invited(attacker, suite, case):
    first, headers, user, status = REFUSED[case]
    line = attacker.connect()
    line.send(attacker.head(first, *headers, EXPECT, b"Content-Length: 2", user=user))
    assert line.sock.recv(12) == b"HTTP/1.1 %d" % status
    assert suite.seen == []


def test_ts4_a_length_beyond_the_limit_is_not_invited(attacker, suite):
    line = attacker.connect()
    line.send(attacker.head(POST, JSON, EXPECT, b"Content-Length: 9999999"))
    assert line.sock.recv(12) == b"HTTP/1.1 413"


@pytest.mark.trap("T-S4", "Every expectation but 100-continue, once, is 400.")
@pytest.mark.parametrize("value", [b"200-ok", b"100-continue, x", b"", b"100 continue", b"100-continue;q=1"])
def test_ts4_odd_expectations(attacker, suite, value):
    assert attacker.ask(attacker.post({}, b"Expect: " + value)).status == 400
    assert attacker.ask(attacker.post({}, EXPECT, b"Expect: " + value)).status == 400
    assert suite.seen == []


def test_ts4_http_1_0_knows_no_interim_answer(attacker, suite):
    """RFC 9110 section 10.1.1: a client of 1.0 would take it for the answer."""
    line = attacker.connect()
    line.send(attacker.post({}, EXPECT, first=b"POST /orders HTTP/1.0"))
    assert line.sock.recv(12) in (b"HTTP/1.0 200", b"HTTP/1.1 200")
