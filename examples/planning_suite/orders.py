"""The shape of orders and appointments: JSON on one side, columns on the other. Pure; no database, no HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HOUSEHOLD = ("name", "street", "phone", "email", "postcode", "city")
PLAIN = ("appointment", "meter_number")
COLUMNS = (*HOUSEHOLD, *PLAIN)
APPOINTMENT = {"start": "start_time", "end": "end_time"}


class Unacceptable(Exception):
    """The document cannot be stored; the text says why, without repeating what was sent."""


def order_columns(document: Any) -> dict[str, Any]:
    """The columns that a document sets, ``notes`` among them. What is absent is absent here, ``null`` is None."""
    members = _object(document, {"id", "household", "notes", *PLAIN}, "an order")
    columns: dict[str, Any] = {name: _text(members[name], name) for name in PLAIN if name in members}
    if "household" in members:
        household = _object(members["household"], set(HOUSEHOLD), "a household")
        columns |= {name: _text(household[name], name) for name in HOUSEHOLD if name in household}
    if "notes" in members:
        columns["notes"] = _notes(members["notes"])
    return columns


def whole_order(document: Any) -> dict[str, Any]:
    """All columns: what the document does not set is empty."""
    return {**dict.fromkeys(COLUMNS), "notes": [], **order_columns(document)}


def order_document(row: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "appointment": row["appointment"],
        "household": {name: row[name] for name in HOUSEHOLD},
        "meter_number": row["meter_number"],
        "notes": notes,
    }


def appointment_columns(document: Any) -> dict[str, Any]:
    members = _object(document, {"id", "order", *APPOINTMENT}, "an appointment")
    return {column: _text(members[name], name) for name, column in APPOINTMENT.items() if name in members}


def appointment_document(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": row["id"], "order": row["order_id"], "start": row["start_time"], "end": row["end_time"]}


def _object(document: Any, members: set[str], what: str) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise Unacceptable(f"{what} is an object")
    if not document.keys() <= members:
        raise Unacceptable(f"{what} has members that are not known here")
    return document


def _text(value: Any, name: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise Unacceptable(f"{name} is text or null")
    try:
        value.encode("cp1252")  # the suite's database is as old as its column lengths
    except UnicodeEncodeError:
        raise Unacceptable(f"{name} holds characters that are not in Windows-1252") from None
    return value


def _notes(value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(note, str) for note in value):
        raise Unacceptable("notes is a list of texts")
    return value
