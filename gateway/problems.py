"""What a client is told (RFC 9457 problem types) and what the audit log is told (reasons), and the one mapping between them.

Two closed lists. A *reason* is precise and stays inside: it names the check that said no. A *problem* is what the client may
know: one answer for all denials, so that nobody learns which lock held (design section 7). A test fails when an entry of either
list is missing from ``docs/errors.md``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem type of RFC 9457: ``type`` is ``urn:pii-gateway:problem:<name>``."""

    name: str
    status: int
    title: str

    @property
    def type(self) -> str:
        return f"urn:pii-gateway:problem:{self.name}"


PROBLEMS: dict[str, Problem] = {
    problem.name: problem
    for problem in (
        Problem("malformed-request", 400, "The request is malformed"),
        Problem("body-refused", 400, "The body cannot be accepted"),
        Problem("masked-value", 400, "A masked value cannot be stored"),
        Problem("credentials-required", 401, "User name and password are required"),
        Problem("denied", 403, "Access is denied"),
        Problem("no-such-route", 404, "There is nothing here"),
        Problem("method-not-allowed", 405, "The method is not allowed here"),
        Problem("length-required", 411, "A Content-Length is required"),
        Problem("body-too-large", 413, "The body is too large"),
        Problem("unsupported-media-type", 415, "The media type or content coding is not supported"),
        Problem("misdirected", 421, "This host is not served here"),
        Problem("too-many-attempts", 429, "Too many attempts"),
        Problem("upstream-refused", 0, "The application refused the request"),  # status: the upstream's own
        Problem("upstream-failed", 502, "The application gave no usable answer"),
        Problem("temporarily-unavailable", 503, "The gateway cannot process this now"),
        Problem("upstream-timeout", 504, "The application did not answer in time"),
    )
}

#: reason → name of the problem that the client sees. Hyphenated, stable, the same word in audit log, tests and docs.
REASONS: dict[str, str] = {
    # 400: the request itself
    "request-malformed": "malformed-request",
    "request-version": "malformed-request",
    "request-framing": "malformed-request",
    "request-timeout": "malformed-request",
    "path-ambiguous": "malformed-request",
    "query-malformed": "malformed-request",
    "query-unlisted": "malformed-request",
    "header-malformed": "malformed-request",
    # 400: the body
    "body-missing": "body-refused",
    "body-not-declared": "body-refused",
    "body-not-json": "body-refused",
    "body-not-utf8": "body-refused",
    "body-duplicate-key": "body-refused",
    "body-too-deep": "body-refused",
    "body-field-unlisted": "body-refused",
    "body-wrong-type": "body-refused",
    "body-lone-surrogate": "body-refused",
    "body-echo": "body-refused",
    "body-personal-data": "body-refused",
    "value-too-long": "body-refused",
    "mask-written-back": "masked-value",
    # 401
    "credentials-missing": "credentials-required",
    "credentials-malformed": "credentials-required",
    "password-wrong": "credentials-required",
    "user-unknown": "credentials-required",
    # 403: one answer for all
    "network-unknown": "denied",
    "network-foreign": "denied",
    "certificate-missing": "denied",
    "certificate-unknown": "denied",
    "certificate-ambiguous": "denied",
    "certificate-expired": "denied",
    "certificate-revoked": "denied",
    "revocation-unknown": "denied",
    "certificate-not-in-ledger": "denied",
    "certificate-unsuitable": "denied",
    "role-denied": "denied",
    "origin-foreign": "denied",
    # 404, 405, 411, 413, 415, 421, 429
    "route-unknown": "no-such-route",
    "method-unknown": "method-not-allowed",
    "length-missing": "length-required",
    "body-too-large": "body-too-large",
    "media-type": "unsupported-media-type",
    "content-coding": "unsupported-media-type",
    "host-foreign": "misdirected",
    "throttled": "too-many-attempts",
    # 502 and 504: the upstream
    "upstream-unreachable": "upstream-failed",
    "upstream-malformed": "upstream-failed",
    "upstream-unreadable": "upstream-failed",
    "upstream-too-large": "upstream-failed",
    "upstream-status": "upstream-refused",
    "upstream-timeout": "upstream-timeout",
    # 503: a wall cannot be asked
    "vault-unavailable": "temporarily-unavailable",
    "cipher-unavailable": "temporarily-unavailable",
    "keys-unavailable": "temporarily-unavailable",
    "audit-unavailable": "temporarily-unavailable",
    "token-space-exhausted": "temporarily-unavailable",
    "vault-integrity": "temporarily-unavailable",
    "policy-out-of-step": "temporarily-unavailable",
    "draining": "temporarily-unavailable",
    "internal": "temporarily-unavailable",
    # no answer can be given: in the audit log only
    "handshake-failed": "denied",
    "client-gone": "denied",
    "process-ended": "temporarily-unavailable",
}


def problem_of(reason: str) -> Problem:
    """The problem that a client sees for ``reason``; an unknown reason is opaque (boulder's rule), never an exception."""
    return PROBLEMS[REASONS.get(reason, "temporarily-unavailable")]
