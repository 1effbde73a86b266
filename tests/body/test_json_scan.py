"""The scanner takes exactly RFC 8259 with unique names, finds every declared string, and is bounded by the bytes it reads."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.body.json_scan import LONGEST_NUMBER, WIDEST, scan
from gateway.body.selector import compile_record
from gateway.errors import Refused

ORDER = compile_record(
    "order",
    {"household.name": "name", "household.phone": "phone", "notes[*]": "note"},
    ["id", "appointment", "household.postcode"],
)
PAGE = compile_record("order_page", {}, ["total", "next"], {"items[*]": ORDER})
LOOSE = compile_record("person", {"ssn": "id", "home.name": "name"}, ["town"], unlisted="pass")
NAMED = compile_record("named", {"people.*": "name"}, [])
ANYTHING = compile_record("anything", {}, [], unlisted="pass")
RECORDS = {"order": ORDER, "page": PAGE, "loose": LOOSE, "named": NAMED, "anything": ANYTHING}


def found(body: str, record: str = "order") -> list[tuple[str, str]]:
    return [(place.data_class, place.value) for place in scan(body.encode(), RECORDS[record], depth=64).places]


def reason(body: str | bytes, record: str = "order", depth: int = 64) -> str | None:
    try:
        scan(body.encode() if isinstance(body, str) else body, RECORDS[record], depth=depth)
    except Refused as refused:
        return refused.reason
    return None


@pytest.mark.parametrize(
    ("record", "body", "places"),
    [
        ("order", "{}", []),
        ("order", "null", []),
        ("order", ' { "household" : { "name" : "Max Mustermann" } } \n', [("name", "Max Mustermann")]),
        ("order", '{"household":{"name":"M\\u00fcller","phone":"030\\/1"}}', [("name", "Müller"), ("phone", "030/1")]),
        ("order", '{"\\u0068ousehold":{"n\\u0061me":"Max"}}', [("name", "Max")]),
        ("order", '{"household":{"name":"\\ud83d\\ude00"}}', [("name", "😀")]),
        ("order", '{"household":{"name":"\\"\\\\\\b\\f\\n\\r\\t"}}', [("name", '"\\\b\f\n\r\t')]),
        ("order", '{"household":{"name":null,"phone":""}}', []),
        ("order", '{"household":null,"notes":null}', []),
        ("order", '{"notes":[]}', []),
        ("order", '{"notes":["a",null,"","b"]}', [("note", "a"), ("note", "b")]),
        ("order", '{"appointment":{"name":"Max","list":[1,{"x":[]}]},"id":7}', []),
        ("page", '{"items":[{"household":{"name":"Max"}},{"household":{"name":"Li"}}],"total":2}', [("name", "Max"), ("name", "Li")]),
        ("page", '{"items":[],"next":null}', []),
        ("loose", '{"ssn":"1","other":{"ssn":"2","home":{"name":"x"}},"home":{"name":"Max","else":[1]}}', [("id", "1"), ("name", "Max")]),
        ("named", '{"people":{"a":"Max","b":"Li"}}', [("name", "Max"), ("name", "Li")]),
        ("named", '{"people":["Max"]}', [("name", "Max")]),
        ("anything", '["x"]', []),
        ("anything", '"x"', []),
    ],
)
def test_every_declared_string_is_found(record: str, body: str, places: list[tuple[str, str]]) -> None:
    assert found(body, record) == places


def test_offsets_hold_the_quotes() -> None:
    scanned = scan('{"id":"ä","household":{"name" : "M\\u0061x" , "phone":"1"}}'.encode(), ORDER, depth=64)
    assert [scanned.text[place.start : place.end] for place in scanned.places] == ['"M\\u0061x"', '"1"']


@pytest.mark.parametrize(
    ("record", "body", "others", "unlisted"),
    [
        ("order", '{"id":"A7","household":{"name":"Max","postcode":"01067"}}', ["A7", "01067"], []),
        (
            "order",
            '{"appointment":{"by":["Eva",{"at":"noon"}],"n":1234567,"m":12345}}',
            ["by", "Eva", "at", "noon", "n", "1234567", "m"],
            [],
        ),
        ("loose", '{"town":"Musterstadt","ssn":"1"}', ["Musterstadt"], []),
        ("loose", '{"town":{"Musterstadt":"x"}}', ["Musterstadt", "x"], []),
        (
            "loose",
            '{"extra":"e","home":{"name":"Max","more":{"y":"z"}}}',
            ["extra", "e", "more", "y", "z"],
            ["extra", "e", "more", "y", "z"],
        ),
        ("loose", '{"extra":[301234567]}', ["extra", "301234567"], ["extra", "301234567"]),
        ("named", '{"people":{"Max Mustermann":"x"}}', ["Max Mustermann"], ["Max Mustermann"]),
    ],
)
def test_what_stays_is_shown_to_the_guards(record: str, body: str, others: list[str], unlisted: list[str]) -> None:
    """B-13: names of members and long numbers may be personal data as well."""
    scanned = scan(body.encode(), RECORDS[record], depth=64)
    assert list(scanned.others) == others
    assert list(scanned.unlisted) == unlisted


NOT_JSON = [
    *(
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "{]",
        "[}",
        "[1",
        '{"id":1',
        '{"id":1]',
        '{"id":[1}}',
        '{"id"}',
        '{"id":}',
        '{"id" 1}',
        "{1:1}",
        "{id:1}",
    ),
    *("{,}", '{"id":1,}', '{,"id":1}', '{"id":1 "notes":null}', '{"id":[1,]}', '{"id":[,1]}', '{"id":[1 2]}', '{"id":[1,,2]}'),
    *("{}{}", "{} x", "{},", "{}\x00", "\ufeff{}", "// x\n{}", "{/**/}", "{}\u00a0", "\x0b{}", "{}\x0c"),
    *('{"id":NaN}', '{"id":Infinity}', '{"id":-Infinity}', '{"id":nul}', '{"id":nulll}', '{"id":True}', '{"id":trueish}', "{'id':1}"),
    *('{"id":01}', '{"id":-}', '{"id":+1}', '{"id":1.}', '{"id":.5}', '{"id":1e}', '{"id":1e+}', '{"id":0x1}', '{"id":1_0}', '{"id":--1}'),
    *('{"id":-01}', '{"id":١}', '{"id":1.5.5}', '{"id":1e5e5}', '{"id":00}'),
    *('{"id":"', '{"id":"a', '{"id":"\t"}', '{"id":"\n"}', '{"id":"\x00"}', '{"id":"\\x41"}', '{"id":"\\u12"}', '{"id":"\\u12g4"}'),
    *('{"id":"\\u+123"}', '{"id":"\\u 123"}', '{"id":"\\', '{"id":"\\"}', '{"id":"\\u00', "{\"id\":'a'}", '{"i\td":1}', '{"\\x":1}'),
]


@pytest.mark.parametrize("body", NOT_JSON)
def test_what_is_not_json_is_refused(body: str) -> None:
    assert reason(body, "anything") == "body-not-json"


@pytest.mark.parametrize(
    "body",
    [
        *(
            b'{"id":"\xff"}',
            b'{"id":"\xc0\xaf"}',
            b'{"id":"\xed\xa0\x80"}',
            b'{"id":"\xf4\x90\x80\x80"}',
            b'{"id":"\xc3',
            b"\xff\xfe{\x00}\x00",
        ),
        *('{"id":"ü"}'.encode("latin-1"), "{}".encode("utf-16")),
    ],
)
def test_what_is_not_utf8_is_refused(body: bytes) -> None:
    """T-B2: overlong forms, surrogates in UTF-8, UTF-16 and Latin-1 are never guessed at."""
    assert reason(body) == "body-not-utf8"


def test_utf_16_without_a_mark_is_no_json() -> None:
    assert reason("{}".encode("utf-16-le")) == "body-not-json"


@pytest.mark.parametrize(
    "spelled",
    ["0", "-0", "12.50", "1e400", "-1E+400", "12345678901234567890123", "1" * LONGEST_NUMBER, "0.10", "true", "false", "null"],
)
def test_numbers_are_never_converted(spelled: str) -> None:
    """T-B4, T-D9."""
    assert reason(f'{{"id":{spelled}}}') is None


def test_endless_numbers_are_refused() -> None:
    """T-D9: 5,000 digits make a Python backend raise."""
    assert reason('{"id":' + "1" * 5_000 + "}") == "body-not-json"


@pytest.mark.parametrize(
    ("record", "body"),
    [
        ("order", '{"id":1,"id":2}'),
        ("order", '{"household":{"name":"a","phone":"1","name":"b"}}'),
        ("order", '{"household":{"name":"a","n\\u0061me":"b"}}'),
        ("order", '{"household":{"name":null},"household":{}}'),
        ("order", '{"appointment":{"deep":[{"x":1,"x":1}]}}'),
        ("order", '{"appointment":{"":1,"":1}}'),
        ("loose", '{"extra":{"y":1,"\\u0079":1}}'),
        ("loose", '{"ssn":"1","\\u0073sn":"2"}'),
        ("loose", '{"ssn":"1","filler":"' + "x" * 1_000_000 + '","ssn":"2"}'),
    ],
)
def test_duplicate_names_are_refused_at_every_level(record: str, body: str) -> None:
    """T-B1: which of the two wins is a matter of the parser behind us."""
    assert reason(body, record) == "body-duplicate-key"


@pytest.mark.parametrize(
    ("record", "body"),
    [
        ("order", '{"surprise":1}'),
        ("order", '{"household":{"email":"x"}}'),
        ("order", '{"Household":{}}'),
        ("order", '{"household ":{}}'),
        ("page", '{"items":[{"surprise":null}]}'),
        ("loose", '{"SSN":"1"}'),
        ("loose", '{"home":{"NAME":"Max"}}'),
        ("loose", '{"s\\u200bsn":"1"}'),
        ("loose", '{"\\uff33SN":"1"}'),
    ],
)
def test_unlisted_members_are_refused(record: str, body: str) -> None:
    assert reason(body, record) == "body-field-unlisted"


@pytest.mark.parametrize(
    ("record", "body"),
    [
        ("order", '{"household":{"name":1}}'),
        ("order", '{"household":{"name":true}}'),
        ("order", '{"household":{"name":{"first":"Max"}}}'),
        ("order", '{"household":{"name":["Max"]}}'),
        ("order", '{"household":"Max Mustermann"}'),
        ("order", '{"household":[]}'),
        ("order", '{"household":5}'),
        ("order", '{"notes":"x"}'),
        ("order", '{"notes":{"Max Mustermann":"x"}}'),
        ("order", '{"notes":[["x"]]}'),
        ("order", "[]"),
        ("order", '"Max Mustermann"'),
        ("order", "5"),
        ("page", '{"items":["Max Mustermann"]}'),
        ("page", '{"items":[[{}]]}'),
        ("loose", "[]"),
        ("loose", '{"home":"Max"}'),
    ],
)
def test_other_shapes_are_refused(record: str, body: str) -> None:
    """T-B2: a value in another shape than declared would pass unseen."""
    assert reason(body, record) == "body-wrong-type"


@pytest.mark.parametrize("escape", ["\\ud800", "\\udfff", "\\ud800x", "\\ude00\\ud83d", "\\ud83d\\ud83d\\ude00"])
@pytest.mark.parametrize("body", ['{"id":"%s"}', '{"household":{"name":"%s"}}', '{"appointment":{"%s":1}}', '{"%s":1}'])
def test_lone_surrogates_are_refused_everywhere(body: str, escape: str) -> None:
    """B-03."""
    assert reason(body % escape) == "body-lone-surrogate"


@pytest.mark.parametrize(
    ("nested", "depth", "expected"), [(3, 4, None), (4, 4, "body-too-deep"), (63, 64, None), (64, 64, "body-too-deep")]
)
@pytest.mark.parametrize(("opener", "closer"), [("[", "]"), ('{"a":', "}")])
def test_depth(nested: int, depth: int, expected: str | None, opener: str, closer: str) -> None:
    assert reason('{"id":' + opener * nested + "1" + closer * nested + "}", depth=depth) == expected


@pytest.mark.parametrize("body", ["[" * 100_000, '{"id":' + "[" * 100_000, '{"id":' * 100_000, '{"a":[' * 100_000])
@pytest.mark.parametrize("record", ["order", "anything"])
def test_bombs_end_early(record: str, body: str) -> None:
    """T-D9: no recursion, whatever the depth."""
    assert reason(body, record) in {"body-too-deep", "body-wrong-type", "body-field-unlisted"}


@pytest.mark.parametrize(("count", "expected"), [(WIDEST, None), (WIDEST + 1, "body-too-deep")])
def test_width(count: int, expected: str | None) -> None:
    """T-D9: 200,000 keys."""
    assert reason('{"id":[' + ",".join(["1"] * count) + "]}") == expected
    assert reason('{"id":{' + ",".join(f'"{n}":1' for n in range(count)) + "}}") == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=6), inner, max_size=5),
    max_leaves=25,
)


@given(JSON, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_everything_that_the_standard_library_writes_is_read(value: Any, ascii_only: bool, indent: int | str | None) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert reason(body, "anything") is None


def oracle(body: str) -> bool:
    """Is it JSON with unique names? The standard library, minus all that it takes beyond RFC 8259."""

    def unique(pairs: list[tuple[str, Any]]) -> None:
        if len(dict(pairs)) != len(pairs):
            raise ValueError

    def refuse(name: str) -> None:
        raise ValueError

    try:
        json.loads(body, object_pairs_hook=unique, parse_constant=refuse)
    except ValueError:
        return False
    return True


@given(st.text(st.sampled_from('{}[]:,"\\u0019aeE.+-ntrfls \n'), max_size=12) | st.sampled_from(NOT_JSON))
def test_it_agrees_with_the_standard_library_on_noise(body: str) -> None:
    surrogates = re.search(r"\\u[dD][89a-fA-F]", body)
    assert (reason(body, "anything") is None) == oracle(body) or surrogates


@given(JSON.map(json.dumps), st.data())
def test_it_agrees_with_the_standard_library_on_damaged_json(body: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(body)))
    damaged = (
        body[:at] + data.draw(st.sampled_from(["", ",", '"', "}", "]", "{", "[", ":", "0", "\\", " ", "-", "e", "\x00"])) + body[at + 1 :]
    )
    said = reason(damaged, "anything")
    assert (said is None) == oracle(damaged) or said == "body-lone-surrogate"


@given(st.binary(max_size=40))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    for record in RECORDS:
        reason(body, record)


def test_refusals_say_nothing_about_the_body() -> None:
    """O-01: no value in the text of an exception, or in the one behind it."""
    for body in (b'{"household":{"name":"Max Mustermann', b'{"household":{"name":"Max Mustermann\xff"}}'):
        with pytest.raises(Refused) as caught:
            scan(body, ORDER, depth=64)
        assert str(caught.value) in {"body-not-json", "body-not-utf8"}
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
