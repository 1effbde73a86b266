"""``Connection`` names what ends at the next hop: whatever it names, what we say of the client stays."""

import pytest

from tests.attacks.forged import NAMES, OURS, headers_of, says_only_ours

SET = [name.decode() for name in OURS]
SPELLINGS = {
    "lower": str.lower,
    "upper": str.upper,
    "title": str.title,
    "underscores": lambda name: name.replace("-", "_"),
    "squeezed": lambda name: name.replace("-", ""),
}
LISTS = {
    "one line each": lambda named: [f"Connection: {name}" for name in named],
    "one line": lambda named: [f"Connection: {', '.join(named)}"],
    "no blanks": lambda named: [f"connection:{','.join(named)}"],
    "tabs and empty ones": lambda named: ["CONNECTION: ,," + "\t,\t".join(named) + ",,"],
    "behind close": lambda named: ["Connection: close", "Connection: close, " + ", ".join(named)],
    "behind keep-alive, twice": lambda named: [f"Connection: keep-alive, {', '.join(named * 2)}"] * 2,
    "in quotes": lambda named: ["Connection: " + ", ".join(f'"{name}"' for name in named)],
    "with parameters": lambda named: ["Connection: " + ", ".join(f"{name};q=1" for name in named)],
    "other names of it": lambda named: [f"{name}: {', '.join(named)}" for name in ("Proxy-Connection", "Keep-Alive", "TE", "Trailer")],
}


@pytest.mark.trap("T-I4", "Connection deletes none of our headers, in any case, list, repeat or quoting.")
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("listed", LISTS)
def test_ti4_connection_deletes_nothing_of_ours(attacker, suite, listed, spelling):
    options = [line.encode() for line in LISTS[listed]([SPELLINGS[spelling](name) for name in SET])]
    assert attacker.ask(attacker.head(b"GET /orders HTTP/1.1", *options)).status == 200
    [request] = suite.seen
    says_only_ours(request)


@pytest.mark.trap("T-I4", "Connection that names forged headers, framing and Host changes neither them nor the body.")
@pytest.mark.parametrize("case", [str, str.lower, str.upper])
def test_ti4_framing_and_forged_names(attacker, suite, case):
    named = [case(name) for name in (*NAMES, "Host", "Content-Length", "Content-Type", "Accept-Encoding", "close")]
    options = [("Connection: " + ", ".join(named[i : i + 8])).encode() for i in range(0, len(named), 8)]
    forged = [name.encode() + b": forged" for name in NAMES]
    assert attacker.ask(attacker.post({}, *options, *forged)).status == 200
    [request] = suite.seen
    says_only_ours(request)
    assert request.endswith(b"\r\n\r\n{}") and (b"Content-Length", b"2") in headers_of(request)


@pytest.mark.trap("T-I4", "Connection names no header into being judged as absent: credentials, Origin and media type count all the same.")
def test_ti4_what_is_judged_cannot_be_named_away(attacker, suite):
    named = b"Connection: Authorization, Origin, Sec-Fetch-Site, Content-Type, Content-Encoding, Host"
    evil = b"Origin: https://evil.example"
    assert attacker.ask(attacker.post({}, named, evil)).status == 403
    assert attacker.ask(attacker.post({}, named, b"Content-Encoding: compress")).status == 415
    assert attacker.ask(attacker.post({}, named, media=b"Content-Type: text/plain")).status == 415
    assert suite.seen == []
