"""The list of data keys: random keys, named in their wraps, authenticated as a whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.cipher import data_keys
from gateway.cipher.data_keys import KINDS, KeyList, WrappedKey
from gateway.cipher.primitives import DoesNotOpen
from gateway.errors import Unavailable

TOKEN, OTHER = bytearray(range(32)), bytearray(32)
CUSTOMER = "energie_nord"


@pytest.fixture
def keys() -> KeyList:
    return data_keys.with_classes(KeyList(CUSTOMER), {"name", "street"}, TOKEN)


def test_a_new_class_gets_one_key_of_every_kind(keys: KeyList) -> None:
    assert {(key.data_class, key.kind, key.version) for key in keys.keys} == {(c, k, 1) for c in ("name", "street") for k in KINDS}
    opened = [bytes(data_keys.unwrap_key(CUSTOMER, key, TOKEN)) for key in keys.keys]
    assert len(set(opened)) == len(opened)
    assert [len(each) for each in opened] == [KINDS[key.kind] for key in keys.keys]


def test_a_known_class_keeps_its_keys(keys: KeyList) -> None:
    assert set(data_keys.with_classes(keys, {"name", "phone"}, TOKEN).keys) > set(keys.keys)


def test_the_list_comes_back_from_its_bytes(keys: KeyList) -> None:
    assert data_keys.decode(CUSTOMER, keys.encode(TOKEN), TOKEN) == keys
    assert data_keys.decode(CUSTOMER, KeyList(CUSTOMER).encode(TOKEN), TOKEN) == KeyList(CUSTOMER)


def test_every_changed_byte_is_noticed(keys: KeyList) -> None:
    content = keys.encode(TOKEN)
    for position in range(0, len(content), 5):
        changed = content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]
        with pytest.raises(Unavailable):
            data_keys.decode(CUSTOMER, changed, TOKEN)


@pytest.mark.parametrize(("customer", "token"), [(CUSTOMER, OTHER), ("stadtwerke", TOKEN)])
def test_the_list_is_of_one_customer_and_token(keys: KeyList, customer: str, token: bytearray) -> None:
    with pytest.raises(Unavailable):
        data_keys.decode(customer, keys.encode(TOKEN), token)


@pytest.mark.parametrize("change", [{"data_class": "street"}, {"version": 2}, {"kind": "token"}, {"kind": "unheard-of"}, {"wrapped": b""}])
def test_a_key_under_another_name_does_not_open(keys: KeyList, change: dict[str, object]) -> None:
    key = next(key for key in keys.keys if key.data_class == "name" and key.kind == "fingerprint")
    with pytest.raises(Unavailable):
        data_keys.unwrap_key(CUSTOMER, replace(key, **change), TOKEN)  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        data_keys.unwrap_key("stadtwerke", key, TOKEN)


def test_rotation_adds_a_version_for_values_only(keys: KeyList) -> None:
    rotated = data_keys.with_next_version(keys, "name", TOKEN)
    assert [(key.data_class, key.kind, key.version) for key in rotated.keys[len(keys.keys) :]] == [("name", "value", 2)]
    assert rotated.keys[: len(keys.keys)] == keys.keys
    assert rotated.generation == keys.generation + 1


@pytest.mark.parametrize("names", [{f"class_{n}" for n in range(255)}, {""}, {"x" * 129}])
def test_what_a_broken_vault_asks_for_is_bounded(keys: KeyList, names: set[str]) -> None:
    with pytest.raises(Unavailable):
        data_keys.with_classes(keys, names, TOKEN)


def test_damage_inside_is_never_a_raw_exception() -> None:
    with pytest.raises(Unavailable):
        data_keys.unwrap_key(CUSTOMER, WrappedKey("name", "value", 1, bytes(10)), TOKEN)
    assert not issubclass(DoesNotOpen, Unavailable)
