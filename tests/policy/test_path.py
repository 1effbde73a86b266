"""One reading of a request target: what is read, and what is refused because two servers might read it differently."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote, unquote, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.policy.path import LONGEST, canonical, is_reserved

READ: list[tuple[str, tuple[str, ...]]] = [
    ("/", ()),
    ("/orders", ("orders",)),
    ("/Orders", ("Orders",)),
    ("/orders/4711", ("orders", "4711")),
    ("/orders/4711/documents", ("orders", "4711", "documents")),
    ("/%6f%72ders", ("orders",)),
    ("/%6F%72ders", ("orders",)),
    ("/a%20b", ("a b",)),
    ("/a+b", ("a+b",)),
    ("/a%2Bb", ("a+b",)),
    ("/M%C3%BCller", ("Müller",)),
    ("/%E6%9D%B1%E4%BA%AC", ("東京",)),
    ("/%F0%9F%92%A1", ("💡",)),
    ("/a.b", ("a.b",)),
    ("/.hidden", (".hidden",)),
    ("/..hidden", ("..hidden",)),
    ("/a..b", ("a..b",)),
    ("/a%2eb", ("a.b",)),
    ("/~maria", ("~maria",)),
    ("/a:b", ("a:b",)),
    ("/a@b", ("a@b",)),
    ("/a=b,c", ("a=b,c",)),
    ("/(a)'!*$&", ("(a)'!*$&",)),
    ("/-_.~x", ("-_.~x",)),
]

#: Attack → spellings, with blanks between them. All are 400, whatever the routes say.
AMBIGUOUS = {
    "dot segments": """
        /. /.. /./orders /../orders /orders/. /orders/.. /orders/./1 /orders/../admin /orders/../../etc/passwd /... /.... /a/.../b
    """,
    "encoded dot segments": """
        /%2e /%2E /%2e%2e /%2E%2E /.%2e /%2e. /orders/%2e%2e/admin /orders/.%2E/admin /orders/%2e/1 /%2e%2e%2fadmin /..%2fadmin
        /..%2Fadmin /..%5cadmin /..%5Cadmin /%2e%2e/%2e%2e/etc/passwd /orders/%2e%2e%2f%2e%2e%2fadmin /orders/1/%2e%2e;/admin
    """,
    "doubly encoded": """
        /%252e /%252e%252e /%252e%252e/admin /orders%252f1 /%25%32%65%25%32%65 /%2525 /%25 /%25zz /orders/%2541 /a%25b /%255c /%25252e
    """,
    "encoded separators": """
        /orders%2f1 /orders%2F1 /%2forders /%2f /orders/%2f /orders/1%2f /orders%2f..%2fadmin /orders%5c1 /orders%5C1 /%5c /%5c%5chost
        /orders%3b /orders%3Ba=b /orders%3f /orders%3fa=b /orders%23 /orders%23a
    """,
    "separators that only some read": r"""
        /orders\1 \orders /orders;1 /orders;jsessionid=1 /;/orders /orders/;/1 /..;/admin /orders/..;/admin /orders/.;/1 /orders;.css
        /orders/1;.js /a;b=c/d
    """,
    "empty segments": "// //orders /orders// /orders//1 /orders/ /orders/1/ ///orders /orders/// //gateway.example/orders",
    "not an origin form": """
        * orders orders/1 ?a=b gateway.example:443 http://gateway.example/orders https://gateway.example/ HTTP://x/ ftp://x/ .. ./orders
        ../orders @evil.example/ :80/orders %2forders #a
    """,
    "fragments": "/# /#a /orders# /orders#a /orders#/../admin /orders?a=b#c /orders?#",
    "control characters": "/%00 /orders%00 /orders%00.css /%01 /%09 /orders%0a /orders%0d%0aX:y /%0d /%1b /%1f /%7f /%C2%80 /%C2%85",
    "invisible characters": """
        /%E2%80%8B /orders%E2%80%8B /%E2%80%8C /%E2%80%8D /%E2%80%8Eorders /%E2%80%AEsredro /%E2%81%A0 /%EF%BB%BForders /%C2%ADorders
        /%E2%80%A8 /%E2%80%A9 /%E2%81%A6 /%F3%A0%81%81
    """,
    "blanks at an end": "/%20 /orders%20 /%20orders /orders/%20 /..%20 /.%20 /orders/1%20/documents",
    "dots at an end": "/orders. /orders.. /orders/1. /orders%2e /orders.%20 /orders./1 /a%2e%2e",
    "broken percent signs": "/% /%2 /%g0 /%0g /orders% /orders%2 /%%32%65 /%u002e /%u2215 /%x2e",
    "broken or overlong UTF-8": """
        /%c0%ae /%c0%ae%c0%ae/admin /%c0%af /%c1%9c /%e0%80%ae /%e0%80%af /%f0%80%80%ae /%fc%80%80%80%80%ae /%ff /%fe /%80 /%bf /%c3
        /M%FCller /%ed%a0%80 /%ed%b0%80 /%f4%90%80%80 /%e2%82
    """,
    "two normal forms": "/Mu%CC%88ller /%CD%80 /%E2%84%AB /A%CC%8A /%CE%85%CC%81",
    "compatibility forms of separators and dots": """
        /%EF%BC%8F /orders%EF%BC%8Fadmin /%EF%BC%8E%EF%BC%8E /%EF%BC%8E /%E2%80%A5 /%E2%80%A6 /%EF%BC%BC /%EF%BC%85 /%EF%BC%9B /%EF%BC%9F
        /%EF%BC%83 /%E2%84%80 /a%E2%80%A4 /a%EF%BC%8E /%EF%B9%A8 /%EF%B9%94 /%EF%B9%AA
    """,
    "raw bytes that belong encoded": '/Müller /é /" /<a> /a|b /a^b /a`b /{id} /[1] /a∕b',
}
#: The same, where blanks or control characters belong to the spelling, or it is too long to be read here.
AMBIGUOUS_RAW = {
    "empty": [""],
    "blanks": [" /orders", "/orders ", "/ ", "/or ders", "/% 41"],
    "control characters": ["/a\0b", "/a\tb", "/a\r\nb", "/a\nb", "/a\x7fb", "/a\ud800b"],
    "too long": ["/" + "a" * LONGEST, "/a?b=" + "c" * LONGEST, "/a" * LONGEST],
}
BROKEN_QUERIES = {
    "no value": "/a?b /a?b&c=1 /a?c=1&b",
    "no name": "/a?=1 /a?& /a?a=1& /a?&a=1 /a?a=1&&b=2 /a?=",
    "twice": "/a?b=1&b=2 /a?b=1&b=1 /a?b=1&%62=2 /a?b=&b= /a?a+b=1&a%20b=2",
    "another separator": "/a?b=1;c=2 /a?b=1;b=2 /a?b;c=1",
    "broken percent signs": "/a?b=% /a?b=%2 /a?b=%zz /a?%=1 /a?b=%u0041",
    "not UTF-8": "/a?b=%FC /a?b=%c0%af /a?%ff=1 /a?b=%ed%a0%80",
    "control characters": "/a?b=%00 /a?b=%0a /a?b=%0d%0a /a?%00=1 /a?b=%7f",
    "raw bytes that belong encoded": r'/a?b=ü /a?b=< /a?b=" /a?b={} /a?b=\ /a?b=| /a?b=^',
}
BROKEN_QUERIES_RAW = {
    "blanks": ["/a?b=a b", "/a? b=1"],
    "control characters": ["/a?b=1\0", "/a?b=1\n"],
    "too many": ["/a?" + "&".join(f"p{number}=1" for number in range(101))],
}


def rows(table: dict[str, str], raw: dict[str, list[str]]) -> list[object]:
    found = [(why, target) for why, targets in table.items() for target in targets.split()]
    found += [(why, target) for why, targets in raw.items() for target in targets]
    return [pytest.param(target, id=f"{why}: {target[:40]!a}") for why, target in found]


@pytest.mark.parametrize(("target", "segments"), READ)
def test_a_path_has_one_reading(target: str, segments: tuple[str, ...]) -> None:
    assert canonical(target).segments == segments


@pytest.mark.parametrize("target", rows(AMBIGUOUS, AMBIGUOUS_RAW))
def test_what_two_servers_might_read_differently_is_refused(target: str) -> None:
    """T-P1, T-P2, T-P4, P-01: never repaired, because the raw target is what goes upstream."""
    with pytest.raises(Refused) as raised:
        canonical(target)
    assert raised.value.reason == "path-ambiguous"


@pytest.mark.parametrize("target", rows(BROKEN_QUERIES, BROKEN_QUERIES_RAW))
def test_a_query_that_two_servers_might_read_differently_is_refused(target: str) -> None:
    """T-P5: of two parameters of one name the first counts for some servers, the last or both for others."""
    with pytest.raises(Refused) as raised:
        canonical(target)
    assert raised.value.reason == "query-malformed"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/a", {}),
        ("/a?", {}),
        ("/a?b=", {"b": ""}),
        ("/a?name=Max+Mustermann", {"name": "Max Mustermann"}),
        ("/a?name=Max%20Mustermann", {"name": "Max Mustermann"}),
        ("/a?name=M%C3%BCller", {"name": "Müller"}),
        ("/a?name=Mu%CC%88ller", {"name": "Mu\u0308ller"}),  # exact code points: every spelling is its own value
        ("/a?n%61me=x", {"name": "x"}),
        ("/a?b=1%2B1", {"b": "1+1"}),
        ("/a?b==", {"b": "="}),
        ("/a?b=c=d", {"b": "c=d"}),
        ("/a?b=%26&c=%3D", {"b": "&", "c": "="}),
        ("/a?b=%23%3B%25", {"b": "#;%"}),
        ("/a?b=/../c?d", {"b": "/../c?d"}),  # T-P3: a query is no path
        ("/a?b[]=1&b[0]=2", {"b[]": "1", "b[0]": "2"}),
        ("/a?b=1&B=2", {"b": "1", "B": "2"}),
    ],
)
def test_parameters_are_decoded_as_forms_are(target: str, expected: dict[str, str]) -> None:
    found = canonical(target)
    assert found.segments == ("a",)
    assert {parameter.name: parameter.value for parameter in found.parameters} == expected


PLAIN = st.characters(codec="utf-8", exclude_categories=["C", "Z"])
SEGMENTS = st.lists(st.text(PLAIN, min_size=1, max_size=8), max_size=5)


@given(SEGMENTS)
def test_what_is_read_is_what_was_encoded_and_safe_under_every_folding(segments: list[str]) -> None:
    """T-P1: no accepted segment becomes another path when it is decoded again, folded or joined."""
    try:
        found = canonical("/" + "/".join(quote(segment, safe="") for segment in segments)).segments
    except Refused as refused:
        assert refused.reason == "path-ambiguous"
        return
    assert found == tuple(segments)
    for segment in found:
        for reading in (segment, unquote(segment), unicodedata.normalize("NFKC", segment)):
            assert reading not in ("", ".", "..")
            assert not set(reading) & set("/\\;?#%")


@pytest.mark.parametrize(
    ("target", "reserved"),
    [
        ("/.gateway", True),
        ("/.gateway/account", True),
        ("/.gateway/account?a=b", True),
        ("/.GATEWAY/account", True),
        ("/%2egateway/x", True),
        ("/%2e%67ateway", True),
        ("/%EF%BC%8Egateway/account", True),  # full stop, full width: some server folds it
        ("/", False),
        ("/orders", False),
        ("/gateway/account", False),
        ("/.gateways", False),
        ("/.well-known/x", False),
        ("/orders/.gateway/account", False),
        ("/a%2egateway", False),
        ("", False),
        ("https://gateway.example/.gateway/account", False),  # refused by ``canonical`` before any route is looked for
    ],
)
def test_what_is_the_gateways_own(target: str, reserved: bool) -> None:
    assert is_reserved(target) is reserved


@pytest.mark.parametrize("target", ["/.gateway/", "/.gateway//account", "/./.gateway", "/%2e/.gateway", "/.gateway%2fx", "/.gateway."])
def test_a_doubtful_spelling_of_it_is_refused(target: str) -> None:
    with pytest.raises(Refused, match="path-ambiguous"):
        is_reserved(target)


@given(st.dictionaries(st.text(PLAIN, min_size=1, max_size=8), st.text(PLAIN | st.just(" "), max_size=12), max_size=6), st.booleans())
def test_the_span_of_a_value_is_where_it_lies(parameters: dict[str, str], plus: bool) -> None:
    def encoded(text: str) -> str:
        return quote(text, safe="").replace("%20", "+" if plus else "%20")

    target = "/orders?" + "&".join(f"{encoded(name)}={encoded(value)}" for name, value in parameters.items())
    found = canonical(target).parameters
    assert {parameter.name: parameter.value for parameter in found} == parameters
    for parameter in found:
        assert unquote_plus(target[parameter.start : parameter.end]) == parameter.value
        assert target[parameter.start - 1] == "="
        assert target[parameter.end : parameter.end + 1] in ("&", "")


@given(st.text(max_size=60) | st.text("/.%2eEfF5cC;?#&=+a \\", max_size=30).map(lambda text: "/" + text))
def test_no_target_fails_in_another_way(target: str) -> None:
    try:
        found = canonical(target)
    except Refused as refused:
        assert refused.reason in ("path-ambiguous", "query-malformed")
    else:
        assert all(segment.strip(". ") for segment in found.segments)
