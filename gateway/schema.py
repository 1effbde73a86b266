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

import yaml

from gateway.errors import ConfigurationError, Mistake

LARGEST = 1 << 20  # bytes of one file (Y-06)
DEEPEST = 40  # nested collections; 10,000 brackets cost PyYAML more than a second (T-D10)

_INTEGER = re.compile(r"[-+]?[0-9]+", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,9}) ?(B|KiB|MiB|GiB)?", re.ASCII)
_SIZES = {None: 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_DURATION = re.compile(r"([0-9]{1,6}) ?(s|m|h|d)", re.ASCII)
_DURATIONS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Mistakes:
    """Collects; ``raise_any`` ends it. One collector may serve many files."""

    def __init__(self) -> None:
        self.found: list[Mistake] = []

    def add(self, file: Path, line: int, text: str) -> None:
        self.found.append(Mistake(file, line, text))

    def raise_any(self) -> None:
        if self.found:
            raise ConfigurationError(sorted(self.found, key=lambda mistake: (str(mistake.file), mistake.line)))


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
        match = _DURATION.fullmatch(self.text())
        if match and int(match[1]) > 0:
            return int(match[1]) * _DURATIONS[match[2]]
        self.wrong("expected a duration such as 15m, 12h or 30s")
        return 1

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
        """A mapping with these keys only; unknown and missing ones are mistakes."""
        entries = self.entries()
        known = required + optional
        for key in entries:
            if key not in known:
                self.wrong(f"unknown key {key!r}{suggestion(key, known)}", self.key_lines.get(key, 0))
        for key in required:
            if key not in entries and isinstance(self.value, dict):
                self.wrong(f"{key!r} is missing")
        return {key: node for key, node in entries.items() if key in known}

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
    """YAML 1.2 core schema scalars, as far as JSON has them."""
    if text in ("null", "~", ""):
        return None
    if text in ("true", "false"):
        return text == "true"
    if _INTEGER.fullmatch(text):
        return int(text)
    if re.fullmatch(r"[-+]?[0-9]+\.[0-9]+", text, re.ASCII):
        return float(text)
    return text


def suggestion(text: str, known: Iterator[str] | tuple[str, ...] | list[str]) -> str:
    """``; did you mean …?``, or nothing."""
    close = difflib.get_close_matches(text, list(known), 1, 0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def read_yaml(file: Path, mistakes: Mistakes) -> Node | None:
    """The file's tree, or None after at least one mistake was added."""
    text = _text(file, mistakes)
    if text is None:
        return None
    before = len(mistakes.found)
    try:
        _check_events(file, text, mistakes)
        tree = yaml.compose(text, Loader=yaml.SafeLoader) if len(mistakes.found) == before else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        mistakes.add(file, mark.line + 1 if mark else 0, f"not valid YAML: {error.problem}")
        return None
    except (yaml.YAMLError, RecursionError):
        mistakes.add(file, 0, "not valid YAML")
        return None
    if len(mistakes.found) > before:
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
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        mistakes.add(file, content[: error.start].count(b"\n") + 1, "not UTF-8")
        return None


def _check_events(file: Path, text: str, mistakes: Mistakes) -> None:
    """Depth, aliases, anchors and tags, event by event: a bomb is refused before a tree is built from it."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            mistakes.add(file, line, "aliases and anchors are not allowed: write it out")
            return
        if getattr(event, "tag", None):
            mistakes.add(file, line, "tags are not allowed")
            return
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        documents += isinstance(event, yaml.DocumentStartEvent)
        if depth > DEEPEST or documents > 1:
            mistakes.add(file, line, "too deeply nested" if depth > DEEPEST else "more than one document")
            return


def _convert(file: Path, node: yaml.Node, mistakes: Mistakes) -> Node:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return Node(file, line, [_convert(file, item, mistakes) for item in node.value], mistakes)
    if isinstance(node, yaml.MappingNode):
        return _mapping(file, node, mistakes)
    plain = isinstance(node, yaml.ScalarNode) and node.style is None
    value = None if plain and node.value in ("", "~", "null") else str(node.value)
    return Node(file, line, value, mistakes, plain)


def _mapping(file: Path, node: yaml.MappingNode, mistakes: Mistakes) -> Node:
    entries: dict[str, Node] = {}
    lines: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
            mistakes.add(file, line, "a key must be a text; merges are not allowed")
        elif key.value in entries:
            mistakes.add(file, line, f"{key.value!r} stands here twice (first in line {lines[key.value]})")
        else:
            entries[key.value], lines[key.value] = _convert(file, value, mistakes), line
    return Node(file, node.start_mark.line + 1, entries, mistakes, key_lines=lines)
