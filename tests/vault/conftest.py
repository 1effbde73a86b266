"""A vault for every test that asks for one; what it is made of stands in ``house.py``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.vault.house import House, build


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = build(tmp_path)
    yield house
    await house.close()
