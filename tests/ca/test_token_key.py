"""Keys on a real (software) token: made there, used there, never read out; and what the token says no to is said in a sentence."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.ca.token_key import TokenKey, create_on_token, destroy_on_token
from gateway.errors import ConfigurationError
from gateway.pkcs11_uri import TokenUri
from tests.ca.softhsm import PIN, token

__all__ = ["token"]
SHA256 = ec.ECDSA(hashes.SHA256())


@pytest.fixture
def key(token: TokenUri) -> Iterator[TokenKey]:
    made = create_on_token(token, "authority of energie_nord")
    yield made
    destroy_on_token(token, "authority of energie_nord", made.identifier)


def test_it_signs_what_its_public_key_verifies(key: TokenKey) -> None:
    for message in (b"", b"a certificate", b"x" * 100_000):
        key.public_key().verify(key.sign(message, SHA256), message, SHA256)
    assert (key.curve.name, key.key_size) == ("secp256r1", 256)
    assert copy.deepcopy(key) is copy.copy(key) is key


def test_it_cannot_be_read_out_by_anybody_who_has_the_pin(token: TokenUri, key: TokenKey) -> None:
    import pkcs11

    with pkcs11.lib(str(token.module)).get_token(token_label=token.token).open(user_pin=PIN) as session:
        private = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, id=key.identifier)
        marks = [private[mark] for mark in (pkcs11.Attribute.EXTRACTABLE, pkcs11.Attribute.SENSITIVE, pkcs11.Attribute.LOCAL)]
        assert marks == [False, True, True]
        with pytest.raises(pkcs11.AttributeSensitive):
            private[pkcs11.Attribute.VALUE]


def test_it_does_nothing_else(key: TokenKey) -> None:
    none = serialization.NoEncryption()
    with pytest.raises(TypeError, match="never leaves"):
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, none)
    with pytest.raises(TypeError, match="never leaves"):
        key.private_numbers()
    with pytest.raises(TypeError, match="signs only"):
        key.exchange(ec.ECDH(), key.public_key())
    with pytest.raises(ValueError, match="SHA-256 only"):
        key.sign(b"x", ec.ECDSA(hashes.SHA1()))


def test_two_keys_under_one_label_are_two_keys(token: TokenUri, key: TokenKey) -> None:
    other = create_on_token(token, "authority of energie_nord")
    destroy_on_token(token, "authority of energie_nord", other.identifier)
    with pytest.raises(ConfigurationError, match="is not on the token"):
        other.sign(b"x", SHA256)
    assert key.sign(b"x", SHA256)


def test_a_key_that_is_not_the_certificates_signs_nothing(token: TokenUri, key: TokenKey) -> None:
    stranger = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(ConfigurationError, match="not the one of the authority's certificate"):
        TokenKey(token, "authority of energie_nord", key.identifier, stranger).sign(b"x", SHA256)


def pin_file(folder: Path, content: str, mode: int = 0o600) -> Path:
    file = folder / "pin"
    file.write_text(content, encoding="latin-1")
    file.chmod(mode)
    return file


def test_a_refused_pin_is_tried_once(token: TokenUri, key: TokenKey, tmp_path: Path) -> None:
    """Tokens lock themselves after a few; the keeper of revocation lists would do that within minutes."""
    mistyped = replace(token, pin_file=pin_file(tmp_path, "0815-0000"))
    said = []
    for _ in range(3):
        with pytest.raises(ConfigurationError) as raised:
            create_on_token(mistyped, "x")
        said.append(str(raised.value))
    assert "it is not tried again" in said[0]
    assert "would lock itself" in said[1] and said[1] == said[2]
    assert "0815" not in "".join(said)
    pin_file(tmp_path, PIN)
    assert TokenKey(mistyped, "authority of energie_nord", key.identifier, key.public_key()).sign(b"x", SHA256)


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (PIN, 0o644, "open to others"),
        (PIN, 0o640, "open to others"),
        ("", 0o600, "1 to 255 bytes"),
        ("\n", 0o600, "1 to 255 bytes"),
        ("x" * 256, 0o600, "1 to 255 bytes"),
        ("Schlüssel", 0o600, "not UTF-8"),
    ],
)
def test_pins_are_kept_like_keys(token: TokenUri, tmp_path: Path, content: str, mode: int, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        create_on_token(replace(token, pin_file=pin_file(tmp_path, content, mode)), "x")


def test_what_is_missing_is_named(token: TokenUri, tmp_path: Path, key: TokenKey) -> None:
    for changed, said in (
        (replace(token, token="nobody"), "no token of that name"),
        (replace(token, module=tmp_path / "none.so"), r"none\.so: token .* cannot be used"),
        (replace(token, pin_file=tmp_path / "none"), "PIN cannot be read"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            create_on_token(changed, "x")
    assert key.sign(b"x", SHA256)  # and what was there goes on


def test_without_the_package_the_remedy_is_said(token: TokenUri, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'pii-gateway\[pkcs11\]'"):
        create_on_token(token, "x")
