"""What thieves try in the demo: with copies of everything that lies on disk, less one of the two keys."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from gateway.cipher.files import CustomerFiles
from gateway.cipher.providers import FileOperatorKey, OperatorKey
from gateway.cipher.service import CipherService
from gateway.config import Config
from gateway.errors import Refused, Unavailable
from gateway.runtime.keys import customer_files, open_operator_key


def stolen_without_operator_key(config: Config, customer: str, credential: tuple[str, str]) -> str:
    """Every file of that customer and even a right password, but another operator key. Returns what the cipher says."""
    with tempfile.TemporaryDirectory() as folder:
        other = FileOperatorKey.create(Path(folder) / "operator.key", "the thief's own passphrase")
        return _attempt(_copied(config, customer, Path(folder)), other, customer, credential)


def operator_key_without_password(config: Config, customer: str, passphrase: str) -> str:
    """Every file and the operator key, and a guess for a password."""
    with tempfile.TemporaryDirectory() as folder:
        operator = open_operator_key(config, passphrase.encode())
        return _attempt(_copied(config, customer, Path(folder)), operator, customer, ("maria", "Musterstadt2026!"))


def _copied(config: Config, customer: str, folder: Path) -> CustomerFiles:
    files = customer_files(config, customer)
    stolen = {}
    for name in ("keyslots", "data_keys", "share"):
        stolen[name] = folder / name
        shutil.copyfile(getattr(files, name), stolen[name])
    return replace(files, **stolen)


def _attempt(files: CustomerFiles, operator: OperatorKey, customer: str, credential: tuple[str, str]) -> str:
    async def unlock() -> str:
        service = CipherService(operator, lambda _: files)
        try:
            await service.unlock(customer, *credential)
        except (Refused, Unavailable) as error:
            return error.reason
        finally:
            service.close()
        return "everything"

    return asyncio.run(unlock())
