"""Selectors and records: from what the security team writes to a tree that the scanner can follow.

A selector is an RFC 9535 query without filters, slices and descents, its leading ``$.`` left out. The syntax is read by the strict
parser of python-jsonpath, never by a pattern of our own; only its syntax tree is used, never its search. One rule is narrower than
the RFC: ``[*]`` means the elements of an array, ``.*`` also the members of an object, because whoever writes ``notes[*]`` does not
expect that names of members, which may be anything a client sends, go upstream. What never may come in: a body.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from jsonpath import JSONPath, JSONPathEnvironment
from jsonpath.exceptions import JSONPathError
from jsonpath.segments import JSONPathChildSegment, JSONPathSegment
from jsonpath.selectors import IndexSelector, JSONPathSelector, NameSelector, WildcardSelector
from jsonpath.token import TOKEN_DOT

from gateway.body.tree import CLEAR, UNLISTED, Clash, Draft, Freezer, Node, Step, Unlisted
from gateway.errors import GatewayError

#: Steps of one selector; the deepest body that a policy may allow is of this order.
MOST_STEPS = 64
#: Alternatives (``['a','b']``) of one selector, multiplied over its segments.
MOST_ALTERNATIVES = 256

_PARSER = JSONPathEnvironment(strict=True)


class SelectorError(GatewayError):
    """A selector that cannot be used. ``selector`` and ``text`` name no value; both come from the policy."""

    def __init__(self, selector: str, text: str) -> None:
        super().__init__(f"{selector!r}: {text}")
        self.selector = selector
        self.text = text


@dataclass(frozen=True, slots=True)
class Record:
    """A shape of bodies: where personal data is, what is let through, and what happens to all the rest."""

    name: str
    root: Node
    unlisted: Unlisted
    classes: frozenset[str]


def compile_record(
    name: str,
    fields: Mapping[str, str],
    clear: Sequence[str],
    contains: Mapping[str, Record] | None = None,
    unlisted: Unlisted = "refuse",
) -> Record:
    """Compile the selectors of a record. A contained record keeps its own ``unlisted``. Raises SelectorError."""
    contained = contains or {}
    meanings: list[tuple[str, Node]] = [(selector, Node("field", data_class)) for selector, data_class in fields.items()]
    meanings += [(selector, CLEAR) for selector in clear]
    meanings += [(selector, record.root) for selector, record in contained.items()]
    root = _tree(meanings, unlisted)
    inside = (record.classes for record in contained.values())
    return Record(name, root, unlisted, frozenset(fields.values()).union(*inside))


def _tree(meanings: Sequence[tuple[str, Node]], unlisted: Unlisted) -> Node:
    if not meanings and unlisted == "pass":
        return UNLISTED
    draft = Draft()
    try:
        for selector, meaning in meanings:
            for steps in _paths(selector):
                draft.add(steps, selector, meaning)
        return Freezer(unlisted).freeze([draft])
    except Clash as clash:
        raise SelectorError(clash.selector, clash.text) from None


def _paths(selector: str) -> Iterator[tuple[Step, ...]]:
    """The paths of a selector: one, unless it lists alternatives (``['a','b']``)."""
    segments = _parsed(selector)
    if not segments:
        raise SelectorError(selector, "names no place inside the body")
    if len(segments) > MOST_STEPS:
        raise SelectorError(selector, f"has more than {MOST_STEPS} steps")
    alternatives = [[_step(selector, segment, choice) for choice in segment.selectors] for segment in segments]
    count = 1
    for choices in alternatives:
        count *= len(choices)
        if count > MOST_ALTERNATIVES:
            raise SelectorError(selector, f"lists more than {MOST_ALTERNATIVES} alternatives")
    return product(*alternatives)


def _parsed(selector: str) -> tuple[JSONPathSegment, ...]:
    if not selector or selector.startswith("$") or (selector.startswith(".") and not selector.startswith("..")):
        raise SelectorError(selector, "is empty or begins with '$' or '.': leave out the leading '$.'")
    query = f"${selector}" if selector.startswith(("[", "..")) else f"$.{selector}"
    try:
        parsed = _PARSER.compile(query)
    except (JSONPathError, RecursionError):
        # The parser's own text quotes the query with a '$.' that nobody wrote.
        raise SelectorError(selector, "is not a selector (RFC 9535)") from None
    if not isinstance(parsed, JSONPath):
        raise SelectorError(selector, "combines several queries")
    return tuple(parsed.segments)


def _step(selector: str, segment: JSONPathSegment, choice: JSONPathSelector) -> Step:
    if not isinstance(segment, JSONPathChildSegment):
        raise SelectorError(selector, "a descent ('..') has no bound: name the places")
    if type(choice) is NameSelector:
        return Step(name=choice.name)
    if type(choice) is WildcardSelector:
        return Step(members_too=segment.token.kind == TOKEN_DOT)
    if type(choice) is IndexSelector and choice.index >= 0:
        return Step(index=choice.index)
    raise SelectorError(selector, "only names, '*' and indexes from 0 are selectors here: no filters, slices or negative indexes")
