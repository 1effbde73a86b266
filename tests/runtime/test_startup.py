"""What a process is told when it starts: over a pipe, once, and each role only what it needs."""

import os

import pytest

from gateway.runtime import startup
from gateway.runtime.startup import Startup, by_hand, receive


def test_a_child_receives_it_once(monkeypatch):
    told = Startup(vault_link=b"v" * 32, passphrase=b"p", listen_fd=7)
    monkeypatch.setenv(startup.ENVIRONMENT, str(told.descriptor()))
    assert receive() == told
    assert receive() is None


def test_ready_is_one_byte(monkeypatch):
    reading, writing = os.pipe()
    Startup(ready_fd=writing).ready()
    assert os.read(reading, 10) == b"1"
    assert os.read(reading, 10) == b""
    os.close(reading)


@pytest.mark.parametrize(
    ("role", "vault", "cipher", "passphrase"),
    [("proxy", True, False, b""), ("vault", True, True, b""), ("cipher", False, True, b"p")],
)
def test_each_role_gets_only_its_own_links(tmp_path, role, vault, cipher, passphrase):
    class Config:
        run_dir = tmp_path / "run"

    got = by_hand(Config, role, b"p")
    assert (bool(got.vault_link), bool(got.cipher_link), got.passphrase) == (vault, cipher, passphrase)
    assert by_hand(Config, role, b"p") == got
    assert {path.stat().st_mode & 0o777 for path in Config.run_dir.iterdir()} == {0o600}
