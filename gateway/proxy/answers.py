"""What the client gets when the answer is no: RFC 9457 documents that say which exchange it was and nothing else.

What never may come in: the reason, a value, a name, or a word of the request. Those stay in the audit log, under the same id. Only
to a user who changes an account is said what is wrong, in a sentence of ours (``problems.DETAILS``).
"""

from __future__ import annotations

import msgspec
from aiohttp.web import Response

from gateway.problems import DETAILS, Problem, problem_of

MEDIA_TYPE = "application/problem+json"


def document(problem: Problem, exchange: str, status: int, detail: str = "") -> bytes:
    """The problem document (RFC 9457 section 3.1); ``instance`` is the exchange's id, which the audit log has too."""
    said = {"detail": detail} if detail else {}
    return msgspec.json.encode({"type": problem.type, "title": problem.title, "status": status, **said, "instance": f"urn:uuid:{exchange}"})


def refusal(reason: str, exchange: str, *, status: int = 0, retry_after: int | None = None) -> Response:
    """The answer that belongs to ``reason``. ``status`` is only for an upstream's own error whose body was not passed on."""
    problem = problem_of(reason)
    status = status or problem.status or 502
    headers = {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store"}
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="gateway", charset="UTF-8"'  # RFC 7617
    if retry_after is not None or status == 503:
        headers["Retry-After"] = str(retry_after if retry_after is not None else 1)
    return Response(status=status, headers=headers, body=document(problem, exchange, status, DETAILS.get(reason, "")))
