"""The Python reference scanner for JSON: finds the declared places of a body without ever parsing it into objects.

One pass from left to right with an explicit stack: nothing here recurses, converts a number or builds a tree, so that a bomb costs
what its bytes cost (T-D9). It accepts exactly RFC 8259 in UTF-8, with every name unique, and refuses what two parsers might read in
two ways. What never may come in: a repair (of encodings, of commas, of duplicates), or a place that is skipped because it looks
harmless.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from gateway.body.selector import Record
from gateway.body.tree import UNLISTED, Node
from gateway.errors import Refused

#: Characters of one number: beyond 4,300 digits Python backends raise (CVE-2020-10735), others lose minutes.
LONGEST_NUMBER = 4_300
#: Members of one object or elements of one array.
WIDEST = 100_000
#: A number this long may be a telephone or a meter number, so the guards look at it.
_TELLING_NUMBER = 6

# Possessive quantifiers: no pattern can backtrack, so every one is linear (T-D11). White space after a token is eaten with it.
_WS = r"[ \t\n\r]*+"
_PLAIN = r'"([^"\\\x00-\x1f]*+)"'
_BLANK = re.compile(_WS)
_COLON = re.compile(_WS + ":" + _WS)
_SEPARATOR = re.compile(r"([,\]}])" + _WS)
_PLAIN_NAME = re.compile(_PLAIN + _WS + ":" + _WS)
_PLAIN_STRING = re.compile(_PLAIN + _WS)
_ANY_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"')
_LITERAL = re.compile(r"(-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+|true|false|null)" + _WS)
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Place:
    """A string at a declared place: offsets into ``Scanned.text``, quotes included, and what it says when its escapes are decoded."""

    start: int
    end: int
    value: str
    data_class: str


@dataclass(frozen=True, slots=True)
class Scanned:
    """A body that was read to its end. ``others``: every string that stays; ``unlisted``: those of them that no policy names."""

    text: str
    places: tuple[Place, ...]
    others: tuple[str, ...]
    unlisted: tuple[str, ...] = ()


def scan(body: bytes, record: Record, *, depth: int) -> Scanned:
    """Find every place of ``record`` in ``body``. Raises Refused('body-…') for all that is not wholly understood."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("body-not-utf8") from None  # its text and its attributes quote the body
    scanner = _Scanner(text, depth)
    scanner.run(record.root)
    return Scanned(text, tuple(scanner.places), tuple(scanner.others), tuple(scanner.unlisted))


class _Open:
    """An object or array whose end has not been seen."""

    __slots__ = ("closer", "count", "names", "node")

    def __init__(self, node: Node, closer: str) -> None:
        self.node = node
        self.closer = closer
        self.count = 0
        self.names: set[str] = set()


class _Scanner:
    """Every method takes the offset of a token and returns the offset of the next one."""

    __slots__ = ("_depth", "_open", "_text", "others", "places", "unlisted")

    def __init__(self, text: str, depth: int) -> None:
        self._text = text
        self._depth = depth
        self._open: list[_Open] = []
        self.places: list[Place] = []
        self.others: list[str] = []
        self.unlisted: list[str] = []

    def run(self, root: Node) -> None:
        at = self._value(root, _end(_BLANK.match(self._text)))
        while self._open:
            at = self._next(self._open[-1], at)
        if at != len(self._text):
            raise Refused("body-not-json")

    def _next(self, container: _Open, at: int) -> int:
        """The next member or element of ``container``, or its end."""
        found = _SEPARATOR.match(self._text, at)
        if found is not None and found[1] == container.closer:
            self._open.pop()
            return found.end()
        if container.count:
            if found is None or found[1] != ",":
                raise Refused("body-not-json")
            at = found.end()
        container.count += 1
        if container.count > WIDEST:
            raise Refused("body-too-deep")
        return self._member(container, at) if container.closer == "}" else self._element(container, at)

    def _member(self, container: _Open, at: int) -> int:
        found = _PLAIN_NAME.match(self._text, at)
        if found is not None:
            name, at = found[1], found.end()
        else:
            name, at = self._escaped(at)
            at = _end(_COLON.match(self._text, at))
        if name in container.names:  # after decoding: "\u0073sn" is "ssn" (T-B1)
            raise Refused("body-duplicate-key")
        container.names.add(name)
        node = container.node
        child = node.member(name)
        if child is None:
            raise Refused("body-field-unlisted")
        if name not in node.names:
            self._stays(name, UNLISTED if node.kind == "inner" else node)
        return self._value(child, at)

    def _element(self, container: _Open, at: int) -> int:
        child = container.node.element(container.count - 1)
        if child is None:
            raise Refused("body-field-unlisted")
        return self._value(child, at)

    def _value(self, node: Node, at: int) -> int:
        first = self._text[at : at + 1]
        if first == '"':
            return self._string(node, at)
        if first == "{" or first == "[":
            return self._container(node, at, first)
        return self._literal(node, at)

    def _string(self, node: Node, at: int) -> int:
        found = _PLAIN_STRING.match(self._text, at)
        if found is not None:
            value, end, following = found[1], found.end(1) + 1, found.end()
        else:
            value, end = self._escaped(at)
            following = _end(_BLANK.match(self._text, end))
        if node.kind == "inner":
            raise Refused("body-wrong-type")
        if node.kind != "field":
            self._stays(value, node)
        elif value:  # an empty string hides nothing
            self.places.append(Place(at, end, value, node.data_class))
        return following

    def _escaped(self, at: int) -> tuple[str, int]:
        """A string with escapes: what it says, and the offset behind its quote."""
        end = _end(_ANY_STRING.match(self._text, at))
        value: str = json.loads(self._text[at:end])
        if _SURROGATE.search(value):
            raise Refused("body-lone-surrogate")  # no UTF-8 spells it, so readers disagree about what it is
        return value, end

    def _container(self, node: Node, at: int, opener: str) -> int:
        if len(self._open) >= self._depth:
            raise Refused("body-too-deep")
        takes = node.takes_object if opener == "{" else node.takes_array
        if node.kind == "field" or not takes:
            raise Refused("body-wrong-type")
        self._open.append(_Open(node, "}" if opener == "{" else "]"))
        return _end(_BLANK.match(self._text, at + 1))

    def _literal(self, node: Node, at: int) -> int:
        found = _LITERAL.match(self._text, at)
        if found is None or found.end(1) - at > LONGEST_NUMBER:
            raise Refused("body-not-json")
        spelled = found[1]
        if spelled != "null" and node.kind in ("field", "inner"):
            raise Refused("body-wrong-type")
        if len(spelled) >= _TELLING_NUMBER:
            self._stays(spelled, node)
        return found.end()

    def _stays(self, text: str, node: Node) -> None:
        """``text`` goes on as it came: the guards must see it."""
        self.others.append(text)
        if node.kind == "unlisted":
            self.unlisted.append(text)


def _end(found: re.Match[str] | None) -> int:
    if found is None:
        raise Refused("body-not-json")
    return found.end()
