"""The operators' token: made once, readable by one, compared whole."""

import os

import pytest

from gateway.admin.token import SHORTEST, ensure_token, fault_of, opens

TOKEN = "t" * SHORTEST


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "admin.token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path


def test_it_is_made_once_with_256_bits_for_its_owner_alone(tmp_path):
    path = tmp_path / "state" / "admin.token"
    ensure_token(path)
    made = path.read_text()
    assert (len(made.strip()), path.stat().st_mode & 0o777, fault_of(path)) == (43, 0o600, "")
    ensure_token(path)
    assert path.read_text() == made
    assert os.listdir(path.parent) == ["admin.token"]


def test_every_gateway_has_another(tmp_path):
    for name in "ab":
        ensure_token(tmp_path / name)
    assert (tmp_path / "a").read_text() != (tmp_path / "b").read_text()


@pytest.mark.parametrize(
    ("authorization", "answer"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer {TOKEN}", True),  # RFC 9110, 11.1: schemes are case-insensitive
        (f"Bearer  {TOKEN} ", True),
        (None, False),
        ("", False),
        ("Bearer", False),
        ("Bearer ", False),
        (f"Basic {TOKEN}", False),
        (TOKEN, False),
        (f"Bearer {TOKEN}t", False),
        (f"Bearer {TOKEN[:-1]}", False),
        (f"Bearer {TOKEN.upper()}", False),
        ("Bearer Größe", False),
        ("Bearer \udcff", False),
    ],
)
def test_what_opens(file, authorization, answer):
    assert opens(file, authorization) is answer


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda file: file.write_text(""), "characters"),  # a disk that was full
        (lambda file: file.write_text("\n" * 100), "characters"),
        (lambda file: file.write_text(TOKEN[:-1]), "characters"),
        (lambda file: file.write_text("t" * 5000), "characters"),
        (lambda file: file.chmod(0o640), "others may read"),
        (lambda file: file.chmod(0o602), "others may read"),
        (lambda file: file.unlink(), "No such file"),
    ],
)
def test_a_file_that_proves_nothing_lets_nobody_in(file, spoil, fault, caplog):
    spoil(file)
    shown = file.read_text().strip() if file.exists() else ""
    assert fault in fault_of(file)
    assert not opens(file, f"Bearer {shown}")
    assert not opens(file, f"Bearer {TOKEN}")
    assert TOKEN not in caplog.text


def test_a_new_token_counts_at_once(file):
    file.write_text("u" * SHORTEST)
    assert opens(file, "Bearer " + "u" * SHORTEST)
    assert not opens(file, f"Bearer {TOKEN}")
