"""V-13: erased stays erased, whatever a backup brings back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gateway.cipher import shredding
from gateway.cipher.credentials import password, recovery
from gateway.cipher.customers import CustomerKeys
from gateway.cipher.providers import FileOperatorKey
from gateway.errors import ConfigurationError, Unavailable

Stadtwerke = tuple[CustomerKeys, str]


def test_shredding_leaves_a_tombstone_and_nothing_else(stadtwerke: Stadtwerke) -> None:
    keys, _ = stadtwerke
    assert not keys.is_shredded()
    keys.shred()
    keys.shred()  # can be repeated
    assert keys.is_shredded()
    assert not any(path.exists() for path in (keys.files.keyslots, keys.files.data_keys, keys.files.share))


def test_a_restored_backup_brings_nobody_back(stadtwerke: Stadtwerke) -> None:
    keys, code = stadtwerke
    paths = (keys.files.keyslots, keys.files.data_keys, keys.files.share)
    for path in paths:
        shutil.copy2(path, f"{path}.backup")
    keys.shred()
    for path in paths:
        shutil.move(f"{path}.backup", path)
    for credential in (password("maria", "Käthe-und-Möhre-42"), recovery(code)):
        with pytest.raises(Unavailable, match="keys-unavailable"):
            keys.open(credential)
        with pytest.raises(Unavailable):
            keys.set_password("maria", "noch einmal von vorn", authorised_by=credential)
    with pytest.raises(ConfigurationError, match="never used again"):
        keys.create({"maria": "Käthe-und-Möhre-42"})


def test_the_name_of_a_shredded_customer_is_not_used_again(stadtwerke: Stadtwerke) -> None:
    keys, _ = stadtwerke
    keys.shred()
    with pytest.raises(ConfigurationError, match="never used again"):
        keys.create({})
    with pytest.raises(Unavailable):
        keys.open(password("maria", "Käthe-und-Möhre-42"))


def test_an_interrupted_shredding_has_already_closed(stadtwerke: Stadtwerke, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, _ = stadtwerke

    def interrupted(_: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("gateway.cipher.shredding.files.destroy", interrupted)
    with pytest.raises(OSError, match="Input/output"):
        keys.shred()
    with pytest.raises(Unavailable):
        keys.open(password("maria", "Käthe-und-Möhre-42"))


def test_a_tombstone_that_is_not_ours_closes_and_is_replaced(stadtwerke: Stadtwerke) -> None:
    keys, _ = stadtwerke
    genuine = shredding.tombstone(keys.operator, keys.customer, 1_800_000_000)
    foreign = shredding.tombstone(FileOperatorKey({1: bytearray(32)}), keys.customer, 1_800_000_000)
    other = shredding.tombstone(keys.operator, "energie_nord", 1_800_000_000)
    flips = [genuine[:n] + bytes([genuine[n] ^ 1]) + genuine[n + 1 :] for n in range(len(genuine))]
    keys.files.tombstone.parent.mkdir(exist_ok=True)
    for content in (b"", foreign, other, genuine + b"\0", genuine[:-1], *flips):
        keys.files.tombstone.write_bytes(content)
        with pytest.raises(Unavailable):
            keys.is_shredded()
        with pytest.raises(Unavailable):
            keys.open(password("maria", "Käthe-und-Möhre-42"))
    keys.shred()
    assert keys.is_shredded()


def test_nothing_is_shredded_where_nothing_is(keys_of: object) -> None:
    with pytest.raises(ConfigurationError):
        keys_of("energie_nord").shred()  # type: ignore[operator]
