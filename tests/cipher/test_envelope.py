"""The operator's wrap: any byte, any other name, key or share, and it stays closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cipher import envelope
from gateway.cipher.providers import FileOperatorKey
from gateway.errors import ConfigurationError, Unavailable

MAGIC, SHARE = b"GWSLOTS\x01", bytes(range(32))
OPERATOR, OTHER = FileOperatorKey({1: bytearray(32)}), FileOperatorKey({1: bytearray(b"1" * 32)})


def closed() -> bytes:
    return envelope.close(MAGIC, "keyslots", "energie_nord", b"the slots", OPERATOR, SHARE)


def test_it_opens_for_whom_it_was_closed_and_hides_its_body() -> None:
    assert envelope.open_envelope(MAGIC, "keyslots", "energie_nord", closed(), OPERATOR, SHARE) == b"the slots"
    assert b"slots" not in closed()[8:]


@pytest.mark.parametrize(
    ("magic", "purpose", "customer", "operator", "share"),
    [
        (b"GWDKEYS\x01", "keyslots", "energie_nord", OPERATOR, SHARE),
        (MAGIC, "data-keys", "energie_nord", OPERATOR, SHARE),
        (MAGIC, "keyslots", "stadtwerke", OPERATOR, SHARE),
        (MAGIC, "keyslots", "energie_nord", OTHER, SHARE),
        (MAGIC, "keyslots", "energie_nord", OPERATOR, bytes(32)),
    ],
)
def test_it_opens_for_nobody_else(magic: bytes, purpose: str, customer: str, operator: FileOperatorKey, share: bytes) -> None:
    with pytest.raises(Unavailable, match="keys-unavailable"):
        envelope.open_envelope(magic, purpose, customer, closed(), operator, share)


def test_every_changed_or_missing_byte_is_noticed() -> None:
    content = closed()
    for position in range(len(content)):
        changed = content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]
        for text in (changed, content[:position]):
            with pytest.raises(Unavailable, match="keys-unavailable"):
                envelope.open_envelope(MAGIC, "keyslots", "energie_nord", text, OPERATOR, SHARE)


def test_a_renamed_customer_in_the_header_does_not_help() -> None:
    renamed = closed().replace(b"energie_nord", b"energie_west")
    with pytest.raises(Unavailable):
        envelope.open_envelope(MAGIC, "keyslots", "energie_west", renamed, OPERATOR, SHARE)


def test_after_a_new_version_of_the_operator_key_the_old_envelope_still_opens() -> None:
    rotated = FileOperatorKey({1: bytearray(32), 2: bytearray(b"2" * 32)})
    assert envelope.open_envelope(MAGIC, "keyslots", "energie_nord", closed(), rotated, SHARE) == b"the slots"
    newer = envelope.close(MAGIC, "keyslots", "energie_nord", b"the slots", rotated, SHARE)
    assert newer[8:10] == b"\0\2"
    with pytest.raises(Unavailable):
        envelope.open_envelope(MAGIC, "keyslots", "energie_nord", newer, OPERATOR, SHARE)


def test_shares_are_random_private_and_never_overwritten(tmp_path: Path) -> None:
    for name in ("one", "two"):
        envelope.create_share(tmp_path / name)
    assert envelope.read_share(tmp_path / "one") != envelope.read_share(tmp_path / "two")
    with pytest.raises(ConfigurationError):
        envelope.create_share(tmp_path / "one")


@pytest.mark.parametrize("content", [None, b"", b"GWSHARE\x01" + bytes(31), b"GWSHARE\x02" + bytes(32), b"GWSHARE\x01" + bytes(33)])
def test_without_a_share_nothing_opens(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "share").write_bytes(content)
    with pytest.raises(Unavailable, match="keys-unavailable"):
        envelope.read_share(tmp_path / "share")
