"""``policies/<api>.yaml``: where personal data is, who sees what, what is let through."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from gateway.body.selector import Record, SelectorError, compile_record
from gateway.policy.load_classes import NAME
from gateway.policy.model import Api, Limits, PolicyTest, Role, Route
from gateway.policy.path import RESERVED
from gateway.schema import Node, suggestion
from gateway.tokens.form import DataClass

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_SEGMENT = re.compile(r"\{[a-z_][a-z0-9_]*\}|[A-Za-z0-9._~-]*[A-Za-z0-9_~-]", re.ASCII)
DEFAULT_LIMITS = Limits()
LARGEST_BODY = 64 << 20  # bytes: a declared record is held in memory as a whole
MOST_ROUTES = 1000  # each is compared with each here, and looked through for every request
MOST_NESTED = 32  # records inside records
MOST_SELECTORS = 1000  # of one record; more of them with wildcards multiply for minutes before they are refused (T-D10)
LONGEST_SELECTOR = 1000  # characters

REQUIRED = ("api", "roles", "routes")
OPTIONAL = ("records", "limits", "tests")
RECORD = ("fields", "clear", "contains", "unlisted")
ROLE = ("reveal", "accounts")
REVEAL = ("clear", "masked")
ROUTE_REQUIRED = ("roles",)
ROUTE_OPTIONAL = ("query", "request", "response", "limits")
LIMITS = ("body", "depth")
TEST_REQUIRED = ("as", "send")
TEST_OPTIONAL = ("upstream_must_not_contain", "then_seen_by")


def read_api(root: Node, classes: Mapping[str, DataClass]) -> Api:
    fields = root.fields(REQUIRED, OPTIONAL)
    name = fields["api"].text()
    if not NAME.fullmatch(name):
        fields["api"].wrong(f"{name!r} is not a name: lower-case letters, digits and _")
    records = _Records(fields["records"].entries() if "records" in fields else {}, classes)
    records.compile_all()
    roles = {role: _role(role, node, classes) for role, node in fields["roles"].entries().items()}
    limits = _limits(fields["limits"], DEFAULT_LIMITS) if "limits" in fields else DEFAULT_LIMITS
    routes = _routes(fields["routes"], _Declared(records, roles, classes, limits))
    tests = tuple(_test(node, roles) for node in fields["tests"].items()) if "tests" in fields else ()
    return Api(name, roles, tuple(routes), limits, tests)


def known_class(node: Node, name: str, classes: Mapping[str, DataClass]) -> bool:
    if name in classes:
        return True
    node.wrong(f"there is no data class {name!r}{suggestion(name, tuple(classes))}")
    return False


class _Records:
    """Compiles records in the order in which they contain one another."""

    def __init__(self, nodes: Mapping[str, Node], classes: Mapping[str, DataClass]) -> None:
        self.nodes = nodes
        self._classes = classes
        self._compiled: dict[str, Record | None] = {}
        self._compiling: list[str] = []

    def compile_all(self) -> None:
        for name in self.nodes:
            self.get(name)

    def get(self, name: str) -> Record | None:
        """None when it has a mistake, which was reported then."""
        if name in self._compiling:
            self.nodes[name].wrong("a record cannot contain itself")
            return None
        if len(self._compiling) == MOST_NESTED:
            self.nodes[name].wrong(f"records contain one another more than {MOST_NESTED} deep")
            return None
        if name not in self._compiled:
            self._compiling.append(name)
            self._compiled[name] = self._compile(name, self.nodes[name])
            self._compiling.pop()
        return self._compiled[name]

    def _compile(self, name: str, node: Node) -> Record | None:
        if not NAME.fullmatch(name) or name == "pass":
            node.wrong(f"{name!r} is not a name for a record: lower-case letters, digits and _; not 'pass'")
        parts = node.fields((), RECORD)
        fields = {selector: cls.text() for selector, cls in parts["fields"].entries().items()} if "fields" in parts else {}
        sound = [known_class(parts["fields"].entries()[selector], cls, self._classes) for selector, cls in fields.items()]
        contains: dict[str, Record] = {}
        for selector, inner in parts["contains"].entries().items() if "contains" in parts else ():
            record = self._known(inner)
            if record is not None:
                contains[selector] = record
            sound.append(record is not None)
        clear = parts["clear"].texts() if "clear" in parts else []
        unlisted = parts["unlisted"].choice("refuse", "pass") if "unlisted" in parts else "refuse"
        if not all(sound) or not _few_enough([*fields, *clear, *contains], node):
            return None
        try:
            return compile_record(name, fields, clear, contains, cast(Literal["refuse", "pass"], unlisted))
        except SelectorError as error:
            _where(parts, error.selector, node).wrong(f"{error.selector!r}: {error.text}")
            return None

    def _known(self, node: Node) -> Record | None:
        name = node.text()
        if name not in self.nodes:
            node.wrong(f"there is no record {name!r}{suggestion(name, tuple(self.nodes))}")
            return None
        return self.get(name)

    def named(self, node: Node) -> Record | Literal["pass"] | None:
        return "pass" if node.value == "pass" else self._known(node)


@dataclass(frozen=True, slots=True)
class _Declared:
    """What the routes of an API refer to; ``limits`` are those of a route that has none of its own."""

    records: _Records
    roles: Mapping[str, Role]
    classes: Mapping[str, DataClass]
    limits: Limits


def _few_enough(selectors: list[str], record: Node) -> bool:
    if len(selectors) > MOST_SELECTORS or any(len(selector) > LONGEST_SELECTOR for selector in selectors):
        record.wrong(f"a record has at most {MOST_SELECTORS} selectors of at most {LONGEST_SELECTOR} characters")
        return False
    return True


def _where(parts: Mapping[str, Node], selector: str, record: Node) -> Node:
    """The node that a selector stands at, for the line number."""
    for part in ("fields", "contains"):
        if part in parts and selector in parts[part].entries():
            return parts[part].entries()[selector]
    if "clear" in parts:
        for item in parts["clear"].items():
            if item.value == selector:
                return item
    return record


def _role(name: str, node: Node, classes: Mapping[str, DataClass]) -> Role:
    if not NAME.fullmatch(name):
        node.wrong(f"{name!r} is not a name for a role: lower-case letters, digits and _")
    given = node.fields((), ROLE) if node.value is not None else {}
    makes_users = "accounts" in given and given["accounts"].choice("own", "make") == "make"
    reveal = given.get("reveal")
    if reveal is None:
        return Role(name, makes_users=makes_users)
    parts = reveal.fields((), REVEAL)
    listed: dict[str, frozenset[str]] = {}
    for part, items in parts.items():
        listed[part] = frozenset(item.text() for item in items.items() if known_class(item, item.text(), classes))
    clear, masked = listed.get("clear", frozenset()), listed.get("masked", frozenset())
    if clear & masked:
        reveal.wrong(f"both clear and masked: {', '.join(sorted(clear & masked))}")
    return Role(name, clear, masked, makes_users)


def _routes(node: Node, declared: _Declared) -> list[Route]:
    routes: list[Route] = []
    seen: dict[tuple[str, tuple[str | None, ...]], int] = {}
    for key, entry in node.entries().items():
        line = node.key_lines[key]
        methods, _, template = key.partition(" ")
        segments = _segments(template.strip(), node, line)
        for method in methods.split(","):
            if method not in METHODS:
                node.wrong(f"{method!r} is not a method: {', '.join(METHODS)} (HEAD comes with GET)", line)
                continue
            if segments is None:
                continue
            if (method, segments) in seen:
                node.wrong(f"{method} {template.strip()} is the same route as in line {seen[method, segments]}", line)
            seen[method, segments] = line
            routes.append(_route(method, template.strip(), segments, entry, declared))
    if len(routes) > MOST_ROUTES:
        node.wrong(f"more than {MOST_ROUTES} routes")
    else:
        _check_overlaps(routes, node, seen)
    return routes


def _check_overlaps(routes: list[Route], node: Node, seen: Mapping[tuple[str, tuple[str | None, ...]], int]) -> None:
    """P-02: ``/a/{x}`` and ``/{y}/b`` both fit ``/a/b``, and neither is more exact than the other."""
    shapes = sorted({route.segments for route in routes}, key=str)
    lines = {segments: line for (_, segments), line in seen.items()}
    for number, one in enumerate(shapes):
        for other in shapes[number + 1 :]:
            if len(one) != len(other) or one == other or any(a and b and a != b for a, b in zip(one, other, strict=True)):
                continue
            more = [a is not None and b is None for a, b in zip(one, other, strict=True)]
            less = [a is None and b is not None for a, b in zip(one, other, strict=True)]
            if any(more) and any(less):
                node.wrong(f"routes of lines {lines[one]} and {lines[other]} overlap: some paths fit both", lines[other])


def _segments(template: str, node: Node, line: int) -> tuple[str | None, ...] | None:
    if template == "/":
        return ()
    parts = template[1:].split("/")
    if not template.startswith("/") or not all(_SEGMENT.fullmatch(part) for part in parts):
        node.wrong(f"{template!r} is not a path such as /orders/{{id}}", line)
        return None
    if parts[0].lower() == RESERVED:
        node.wrong(f"what is below /{RESERVED}/ is the gateway's own and never reaches an application", line)
        return None
    return tuple(None if part.startswith("{") else part for part in parts)


def _route(method: str, template: str, segments: tuple[str | None, ...], node: Node, declared: _Declared) -> Route:
    fields = node.fields(ROUTE_REQUIRED, ROUTE_OPTIONAL)
    allowed: set[str] = set()
    for item in fields["roles"].items():
        role = item.text()
        if role not in declared.roles:
            item.wrong(f"there is no role {role!r}{suggestion(role, tuple(declared.roles))}")
        allowed.add(role)
    query = {name: _parameter(entry, declared.classes) for name, entry in fields["query"].entries().items()} if "query" in fields else {}
    if "request" in fields and method == "GET":
        fields["request"].wrong("GET has no request body")
    return Route(
        method=method,
        template=template,
        segments=segments,
        roles=frozenset(allowed),
        query=query,
        request=declared.records.named(fields["request"]) if "request" in fields else None,
        response=declared.records.named(fields["response"]) if "response" in fields else None,
        limits=_limits_of_route(fields, declared.limits),
    )


def _limits_of_route(fields: Mapping[str, Node], api: Limits) -> Limits | None:
    """What a route does not say for itself, the API says. A limit that would limit nothing is a mistake: somebody relies on it."""
    if "limits" not in fields:
        return None
    limits = fields["limits"]
    said = {name for name in ("request", "response") if name in fields and fields[name].value != "pass"}
    if "request" not in said and "body" in limits.entries():
        limits.wrong("body: is the size of a declared record, and the request of this route is none")
    if not said:
        limits.wrong("this route declares no record that could have limits")
    return _limits(limits, api)


def _parameter(node: Node, classes: Mapping[str, DataClass]) -> str:
    name = node.text()
    if name == "clear" or not known_class(node, name, classes):
        return "clear"
    data_class = classes[name]
    if data_class.repeat != "same" or data_class.form in ("mask", "drop"):
        node.wrong(f"data class {name!r} cannot be searched: equal values do not get equal tokens")
    return name


def _limits(node: Node, default: Limits) -> Limits:
    fields = node.fields((), LIMITS)
    body = fields["body"].size() if "body" in fields else default.body
    if body > LARGEST_BODY:
        fields["body"].wrong("a declared body is held in memory: at most 64 MiB")
    return Limits(body=body, depth=fields["depth"].integer(1, 1000) if "depth" in fields else default.depth)


def _test(node: Node, roles: Mapping[str, Role]) -> PolicyTest:
    fields = node.fields(TEST_REQUIRED, TEST_OPTIONAL)
    role = fields["as"].text()
    if role not in roles:
        fields["as"].wrong(f"there is no role {role!r}{suggestion(role, tuple(roles))}")
    method, path, body = _sent(fields["send"])
    seen: dict[str, object] = {}
    for viewer, entry in fields["then_seen_by"].entries().items() if "then_seen_by" in fields else ():
        if viewer not in roles:
            entry.wrong(f"there is no role {viewer!r}{suggestion(viewer, tuple(roles))}")
        seen[viewer] = entry.plain_value()
    absent = tuple(fields["upstream_must_not_contain"].texts()) if "upstream_must_not_contain" in fields else ()
    return PolicyTest(role, method, path, body, absent, seen, node.line)


def _sent(node: Node) -> tuple[str, str, object]:
    """Exactly one request: of two, one would be left out without a word."""
    entries = node.entries()
    key, entry = next(iter(entries.items()), ("", node))
    method, _, path = key.partition(" ")
    path = path.strip()
    if len(entries) != 1 or method not in METHODS or not path.startswith("/"):
        node.wrong("expected one request, such as POST /orders: {…}")
    return method, path, entry.plain_value()
