"""One customer with real files and cheap Argon2 (an explicit argument; nothing in the product reads it from elsewhere)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.cipher.customers import CustomerKeys
from gateway.cipher.files import CustomerFiles
from gateway.cipher.primitives import Argon2Parameters
from gateway.cipher.providers import FileOperatorKey
from gateway.cipher.service import CipherService

CHEAP = Argon2Parameters(memory=8, iterations=1, lanes=1)
STADTWERKE, ENERGIE = "stadtwerke_musterstadt", "energie_nord"
MARIA = "Käthe-und-Möhre-42"
USERS = {"maria": MARIA, "import_job": "nachts um drei Uhr"}


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def cheap() -> Argon2Parameters:
    return CHEAP


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def operator(tmp_path: Path) -> FileOperatorKey:
    return FileOperatorKey.create(tmp_path / "certs" / "operator.key", "Tresor im Keller", CHEAP)


@pytest.fixture
def files_of(tmp_path: Path) -> Callable[[str], CustomerFiles]:
    def files(customer: str) -> CustomerFiles:
        folder = tmp_path / "state" / "customers" / customer
        shares, tombstones = tmp_path / "state" / "shares", tmp_path / "state" / "tombstones"
        return CustomerFiles(folder / "keyslots", folder / "datakeys", shares / customer, tombstones / customer)

    return files


@pytest.fixture
def keys_of(operator: FileOperatorKey, files_of: Callable[[str], CustomerFiles]) -> Callable[[str], CustomerKeys]:
    return lambda customer: CustomerKeys(customer, files_of(customer), operator, CHEAP)


@pytest.fixture
def stadtwerke(keys_of: Callable[[str], CustomerKeys]) -> tuple[CustomerKeys, str]:
    """The customer, created; with its recovery code."""
    keys = keys_of(STADTWERKE)
    return keys, keys.create(USERS)


@pytest.fixture
def energie(keys_of: Callable[[str], CustomerKeys]) -> tuple[CustomerKeys, str]:
    keys = keys_of(ENERGIE)
    return keys, keys.create(USERS)


@pytest.fixture
async def service(operator: FileOperatorKey, files_of: Callable[[str], CustomerFiles], clock: Clock) -> AsyncIterator[CipherService]:
    service = CipherService(operator, files_of, cost=CHEAP, clock=clock)
    yield service
    await asyncio.to_thread(service.close)
