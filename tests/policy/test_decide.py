"""May they? The whole decision as a table, and the routes against a slow reading of the same rules."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.networks import NetworkTable
from gateway.policy.decide import AccessRequest, decide, find_route, fits
from gateway.policy.model import Api, Certificates, Customer, CustomerKey, Limits, PolicySet, Role, Route, Upstream


def route(key: str, *roles: str, **query: str) -> Route:
    method, template = key.split(" ")
    parts = template[1:].split("/") if template != "/" else []
    segments = tuple(None if part.startswith("{") else part for part in parts)
    return Route(method, template, segments, frozenset(roles), query, None, None)


API = Api(
    "planning_suite",
    {name: Role(name) for name in ("importer", "dispatcher")},
    (
        route("GET /", "dispatcher"),
        route("POST /orders", "importer", "dispatcher"),
        route("GET /orders", "dispatcher", name="name", page="clear"),
        route("GET /orders/{id}", "dispatcher"),
        route("PUT /orders/{id}", "dispatcher"),
        route("GET /orders/search", "importer", "dispatcher", name="name"),
        route("GET /orders/{id}/documents", "dispatcher"),
        route("GET /closed"),
    ),
    Limits(body=1000, depth=8),
)
CUSTOMER = Customer(
    name="energie_nord",
    api="planning_suite",
    upstream=Upstream("https", "suite.internal", 443, "/nord", None, "drop"),
    networks=(ip_network("198.51.100.0/25"),),
    certificates=Certificates(None),
    key=CustomerKey(),
    users={"import_job": "importer", "jens": "dispatcher"},
    file=Path("energie_nord.yaml"),
)
POLICIES = PolicySet("0" * 16, {}, {"planning_suite": API}, {"energie_nord": CUSTOMER}, NetworkTable({}))
HOSTS = frozenset({"gateway.example"})


def outcome(
    method: str, target: str, user: str = "jens", customer: str = "energie_nord", origin: str | None = None, site: str | None = None
) -> str:
    """The route's template, or the reason why not."""
    try:
        decision = decide(POLICIES, AccessRequest(customer, user, method, target, HOSTS, origin, site))
    except Refused as refused:
        return refused.reason
    assert user in CUSTOMER.users
    assert decision.role.name == CUSTOMER.users[user]
    assert decision.role.name in decision.route.roles
    assert decision.limits == API.limits
    return f"{decision.route.method} {decision.route.template}"


def test_limits_of_a_route_count_instead_of_the_apis() -> None:
    own = Route("PUT", "/import", ("import",), frozenset({"importer"}), {}, None, None, Limits(body=9000, depth=8))
    api = replace(API, routes=(*API.routes, own))
    policies = replace(POLICIES, apis={api.name: api})
    limits = [
        decide(policies, AccessRequest("energie_nord", "import_job", method, target, HOSTS)).limits.body
        for method, target in (("PUT", "/import"), ("POST", "/orders"))
    ]
    assert limits == [9000, 1000]


@pytest.mark.parametrize(
    ("user", "method", "target", "expected"),
    [
        ("jens", "GET", "/", "GET /"),
        ("jens", "POST", "/orders", "POST /orders"),
        ("import_job", "POST", "/orders", "POST /orders"),
        ("jens", "GET", "/orders/4711", "GET /orders/{id}"),
        ("jens", "GET", "/orders/M%C3%BCller", "GET /orders/{id}"),
        ("jens", "HEAD", "/orders/4711", "GET /orders/{id}"),  # HEAD comes with GET
        ("jens", "PUT", "/orders/4711", "PUT /orders/{id}"),
        ("jens", "GET", "/orders/search", "GET /orders/search"),  # the literal one wins
        ("jens", "GET", "/orders/%73earch", "GET /orders/search"),  # T-P1: in every spelling
        ("import_job", "GET", "/orders/search", "GET /orders/search"),
        ("jens", "GET", "/orders/search/documents", "GET /orders/{id}/documents"),
        ("jens", "GET", "/orders?name=Max+Mustermann&page=2", "GET /orders"),
        ("jens", "PUT", "/orders/search", "method-unknown"),  # and its methods are all that there are
        ("jens", "DELETE", "/orders/4711", "method-unknown"),
        ("jens", "get", "/orders", "method-unknown"),
        ("jens", "OPTIONS", "/orders", "method-unknown"),
        ("jens", "TRACE", "/orders", "method-unknown"),
        ("jens", "HEAD", "/orders/4711/nothing", "route-unknown"),
        ("jens", "GET", "/Orders", "route-unknown"),
        ("jens", "GET", "/orders/4711/documents/1", "route-unknown"),
        ("jens", "GET", "/orders/", "path-ambiguous"),
        ("jens", "GET", "//orders", "path-ambiguous"),
        ("jens", "GET", "/orders/..%2fclosed", "path-ambiguous"),
        ("import_job", "GET", "/orders", "role-denied"),
        ("import_job", "GET", "/orders/4711", "role-denied"),
        ("jens", "GET", "/closed", "role-denied"),
        ("jens", "GET", "/orders?street=x", "query-unlisted"),
        ("jens", "GET", "/orders?Name=x", "query-unlisted"),
        ("jens", "GET", "/orders/4711?page=1", "query-unlisted"),
        ("jens", "GET", "/orders?page=1&page=2", "query-malformed"),
        ("import_job", "GET", "/orders?street=x", "role-denied"),  # whoever may not, is not told what exists
        ("maria", "GET", "/orders", "user-unknown"),
        ("", "GET", "/orders", "user-unknown"),
        ("JENS", "GET", "/orders", "user-unknown"),
    ],
)
def test_a_decision(user: str, method: str, target: str, expected: str) -> None:
    assert outcome(method, target, user) == expected


def test_a_user_of_another_customer_is_nobody() -> None:
    assert outcome("GET", "/orders", customer="stadtwerke_musterstadt") == "user-unknown"


def test_what_the_decision_carries() -> None:
    """The parameters with their places, and the route that says what each means."""
    decision = decide(POLICIES, AccessRequest("energie_nord", "jens", "GET", "/orders?name=Max", HOSTS))
    assert [(parameter.name, parameter.value, parameter.start, parameter.end) for parameter in decision.parameters] == [
        ("name", "Max", 13, 16)
    ]
    assert decision.route.query == {"name": "name", "page": "clear"}


OURS = "https://gateway.example"
ORIGINS: list[tuple[str | None, str | None, bool]] = [
    (None, None, True),  # no browser
    (OURS, "same-origin", True),
    (f"{OURS}:8443", "same-origin", True),
    ("https://GATEWAY.example", None, True),
    (OURS, None, True),
    (None, "none", True),  # typed, or from a bookmark
    (OURS, "same-site", False),
    (OURS, "cross-site", False),
    (OURS, "", False),
    (None, "cross-site", False),
    ("https://evil.example", None, False),
    ("https://evil.example", "same-origin", False),
    ("https://gateway.example.evil.example", None, False),
    ("https://gateway.example@evil.example", None, False),
    ("http://gateway.example", None, False),
    ("null", None, False),
    ("", None, False),
    ("https://", None, False),
    ("gateway.example", None, False),
    ("https://[", None, False),
    ("https://gateway.example.", None, False),
]


@pytest.mark.parametrize(("origin", "site", "allowed"), ORIGINS)
def test_only_our_own_pages_write(origin: str | None, site: str | None, allowed: bool) -> None:
    """Browsers send the password by themselves, and other sites' pages could use it (T-A4)."""
    for method, target in (("POST", "/orders"), ("PUT", "/orders/4711")):
        assert (outcome(method, target, origin=origin, site=site) != "origin-foreign") is allowed
    assert outcome("GET", "/orders", origin=origin, site=site) == "GET /orders"


def test_an_empty_host_name_would_not_make_a_missing_origin_ours() -> None:
    """T-A4: ``null`` has no host."""
    with pytest.raises(Refused, match="origin-foreign"):
        decide(POLICIES, AccessRequest("energie_nord", "jens", "POST", "/orders", frozenset({""}), "null"))


PATTERNS = st.lists(st.sampled_from(["a", "b", None]), max_size=3).map(tuple)


def comparable(one: tuple[str | None, ...], other: tuple[str | None, ...]) -> bool:
    """Brute force over all paths of three words: never both fit unless one fits wherever the other does."""
    paths = [path for path in product("abc", repeat=len(one)) if len(one) == len(other)]
    first, second = ({path for path in paths if fits(pattern, path)} for pattern in (one, other))
    return not first & second or first <= second or second <= first


@given(
    st.lists(st.tuples(st.sampled_from(["GET", "POST"]), PATTERNS), max_size=6, unique=True), st.lists(st.sampled_from("abc"), max_size=3)
)
def test_the_most_exact_route_is_found_or_none(shapes: list[tuple[str, tuple[str | None, ...]]], path: list[str]) -> None:
    """P-02: with the overlaps gone that loading refuses, the order of the file does not matter."""
    kept: list[tuple[str, tuple[str | None, ...]]] = []
    for method, pattern in shapes:
        if all(comparable(pattern, other) for _, other in kept):
            kept.append((method, pattern))
    routes = tuple(Route(method, str(pattern), pattern, frozenset(), {}, None, None) for method, pattern in kept)
    found = {order: _found(routes[::order], tuple(path)) for order in (1, -1)}
    assert found[1] == found[-1]
    fitting = [pattern for _, pattern in kept if fits(pattern, tuple(path))]
    if not fitting:
        assert found[1] == "route-unknown"
    elif isinstance(found[1], Route):
        most_exact = min(fitting, key=lambda pattern: sum(part is None for part in pattern))
        assert found[1].segments == most_exact
        assert found[1].method == "GET"


def _found(routes: tuple[Route, ...], path: tuple[str, ...]) -> Route | str:
    try:
        return find_route(Api("api", {}, routes, Limits()), "GET", path)
    except Refused as refused:
        return refused.reason
