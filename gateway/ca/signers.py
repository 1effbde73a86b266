"""Where an authority's private key lies and who signs with it: a file that its password opens, or a PKCS#11 token that it never leaves.

Each signer makes a key and finds it again; what is signed is ``authority.py``'s and ``crl.py``'s affair. What never may come in: a key
in the clear on a disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.ca.files import PRIVATE, Contents
from gateway.ca.token_key import TokenKey, create_on_token, destroy_on_token
from gateway.errors import ConfigurationError, Mistake
from gateway.pkcs11_uri import TokenUri

KEY_FILE = "ca.key"
TOKEN_FILE = "ca.token"  # noqa: S105 - the name of a file

_SHORTEST_PASSWORD = 16


class Signer(Protocol):
    """``create`` also returns the files that must stand beside the certificate so that ``open`` finds the key again."""

    def create(self) -> tuple[ec.EllipticCurvePrivateKey, Contents]: ...

    def open(self, directory: Path, public: object) -> ec.EllipticCurvePrivateKey: ...

    def discard(self, contents: Contents) -> None:
        """Take back what ``create`` made, as far as it lies elsewhere than in the files."""


@dataclass(frozen=True, slots=True)
class Place:
    """What signers are made from; each takes what it needs."""

    customer: str
    password: bytes = field(repr=False)
    token: TokenUri | None = None


@dataclass(frozen=True, slots=True)
class FileSigner:
    """An encrypted PKCS#8 file."""

    password: bytes = field(repr=False)

    def create(self) -> tuple[ec.EllipticCurvePrivateKey, Contents]:
        if len(self.password) < _SHORTEST_PASSWORD:
            raise ValueError("the password of an authority's key is too short")
        key = ec.generate_private_key(ec.SECP256R1())
        encryption = serialization.BestAvailableEncryption(self.password)
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        return key, {KEY_FILE: (pem, PRIVATE)}

    def open(self, directory: Path, public: object) -> ec.EllipticCurvePrivateKey:
        key = serialization.load_pem_private_key((directory / KEY_FILE).read_bytes(), self.password)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != public:
            raise ConfigurationError([Mistake(directory, 0, "the authority's key and certificate do not belong together")])
        return key

    def discard(self, contents: Contents) -> None:
        """It went with the files."""


@dataclass(frozen=True, slots=True)
class TokenSigner:
    """A key pair on a token. The file beside the certificate holds its identifier there, which is no secret."""

    token: TokenUri
    customer: str

    @property
    def label(self) -> str:
        return f"authority of {self.customer}"

    def create(self) -> tuple[ec.EllipticCurvePrivateKey, Contents]:
        key = create_on_token(self.token, self.label)
        return key, {TOKEN_FILE: (key.identifier.hex().encode() + b"\n", PRIVATE)}

    def open(self, directory: Path, public: object) -> ec.EllipticCurvePrivateKey:
        """Asks the token only when something is to be signed; a signature that ``public`` does not verify is refused there."""
        if not isinstance(public, ec.EllipticCurvePublicKey):
            raise ConfigurationError([Mistake(directory, 0, "the authority's key and certificate do not belong together")])
        return TokenKey(self.token, self.label, _identifier((directory / TOKEN_FILE).read_bytes()), public)

    def discard(self, contents: Contents) -> None:
        destroy_on_token(self.token, self.label, _identifier(contents[TOKEN_FILE][0]))


#: By the word in front of the colon in ``authority_keys``.
SIGNERS: Mapping[str, Callable[[Place], Signer]] = {
    "file": lambda place: FileSigner(place.password),
    "pkcs11": lambda place: TokenSigner(_required(place.token), place.customer),
}


def signer_for_new(place: Place) -> Signer:
    return SIGNERS["file" if place.token is None else "pkcs11"](place)


def signer_of(directory: Path, place: Place) -> Signer:
    """For an authority that exists: by where its key lies, so that those from before a change of ``authority_keys`` go on."""
    if not (directory / TOKEN_FILE).exists():
        return SIGNERS["file"](place)
    if place.token is None:
        text = "the authority's key lies on a PKCS#11 token; name it under 'authority_keys' in config.yaml"
        raise ConfigurationError([Mistake(directory, 0, text)])
    return SIGNERS["pkcs11"](place)


def _required(token: TokenUri | None) -> TokenUri:
    assert token is not None
    return token


def _identifier(content: bytes) -> bytes:
    return bytes.fromhex(content.decode("ascii"))
