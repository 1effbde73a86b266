"""Strict YAML: what is refused, with file:line; what scalars mean; and that no file makes the reader work for long (Y-01, T-D10)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway import schema
from gateway.errors import ConfigurationError, Mistake
from gateway.schema import DEEPEST, LARGEST, Mistakes, Node, read_yaml, suggestion


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(content: str | bytes) -> Path:
        file = tmp_path / "policy.yaml"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return write


def refused(file: Path) -> list[str]:
    """``line: text`` of every mistake; the file must give no tree."""
    mistakes = Mistakes()
    assert read_yaml(file, mistakes) is None
    assert all(mistake.file == file for mistake in mistakes.found)
    return [f"{mistake.line}: {mistake.text}" for mistake in mistakes.found]


BROKEN = {
    "alias": ("a: 1\nb: *c\n", "2: aliases and anchors are not allowed"),
    "anchor": ("a: &c 1\n", "1: aliases and anchors are not allowed"),
    "recursive alias": ("a:\n  &c [*c]\n", "2: aliases and anchors are not allowed"),
    "anchored mapping": ("a: 1\nb: &c\n  d: 1\n", "2: aliases and anchors are not allowed"),
    "tag": ("a: !!python/object/apply:os.system [ls]\n", "1: tags are not allowed"),
    "harmless tag": ("a: 1\nb: !!str 1\n", "2: tags are not allowed"),
    "two documents": ("a: 1\n---\nb: 2\n", "2: more than one document"),
    "tab": ("a:\n\tb: 1\n", "2: not valid YAML"),
    "unclosed list": ("a: [1\nb: 2\n", "2: not valid YAML"),
    "unclosed quotes": ('a: "1\n', "2: not valid YAML"),
    "two colons": ("a: b: c\n", "1: not valid YAML"),
    "control character": ("a: 1\nb: \0\n", "2: not valid YAML: a control character"),
    "comment that a line separator ends": ("a: 1\n# reviewed\u2028admin: clear\n", "2: U+2028 stands here, which editors do not show"),
    "comment that NEL ends": ("# reviewed\x85admin: clear\na: 1\n", "1: U+0085 stands here"),
    "comment that a carriage return ends": ("# reviewed\radmin: clear\na: 1\n", "1: U+000D stands here"),
    "direction of text": ("a: 1\nb: \u202eraelc\n", "2: U+202E stands here"),
    "no width": ("a\u200b: 1\na: 2\n", "1: U+200B stands here"),
    "second byte order mark": ("a: 1\nb: \ufeff2\n", "2: U+FEFF stands here"),
    "escape beyond Unicode": ('a: "\\UFFFFFFFF"\n', "0: not valid YAML: a number beyond all bounds"),
    "version of 5,000 digits": (f"%YAML 1.{'9' * 5000}\n---\na: b\n", "0: not valid YAML: a number beyond all bounds"),
    "empty": ("", "0: the file is empty"),
    "only a comment": ("# Max Mustermann\n", "0: the file is empty"),
    "not UTF-8": (b"a: 1\nb: M\xfcller\n", "2: not UTF-8"),
    "UTF-16": ("a: 1\n".encode("utf-16"), "1: not UTF-8"),
}


@pytest.mark.parametrize(("content", "expected"), BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_not_strict_yaml_is_refused_with_its_line(
    content: str | bytes, expected: str, write: Callable[[str | bytes], Path]
) -> None:
    (found,) = refused(write(content))
    assert found.startswith(expected)


@pytest.mark.parametrize("content", ['a: 1\nb: "\\ud800"\n', 'a: 1\n"\\udfff": b\n'], ids=["value", "key"])
def test_half_of_a_surrogate_pair_is_a_mistake(content: str, write: Callable[[str | bytes], Path]) -> None:
    """No encoder takes it: a policy that holds one would fail in the middle of a request."""
    mistakes = Mistakes()
    read_yaml(write(content), mistakes)
    assert [mistake.line for mistake in mistakes.found] == [2]


@pytest.mark.parametrize(
    "content", ["\ufeffa: 1\r\n# c\r\n", "a: 1\n# Müller, 日本, \U0001f468\u200d\U0001f469\n"], ids=["Windows", "names"]
)
def test_what_editors_write_by_themselves_is_read(content: str, write: Callable[[str | bytes], Path]) -> None:
    mistakes = Mistakes()
    root = read_yaml(write(content), mistakes)
    assert root is not None
    assert root.plain_value() == {"a": 1}


def test_a_file_that_is_not_there_is_a_mistake_and_not_an_empty_policy(tmp_path: Path) -> None:
    """Y-03: an unreadable file never becomes "no rules"."""
    assert refused(tmp_path / "absent.yaml") == ["0: cannot be read (No such file or directory)"]
    assert refused(tmp_path) == ["0: cannot be read (Is a directory)"]


BOMBS = {
    "10,000 brackets": ("[" * 10_000 + "]" * 10_000, "1: too deeply nested"),
    "100,000 brackets": ("[" * 100_000 + "]" * 100_000, "1: too deeply nested"),
    "unclosed brackets": ("[" * 100_000, "1: too deeply nested"),
    "braces": ("a: " + "{" * 100_000, "1: too deeply nested"),
    "mappings in a flow": ("[a: " * 1000, "1: too deeply nested"),
    "indentation": ("".join(" " * depth + "a:\n" for depth in range(1000)), f"{DEEPEST + 1}: too deeply nested"),
    "dashes": ("- " * 100_000 + "a", "1: too deeply nested"),
    "question marks": ("? " * 100_000 + "a", "1: too deeply nested"),
    "commas": ("[" + "a," * 500_000 + "a]", "1: more than 100,000 entries"),
    "keys": ("".join(f"k{number}: v\n" for number in range(80_000)), "49999: more than 100,000 entries"),
    "billion laughs": ("a: &a [x, x]\nb: &b [*a, *a]\n", "1: aliases and anchors are not allowed"),
    "more than a megabyte": ("#" * (LARGEST + 1), "0: larger than 1 MiB"),
}


@pytest.mark.parametrize(("content", "expected"), BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused(content: str, expected: str, write: Callable[[str | bytes], Path]) -> None:
    """T-D10: 10,000 nested brackets cost PyYAML more than a second, and 100,000 crash its C loader."""
    (found,) = refused(write(content))
    assert found.startswith(expected)


@pytest.mark.parametrize(
    "bomb", ["[" * 10_000 + "]" * 10_000, "- " * 100_000 + "a", "[" + "a," * 500_000 + "a]"], ids=["deep", "dashes", "wide"]
)
def test_a_bomb_costs_a_bounded_number_of_events(bomb: str, write: Callable[[str | bytes], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """T-D10, counted instead of timed: the parser is not asked on after the limit."""
    asked = 0
    get_event = yaml.SafeLoader.get_event

    def counted(loader: yaml.SafeLoader) -> object:
        nonlocal asked
        asked += 1
        return get_event(loader)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(yaml.SafeLoader, "get_event", counted)
    refused(write(bomb))
    assert asked <= schema.MOST_EVENTS + 1


def test_the_limits_themselves_are_allowed(write: Callable[[str | bytes], Path]) -> None:
    mistakes = Mistakes()
    assert read_yaml(write("[" * DEEPEST + "]" * DEEPEST), mistakes) is not None
    assert read_yaml(write("a: 1\n" + "#" * (LARGEST - 5)), mistakes) is not None
    assert not mistakes.found


def node(write: Callable[[str | bytes], Path], text: str) -> Node:
    mistakes = Mistakes()
    root = read_yaml(write(f"value: {text}\n"), mistakes)
    assert root is not None, mistakes.found
    return root.entries()["value"]


SCALARS: list[tuple[str, object]] = [
    ("NO", "NO"),
    ("yes", "yes"),
    ("on", "on"),
    ("True", "True"),
    ("Null", "Null"),  # a German surname
    ("01067", "01067"),
    ("0o17", "0o17"),
    ("0x1F", "0x1F"),
    ("12:30", "12:30"),
    ("2026-01-31", "2026-01-31"),
    ("+49301234567", "+49301234567"),
    ("1_000", "1_000"),
    (".5", ".5"),
    (".inf", ".inf"),
    ("9" * 5000, "9" * 5000),
    ("1e999999999999999999", "1e999999999999999999"),
    ("true", True),
    ("false", False),
    ("null", None),
    ("~", None),
    ("", None),
    ("7", 7),
    ("-7", -7),
    ("1.10", 1.1),
    ("1e3", 1000.0),
    ('"7"', "7"),
    ("'true'", "true"),
    ('"null"', "null"),
    ("Max Mustermann", "Max Mustermann"),
    ("[1, {a: Müller, b: null}]", [1, {"a": "Müller", "b": None}]),
]


@pytest.mark.parametrize(("text", "expected"), SCALARS, ids=[text[:24] for text, _ in SCALARS])
def test_scalars_mean_what_json_would_mean(text: str, expected: object, write: Callable[[str | bytes], Path]) -> None:
    """Y-01: YAML 1.1 reads NO as False, 01067 as 567 and 12:30 as 750."""
    value = node(write, text).plain_value()
    assert value == expected
    assert type(value) is type(expected)


READERS: list[tuple[str, Callable[[Node], object], object]] = [
    ("5", lambda node: node.integer(1, 9), 5),
    ("0", lambda node: node.integer(1, 9), "expected a whole number from 1 to 9"),
    ("10", lambda node: node.integer(1, 9), "expected a whole number from 1 to 9"),
    ('"5"', lambda node: node.integer(1, 9), "expected a whole number from 1 to 9"),
    ("٥", lambda node: node.integer(1, 9), "expected a whole number from 1 to 9"),
    ("9" * 5000, lambda node: node.integer(1, 9), "expected a whole number from 1 to 9"),
    ("[5]", lambda node: node.integer(1, 9), "expected a whole number from 1 to 9"),
    ("1 MiB", Node.size, 1 << 20),
    ("1MiB", Node.size, 1 << 20),
    ("64 KiB", Node.size, 64 << 10),
    ("2 GiB", Node.size, 2 << 30),
    ("500", Node.size, 500),
    ("500 B", Node.size, 500),
    ("1 MB", Node.size, "expected a size such as 1 MiB"),
    ("1.5 MiB", Node.size, "expected a size such as 1 MiB"),
    ("-1", Node.size, "expected a size such as 1 MiB"),
    ("0", Node.size, "expected a size such as 1 MiB"),
    ("15m", Node.duration, 900),
    ("12h", Node.duration, 43200),
    ("30 s", Node.duration, 30),
    ("2d", Node.duration, 172800),
    ("15", Node.duration, "expected a duration such as 15m, 12h or 30s"),
    ("0s", Node.duration, "expected a duration such as 15m, 12h or 30s"),
    ("1w", Node.duration, "expected a duration such as 15m, 12h or 30s"),
    ("true", Node.boolean, True),
    ("false", Node.boolean, False),
    ("yes", Node.boolean, "expected true or false"),
    ('"true"', Node.boolean, "expected true or false"),
    ("forward", lambda node: node.choice("forward", "drop"), "forward"),
    ("forwrad", lambda node: node.choice("forward", "drop"), "expected one of forward, drop; did you mean 'forward'?"),
    ("[a, b]", Node.texts, ["a", "b"]),
    ("a", Node.texts, "expected a list, found a text"),
    ("", Node.items, "expected a list, found nothing"),
    ("{a: b}", Node.text, "expected a text, found a mapping"),
    ("[a]", Node.text, "expected a text, found a list"),
    ("null", Node.text, "expected a text, found nothing"),
    ("[a]", Node.entries, "expected a mapping, found a list"),
    ("certs/ca.pem", lambda node: node.path(Path("/etc/gateway")), Path("/etc/gateway/certs/ca.pem")),
    ("/srv/ca.pem", lambda node: node.path(Path("/etc/gateway")), Path("/srv/ca.pem")),
    ('""', lambda node: node.path(Path("/etc/gateway")), "expected a path"),
    ('"a\\0b"', lambda node: node.path(Path("/etc/gateway")), "expected a path"),
    ("[a]", lambda node: node.path(Path("/etc/gateway")), "expected a text, found a list"),
]


@pytest.mark.parametrize(
    ("text", "read", "expected"), READERS, ids=[f"{text[:12]}-{number}" for number, (text, _, _) in enumerate(READERS)]
)
def test_a_reader_gives_the_value_or_reports_and_goes_on(
    text: str, read: Callable[[Node], object], expected: object, write: Callable[[str | bytes], Path]
) -> None:
    value = node(write, text)
    result = read(value)
    if value.mistakes.found:
        assert [mistake.text for mistake in value.mistakes.found] == [expected]
        assert value.mistakes.found[0].line == 1
    else:
        assert result == expected


def test_every_key_has_its_line_and_stands_once(write: Callable[[str | bytes], Path]) -> None:
    """Y-01: the last duplicate would win, and a merge would override what stands beside it."""
    mistakes = Mistakes()
    read_yaml(write("a: 1\nb:\n  c: 1\n  'c': 2\n  <<: {d: 1}\n  ? [e]\n  : 1\na: 2\n"), mistakes)
    assert [f"{mistake.line}: {mistake.text}" for mistake in mistakes.found] == [
        "4: 'c' stands here twice (first in line 3)",
        "5: a key must be a text; merges are not allowed",
        "6: a key must be a text; merges are not allowed",
        "8: 'a' stands here twice (first in line 1)",
    ]


def test_unknown_and_missing_keys_are_mistakes_and_the_reading_goes_on(write: Callable[[str | bytes], Path]) -> None:
    mistakes = Mistakes()
    root = read_yaml(write("listn: 1\nother: 2\n"), mistakes)
    assert root is not None
    fields = root.fields(("listen",), ("other",))
    assert fields["other"].text() == "2"
    assert fields["listen"].text() == ""  # said to be missing already, and not said again
    assert [f"{mistake.line}: {mistake.text}" for mistake in mistakes.found] == [
        "1: unknown key 'listn'; did you mean 'listen'?",
        "1: 'listen' is missing",
    ]


def test_mistakes_are_sorted_said_once_and_raised_together() -> None:
    mistakes = Mistakes()
    mistakes.raise_any()
    for file, line in (("b.yaml", 1), ("a.yaml", 9), ("a.yaml", 2), ("a.yaml", 9), ("a.yaml", 0)):
        mistakes.add(Path(file), line, "wrong")
    with pytest.raises(ConfigurationError) as raised:
        mistakes.raise_any()
    assert str(raised.value).splitlines() == ["a.yaml: wrong", "a.yaml:2: wrong", "a.yaml:9: wrong", "b.yaml:1: wrong"]
    assert raised.value.mistakes[0] == Mistake(Path("a.yaml"), 0, "wrong")


def test_a_byte_order_mark_is_no_part_of_the_first_key(write: Callable[[str | bytes], Path]) -> None:
    root = read_yaml(write("\ufefflisten: 1\n"), Mistakes())
    assert root is not None
    assert list(root.entries()) == ["listen"]


@pytest.mark.parametrize(("text", "expected"), [("nmae", "; did you mean 'name'?"), ("zzz", ""), ("", "")])
def test_a_suggestion_is_made_when_something_is_close(text: str, expected: str) -> None:
    assert suggestion(text, ("name", "street")) == expected


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=20)
KEYS = st.sampled_from(["name", "Straße", "a b", "1", "null", "", "a: b", "[x]"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_json_is_read_as_itself(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    file = tmp_path_factory.mktemp("yaml") / "value.yaml"
    file.write_text(json.dumps(value, ensure_ascii=False), "utf-8")
    root = read_yaml(file, Mistakes())
    assert root is not None
    assert root.plain_value() == value


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail_in_another_way(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("yaml") / "any.yaml"
    file.write_bytes(content)
    mistakes = Mistakes()
    root = read_yaml(file, mistakes)
    assert (root is None) <= bool(mistakes.found)


@given(st.text(st.sampled_from("a: -[]{}\n,'\"?|>&*!#%@`~0"), max_size=60))
def test_no_punctuation_makes_the_reader_fail_in_another_way(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    file = tmp_path_factory.mktemp("yaml") / "any.yaml"
    file.write_text(content, "utf-8")
    mistakes = Mistakes()
    root = read_yaml(file, mistakes)
    assert (root is None) <= bool(mistakes.found)
    if root is not None:
        root.plain_value()
