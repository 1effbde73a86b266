"""A customer whose token is open: read again on change, recognised only while the slots are unchanged, wiped at the end."""

from __future__ import annotations

import pytest

from gateway.cipher import files
from gateway.cipher.credentials import password
from gateway.cipher.customers import CustomerKeys
from gateway.cipher.interface import ToSeal
from gateway.cipher.opened import OpenCustomer
from gateway.errors import Unavailable

MARIA = password("maria", "Käthe-und-Möhre-42")
TODAY = 1_790_000_000.0


@pytest.fixture
def keys(stadtwerke: tuple[CustomerKeys, str]) -> CustomerKeys:
    return stadtwerke[0]


@pytest.fixture
def opened(keys: CustomerKeys) -> OpenCustomer:
    return OpenCustomer(keys, keys.open(MARIA), 100.0)


@pytest.mark.parametrize(
    ("used", "now", "expired"),
    [(100.0, 189.0, False), (100.0, 190.0, True), (180.0, 199.0, False), (180.0, 269.0, False), (399.0, 400.0, True)],
)
def test_idle_and_longest(opened: OpenCustomer, used: float, now: float, expired: bool) -> None:
    opened.touch(used)
    assert opened.expired(now, idle=90.0, longest=300.0) is expired


def test_classes_are_drawn_only_on_purpose(opened: OpenCustomer) -> None:
    assert not opened.classes({"name"}, draw=False)
    assert set(opened.classes({"name"}, draw=True)) == {"name"}
    assert set(opened.classes({"street"}, draw=False)) == {"name"}


def test_keys_are_kept_while_nothing_changes_and_read_again_when_it_does(keys: CustomerKeys, opened: OpenCustomer) -> None:
    opened.classes({"name"}, draw=True)
    kept = opened.classes({"name"}, draw=True)["name"]
    assert opened.classes({"name"}, draw=True)["name"] is kept
    keys.rotate_data_key("name", authorised_by=MARIA)  # by another process
    assert opened.classes({"name"}, draw=True)["name"].seal(ToSeal("name", "Li")).sealed[1:3] == b"\0\2"


def test_a_shredded_or_lost_customer_is_noticed_while_open(keys: CustomerKeys, opened: OpenCustomer) -> None:
    opened.classes({"name"}, draw=True)
    content = keys.files.data_keys.read_bytes()
    keys.shred()
    with pytest.raises(Unavailable):
        opened.classes({"name"}, draw=False)
    keys.files.data_keys.write_bytes(content)  # restored under our hands
    with pytest.raises(Unavailable):
        opened.classes({"name"}, draw=False)


def test_recognised_only_while_the_slots_are_unchanged(keys: CustomerKeys, opened: OpenCustomer) -> None:
    slots = files.identity(keys.files.keyslots)
    assert slots is not None
    opened.remember(b"proof of maria", slots)
    assert opened.recognises(b"proof of maria", TODAY)
    assert not opened.recognises(b"proof of somebody else", TODAY)
    keys.remove_user("import_job", authorised_by=MARIA)
    assert not opened.recognises(b"proof of maria", TODAY)
    now = files.identity(keys.files.keyslots)
    assert now is not None
    opened.remember(b"proof of import_job", now)
    assert len(opened._recognised) == 1  # those of the old slots are gone


def test_a_password_that_ends_is_recognised_until_then(keys: CustomerKeys, opened: OpenCustomer) -> None:
    """The file does not change when the time of an overlap is over."""
    slots = files.identity(keys.files.keyslots)
    assert slots is not None
    opened.remember(b"the old one", slots, until=int(TODAY) + 60)
    assert [opened.recognises(b"the old one", TODAY + later) for later in (0, 59.9, 60, 1_000)] == [True, True, False, False]


def test_closing_wipes(keys: CustomerKeys) -> None:
    token = keys.open(MARIA)
    opened = OpenCustomer(keys, token, 0.0)
    classes = opened.classes({"name"}, draw=True)["name"]
    fingerprint_key = classes._single["fingerprint"]
    opened.close()
    assert (token, fingerprint_key) == (bytearray(32), bytearray(32))
