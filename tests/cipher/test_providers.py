"""The operator key's file, and the operator part."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

import pytest

from gateway.cipher.primitives import Argon2Parameters
from gateway.cipher.providers import OPERATOR_COST, PROVIDERS, FileOperatorKey
from gateway.errors import ConfigurationError, Unavailable

CHEAP = Argon2Parameters(memory=8, iterations=1, lanes=1)
PASSPHRASE = "Tresor im Keller"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "operator.key"
    FileOperatorKey.create(path, PASSPHRASE, CHEAP)
    return path


def part(key: FileOperatorKey) -> bytes:
    return key.operator_part("authority", "energie_nord", 1)


def test_the_key_comes_back_with_its_passphrase(tmp_path: Path) -> None:
    created = FileOperatorKey.create(tmp_path / "operator.key", PASSPHRASE, CHEAP)
    assert part(PROVIDERS["file"](tmp_path / "operator.key", PASSPHRASE)) == part(created)  # type: ignore[arg-type]
    assert created.current == 1


def test_the_operator_part_is_the_documented_hmac() -> None:
    key = FileOperatorKey({1: bytearray(range(32))})
    message = b"".join(
        len(each).to_bytes(4, "big") + each for each in (b"pii-gateway operator part", b"keyslots", b"energie_nord", b"\x00\x01")
    )
    assert key.operator_part("keyslots", "energie_nord", 1) == hmac.new(bytes(range(32)), message, hashlib.sha256).digest()


def test_every_purpose_customer_and_version_has_its_own_part() -> None:
    key = FileOperatorKey({1: bytearray(32), 2: bytearray(b"2" * 32)})
    names = [("a", "bc", 1), ("ab", "c", 1), ("a", "bc", 2), ("abc", "", 1)]
    assert len({key.operator_part(*name) for name in names}) == len(names)
    assert key.current == 2


def test_a_version_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="keys-unavailable"):
        FileOperatorKey({1: bytearray(32)}).operator_part("keyslots", "energie_nord", 7)


def test_the_wrong_passphrase_is_a_clear_error(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="passphrase does not open"):
        FileOperatorKey.load(path, PASSPHRASE + " ")


def test_every_changed_byte_fails_closed(path: Path) -> None:
    content = path.read_bytes()
    for position in range(len(content)):
        if position in range(8, 17):  # the cost: a higher one would only be slow; its bounds have a test of their own
            continue
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(ConfigurationError):
            FileOperatorKey.load(path, PASSPHRASE)
    for text in (b"", content[:40], content + b"\0"):
        path.write_bytes(text)
        with pytest.raises(ConfigurationError):
            FileOperatorKey.load(path, PASSPHRASE)


def test_a_hostile_cost_is_refused_before_it_is_spent(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:8] + b"\xff" * 9 + content[17:])
    with pytest.raises(ConfigurationError):
        FileOperatorKey.load(path, PASSPHRASE)


def test_an_operator_key_is_never_overwritten(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="never overwritten"):
        FileOperatorKey.create(path, "another", CHEAP)
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_a_key_that_others_can_reach_is_refused(path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        FileOperatorKey.load(path, PASSPHRASE)


def test_a_missing_key_or_something_else_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("nothing", "pipe", "."):
        with pytest.raises(ConfigurationError):
            FileOperatorKey.load(tmp_path / name, PASSPHRASE)


def test_the_file_is_private_and_does_not_contain_the_key(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    key = FileOperatorKey.load(path, PASSPHRASE)
    assert bytes(key._versions[1]) not in path.read_bytes()


def test_a_closed_key_gives_nothing(path: Path) -> None:
    key = FileOperatorKey.load(path, PASSPHRASE)
    key.close()
    with pytest.raises(Unavailable):
        part(key)


def test_guessing_the_passphrase_costs_more_than_guessing_a_password() -> None:
    assert Argon2Parameters(64 * 1024, 3, 1) == OPERATOR_COST
