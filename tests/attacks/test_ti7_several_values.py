"""A header that decides something, with several values: all of them are judged, or the request is refused."""

import pytest

JSON = b"Content-Type: application/json"
SAME, EVIL = b"https://localhost", b"https://evil.example"

LINES = {
    "Authorization twice": ([b"Authorization: Basic eDp5"], {400}),
    "Authorization twice, empty first": ([b"Authorization:"], {400}),
    "Origin twice": ([b"Origin: " + SAME, b"Origin: " + EVIL], {400}),
    "Origin twice, the same": ([b"Origin: " + SAME] * 2, {400}),
    "Origin twice, empty first": ([b"Origin:", b"Origin: " + EVIL], {400}),
    "Origin listed": ([b"Origin: " + SAME + b", " + EVIL], {403}),
    "Origin listed with a blank": ([b"Origin: " + SAME + b" " + EVIL], {403}),
    "Origin, an empty one in front": ([b"Origin: , " + EVIL], {403}),
    "Sec-Fetch-Site twice": ([b"Sec-Fetch-Site: same-origin", b"Sec-Fetch-Site: cross-site"], {400}),
    "Sec-Fetch-Site twice, empty first": ([b"Sec-Fetch-Site:", b"Sec-Fetch-Site: cross-site"], {400}),
    "Sec-Fetch-Site listed": ([b"Sec-Fetch-Site: same-origin, cross-site"], {403}),
    "Sec-Fetch-Site, an empty one in front": ([b"Sec-Fetch-Site: , cross-site"], {403}),
    "Content-Type twice": ([JSON], {400}),
    "Content-Type twice, another": ([b"Content-Type: text/xml"], {400}),
    "Content-Type twice, empty first": ([b"content-type:"], {400}),
    "Content-Encoding twice": ([b"Content-Encoding: identity", b"Content-Encoding: gzip"], {400}),
    "Content-Encoding listed": ([b"Content-Encoding: identity, gzip"], {415}),
    "Content-Encoding, an empty one in front": ([b"Content-Encoding: , gzip"], {415}),
    "Content-Encoding, only commas": ([b"Content-Encoding: ,,"], {415}),
    "Content-Length twice": ([b"Content-Length: 2"], {400}),
    "Transfer-Encoding twice": ([b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"], {400}),
    "Host twice": ([b"Host: localhost"], {400}),
    "Expect twice": ([b"Expect: 100-continue", b"Expect: 100-continue"], {400}),
    "Expect listed": ([b"Expect: 100-continue, x"], {400}),
    "If-Match twice": ([b'If-Match: "a"', b'If-Match: "b"'], {400}),
}


@pytest.mark.trap("T-I7", "A header that decides and comes twice, as a list, or with an empty first value is refused.")
@pytest.mark.parametrize("case", LINES)
def test_ti7_several_values(attacker, suite, case):
    lines, statuses = LINES[case]
    assert attacker.ask(attacker.post({}, *lines)).status in statuses
    assert suite.seen == []


@pytest.mark.trap("T-I7", "One media type with a second behind a comma or in a parameter is refused.")
@pytest.mark.parametrize(
    "media", [b"application/json, text/plain", b"text/plain, application/json", b", application/json", b"application/json,"]
)
def test_ti7_listed_media_types(attacker, suite, media):
    assert attacker.ask(attacker.post({}, media=b"Content-Type: " + media)).status == 415
    assert suite.seen == []


@pytest.mark.trap("T-I7", "Credentials in a list, or two schemes in one value, let nobody in.")
@pytest.mark.parametrize("change", [b"%s, Basic eDp5", b"Basic eDp5, %s", b", %s", b"%s,", b"Bearer x, %s", b"%s %s"])
def test_ti7_listed_credentials(attacker, suite, change):
    good = attacker.authorization().strip().removeprefix(b"Authorization: ")
    listed = change.replace(b"%s", good)
    assert attacker.ask(b"GET /orders HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + listed + b"\r\n\r\n").status == 401
    assert suite.seen == []
