"""Reading files that people edit: strict YAML, and every mistake with file:line, all at once.

YAML as shipped turns ``NO`` into False and ``12:30`` into 750, lets the last duplicate key win and loads recursive aliases (Y-01).
Here scalars follow the YAML 1.2 core schema, keys are unique, and aliases, anchors, merges and tags do not exist. What never may
come in: what a file means (``config.py``, ``policy/load.py``).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gateway.errors import ConfigurationError, Mistake

LARGEST = 1 << 20  # bytes of one file (Y-06)
DEEPEST = 40  # nested collections; 10,000 brackets cost PyYAML more than a second (T-D10)
MOST_EVENTS = 100_000  # of one file: at some 20 µs each, what a file of a megabyte of commas would cost is cut off (T-D10)
LONGEST_NUMBER = 18  # digits; Python itself refuses to read more than 4,300 of them

_INTEGER = re.compile(r"[-+]?[0-9]+", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,9}) ?(B|KiB|MiB|GiB)?", re.ASCII)
_SIZES = {None: 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_DURATION = re.compile(r"([0-9]{1,6}) ?(s|m|h|d)", re.ASCII)
_DURATIONS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# What a reviewer's editor shows otherwise than it is read: line breaks of YAML 1.1 (NEL, LS, PS) and a lone CR, which end a comment
# unseen; and characters that turn the direction of text or cannot be seen at all ("Trojan Source", CVE-2021-42574).
_UNSEEN = re.compile("\r(?!\n)|[\x85\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Mistakes:
    """Collects; ``raise_any`` ends it. One collector may serve many files."""

    def __init__(self) -> None:
        self.found: list[Mistake] = []

    def add(self, file: Path, line: int, text: str) -> None:
        self.found.append(Mistake(file, line, text))

    def raise_any(self) -> None:
        if self.found:
            distinct = dict.fromkeys(self.found)  # what PUT,PATCH share is read twice, and said once
            raise ConfigurationError(sorted(distinct, key=lambda mistake: (str(mistake.file), mistake.line)))


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands. ``value``: str, None, a list of nodes, or a dict of key → node; ``plain``: written unquoted."""

    file: Path
    line: int
    value: str | list[Node] | dict[str, Node] | None
    mistakes: Mistakes = field(repr=False, compare=False)
    plain: bool = False
    key_lines: dict[str, int] = field(default_factory=dict, compare=False)

    def wrong(self, text: str, line: int = 0) -> None:
        self.mistakes.add(self.file, line or self.line, text)

    # -- readers: each reports what is wrong and returns a harmless value, so that the reading goes on

    def text(self) -> str:
        if isinstance(self.value, str):
            return self.value
        self.wrong(f"expected a text, found {self.kind()}")
        return ""

    def path(self, folder: Path) -> Path:
        """A path that counts from ``folder``. An empty one would be the folder itself."""
        text = self.text()
        if text and text.isprintable():
            return folder / text
        if isinstance(self.value, str):
            self.wrong("expected a path")
        return folder

    def integer(self, least: int, most: int) -> int:
        if isinstance(self.value, str) and self.plain and _INTEGER.fullmatch(self.value) and len(self.value) < 12:
            number = int(self.value)
            if least <= number <= most:
                return number
        self.wrong(f"expected a whole number from {least} to {most}")
        return least

    def size(self) -> int:
        match = _SIZE.fullmatch(self.text())
        if match and int(match[1]) > 0:
            return int(match[1]) * _SIZES[match[2]]
        self.wrong("expected a size such as 1 MiB")
        return 1

    def duration(self) -> int:
        seconds = seconds_of(self.text())
        if seconds is None:
            self.wrong("expected a duration such as 15m, 12h or 30s")
        return seconds or 1

    def boolean(self) -> bool:
        if self.plain and self.value in ("true", "false"):
            return self.value == "true"
        self.wrong("expected true or false")
        return False

    def choice(self, *allowed: str) -> str:
        text = self.text()
        if text in allowed:
            return text
        self.wrong(f"expected one of {', '.join(allowed)}{suggestion(text, allowed)}")
        return allowed[0]

    def items(self) -> list[Node]:
        if isinstance(self.value, list):
            return self.value
        self.wrong(f"expected a list, found {self.kind()}")
        return []

    def texts(self) -> list[str]:
        return [item.text() for item in self.items()]

    def entries(self) -> dict[str, Node]:
        if isinstance(self.value, dict):
            return self.value
        self.wrong(f"expected a mapping, found {self.kind()}")
        return {}

    def fields(self, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Node]:
        """A mapping with these keys only; unknown and missing ones are mistakes.

        A missing one is there all the same, as a nothing whose own mistakes nobody hears: the reading goes on.
        """
        entries = self.entries()
        known = required + optional
        for key in entries:
            if key not in known:
                self.wrong(f"unknown key {key!r}{suggestion(key, known)}", self.key_lines.get(key, 0))
        for key in required:
            if key not in entries and isinstance(self.value, dict):
                self.wrong(f"{key!r} is missing")
        absent = {key: Node(self.file, self.line, None, Mistakes()) for key in required}
        return absent | {key: node for key, node in entries.items() if key in known}

    def kind(self) -> str:
        if isinstance(self.value, dict):
            return "a mapping"
        return "a list" if isinstance(self.value, list) else "a text" if isinstance(self.value, str) else "nothing"

    def plain_value(self) -> object:
        """As JSON would have it: for bodies in a policy's tests."""
        if isinstance(self.value, dict):
            return {key: node.plain_value() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain_value() for node in self.value]
        if isinstance(self.value, str) and self.plain:
            return _core(self.value)
        return self.value


def _core(text: str) -> object:
    """YAML 1.2 scalars, as far as JSON has them: ``01067``, ``+49301234567`` and ``NO`` are texts (Y-01)."""
    if text in ("true", "false"):
        return text == "true"
    number = _NUMBER.fullmatch(text)
    if number is None or len(text) > LONGEST_NUMBER:
        return text
    return float(text) if number[1] or number[2] else int(text)


def seconds_of(duration: str) -> int | None:
    """``30s``, ``15m``, ``12h``, ``2d``; None for what is no duration."""
    match = _DURATION.fullmatch(duration)
    return int(match[1]) * _DURATIONS[match[2]] if match and int(match[1]) > 0 else None


def suggestion(text: str, known: Iterator[str] | tuple[str, ...] | list[str]) -> str:
    """``; did you mean …?``, or nothing."""
    close = difflib.get_close_matches(text, list(known), 1, 0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def read_yaml(file: Path, mistakes: Mistakes) -> Node | None:
    """The file's tree, or None after at least one mistake was added."""
    text = _text(file, mistakes)
    if text is None:
        return None
    try:
        tree = _StrictLoader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        prefix = "" if isinstance(error, _Forbidden) else "not valid YAML: "
        mistakes.add(file, mark.line + 1 if mark else 0, f"{prefix}{error.problem}")
        return None
    except yaml.reader.ReaderError as error:
        mistakes.add(file, text.count("\n", 0, error.position) + 1, "not valid YAML: a control character")
        return None
    except (ValueError, OverflowError):  # PyYAML's own, for "\UFFFFFFFF" and for a %YAML version of 5,000 digits
        mistakes.add(file, 0, "not valid YAML: a number beyond all bounds in an escape or a directive")
        return None
    if tree is None:
        mistakes.add(file, 0, "the file is empty")
        return None
    return _convert(file, tree, mistakes)


def _text(file: Path, mistakes: Mistakes) -> str | None:
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST + 1)
    except OSError as error:
        mistakes.add(file, 0, f"cannot be read ({error.strerror})")
        return None
    if len(content) > LARGEST:
        mistakes.add(file, 0, "larger than 1 MiB")
        return None
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")  # Windows editors put a byte order mark in front
    except UnicodeDecodeError as error:
        mistakes.add(file, content[: error.start].count(b"\n") + 1, "not UTF-8")
        return None
    unseen = _UNSEEN.search(text)
    if unseen:
        line = text.count("\n", 0, unseen.start()) + 1
        mistakes.add(file, line, f"U+{ord(unseen[0]):04X} stands here, which editors do not show: remove it, or write it as an escape")
        return None
    return text


class _Forbidden(yaml.MarkedYAMLError):
    """Valid YAML, and not allowed here."""


class _StrictLoader(yaml.SafeLoader):
    """Judges event by event, while the tree is built: a bomb is refused before it is a tree (T-D10).

    Pure Python on purpose: the C loader ignores what a subclass overrides (Y-02), and crashes on 100,000 brackets.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._events = self._documents = 0

    def get_event(self) -> Any:
        event = super().get_event()  # type: ignore[no-untyped-call]
        self._events += 1
        self._documents += isinstance(event, yaml.DocumentStartEvent)
        self._depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        problem = self._problem(event)
        if problem:
            raise _Forbidden(problem=problem, problem_mark=event.start_mark)
        return event

    def _problem(self, event: Any) -> str:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            return "aliases and anchors are not allowed: write it out"
        if getattr(event, "tag", None):
            return "tags are not allowed"
        if self._depth > DEEPEST:
            return "too deeply nested"
        if self._events > MOST_EVENTS:
            return f"more than {MOST_EVENTS:,} entries"
        return "more than one document" if self._documents > 1 else ""


def _convert(file: Path, node: yaml.Node, mistakes: Mistakes) -> Node:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return Node(file, line, [_convert(file, item, mistakes) for item in node.value], mistakes)
    if isinstance(node, yaml.MappingNode):
        return _mapping(file, node, mistakes)
    plain = isinstance(node, yaml.ScalarNode) and node.style is None
    value = None if plain and node.value in ("", "~", "null") else str(node.value)
    if value and _SURROGATE.search(value):  # no encoder takes it: it would fail in the middle of a request
        mistakes.add(file, line, "half of a surrogate pair is no character")
        value = ""
    return Node(file, line, value, mistakes, plain)


def _mapping(file: Path, node: yaml.MappingNode, mistakes: Mistakes) -> Node:
    entries: dict[str, Node] = {}
    lines: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.value == "<<" or _SURROGATE.search(key.value):
            mistakes.add(file, line, "a key must be a text; merges are not allowed")
        elif key.value in entries:
            mistakes.add(file, line, f"{key.value!r} stands here twice (first in line {lines[key.value]})")
        else:
            entries[key.value], lines[key.value] = _convert(file, value, mistakes), line
    return Node(file, node.start_mark.line + 1, entries, mistakes, key_lines=lines)
