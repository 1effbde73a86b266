"""What a client says is never a line of its own at the suite, reaches it once, and changes neither path nor method (T-S7, H-06, P-01)."""

import pytest

JSON = b"Content-Type: application/json"

BYTES = {
    "NUL": b"a\0b",
    "bare CR": b"a\rGateway-User: chef",
    "bare LF": b"a\nGateway-User: chef",
    "CR at the end": b"a\r",
    "vertical tab": b"a\x0bb",
    "form feed": b"a\x0cb",
    "escape": b"a\x1b[2Jb",
    "delete": b"a\x7fb",
    "bell": b"a\x07",
    "lone surrogate": b"a\xed\xa0\x80",
    "Latin-1": b"J\xf6rg",
    "overlong CR": b"a\xc0\x8d\xc0\x8a",
    "half a character": b"a\xe2\x82",
}


@pytest.mark.trap("T-S7", "NUL, CR, LF, controls, surrogates and broken UTF-8 in a header are 400 before anything is sent.")
@pytest.mark.parametrize("case", BYTES)
@pytest.mark.parametrize("name", [b"X-Note", b"Referer", b"Cookie", b"Accept-Language"])
def test_ts7_bytes_that_could_end_a_line(attacker, suite, case, name):
    assert attacker.ask(attacker.head(b"GET /orders/1 HTTP/1.1", name + b": " + BYTES[case])).status == 400
    assert suite.seen == []


ENCODED = ["%0d%0aX:%20y", "%0a", "%00", "%c4%8d%c4%8a", "%e5%98%8d%e5%98%8a", "%e2%80%a8", "%u000a"]


@pytest.mark.trap("T-S7", "No encoding of a line end, nor a letter whose low byte is one, becomes a line of the request.")
@pytest.mark.parametrize("text", ENCODED)
def test_ts7_line_ends_in_disguise(attacker, suite, text):
    """U+010D and U+560A are cut to CR and LF by programs that keep the low byte of a character."""
    for target in (f"/orders/a{text}b", f"/orders?page=a{text}b"):
        attacker.ask(attacker.head(f"GET {target} HTTP/1.1".encode()))
    attacker.ask(attacker.head(b"GET /orders/1 HTTP/1.1", b"X-Note: " + "\u010d\u010aX-Smuggled: y".encode()))
    for request in suite.seen:
        head = request.partition(b"\r\n\r\n")[0]
        assert head.count(b"\n") == head.count(b"\r") == head.count(b"\r\n")
        assert not [line for line in head.split(b"\r\n") if line.lower().startswith((b"x:", b"x-smuggled"))]


def dies_once(suite, answer):
    """The next request of a connection that lives gets no answer; whatever comes after it does."""

    def answered(request):
        suite.keep, suite.answer = False, answer
        return b""

    suite.keep, suite.answer = True, answered


@pytest.mark.trap("H-06", "Only GET and HEAD without a body are sent again when a connection dies, and once; nothing else comes twice.")
@pytest.mark.parametrize(("method", "times"), [(b"GET", 2), (b"HEAD", 2), (b"POST", 1), (b"PUT", 1), (b"PATCH", 1), (b"DELETE", 1)])
def test_h06_what_is_sent_again(attacker, suite, answer_of, method, times):
    suite.keep, suite.answer = True, answer_of({"id": 1})
    assert attacker.ask(attacker.head(b"GET /orders/1 HTTP/1.1")).status == 200
    suite.seen.clear()
    dies_once(suite, answer_of({"id": 2}) if method != b"HEAD" else answer_of(b""))
    path = b" /orders" if method == b"POST" else b" /orders/1"
    whole = attacker.head if method in (b"GET", b"HEAD", b"DELETE") else lambda first: attacker.post({}, first=first)
    assert attacker.ask(whole(method + path + b" HTTP/1.1")).status == (200 if times == 2 else 502)
    assert [request.split(b" ")[0] for request in suite.seen] == [method] * times


CONTROLS = """
    X-Original-URL X-Rewrite-URL X-Original-URI X-Forwarded-Uri X-Forwarded-Path X-Forwarded-Prefix X-Forwarded-Method
    X-HTTP-Path X-HTTP-Method X-Psoxy-Skip-Sanitizer X-Skip-Sanitizer X-Enforce X-Policy X-Bypass X-Debug X-Gateway-Mode Gateway-Route
    Gateway-Policy Path Query Method X-Envoy-Original-Path X-Accel-Redirect X-Sendfile X-Path-Info X-Script-Name
""".split()  # noqa: SIM905  (one line each would be a page of quotes)


@pytest.mark.trap("P-01", "No header replaces the path, the query or the method, and none skips a check or a token.")
@pytest.mark.parametrize("value", ["/admin", "DELETE", "true", "off", "name=Mustermann"])
def test_p01_no_header_is_a_switch(attacker, suite, value):
    headers = [f"{name}: {value}".encode() for name in CONTROLS]
    body = {"household": {"name": "Max Mustermann"}}
    assert attacker.ask(attacker.post(body, *headers)).status == 200
    [request] = suite.seen
    assert request.startswith(b"POST /nord/orders HTTP/1.1\r\n") and b"Max" not in request
    assert attacker.ask(attacker.post(body, *headers, first=b"POST /admin HTTP/1.1")).status == 404
    assert attacker.ask(attacker.head(b"TRACE /orders HTTP/1.1", *headers)).status in (400, 405)
    assert len(suite.seen) == 1


@pytest.mark.trap("T-D5", "No WebSocket is opened on a route that does not declare one, so no frame is ever parsed there.")
@pytest.mark.parametrize("version", [b"13", b"8", b"0", b"99"])
def test_td5_no_frame_is_parsed(attacker, suite, version):
    headers = [
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        b"Sec-WebSocket-Version: " + version,
    ]
    line = attacker.connect()
    line.send(attacker.head(b"GET /orders/1 HTTP/1.1", *headers) + b"\x81\xfe\xff\xff" * 1000)
    assert line.reply().status == 400
    assert line.closed() and suite.seen == []
