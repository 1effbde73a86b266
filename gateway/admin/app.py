"""The operators' listener: a few fixed paths, read only.

What belongs here: which path gives what, and how a refusal looks. What never may: a request that changes something, a page that
runs scripts, a word of the request in an answer, or a path that is made of a name before the name was checked.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from aiohttp.web import BaseRequest, Response, StreamResponse

from gateway.admin.access import OPEN_PREFIX, Ask, refusal
from gateway.policy.load_customers import NAME
from gateway.problems import REASONS, problem_of

LARGEST_CRL = 16 << 20  # what we would read of anybody else's (``ca/anchors.py``)

#: On every answer: nothing is kept, guessed at, framed, or shown to another site.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Ready:
    """``checks``: what was asked and what came of it, in fixed words."""

    ready: bool
    checks: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the answers come from. ``hosts`` is asked at each request: host names change with a reload."""

    hosts: Callable[[], frozenset[str]]
    token: Path
    crl_of: Callable[[str], Path]
    ready: Callable[[], Awaitable[Ready]]
    metrics: Callable[[], Awaitable[bytes]]


class Operators:
    """``handle`` answers one request; ``refused`` counts the refusals by reason."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self.refused: Counter[str] = Counter()

    async def handle(self, request: BaseRequest) -> StreamResponse:
        path = request.raw_path
        ask = Ask(request.method, path, request.headers, request.body_exists)
        reason = refusal(ask, self._sources.hosts(), self._sources.token)
        if reason is not None:
            return self._no(reason)
        if path == "/healthz":
            return _text("alive\n")  # this process answers; of the others it says nothing
        if path == "/readyz":
            found = await self._sources.ready()
            return _json({"ready": found.ready, "checks": dict(found.checks)}, 200 if found.ready else 503)
        if path == "/metrics":
            return Response(body=await self._sources.metrics(), headers={**HEADERS, "Content-Type": METRICS_TYPE})
        if path.startswith(OPEN_PREFIX):
            return self._crl(path.removeprefix(OPEN_PREFIX))
        return self._no("route-unknown")

    def count(self, reason: str) -> None:
        """A connection or request that ``handle`` never saw. Words that are no reasons of ours count as one."""
        self.refused[reason if reason in REASONS else "request-malformed"] += 1

    def _crl(self, file: str) -> Response:
        """A revocation list as its authority signed it. No secret, and who fetches it has no token (RFC 5280, 4.2.1.13)."""
        name = file.removesuffix(".crl")
        if name == file or NAME.fullmatch(name) is None:
            return self._no("route-unknown")
        try:
            with self._sources.crl_of(name).open("rb") as opened:
                content = opened.read(LARGEST_CRL + 1)
        except OSError:
            return self._no("route-unknown")
        if not content or len(content) > LARGEST_CRL:
            return self._no("route-unknown")
        return Response(body=content, headers={**HEADERS, "Content-Type": "application/pkix-crl"})  # RFC 2585

    def _no(self, reason: str) -> Response:
        self.count(reason)
        problem = problem_of(reason)
        # ``instance`` as everywhere; nothing is recorded under it here, the audit log is the vault's.
        body = {"type": problem.type, "title": problem.title, "status": problem.status, "instance": f"urn:uuid:{uuid.uuid4()}"}
        response = _json(body, problem.status)
        response.headers["Content-Type"] = "application/problem+json"
        if problem.status == 401:
            response.headers["WWW-Authenticate"] = 'Bearer realm="gateway operators"'  # RFC 6750
        if problem.status == 405:
            response.headers["Allow"] = "GET, HEAD"  # RFC 9110, 15.5.6
        return response


def _json(body: Mapping[str, object], status: int) -> Response:
    return Response(status=status, body=msgspec.json.encode(body), headers={**HEADERS, "Content-Type": "application/json"})


def _text(text: str) -> Response:
    return Response(body=text.encode(), headers={**HEADERS, "Content-Type": "text/plain; charset=utf-8"})
