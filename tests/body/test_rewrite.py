"""Outside the replaced spans every byte is the one that came; inside stands valid JSON for the replacement."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.body.rewrite import scan, splice
from gateway.body.selector import compile_record
from gateway.errors import Unavailable

ORDER = compile_record("order", {"household.name": "name", "notes[*]": "note"}, ["id", "total"])


def spliced(body: str, *replacements: str | None) -> str:
    return splice(scan(body.encode(), ORDER, depth=64), replacements).decode()


@pytest.mark.parametrize(
    ("body", "replacements", "expected"),
    [
        ('{"household":{"name":"Max"}}', ["k§3"], '{"household":{"name":"k§3"}}'),
        ('{"household":{"name":"Max"}}', [None], '{"household":{"name":"Max"}}'),
        ('{"household":{"name":"M\\u0061x"}}', ["Max"], '{"household":{"name":"M\\u0061x"}}'),
        ('{"household":{"name":"Max"}}', ['"\\\n\x00</'], '{"household":{"name":"\\"\\\\\\n\\u0000</"}}'),
        ('{"household":{"name":"Max"}}', [""], '{"household":{"name":""}}'),
        ('{"household":{"name":"Max"}}', ["😀"], '{"household":{"name":"😀"}}'),
        ('{"notes":["a","b","c"]}', ["1", None, "3"], '{"notes":["1","b","3"]}'),
        ('\t{ "total" : 12.50 ,\r\n"id":[ ] , "notes":[ "a" ] } ', ["x"], '\t{ "total" : 12.50 ,\r\n"id":[ ] , "notes":[ "x" ] } '),
        ('{"id":"\\/\\u00e4","notes":["a"],"total":1e400}', ["ä"], '{"id":"\\/\\u00e4","notes":["ä"],"total":1e400}'),
        ('{"id":12345678901234567890123,"notes":["a"]}', ["x"], '{"id":12345678901234567890123,"notes":["x"]}'),
        ('{"notes":[],"id":{},"household":{}}', [], '{"notes":[],"id":{},"household":{}}'),
    ],
)
def test_only_the_spans_change(body: str, replacements: list[str | None], expected: str) -> None:
    """B-03, T-B4: an empty array stays an array, 12.50 stays 12.50."""
    assert spliced(body, *replacements) == expected


@pytest.mark.parametrize("replacements", [[], ["x", "y"]])
def test_a_missing_replacement_ends_the_exchange(replacements: list[str]) -> None:
    with pytest.raises(Unavailable):
        spliced('{"notes":["Max"]}', *replacements)


def test_a_replacement_that_utf8_cannot_spell_ends_the_exchange() -> None:
    with pytest.raises(Unavailable) as caught:
        spliced('{"notes":["Max Mustermann"],"id":"Max Mustermann"}', "\ud800")
    assert caught.value.__suppress_context__


NUMBERS = st.sampled_from(["0", "-0", "12.50", "1e400", "1E-7", "99999999999999999999999999", "true", "null"])
BLANKS = st.text(st.sampled_from(" \t\n\r"), max_size=3)


class Spelled:
    """Random JSON in a random spelling, together with what it means."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def ws(self) -> str:
        return self._draw(BLANKS)

    def string(self, value: str) -> str:
        """Each character plain, as a short escape, or as \\u escapes in either case."""
        return '"' + "".join(self._character(c) for c in value) + '"'

    def _character(self, c: str) -> str:
        short = json.dumps(c)[1:-1] if c != "/" else "\\/"
        units = c.encode("utf-16-be")
        long = "".join(f"\\u{units[at]:02x}{units[at + 1]:02X}" for at in range(0, len(units), 2))
        plain = [c] if c >= " " and c not in '"\\' else []
        return self._draw(st.sampled_from([*plain, short, long]))

    def array(self, items: list[str]) -> str:
        return "[" + self.ws() + ",".join(self.ws() + item + self.ws() for item in items) + "]"

    def object(self, members: list[tuple[str, str]]) -> str:
        spelled = (self.ws() + self.string(name) + self.ws() + ":" + self.ws() + value + self.ws() for name, value in members)
        return "{" + self.ws() + ",".join(spelled) + "}"

    def any(self, depth: int = 3) -> str:
        kind = self._draw(st.sampled_from(["number", "string", "array", "object"] if depth else ["number", "string"]))
        if kind == "number":
            return self._draw(NUMBERS)
        if kind == "string":
            return self.string(self._draw(st.text(max_size=5)))
        below = [self.any(depth - 1) for _ in range(self._draw(st.integers(0, 3)))]
        if kind == "array":
            return self.array(below)
        names = self._draw(st.lists(st.text(max_size=4), min_size=len(below), max_size=len(below), unique=True))
        return self.object(list(zip(names, below, strict=True)))


@st.composite
def orders(draw: st.DrawFn) -> tuple[str, list[str]]:
    """An order in some spelling, and the values at its declared places in the order of the text."""
    spelled = Spelled(draw)
    values: list[str] = []

    def value() -> str:
        text = draw(st.none() | st.text(max_size=8))
        values.extend([text] if text else [])
        return "null" if text is None else spelled.string(text)

    makers = {
        "household": lambda: spelled.object([("name", value())] if draw(st.booleans()) else []),
        "notes": lambda: spelled.array([value() for _ in range(draw(st.integers(0, 4)))]),
        "id": spelled.any,
        "total": spelled.any,
    }
    names = draw(st.lists(st.sampled_from(sorted(makers)), unique=True))
    body = spelled.ws() + spelled.object([(name, makers[name]()) for name in names]) + spelled.ws()
    return body, values


def replaced(meaning: dict[str, Any], new: list[str | None]) -> dict[str, Any]:
    """The oracle: the same replacements on the parsed body."""
    following = iter(new)

    def put(value: Any) -> Any:
        if not value:
            return value
        replacement = next(following)
        return value if replacement is None else replacement

    result = copy.deepcopy(meaning)
    for name in result:
        if name == "notes":
            result["notes"] = [put(note) for note in result["notes"]]
        if name == "household" and "name" in result["household"]:
            result["household"]["name"] = put(result["household"]["name"])
    return result


@given(orders(), st.data())
def test_any_body_means_what_an_oracle_says_and_keeps_its_other_bytes(order: tuple[str, list[str]], data: st.DataObject) -> None:
    body, values = order
    scanned = scan(body.encode(), ORDER, depth=64)
    assert [place.value for place in scanned.places] == values
    new = data.draw(st.lists(st.none() | st.text(max_size=6), min_size=len(values), max_size=len(values)))
    after = splice(scanned, new).decode()

    assert json.loads(after) == replaced(json.loads(body), new)
    at = end = 0
    for place, replacement in zip(scanned.places, new, strict=True):
        before = body[at : place.start]
        assert after[end : end + len(before)] == before
        changed = replacement is not None and replacement != place.value
        end += len(before) + (len(json.dumps(replacement, ensure_ascii=False)) if changed else place.end - place.start)
        at = place.end
    assert after[end:] == body[at:]


@given(orders())
def test_nothing_replaced_is_nothing_changed(order: tuple[str, list[str]]) -> None:
    body, values = order
    scanned = scan(body.encode(), ORDER, depth=64)
    assert splice(scanned, [None] * len(values)) == body.encode()
    assert splice(scanned, values) == body.encode()
