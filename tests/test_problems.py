"""The two closed lists and their mapping: design section 7 as a table."""

from __future__ import annotations

import re

import pytest

from gateway.problems import DETAILS, PROBLEMS, REASONS, problem_of

STATUS_OF = {
    "request-malformed": 400, "body-duplicate-key": 400, "mask-written-back": 400, "password-wrong": 401, "credentials-missing": 401,
    "certificate-missing": 403, "certificate-revoked": 403, "network-foreign": 403, "role-denied": 403, "route-unknown": 404,
    "method-unknown": 405, "length-missing": 411, "body-too-large": 413, "media-type": 415, "content-coding": 415, "host-foreign": 421,
    "throttled": 429, "upstream-unreachable": 502, "upstream-unreadable": 502, "vault-unavailable": 503, "cipher-unavailable": 503,
    "customer-busy": 503, "keys-unavailable": 503, "audit-unavailable": 503, "token-space-exhausted": 503, "upstream-timeout": 504,
}  # fmt: skip


@pytest.mark.parametrize(("reason", "status"), STATUS_OF.items())
def test_each_reason_gives_the_status_of_the_contract(reason: str, status: int) -> None:
    assert problem_of(reason).status == status


def test_both_lists_are_closed_over_each_other() -> None:
    assert set(REASONS.values()) == set(PROBLEMS)


def test_all_denials_look_the_same() -> None:
    """Which lock held is for the audit log: an attacker who learns it needs to pick only one."""
    assert {name for name, problem in PROBLEMS.items() if problem.status == 403} == {"denied"}


def test_only_of_accounts_is_the_caller_told_more() -> None:
    assert {reason for reason, problem in REASONS.items() if problem == "account-refused"} == set(DETAILS)


def test_an_unknown_user_looks_like_a_wrong_password() -> None:
    assert problem_of("user-unknown") == problem_of("password-wrong")


def test_a_reason_that_nobody_listed_is_opaque() -> None:
    assert problem_of("no such reason").status == 503


@pytest.mark.parametrize("name", [*PROBLEMS, *REASONS])
def test_names_are_hyphenated(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)


def test_types_are_stable_names() -> None:
    assert PROBLEMS["denied"].type == "urn:pii-gateway:problem:denied"
