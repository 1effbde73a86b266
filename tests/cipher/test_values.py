"""What a class's keys do to values: round trips, moved rows, forged tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cipher import data_keys
from gateway.cipher.data_keys import KeyList
from gateway.cipher.interface import Sealed, ToOpen, ToSeal
from gateway.cipher.values import ClassKeys
from gateway.errors import Refused, Unavailable
from gateway.tokens import opaque

TOKEN = bytearray(range(32))
CUSTOMER = "energie_nord"
LIST = data_keys.with_classes(KeyList(CUSTOMER), {"name", "street"}, TOKEN)
NAME, STREET = (ClassKeys(CUSTOMER, each, LIST.of_class(each), TOKEN) for each in ("name", "street"))
FOREIGN = ClassKeys("stadtwerke", "name", data_keys.with_classes(KeyList("stadtwerke"), {"name"}, TOKEN).keys, TOKEN)

METHODS = [
    ToSeal("name", "Max Mustermann"),
    ToSeal("name", "Max Mustermann", repeat="fresh"),
    ToSeal("name", "Max Mustermann", opaque=True),
    ToSeal("name", "Max Mustermann", "sealed"),
    ToSeal("name", "Max Mustermann", "sealed", "fresh"),
]


def back(sealed: Sealed) -> ToOpen:
    return ToOpen("name", sealed.sealed, sealed.token)


@pytest.mark.parametrize("item", METHODS)
def test_every_method_comes_back_and_only_here(item: ToSeal) -> None:
    """T-B5, T-V: a row moved to another customer or class does not open."""
    sealed = NAME.seal(item)
    assert NAME.open(back(sealed)) == "Max Mustermann"
    assert STREET.open(back(sealed)) is None
    assert FOREIGN.open(back(sealed)) is None


@given(st.text(max_size=60).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text)))
def test_exact_code_points_come_back(value: str) -> None:
    """V-06: no spelling is folded into another."""
    for item in (ToSeal("name", value), ToSeal("name", value, "sealed")):
        assert NAME.open(back(NAME.seal(item))) == value


@pytest.mark.parametrize(
    ("item", "parts"),
    [
        (ToSeal("name", "Li"), (True, True, False)),
        (ToSeal("name", "Li", opaque=True), (True, True, True)),
        (ToSeal("name", "Li", repeat="fresh"), (False, True, False)),
        (ToSeal("name", "Li", repeat="fresh", opaque=True), (False, True, True)),
        (ToSeal("name", "Li", "search"), (True, False, False)),
        (ToSeal("name", "Li", "search", "fresh"), (True, False, False)),
        (ToSeal("name", "Li", "sealed", opaque=True), (False, False, True)),
    ],
)
def test_each_method_gives_what_the_interface_says(item: ToSeal, parts: tuple[bool, bool, bool]) -> None:
    sealed = NAME.seal(item)
    assert (bool(sealed.fingerprint), bool(sealed.sealed), bool(sealed.token)) == parts


def test_equality_shows_where_it_is_asked_for_and_nowhere_else() -> None:
    same = [NAME.seal(ToSeal("name", "Li", "sealed")).token for _ in range(2)]
    fresh = [NAME.seal(ToSeal("name", "Li", "sealed", "fresh")).token for _ in range(2)]
    stored = [NAME.seal(ToSeal("name", "Li", opaque=True)) for _ in range(2)]
    assert same[0] == same[1]
    assert fresh[0] != fresh[1]
    assert stored[0].sealed != stored[1].sealed
    assert stored[0].token != stored[1].token
    assert stored[0].fingerprint == stored[1].fingerprint == NAME.seal(ToSeal("name", "Li", "search")).fingerprint


def test_fingerprints_are_full_and_of_one_customer_and_class() -> None:
    item = ToSeal("name", "Max Mustermann", "search")
    prints = {each.seal(item).fingerprint for each in (NAME, STREET, FOREIGN)}
    assert [len(each) for each in prints] == [32, 32, 32]


@pytest.mark.parametrize("item", METHODS)
def test_every_changed_byte_closes(item: ToSeal) -> None:
    sealed = NAME.seal(item)
    for position in range(len(sealed.sealed)):
        changed = sealed.sealed[:position] + bytes([sealed.sealed[position] ^ 1]) + sealed.sealed[position + 1 :]
        assert NAME.open(ToOpen("name", changed, sealed.token)) is None
    for cut in range(len(sealed.sealed)):
        assert NAME.open(ToOpen("name", sealed.sealed[:cut], sealed.token)) is None
    for position in range(len(sealed.token)):
        changed_token = sealed.token[:position] + ("0" if sealed.token[position] != "0" else "1") + sealed.token[position + 1 :]
        assert NAME.open(ToOpen("name", sealed.sealed, changed_token)) is None


def test_stored_bytes_and_sealed_tokens_are_not_exchangeable() -> None:
    """What lies in the vault cannot be turned into a token that carries itself, nor the reverse."""
    stored = NAME.seal(ToSeal("name", "Li", repeat="fresh")).sealed
    carried = NAME.seal(ToSeal("name", "Li", "sealed", "fresh")).token
    assert NAME.open(ToOpen("name", b"", opaque.encode_sealed(stored))) is None
    assert NAME.open(ToOpen("name", opaque.decode_sealed(carried) or b"")) is None


@pytest.mark.parametrize(
    "text", ["", "Max Mustermann", "gs1_", "gs1_00", "gt1_" + "0" * 36, opaque.encode(b"\x01" + bytes(22)), "gs1_" + "v" * 80]
)
def test_what_was_never_issued_is_none(text: str) -> None:
    """V-07, V-12: no exception tells a forged token from a damaged one."""
    assert NAME.open(ToOpen("name", b"", text)) is None
    if text:
        assert NAME.open(ToOpen("name", NAME.seal(ToSeal("name", "Li")).sealed, text)) is None


def test_an_opaque_token_has_the_documented_bytes() -> None:
    """V-01: version, 96 random bits, and a MAC of 80."""
    raw = opaque.decode(NAME.seal(ToSeal("name", "Li", opaque=True)).token)
    assert raw is not None
    assert (raw[0], len(raw)) == (1, 23)


def test_after_rotation_old_values_still_open_and_new_ones_use_the_new_key() -> None:
    """V-10."""
    old = {item: NAME.seal(item) for item in METHODS}
    rotated = ClassKeys(CUSTOMER, "name", data_keys.with_next_version(LIST, "name", TOKEN).of_class("name"), TOKEN)
    assert all(rotated.open(back(sealed)) == "Max Mustermann" for sealed in old.values())
    new = rotated.seal(METHODS[0])
    assert new.sealed[1:3] == b"\0\2"
    assert new.fingerprint == old[METHODS[0]].fingerprint
    assert NAME.open(back(new)) is None
    as_version_one = new.sealed[:1] + b"\0\1" + new.sealed[3:]
    assert rotated.open(ToOpen("name", as_version_one)) is None


def test_a_lone_surrogate_is_refused_before_anything_is_sealed() -> None:
    with pytest.raises(Refused, match="body-lone-surrogate"):
        NAME.seal(ToSeal("name", "\ud800"))


@pytest.mark.parametrize("missing", ["value", "fingerprint", "token"])
def test_an_incomplete_class_is_unavailable(missing: str) -> None:
    with pytest.raises(Unavailable):
        ClassKeys(CUSTOMER, "name", [key for key in LIST.of_class("name") if key.kind != missing], TOKEN)


def test_closing_wipes_what_can_be_wiped() -> None:
    keys = ClassKeys(CUSTOMER, "name", LIST.of_class("name"), TOKEN)
    single = list(keys._single.values())
    keys.close()
    assert all(each == bytes(32) for each in single)
    with pytest.raises(KeyError):
        keys.seal(ToSeal("name", "Li", repeat="fresh"))
