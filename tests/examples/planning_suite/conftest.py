"""The suite with two customers, and an order to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from examples.planning_suite.app import create_app

ORDER: dict[str, Any] = {
    "appointment": "2026-03-02T08:00",
    "household": {
        "name": "Max Mustermann",
        "street": "Hauptstraße 7",
        "phone": "+49 171 2345678",
        "email": "max.mustermann@example.org",
        "postcode": "48143",
        "city": "Münster",
    },
    "meter_number": "1EMH0012345678",
    "notes": ["Klingel defekt", "Hund im Hof"],
}


@pytest.fixture
def order() -> dict[str, Any]:
    return ORDER | {"household": dict(ORDER["household"]), "notes": list(ORDER["notes"])}


@pytest.fixture
async def suite(aiohttp_client: Any, tmp_path: Path) -> TestClient:
    return await aiohttp_client(create_app(tmp_path / "data", ["musterstadt", "nord"]))
