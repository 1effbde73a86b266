"""What reaches a log or a terminal when something is refused: a reason, a place, never a value."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigurationError, GatewayError, Mistake, Refused, SessionEnded, Unavailable

MISTAKES = [
    (Mistake(Path("policies/data_classes.yaml"), 7, "unknown key"), "policies/data_classes.yaml:7: unknown key"),
    (Mistake(Path("config.yaml"), 0, "cannot be read"), "config.yaml: cannot be read"),
]


@pytest.mark.parametrize(("mistake", "text"), MISTAKES)
def test_a_mistake_names_file_and_line(mistake: Mistake, text: str) -> None:
    assert str(mistake) == text


def test_all_mistakes_are_told_at_once() -> None:
    error = ConfigurationError([mistake for mistake, _ in MISTAKES])
    assert str(error).splitlines() == [text for _, text in MISTAKES]
    assert error.mistakes == [mistake for mistake, _ in MISTAKES]


def test_a_refusal_carries_its_reason_and_nothing_else() -> None:
    assert (str(Refused("throttled", retry_after=4)), Refused("throttled", retry_after=4).retry_after) == ("throttled", 4)
    assert (str(Unavailable("vault-unavailable")), Unavailable("vault-unavailable").reason) == ("vault-unavailable", "vault-unavailable")


@pytest.mark.parametrize("kind", [Refused, Unavailable, SessionEnded, ConfigurationError])
def test_everything_raised_on_purpose_has_one_root(kind: type[Exception]) -> None:
    assert issubclass(kind, GatewayError)
