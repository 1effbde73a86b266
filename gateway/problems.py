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
        Problem("account-refused", 400, "The account cannot be changed like this"),
        Problem("credentials-required", 401, "User name and password are required"),
        Problem("token-required", 401, "The operators' token is required"),
        Problem("denied", 403, "Access is denied"),
        Problem("no-such-route", 404, "There is nothing here"),
        Problem("method-not-allowed", 405, "The method is not allowed here"),
        Problem("length-required", 411, "A Content-Length is required"),
        Problem("precondition-failed", 412, "The precondition does not hold"),
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
    "form-malformed": "body-refused",
    "body-not-declared": "body-refused",
    "body-coding-broken": "body-refused",
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
    # 400: users and passwords
    "password-too-short": "account-refused",
    "password-too-long": "account-refused",
    "password-unusable": "account-refused",
    "password-guessable": "account-refused",
    "password-of-names": "account-refused",
    "current-password-wrong": "account-refused",
    "password-unchanged": "account-refused",
    "password-replaced": "account-refused",
    "passwords-differ": "account-refused",
    "overlap-too-long": "account-refused",
    "user-unlisted": "account-refused",
    "user-has-password": "account-refused",
    "users-too-many": "account-refused",
    # 401
    "credentials-missing": "credentials-required",
    "credentials-malformed": "credentials-required",
    "password-wrong": "credentials-required",
    "user-unknown": "credentials-required",
    "token-wrong": "token-required",  # of the operators' listener, which has no users
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
    # 404, 405, 411, 412, 413, 415, 421, 429
    "route-unknown": "no-such-route",
    "method-unknown": "method-not-allowed",
    "length-missing": "length-required",
    "precondition-unknown": "precondition-failed",
    "body-too-large": "body-too-large",
    "media-type": "unsupported-media-type",
    "content-coding": "unsupported-media-type",
    "host-foreign": "misdirected",
    "throttled": "too-many-attempts",
    # 502 and 504: the upstream
    "upstream-unreachable": "upstream-failed",
    "upstream-left-alone": "upstream-failed",
    "upstream-malformed": "upstream-failed",
    "upstream-unreadable": "upstream-failed",
    "upstream-too-large": "upstream-failed",
    "upstream-status": "upstream-refused",
    "upstream-timeout": "upstream-timeout",
    # 503: there are too many of them, or a wall cannot be asked
    "customer-busy": "temporarily-unavailable",
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
    "connections-exceeded": "denied",
    "proxy-header-missing": "denied",
    "proxy-header-malformed": "denied",
    "not-tls": "denied",
    "tls-version": "denied",
    "tls-cipher": "denied",
    "tls-protocol": "denied",
    "tls-alert": "denied",
    "tls-timeout": "denied",
    "tls-flood": "denied",
    "handshake-failed": "denied",
    "client-gone": "denied",
    "process-ended": "temporarily-unavailable",
}


#: The few reasons whose meaning the caller is told, as ``detail`` (RFC 9457 section 3.1.4): they are about what a user, who is in, wants
#: to do to an account, and without them nobody could do better. Never with the password in it.
DETAILS: dict[str, str] = {
    "password-too-short": "The new password needs at least 15 characters.",
    "password-too-long": "The new password is longer than 1,024 bytes.",
    "password-unusable": "The new password holds characters that cannot be sent at sign-in, such as line breaks or invisible ones.",
    "password-guessable": "The new password is made of well-known words, years, rows of keys or repetitions, which are guessed first.",
    "password-of-names": "The new password is little more than the name of the user or of the customer.",
    "password-unchanged": "The new password is the current one.",
    "password-replaced": "This password has been replaced: for a while it still signs in, but it cannot change anything.",
    "passwords-differ": "The new password was typed in two different ways.",
    "overlap-too-long": "The old password can stay valid for at most seven days.",
    "user-unlisted": "The policy lists no such user for this customer; the gateway's security team adds users.",
    "user-has-password": "This user has a password already.",
    "users-too-many": "This customer has as many passwords as it can have.",
    "current-password-wrong": "The current password is not right.",
}


def problem_of(reason: str) -> Problem:
    """The problem that a client sees for ``reason``; an unknown reason is opaque (boulder's rule), never an exception."""
    return PROBLEMS[REASONS.get(reason, "temporarily-unavailable")]
