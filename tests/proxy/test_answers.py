"""Problem documents: the same for every denial, and nothing of the request in them."""

import json

import pytest

from gateway.problems import DETAILS, REASONS, problem_of
from gateway.proxy.answers import refusal

EXCHANGE = "3f0c0a52-0000-4000-8000-000000000000"


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_every_reason_has_an_answer_that_does_not_name_it(reason):
    response = refusal(reason, EXCHANGE)
    document = json.loads(response.body)
    assert document == {
        "type": problem_of(reason).type,
        "title": problem_of(reason).title,
        "status": response.status,
        "instance": f"urn:uuid:{EXCHANGE}",
        **({"detail": DETAILS[reason]} if reason in DETAILS else {}),
    }
    assert response.content_type == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"


def test_all_denials_are_one_answer():
    denials = [reason for reason in REASONS if problem_of(reason).name == "denied"]
    assert len(denials) > 8
    assert len({bytes(refusal(reason, EXCHANGE).body) for reason in denials}) == 1


@pytest.mark.parametrize(
    ("reason", "retry_after", "header"),
    [("throttled", 7, "7"), ("vault-unavailable", None, "1"), ("route-unknown", None, None)],
)
def test_retry_after(reason, retry_after, header):
    assert refusal(reason, EXCHANGE, retry_after=retry_after).headers.get("Retry-After") == header


def test_a_password_is_asked_for_in_utf8():
    assert refusal("credentials-missing", EXCHANGE).headers["WWW-Authenticate"] == 'Basic realm="gateway", charset="UTF-8"'


def test_an_unknown_reason_is_opaque():
    assert refusal("Max Mustermann", EXCHANGE).status == 503


def test_the_upstreams_own_status_is_kept():
    assert refusal("upstream-status", EXCHANGE, status=409).status == 409
