"""The policy set: frozen, and one question that it answers itself."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import pytest

from gateway.config import load_config
from gateway.policy import model
from gateway.policy.load import load_policies
from gateway.policy.model import CustomerKey, Limits, PolicySet

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shipped() -> PolicySet:
    return load_policies(load_config(ROOT / "config.yaml"))


@pytest.mark.parametrize(
    ("customer", "user", "expected"),
    [
        ("stadtwerke_musterstadt", "maria", "dispatcher"),
        ("stadtwerke_musterstadt", "import_job", "importer"),
        ("energie_nord", "jens", "dispatcher"),
        ("energie_nord", "maria", None),  # a user of one customer is nobody at the other
        ("stadtwerke_musterstadt", "jens", None),
        ("stadtwerke_musterstadt", "MARIA", None),
        ("stadtwerke_musterstadt", "", None),
        ("nobody", "maria", None),
    ],
)
def test_a_role_belongs_to_a_user_of_a_customer(shipped: PolicySet, customer: str, user: str, expected: str | None) -> None:
    role = shipped.role_of(customer, user)
    assert (role.name if role is not None else None) == expected


def test_everything_is_frozen() -> None:
    """An exchange keeps what it began with: nobody changes it under it."""
    classes = [kind for _, kind in inspect.getmembers(model, dataclasses.is_dataclass) if kind.__module__ == model.__name__]
    assert len(classes) > 8
    for kind in classes:
        assert kind.__dataclass_params__.frozen, kind
        assert "__slots__" in vars(kind), kind


def test_defaults_are_the_ones_of_the_documents() -> None:
    assert Limits() == Limits(body=1 << 20, depth=64)
    assert CustomerKey() == CustomerKey(idle=15 * 60, longest=12 * 3600)
