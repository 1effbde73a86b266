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

from gateway.ca.authority import Issued
from gateway.ca.files import PRIVATE, PUBLIC, write_all

#: No letters that are mistaken for each other when a person types them: 31 characters, so 20 of them hold 99 bits.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Bundle:
    """Where the files are; ``password`` opens the PKCS#12 and is shown once, never stored."""

    certificate: Path  # the leaf and its authority
    private_key: Path
    pkcs12: Path
    password: str = field(repr=False)


def write_bundle(directory: Path, name: str, issued: Issued, *, legacy: bool = False) -> Bundle:
    """Write ``NAME.pem``, ``NAME.key`` (0600) and ``NAME.p12`` (0600); refuses to replace any of them.

    ``legacy`` is for Windows before 10 1709, whose import knows 3DES with SHA-1 only.
    """
    if FILE_NAME.fullmatch(name) is None:
        raise ValueError("not a name for files")
    bundle = Bundle(directory / f"{name}.pem", directory / f"{name}.key", directory / f"{name}.p12", generate_password())
    contents = {
        bundle.certificate.name: (chain_pem(issued), PUBLIC),
        bundle.private_key.name: (key_pem(issued), PRIVATE),
        bundle.pkcs12.name: (pkcs12_of(issued, bundle.password, legacy=legacy), PRIVATE),
    }
    write_all(directory, contents)
    return bundle


def generate_password() -> str:
    """Five groups of four, e.g. for reading out over the telephone."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(5))


def chain_pem(issued: Issued) -> bytes:
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in (issued.certificate, *issued.authorities))


def key_pem(issued: Issued) -> bytes:
    return issued.private_key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def pkcs12_of(issued: Issued, password: str, *, legacy: bool = False) -> bytes:
    encryption = _legacy(password) if legacy else serialization.BestAvailableEncryption(password.encode())
    return pkcs12.serialize_key_and_certificates(
        issued.label.encode(), issued.private_key, issued.certificate, list(issued.authorities), encryption
    )


def _legacy(password: str) -> serialization.KeySerializationEncryption:
    builder = serialization.PrivateFormat.PKCS12.encryption_builder()
    builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC).hmac_hash(hashes.SHA1())  # noqa: S303 - asked for
    return builder.build(password.encode())
