"""Selectors compile to exactly the places that RFC 9535 gives them, and everything else is refused while the policy is loaded."""

from __future__ import annotations

import pytest

from gateway.body.selector import Record, SelectorError, compile_record

ORDER = compile_record(
    "order",
    {"household.name": "name", "household.phone": "phone", "notes[*]": "note"},
    ["id", "household.postcode", "['meter number']"],
)


def kind(record: Record, *path: str | int) -> str | None:
    """What the tree says about a place: its data class, its kind, or None for refused."""
    node = record.root
    for step in path:
        found = node.element(step) if isinstance(step, int) else node.member(step)
        if found is None:
            return None
        node = found
    return node.data_class or node.kind


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((), "inner"),
        (("household",), "inner"),
        (("household", "name"), "name"),
        (("household", "phone"), "phone"),
        (("household", "postcode"), "clear"),
        (("household", "postcode", "anything", 7, "below"), "clear"),
        (("household", "email"), None),
        (("Household",), None),
        (("notes",), "inner"),
        (("notes", 0), "note"),
        (("notes", 1_000_000), "note"),
        (("notes", "Max Mustermann"), None),
        (("meter number",), "clear"),
        (("id",), "clear"),
        (("",), None),
    ],
)
def test_a_place_has_one_meaning(path: tuple[str | int, ...], expected: str | None) -> None:
    assert kind(ORDER, *path) == expected


def test_classes_are_all_that_the_record_can_hold() -> None:
    page = compile_record("order_page", {"owner": "email"}, ["total"], {"items[*]": ORDER})
    assert page.classes == {"name", "phone", "note", "email"}


def test_a_contained_record_keeps_its_own_unlisted() -> None:
    page = compile_record("order_page", {}, ["total", "next"], {"items[*]": ORDER}, unlisted="pass")
    assert kind(page, "items", 3, "household", "name") == "name"
    assert kind(page, "items", 3, "surprise") is None
    assert kind(page, "surprise") == "unlisted"


@pytest.mark.parametrize("name", ["SSN", "Ssn", "s\u200bsn", " ssn", "ＳＳＮ", "ſsn"])
def test_unlisted_pass_refuses_other_spellings_of_a_declared_name(name: str) -> None:
    """T-B1: a backend that folds names would read the undeclared spelling as the declared one."""
    record = compile_record("person", {"ssn": "id"}, [], unlisted="pass")
    assert kind(record, name) is None
    assert kind(record, "ssn2") == "unlisted"


@pytest.mark.parametrize(
    ("selector", "path", "expected"),
    [
        ("a[0]", ("a", 0), "name"),
        ("a[0]", ("a", 1), None),
        ("[*].b", (4, "b"), "name"),
        ("['a']['b']", ("a", "b"), "name"),
        ("a['b','c']", ("a", "c"), "name"),
        ('["größe"]', ("größe",), "name"),
        ("['\\u0061']", ("a",), "name"),
        ("a.*", ("a", "any member"), "name"),
        ("a.*", ("a", 5), "name"),
        ("a[*]", ("a", "any member"), None),
        ("*.b", ("x", "b"), "name"),
        ("straße", ("straße",), "name"),
    ],
)
def test_syntax(selector: str, path: tuple[str | int, ...], expected: str | None) -> None:
    assert kind(compile_record("r", {selector: "name"}, []), *path) == expected


def test_a_name_beside_a_wildcard_gets_what_both_say() -> None:
    record = compile_record("r", {"*.a": "name", "x.b": "phone"}, ["x.c", "*.d"])
    assert [kind(record, "x", n) for n in "abcd"] == ["name", "phone", "clear", "clear"]
    assert [kind(record, "y", n) for n in "abcd"] == ["name", None, None, "clear"]


def test_saying_the_same_twice_is_no_contradiction() -> None:
    assert kind(compile_record("r", {"a.b": "name", "['a'].b": "name"}, ["c", "['c']"]), "a", "b") == "name"


@pytest.mark.parametrize(
    "selector",
    [
        *("", "$", "$.a", ".a", "a b", "a.", "a[", "a['b'", "#", "a[01]", "a[99999999999999999999]"),
        *("..name", "a..name", "a[-1]", "a[1:2]", "a[::2]", "a[?@.b]", "a[?@.b==1]", "length(a)"),
        *("a[~]", "a.~b", "a | $.b", "a & $.b"),
        *("a" + ".a" * 64, "['a','b']" * 9, "[?(" * 2000),
    ],
    ids=repr,
)
def test_what_is_no_bounded_selector_is_refused(selector: str) -> None:
    """T-D11: nothing whose cost grows with the body, and no syntax of a dialect."""
    with pytest.raises(SelectorError) as caught:
        compile_record("r", {selector: "name"}, [])
    assert caught.value.selector == selector


@pytest.mark.parametrize(
    ("fields", "clear"),
    [
        ({"a": "name"}, ["a"]),
        ({"a": "name"}, ["['a']"]),
        ({"a.b": "name"}, ["a"]),
        ({"a": "name"}, ["a.b"]),
        ({"a": "name", "a.b": "name"}, []),
        ({"a": "name", "['a']": "phone"}, []),
        ({"a.*": "name"}, ["a.id"]),
        ({"a.*": "name", "a.b": "phone"}, []),
        ({"a[*]": "name"}, ["a[0]"]),
        ({"a[*].b": "name"}, ["a[0]"]),
        ({"*": "name"}, ["a.b"]),
    ],
)
def test_contradictions_are_refused(fields: dict[str, str], clear: list[str]) -> None:
    with pytest.raises(SelectorError):
        compile_record("r", fields, clear)


@pytest.mark.parametrize("selector", ["items[*].extra", "items[0].household.name", "items", "items[*]", "items.*"])
def test_nothing_reaches_into_a_contained_record(selector: str) -> None:
    with pytest.raises(SelectorError):
        compile_record("page", {}, [selector], {"items[*]": ORDER})


def test_wildcards_that_multiply_are_refused() -> None:
    """T-D10: n selectors can describe 2**n places; a policy that does is a bomb."""
    fields = {".".join("a" if at == turn else "*" for at in range(20)) + f".x{turn}": "name" for turn in range(20)}
    with pytest.raises(SelectorError):
        compile_record("bomb", fields, [])
