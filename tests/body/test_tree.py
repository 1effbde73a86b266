"""The tree itself: folding of names, and that merging never forgets a meaning. What selectors make of it is in test_selector.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.body.tree import CLEAR, UNLISTED, Clash, Draft, Freezer, Node, Step, fold


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ssn", "SSN"),
        ("straße", "STRASSE"),
        ("größe", "gro\u0308ße"),
        ("name", "ｎａｍｅ"),
        ("name", "na\u00adme"),
        ("name", " na me\t"),
        ("file", "ﬁle"),
        ("name", "name\0"),
        ("name", "name\0x"),
        ("name", "na\x7fme"),
    ],
)
def test_spellings_of_one_name(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("ssn", "ssn2"), ("name", "names"), ("a", "ä")])
def test_different_names(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@pytest.mark.parametrize("node", [CLEAR, UNLISTED])
def test_a_subtree_that_goes_along_has_no_end(node: Node) -> None:
    assert node.member("anything") is node
    assert node.element(7) is node
    assert (node.takes_object, node.takes_array) == (True, True)


@pytest.mark.parametrize(
    ("steps", "takes"),
    [
        ([Step(name="a")], (True, False)),
        ([Step(index=0)], (False, True)),
        ([Step()], (False, True)),
        ([Step(members_too=True)], (True, True)),
        ([], (True, False)),
    ],
)
def test_containers_that_a_place_takes(steps: list[Step], takes: tuple[bool, bool]) -> None:
    draft = Draft()
    for step in steps:
        draft.add([step], "s", CLEAR)
    root = Freezer("refuse").freeze([draft])
    assert (root.takes_object, root.takes_array) == takes


PATHS = st.lists(st.sampled_from([Step(name="a"), Step(name="b"), Step(members_too=True), Step(), Step(index=0)]), min_size=1, max_size=3)


def matches(path: list[Step], place: list[str | int]) -> bool:
    return len(path) == len(place) and all(
        step.name == at
        if step.name is not None
        else step.index == at
        if step.index is not None
        else isinstance(at, int) or step.members_too
        for step, at in zip(path, place, strict=True)
    )


@given(st.lists(PATHS, min_size=1, max_size=4), st.lists(st.sampled_from(["a", "b", "c", 0, 1]), min_size=1, max_size=3))
def test_the_tree_agrees_with_trying_every_selector(paths: list[list[Step]], place: list[str | int]) -> None:
    draft = Draft()
    for number, path in enumerate(paths):
        draft.add(path, str(number), Node("field", "name"))
    try:
        node: Node | None = Freezer("refuse").freeze([draft])
    except Clash:
        return  # one selector reaches into another's place
    for at in place:
        node = node and (node.element(at) if isinstance(at, int) else node.member(at))
        if node is None or node.kind == "field":
            break
    reached = node is not None and node.kind == "field"
    assert reached == any(matches(path, place[: len(path)]) for path in paths)
