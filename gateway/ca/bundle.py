"""What a customer gets: the same certificate as PEM files (curl, nginx, Python) and as PKCS#12 (Windows, macOS, browsers, Java, .NET).

The files are portable on purpose: a replaced machine installs them again and needs no call to the operator. What never may come
in: the authority's key.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from gateway.ca.authority import Issued, PrivateKey
from gateway.ca.files import PRIVATE, PUBLIC, write_all

#: No letters that are mistaken for each other when a person types them: 31 characters, so 20 of them hold 99 bits.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Bundle:
    """Where the files are; ``password`` opens the PKCS#12 and is shown once, never stored.

    A customer who kept the private key gets neither key nor PKCS#12.
    """

    certificate: Path  # the leaf and its authority
    private_key: Path | None
    pkcs12: Path | None
    password: str = field(repr=False)


def write_bundle(directory: Path, name: str, issued: Issued, *, legacy: bool = False) -> Bundle:
    """Write ``NAME.pem``, ``NAME.key`` (0600) and ``NAME.p12`` (0600); refuses to replace any of them.

    ``legacy`` is for Windows before 10 1709, whose import knows 3DES with SHA-1 only.
    """
    if FILE_NAME.fullmatch(name) is None:
        raise ValueError("not a name for files")
    contents = {f"{name}.pem": (chain_pem(issued), PUBLIC)}
    if issued.private_key is None:
        write_all(directory, contents)
        return Bundle(directory / f"{name}.pem", None, None, "")
    password = generate_password()
    contents[f"{name}.key"] = (key_pem(issued.private_key), PRIVATE)
    contents[f"{name}.p12"] = (pkcs12_of(issued, password, legacy=legacy), PRIVATE)
    write_all(directory, contents)
    return Bundle(directory / f"{name}.pem", directory / f"{name}.key", directory / f"{name}.p12", password)


def generate_password() -> str:
    """Five groups of four, e.g. for reading out over the telephone."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(5))


def chain_pem(issued: Issued) -> bytes:
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in (issued.certificate, *issued.authorities))


def key_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def pkcs12_of(issued: Issued, password: str, *, legacy: bool = False) -> bytes:
    encryption = _legacy(password) if legacy else serialization.BestAvailableEncryption(password.encode())
    return pkcs12.serialize_key_and_certificates(
        issued.label.encode(), issued.private_key, issued.certificate, list(issued.authorities), encryption
    )


def _legacy(password: str) -> serialization.KeySerializationEncryption:
    builder = serialization.PrivateFormat.PKCS12.encryption_builder()
    builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC).hmac_hash(hashes.SHA1())  # noqa: S303 - asked for
    return builder.build(password.encode())
