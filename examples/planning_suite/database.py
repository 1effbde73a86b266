"""One customer's SQLite database: orders, their notes and appointments. No HTTP here."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from examples.planning_suite.orders import COLUMNS, Unacceptable, appointment_document, order_document

PAGE_SIZE = 20

_SCHEMA = Path(__file__).with_name("schema.sql")


class Database:
    """Calls are short and made by one thread; SQLite's file is the only state."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path)
        self._connection.row_factory = _row
        self._connection.executescript("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON;")
        self._connection.executescript(_SCHEMA.read_text(encoding="utf-8"))

    def close(self) -> None:
        self._connection.close()

    def create_order(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        with self._transaction():
            names = ", ".join(COLUMNS)
            places = ", ".join(f":{name}" for name in COLUMNS)
            statement = f"INSERT INTO orders ({names}) VALUES ({places})"  # noqa: S608 - names are COLUMNS
            order = self._connection.execute(statement, {name: columns[name] for name in COLUMNS}).lastrowid
            assert order is not None
            self._write_notes(order, columns["notes"])
            return self._order(order)

    def read_order(self, order: int) -> dict[str, Any]:
        return self._order(order)

    def update_order(self, order: int, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Set the given columns; all of them for a replacement, some for a patch."""
        with self._transaction():
            self._order(order)
            self._set("orders", order, {name: columns[name] for name in COLUMNS if name in columns})
            if "notes" in columns:
                self._write_notes(order, columns["notes"])
            return self._order(order)

    def delete_order(self, order: int) -> None:
        with self._transaction():
            self._order(order)
            self._connection.execute("DELETE FROM orders WHERE id = ?", (order,))

    def list_orders(self, page: int, name: str | None) -> tuple[list[dict[str, Any]], int]:
        """One page, oldest first, and how many there are on all pages. ``name`` is compared exactly."""
        total = self._rows("SELECT count(*) AS total FROM orders WHERE ?1 IS NULL OR name = ?1", name)[0]["total"]
        start = (page - 1) * PAGE_SIZE
        rows = self._rows("SELECT * FROM orders WHERE ?1 IS NULL OR name = ?1 ORDER BY id LIMIT ?2 OFFSET ?3", name, PAGE_SIZE, start)
        return [order_document(row, self._notes(row["id"])) for row in rows], total

    def create_appointment(self, order: int, columns: Mapping[str, Any]) -> dict[str, Any]:
        with self._transaction():
            self._order(order)
            statement = "INSERT INTO appointments (order_id, start_time, end_time) VALUES (?, ?, ?)"
            values = (order, columns.get("start_time"), columns.get("end_time"))
            appointment = self._connection.execute(statement, values).lastrowid
            assert appointment is not None
            return self._appointment(appointment)

    def list_appointments(self, order: int) -> list[dict[str, Any]]:
        self._order(order)
        rows = self._rows("SELECT * FROM appointments WHERE order_id = ? ORDER BY start_time, id", order)
        return [appointment_document(row) for row in rows]

    def update_appointment(self, appointment: int, columns: Mapping[str, Any]) -> dict[str, Any]:
        with self._transaction():
            self._appointment(appointment)
            self._set("appointments", appointment, columns)
            return self._appointment(appointment)

    def _transaction(self) -> _Transaction:
        return _Transaction(self._connection)

    def _set(self, table: str, row: int, columns: Mapping[str, Any]) -> None:
        if columns:
            assignments = ", ".join(f"{name} = :{name}" for name in columns)
            statement = f"UPDATE {table} SET {assignments} WHERE id = :id"  # noqa: S608 - names come from orders.py
            self._connection.execute(statement, {**columns, "id": row})

    def _rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        with closing(self._connection.execute(statement, values)) as cursor:
            rows: list[dict[str, Any]] = cursor.fetchall()
            return rows

    def _order(self, order: int) -> dict[str, Any]:
        rows = self._rows("SELECT * FROM orders WHERE id = ?", order)
        if not rows:
            raise LookupError
        return order_document(rows[0], self._notes(order))

    def _appointment(self, appointment: int) -> dict[str, Any]:
        rows = self._rows("SELECT * FROM appointments WHERE id = ?", appointment)
        if not rows:
            raise LookupError
        return appointment_document(rows[0])

    def _notes(self, order: int) -> list[str]:
        return [row["text"] for row in self._rows("SELECT text FROM notes WHERE order_id = ? ORDER BY position", order)]

    def _write_notes(self, order: int, notes: list[str]) -> None:
        self._connection.execute("DELETE FROM notes WHERE order_id = ?", (order,))
        self._connection.executemany("INSERT INTO notes VALUES (?, ?, ?)", [(order, at, text) for at, text in enumerate(notes)])


def _row(cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip((column[0] for column in cursor.description), values, strict=True))


class _Transaction:
    """All or nothing; a column that says no is the sender's mistake, not ours."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        self._connection.__exit__(kind, error, trace)
        if isinstance(error, sqlite3.IntegrityError):
            raise Unacceptable("a value is missing, or does not fit its column") from None
