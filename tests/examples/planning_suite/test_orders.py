"""Documents and columns, as tables."""

from __future__ import annotations

from typing import Any

import pytest

from examples.planning_suite.orders import Unacceptable, appointment_columns, order_columns, whole_order


@pytest.mark.parametrize(
    ("document", "columns"),
    [
        ({}, {}),
        ({"id": 7}, {}),
        ({"household": {"name": "Li"}}, {"name": "Li"}),
        ({"household": {"phone": None}}, {"phone": None}),
        ({"meter_number": "1", "appointment": None}, {"meter_number": "1", "appointment": None}),
        ({"notes": None}, {"notes": []}),
        ({"notes": ["a"]}, {"notes": ["a"]}),
    ],
)
def test_only_what_is_present_is_set(document: Any, columns: dict[str, Any]) -> None:
    assert order_columns(document) == columns


def test_a_whole_order_empties_the_rest() -> None:
    assert set(map(str, whole_order({}).values())) == {"None", "[]"}


@pytest.mark.parametrize("document", [None, [], "x", {"x": 1}, {"household": []}, {"household": {"x": 1}}, {"notes": [None]}])
def test_unknown_shapes_are_refused(document: Any) -> None:
    with pytest.raises(Unacceptable):
        order_columns(document)


def test_appointments() -> None:
    assert appointment_columns({"id": 1, "order": 2, "start": "a"}) == {"start_time": "a"}
