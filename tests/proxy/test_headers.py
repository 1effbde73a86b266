"""What crosses and what does not, by name; and that ours are ours whatever the client tries."""

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.policy.model import Route, Upstream
from gateway.proxy.headers import Public, inbound, outbound
from gateway.proxy.validators import public_tag

UPSTREAM = Upstream("https", "suite.internal", 443, "/musterstadt", None, "drop")
VIEW = b"view4567890"
PUBLIC = Public(
    "192.0.2.7",
    "gateway.example:8443",
    "3f0c0a52-0000-4000-8000-000000000000",
    "stadtwerke_musterstadt",
    "maria",
    "dispatcher",
    view=VIEW,
)
RECORD = object()
OURS = {
    b"Host": b"suite.internal",
    b"Forwarded": b'for=192.0.2.7;host="gateway.example:8443";proto=https',
    b"X-Forwarded-For": b"192.0.2.7",
    b"X-Forwarded-Proto": b"https",
    b"X-Forwarded-Host": b"gateway.example:8443",
    b"X-Request-Id": b"3f0c0a52-0000-4000-8000-000000000000",
    b"Gateway-Customer": b"stadtwerke_musterstadt",
    b"Gateway-User": b"maria",
    b"Gateway-Role": b"dispatcher",
}


def route(request=None, response="pass"):
    return Route("GET", "/orders", ("orders",), frozenset({"dispatcher"}), {}, request, response)


def out(*headers, request=None, response="pass", **changes):
    return outbound(headers, public=PUBLIC, route=route(request, response), upstream=dataclasses.replace(UPSTREAM, **changes))


def names(headers):
    return {name.lower() for name, _ in headers} - {name.lower() for name in OURS}


def test_ours_are_set_once():
    headers = out()
    assert len(headers) == len(OURS) and dict(headers) == OURS


@pytest.mark.parametrize(
    "name",
    [
        b"Accept",
        b"Accept-Language",
        b"Content-Type",
        b"Cookie",
        b"User-Agent",
        b"Origin",
        b"If-Match",
        b"traceparent",
        b"X-Suite",
        b"Sec-Fetch-Site",
    ],
)
@pytest.mark.parametrize("response", ["pass", RECORD])
def test_the_rest_goes_on_as_it_came(name, response):
    assert (name, "Jörg".encode()) in out((b"Host", b"x"), (name, "Jörg".encode()), request=RECORD, response=response)


REFERENCES = {
    b"https://gateway.example/orders?name=Max+Mustermann": b"https://gateway.example/",
    b"https://gateway.example:8443": b"https://gateway.example:8443/",
    b"https://[2001:db8::7]:8443/Mustermann": b"https://[2001:db8::7]:8443/",
    b"HTTPS://Gateway.Example#Mustermann": b"HTTPS://Gateway.Example/",
    b"https://mustermann@gateway.example/": None,
    b"https://gateway.example\\Mustermann": None,
    b"/orders?name=Mustermann": None,
    b"Mustermann": None,
    b"": None,
}


@pytest.mark.parametrize("name", [b"Referer", b"referer", b"HX-Current-URL", b"Ping-From", b"Content-Location"])
@pytest.mark.parametrize("value", REFERENCES)
def test_tb15_of_a_pages_address_only_the_site_goes_on(name, value):
    sent = dict(out((b"Host", b"x"), (name, value))).get(name)
    assert sent == REFERENCES[value]


FORGED = b"""
    X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Forwarded-Port X-Forwarded-Prefix X-Forwarded-User
    X-Forwarded-Client-Cert X-Forwarded Forwarded Forwarded-For X-Real-IP True-Client-IP CF-Connecting-IP X-Original-URL
    X-Original-Host X-Rewrite-URL Client-Cert Client-Cert-Chain Client-IP X-Client-IP X-Cluster-Client-IP X-SSL-Client-Cert
    SSL-Client-Verify Remote-User X-Remote-User X-Request-Id X-Host X-HTTP-Method-Override X-HTTP-Method X-Method-Override
    Cf-Access-Jwt-Assertion Cf-Client-Cert-Der-Base64 X-Amzn-Mtls-Clientcert X-Goog-IAP-JWT-Assertion CloudFront-Viewer-Address
    Proxy-Authorization Proxy Gateway-Customer Gateway-User Gateway-Role Gateway-Anything Host
""".split()
SPELLINGS = {
    "as it is": lambda name: name,
    "lower": bytes.lower,
    "upper": bytes.upper,
    "underscores (T-I5)": lambda name: name.replace(b"-", b"_"),
    "one underscore": lambda name: name.replace(b"-", b"_", 1),
    "dots": lambda name: name.replace(b"-", b"."),
    "doubled dashes": lambda name: name.replace(b"-", b"--"),
    "without dashes": lambda name: name.replace(b"-", b""),
    "a dash behind": lambda name: name + b"-",
}


@pytest.mark.parametrize(("name", "spelling"), list(itertools.product(FORGED, SPELLINGS)))
def test_ti3_ti5_ti6_what_we_say_cannot_be_said_by_clients(name, spelling):
    forged = (SPELLINGS[spelling](name), b"forged")
    headers = out(forged, (b"Accept", b"*/*"), forged)
    assert b"forged" not in [value for _, value in headers]
    assert dict(headers) == {**OURS, b"Accept": b"*/*"}


@pytest.mark.parametrize("spelling", [bytes, bytes.lower, bytes.upper])
def test_ti4_connection_cannot_take_ours_away(spelling):
    named = b", ".join(spelling(name) for name in OURS)
    assert dict(out((b"Connection", b"close, " + named), (b"connection", spelling(b"Gateway-User")), (b"CONNECTION", b",,"))) == OURS


def test_hop_by_hop_headers_and_what_connection_names_stay_here():
    hop = [
        b"Connection",
        b"Keep-Alive",
        b"TE",
        b"Trailer",
        b"Transfer-Encoding",
        b"Upgrade",
        b"Content-Length",
        b"Expect",
        b"HTTP2-Settings",
    ]
    headers = out(*((name, b"x-one, X-Two") for name in hop), (b"X-One", b"1"), (b"x-two", b"2"), (b"X-Three", b"3"))
    assert names(headers) == {b"x-three"}


@pytest.mark.parametrize("name", [b"Any_Thing", b"_", b"Accept_Language"])
def test_ti5_no_underscore_leaves(name):
    assert dict(out((name, b"x"))) == OURS


CONDITIONAL = [b"Range", b"If-Range", b"If-None-Match", b"If-Modified-Since"]
DIGESTS = [b"Content-MD5", b"Digest", b"Repr-Digest", b"Content-Digest", b"Content-Encoding"]


@pytest.mark.parametrize(
    ("request_body", "response", "gone"),
    [
        (None, "pass", []),
        ("pass", "pass", []),
        (RECORD, "pass", DIGESTS),
        (None, RECORD, CONDITIONAL),
        (None, None, CONDITIONAL),
        (RECORD, RECORD, DIGESTS + CONDITIONAL),
    ],
)
def test_tb3_what_speaks_of_bytes_that_change(request_body, response, gone):
    headers = out(*((name, b"x") for name in CONDITIONAL + DIGESTS), request=request_body, response=response)
    assert names(headers) - {b"accept-encoding"} == {name.lower() for name in CONDITIONAL + DIGESTS} - {name.lower() for name in gone}


def test_td1_an_answer_that_is_looked_into_comes_uncompressed():
    asked = (b"Accept-Encoding", b"gzip, br")
    assert asked in out(asked)
    for headers in (out(asked, response=RECORD), out(response=RECORD)):
        assert [value for name, value in headers if name == b"Accept-Encoding"] == [b"identity"]


def test_ta3_authorization_only_by_decision(tmp_path):
    file = tmp_path / "authorization"
    file.write_text("Bearer suite\n")
    shown = (b"authorization", b"Basic bWFyaWE6Z2VoZWlt")

    def seen(decision):
        return [value for name, value in out(shown, authorization=decision) if name.lower() == b"authorization"]

    assert (seen("drop"), seen("forward"), seen(file)) == ([], [shown[1]], [b"Bearer suite"])


JUDGED = [b"Authorization", b"Content-Type", b"Content-Encoding", b"Origin", b"Sec-Fetch-Site", b"If-Match", b"Cookie"]
OTHER_SPELLINGS = [lambda name: name + b".", lambda name: name[:3] + b"-" + name[3:], lambda name: name.replace(b"-", b".") + b"'"]


@pytest.mark.parametrize(("name", "spelling"), list(itertools.product(JUDGED, range(len(OTHER_SPELLINGS)))))
def test_ti5_what_we_judge_is_sent_under_the_one_name_that_was_judged(name, spelling):
    other = OTHER_SPELLINGS[spelling](name)
    headers = out((name.lower(), b"judged"), (other, b"never judged"), authorization="forward")
    assert dict(headers) == {**OURS, name.lower(): b"judged"}


LEAVES = {b"\x30\x03\x02\x01\x05": b":MAMCAQU=:", b"\x30" * 6000: b":" + b"MDAw" * 2000 + b":", b"": None, b"\x30" * 6001: None}


@pytest.mark.parametrize("leaf", LEAVES, ids=len)
def test_client_cert_is_the_leaf_as_rfc_9440_writes_it_or_nothing_is_sent(leaf):
    upstream = dataclasses.replace(UPSTREAM, client_cert=True)
    public = dataclasses.replace(PUBLIC, leaf=leaf)
    forged = [
        (b"Client-Cert", b":Zm9yZ2Vk:"),
        (b"client-cert", b""),
        (b"Client-Cert-Chain", b":Zm9yZ2Vk:"),
        (b"Connection", b"client-cert"),
    ]
    if LEAVES[leaf] is None:
        with pytest.raises(Refused, match="certificate-unsuitable"):
            outbound(forged, public=public, route=route(), upstream=upstream)
    else:
        assert dict(outbound(forged, public=public, route=route(), upstream=upstream)) == {**OURS, b"Client-Cert": LEAVES[leaf]}
    assert dict(outbound(forged, public=public, route=route(), upstream=UPSTREAM)) == OURS


@pytest.mark.parametrize(
    ("changes", "host"),
    [
        ({}, b"suite.internal"),
        ({"port": 8443}, b"suite.internal:8443"),
        ({"scheme": "http", "port": 80}, b"suite.internal"),
        ({"host": "::1", "port": 1}, b"[::1]:1"),
    ],
)
def test_host_is_the_upstreams(changes, host):
    assert out((b"Host", b"gateway.example"), **changes)[0] == (b"Host", host)


@pytest.mark.parametrize(
    ("change", "name", "value"),
    [
        ({"address": "2001:db8::1"}, b"Forwarded", b'for="[2001:db8::1]";host="gateway.example:8443";proto=https'),
        ({"address": "2001:db8::1"}, b"X-Forwarded-For", b"2001:db8::1"),
        ({"user": "jörg müller"}, b"Gateway-User", b"j%C3%B6rg%20m%C3%BCller"),
        ({"user": "100%"}, b"Gateway-User", b"100%25"),
        ({"user": "a@b, c\r\nX: y"}, b"Gateway-User", b"a@b,%20c%0D%0AX:%20y"),
    ],
)
def test_names_and_addresses_in_ascii(change, name, value):
    headers = outbound((), public=dataclasses.replace(PUBLIC, **change), route=route(), upstream=UPSTREAM)
    assert dict(headers)[name] == value


@given(st.text(), st.text())
def test_two_users_are_never_one_header(one, other):
    def header(user):
        try:
            return dict(outbound((), public=dataclasses.replace(PUBLIC, user=user), route=route(), upstream=UPSTREAM))[b"Gateway-User"]
        except UnicodeEncodeError:
            return user

    assert (header(one) == header(other)) == (one == other)


# --- answers ---


def back(*headers, rewritten=True, host=""):
    return inbound(headers, view=VIEW if rewritten else None, upstream=UPSTREAM, host=host)


def test_an_answer_that_was_looked_into():
    gone = (
        b"Digest Content-MD5 Repr-Digest Content-Digest Accept-Ranges Content-Range Content-Length Content-Encoding "
        b"Cache-Control Expires Age Pragma"
    ).split()
    headers = back(*((name, b"x") for name in gone), (b"Content-Type", b"application/json"), (b"X-Suite", b"1"))
    ours = [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
    assert headers == [("Server", "gateway"), ("Content-Type", "application/json"), ("X-Suite", "1"), *ours]


@pytest.mark.parametrize("tags", [[b'"v7"'], [b'W/"v7"'], [], [b'"v7"', b'"v8"'], [b'"v7"', b'"v7"'], [b'a "v7"']], ids=repr)
def test_tb3_an_entity_tag_is_of_this_view_or_there_is_none(tags):
    own = dict(back(*((b"ETag", tag) for tag in tags), (b"E-Tag", b'"v7"'))).get("ETag")
    assert own == (public_tag(tags[0], VIEW) if len(tags) == 1 and b" " not in tags[0] else None)
    assert own is None or "v7" not in own


def test_tb3_conditions_by_tag_are_mapped_back():
    ours = public_tag(b'"v7"', VIEW).encode()
    sent = out((b"If-Match", ours), (b"If-None-Match", b'"v7", ' + ours), response=RECORD)
    assert [(name, value) for name, value in sent if name.startswith(b"If-")] == [(b"If-Match", b'"v7"'), (b"If-None-Match", b'"v7"')]
    assert b"If-None-Match" not in dict(out((b"If-None-Match", ours), response="pass"))
    with pytest.raises(Refused, match="precondition-unknown"):
        out((b"If-Match", public_tag(b'"v7"', b"elsewhere00").encode()))


def test_an_answer_that_is_passed_keeps_what_is_true_of_its_bytes():
    kept = [
        (name, b"x")
        for name in (b"ETag", b"Content-Length", b"Content-Encoding", b"Accept-Ranges", b"Content-Range", b"Cache-Control", b"Repr-Digest")
    ]
    assert [name.encode() for name, _ in back(*kept, rewritten=False)[1:]] == [name for name, _ in kept]


TALKATIVE = (
    b"Connection Keep-Alive Transfer-Encoding Upgrade Trailer TE Proxy-Authenticate Server X-Powered-By Via Alt-Svc Refresh "
    b"X-Accel-Redirect X-Sendfile X-AspNet-Version"
).split()


@pytest.mark.parametrize("rewritten", [True, False])
@pytest.mark.parametrize("name", TALKATIVE)
def test_what_an_upstream_says_of_itself_or_of_ways_around_us_stays(name, rewritten):
    assert back((name, b"nginx/1.22.1"), rewritten=rewritten)[0] == ("Server", "gateway")
    assert "nginx" not in repr(back((name, b"nginx/1.22.1"), rewritten=rewritten))


def test_what_an_upstreams_connection_names_stays():
    kept = [name for name, _ in back((b"Connection", b"X-Hop"), (b"X-Hop", b"1"), (b"X-End", b"2"))]
    assert kept == ["Server", "X-End", "Cache-Control", "X-Content-Type-Options"]


@pytest.mark.parametrize(
    ("cookie", "seen"),
    [
        (b"id=1; Domain=suite.internal; Path=/; HttpOnly", "id=1; Path=/; HttpOnly; Secure"),
        (b"id=1;domain = .internal;secure", "id=1; Secure"),
        (b"id=domain", "id=domain; Secure"),
    ],
)
def test_cookies_are_for_our_name_and_encrypted(cookie, seen):
    assert ("Set-Cookie", seen) in back((b"Set-Cookie", cookie), (b"Set-Cookie", b"other=2"))
    assert ("Set-Cookie", "other=2; Secure") in back((b"Set-Cookie", cookie), (b"Set-Cookie", b"other=2"))


def test_locations_are_mapped_or_refused():
    for name in (b"Location", b"content-location"):
        assert (name.decode(), "/orders/1") in back((name, b"https://suite.internal/musterstadt/orders/1"))
        with pytest.raises(Refused, match="upstream-malformed"):
            back((name, b"https://suite.internal/energie_nord/orders/1"))


@pytest.mark.parametrize(("raw", "text"), [("Müller.pdf".encode(), "Müller.pdf"), ("Müller.pdf".encode("latin-1"), "Müller.pdf")])
def test_umlauts_arrive(raw, text):
    assert ("Content-Disposition", text) in back((b"Content-Disposition", raw), rewritten=False)
