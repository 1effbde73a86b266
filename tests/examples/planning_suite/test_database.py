"""The database keeps what it was given, and nothing of what it refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.planning_suite.database import PAGE_SIZE, Database
from examples.planning_suite.orders import Unacceptable, whole_order


def test_orders_outlive_the_process(tmp_path: Path) -> None:
    database = Database(tmp_path / "x.db")
    order = database.create_order(whole_order({"household": {"name": "Max Mustermann"}, "notes": ["a", "b"]}))
    database.close()
    again = Database(tmp_path / "x.db")
    assert again.read_order(order["id"]) == order
    again.close()


def test_a_refused_order_leaves_no_notes(tmp_path: Path) -> None:
    database = Database(tmp_path / "x.db")
    with pytest.raises(Unacceptable):
        database.create_order(whole_order({"household": {"name": "x" * 41}, "notes": ["a"]}))
    assert database.list_orders(1, None) == ([], 0)
    database.close()


def test_pages_beyond_the_end_are_empty(tmp_path: Path) -> None:
    database = Database(tmp_path / "x.db")
    for _ in range(PAGE_SIZE):
        database.create_order(whole_order({"household": {"name": "Li"}}))
    assert [len(database.list_orders(page, None)[0]) for page in (1, 2)] == [PAGE_SIZE, 0]
    database.close()
