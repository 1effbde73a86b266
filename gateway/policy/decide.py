"""May they? Pure: a policy set and the facts of a request in, a decision or a refusal with its reason out.

What is made anew for every request is a msgspec struct: a frozen dataclass costs four times as much to make.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from gateway.errors import Refused
from gateway.policy.model import Api, Limits, PolicySet, Role, Route, Template
from gateway.policy.path import Parameter, canonical

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class AccessRequest(msgspec.Struct, frozen=True):
    """Who (proven already) wants what. ``origin`` and ``fetch_site``: the browser's headers, None when absent."""

    customer: str
    user: str
    method: str
    target: str
    hostnames: frozenset[str]
    origin: str | None = None
    fetch_site: str | None = None


class Decision(msgspec.Struct, frozen=True):
    """Yes: by this route, in this role, with these parameters."""

    route: Route
    role: Role
    parameters: tuple[Parameter, ...]
    limits: Limits


def decide(policies: PolicySet, request: AccessRequest) -> Decision:
    """Route, method, role, origin, parameters; in this order. Raises Refused."""
    customer = policies.customers.get(request.customer)
    role = policies.role_of(request.customer, request.user)
    if customer is None or role is None:
        raise Refused("user-unknown")
    api = policies.apis[customer.api]
    target = canonical(request.target)
    route = find_route(api, request.method, target.segments)
    if role.name not in route.roles:
        raise Refused("role-denied")
    check_origin(request)
    for parameter in target.parameters:
        if parameter.name not in route.query:
            raise Refused("query-unlisted")
    return Decision(route, role, target.parameters, route.limits or api.limits)


def find_route(api: Api, method: str, segments: tuple[str, ...]) -> Route:
    """The route of a path; HEAD uses GET's. A literal segment wins over a parameter, from left to right.

    Raises Refused('route-unknown' | 'method-unknown').
    """
    for template, routes in api.paths.get(len(segments), ()):
        if fits(template, segments):
            # Of two that fit, the more exact one comes first; and two that are equally exact differ in a literal, so one fits.
            route = routes.get("GET" if method == "HEAD" else method)
            if route is None:
                raise Refused("method-unknown")
            return route
    raise Refused("route-unknown")


def fits(pattern: Template, segments: tuple[str, ...]) -> bool:
    """A loop and no generator, which would cost three times as much on the path of every request."""
    if len(pattern) != len(segments):
        return False
    for part, segment in zip(pattern, segments, strict=True):  # noqa: SIM110
        if part is not None and part != segment:
            return False
    return True


def check_origin(request: AccessRequest) -> None:
    """Browsers send the password by themselves, so another site's page could make them write (CSRF): only our own pages may."""
    if request.method in SAFE:
        return
    if request.fetch_site is not None and request.fetch_site not in ("same-origin", "none"):
        raise Refused("origin-foreign")
    if request.origin is not None and not _is_ours(request.origin, request.hostnames):
        raise Refused("origin-foreign")


def _is_ours(origin: str, hostnames: frozenset[str]) -> bool:
    """``null``, http:// and what is no origin at all are not. Ports are not compared: a port may be mapped in front of us."""
    try:
        parts = urlsplit(origin)
        return parts.scheme == "https" and bool(parts.hostname) and parts.hostname in hostnames
    except ValueError:
        return False
