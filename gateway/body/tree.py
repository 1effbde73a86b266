"""The tree of declared places: what a member or an element of a body is, decided by one dictionary look-up.

Built once, from selectors that are already parsed (``selector.py``), and never changed afterwards. What never may come in: a body,
a value, or a search whose cost grows with anything but the policy (T-D11): overlapping wildcards are merged while the policy is
compiled, so that the scanner only ever follows one branch.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Unlisted = Literal["refuse", "pass"]

#: Merged wildcards may multiply (2**n for n selectors). No API of this world has this many places; a policy bomb has (T-D10).
MOST_NODES = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One place of a record. ``field`` is replaced, ``clear`` and ``unlisted`` take their whole subtree along, ``inner`` leads on."""

    kind: Literal["field", "clear", "unlisted", "inner"]
    data_class: str = ""
    names: Mapping[str, Node] = field(default_factory=dict)
    indexes: Mapping[int, Node] = field(default_factory=dict)
    every_member: Node | None = None
    every_element: Node | None = None
    unlisted: Unlisted = "refuse"
    folded: frozenset[str] = frozenset()

    @property
    def takes_object(self) -> bool:
        return self.kind != "inner" or bool(self.names) or self.every_member is not None or not self.takes_array

    @property
    def takes_array(self) -> bool:
        return self.kind != "inner" or bool(self.indexes) or self.every_element is not None

    def member(self, name: str) -> Node | None:
        """The place of a member; None when it is not listed and must be refused."""
        if self.kind != "inner":
            return self
        found = self.names.get(name, self.every_member)
        if found is not None or self.unlisted == "refuse":
            return found
        # A backend that reads names without case or in another normal form would take this one for the declared one (T-B1).
        return None if fold(name) in self.folded else UNLISTED

    def element(self, index: int) -> Node | None:
        """The place of an array's element; None when it is not listed and must be refused."""
        if self.kind != "inner":
            return self
        found = self.indexes.get(index, self.every_element)
        return UNLISTED if found is None and self.unlisted == "pass" else found


CLEAR = Node("clear")
UNLISTED = Node("unlisted")


def fold(name: str) -> str:
    """What different spellings of a name have in common: case, compatibility forms, blanks, invisible characters; and its end, for
    whoever reads strings as C does, at NUL."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name.partition("\0")[0]).casefold())
    return "".join(c for c in plain if not c.isspace() and unicodedata.category(c) not in ("Cf", "Cc"))


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a selector: a name, an index, or (both None) everything: ``[*]`` elements only, ``.*`` members too."""

    name: str | None = None
    index: int | None = None
    members_too: bool = False


class Clash(Exception):
    """Two selectors say different things about one place."""

    def __init__(self, selector: str, text: str) -> None:
        super().__init__(text)
        self.selector = selector
        self.text = text


@dataclass(slots=True, eq=False)
class Draft:
    """A place while selectors are still being added: not yet merged with the wildcards beside it."""

    names: dict[str, Draft] = field(default_factory=dict)
    indexes: dict[int, Draft] = field(default_factory=dict)
    members: Draft | None = None
    elements: Draft | None = None
    meanings: list[tuple[str, Node]] = field(default_factory=list)  # (selector, what it says about this place)

    def children(self, step: Step) -> list[Draft]:
        """The drafts that ``step`` leads to, made where they are missing."""
        if step.name is not None:
            return [self.names.setdefault(step.name, Draft())]
        if step.index is not None:
            return [self.indexes.setdefault(step.index, Draft())]
        self.elements = self.elements or Draft()
        if not step.members_too:
            return [self.elements]
        self.members = self.members or Draft()
        return [self.elements, self.members]

    def add(self, steps: Iterable[Step], selector: str, meaning: Node) -> None:
        reached = [self]
        for step in steps:
            reached = [child for draft in reached for child in draft.children(step)]
            if len(reached) > MOST_NODES:
                raise Clash(selector, "is too wide")
        for draft in reached:
            draft.meanings.append((selector, meaning))

    def some_selector(self) -> str:
        """Any selector at or below this place, to name it in a message."""
        waiting = [self]
        while waiting:
            draft = waiting.pop()
            if draft.meanings:
                return draft.meanings[0][0]
            waiting += [*draft.names.values(), *draft.indexes.values(), *(d for d in (draft.members, draft.elements) if d)]
        return ""


class Freezer:
    """Merges drafts into nodes: every place gets exactly one meaning, or the policy is refused."""

    def __init__(self, unlisted: Unlisted) -> None:
        self._unlisted = unlisted
        self._made = 0

    def freeze(self, drafts: list[Draft]) -> Node:
        self._made += 1
        if self._made > MOST_NODES:
            raise Clash(drafts[0].some_selector(), "multiplies with other wildcards beyond what can be compiled")
        meanings = [meaning for draft in drafts for meaning in draft.meanings]
        if meanings:
            return _one_meaning(meanings, drafts)
        return self._inner(drafts)

    def _inner(self, drafts: list[Draft]) -> Node:
        members = [d.members for d in drafts if d.members]
        elements = [d.elements for d in drafts if d.elements]
        names = {name: self.freeze([d.names[name] for d in drafts if name in d.names] + members) for d in drafts for name in d.names}
        indexes = {at: self.freeze([d.indexes[at] for d in drafts if at in d.indexes] + elements) for d in drafts for at in d.indexes}
        return Node(
            "inner",
            names=names,
            indexes=indexes,
            every_member=self.freeze(members) if members else None,
            every_element=self.freeze(elements) if elements else None,
            unlisted=self._unlisted,
            folded=frozenset(fold(name) for name in names),
        )


def _one_meaning(meanings: list[tuple[str, Node]], drafts: list[Draft]) -> Node:
    selector, first = meanings[0]
    for other, meaning in meanings[1:]:
        if meaning is not first and (meaning.kind != "field" or meaning.data_class != first.data_class):
            raise Clash(other, f"says something else about the same place as {selector!r}")
    for draft in drafts:
        below = Draft(draft.names, draft.indexes, draft.members, draft.elements).some_selector()
        if below:
            raise Clash(below, f"lies inside {selector!r}, which already decides everything below it")
    return first
