"""What a customer gets: the same certificate as PEM files (curl, nginx, Python) and as PKCS#12 (Windows, macOS, browsers, Java, .NET).

The files are portable on purpose: a replaced machine installs them again and needs no call to the operator. What never may come
in: the authority's key.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from gateway.ca.authority import Issued, PrivateKey
from gateway.ca.files import PRIVATE, PUBLIC, require_absent, write_all
from gateway.ca.installation import Address, sheets
from gateway.ca.server import ServerAuthority

#: No letters that are mistaken for each other when a person types them: 31 characters, so 20 of them hold 99 bits.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Server:
    """What the customer connects to, and recognises it by."""

    address: Address
    authority: ServerAuthority


@dataclass(frozen=True, slots=True)
class Bundle:
    """Where the files are; ``password`` opens the PKCS#12 and the truststore, and is shown once, never stored.

    A customer who kept the private key gets neither key nor PKCS#12 nor truststore. ``sheets`` is the folder with a page per system.
    """

    serial: str  # as in the ledger
    certificate: Path  # the leaf and its authority
    private_key: Path | None
    pkcs12: Path | None
    password: str = field(repr=False)
    truststore: Path | None = None
    server_authority: Path | None = None
    sheets: Path | None = None


def endings(*, own_key: bool) -> tuple[str, ...]:
    """What may come behind the name in the files of a bundle."""
    return (".pem", "-server-ca.pem", "-install", *(() if own_key else (".key", ".p12", "-truststore.p12")))


def write_bundle(directory: Path, name: str, issued: Issued, server: Server | None = None, *, legacy: bool = False) -> Bundle:
    """Write ``NAME.pem``, ``NAME.key`` (0600) and ``NAME.p12`` (0600); refuses to replace any of them. With ``server`` also what its
    clients trust, and the pages of installation in ``NAME-install``.

    ``legacy`` is for Windows before 10 1709, whose import knows 3DES with SHA-1 only.
    """
    if FILE_NAME.fullmatch(name) is None:
        raise ValueError("not a name for files")
    own_key = issued.private_key is None
    require_absent(directory / f"{name}{ending}" for ending in endings(own_key=own_key))
    password = "" if own_key else generate_password()
    contents = _contents(issued, server.authority.certificate if server else None, password, legacy=legacy)
    if server is not None:
        pages = sheets(name, issued.label, server.address, own_key=own_key, private_authority="-server-ca.pem" in contents)
        write_all(directory / f"{name}-install", {page: (text.encode(), PUBLIC) for page, text in pages.items()})
    write_all(directory, {f"{name}{ending}": content for ending, content in contents.items()})
    at = {ending: directory / f"{name}{ending}" for ending in contents}
    return Bundle(
        serial=issued.serial,
        certificate=at[".pem"],
        private_key=at.get(".key"),
        pkcs12=at.get(".p12"),
        password=password,
        truststore=at.get("-truststore.p12"),
        server_authority=at.get("-server-ca.pem"),
        sheets=directory / f"{name}-install" if server is not None else None,
    )


def _contents(issued: Issued, authority: x509.Certificate | None, password: str, *, legacy: bool) -> dict[str, tuple[bytes, int]]:
    """By what comes behind the name."""
    contents = {".pem": (chain_pem(issued), PUBLIC)}
    if authority is not None:
        contents["-server-ca.pem"] = (authority.public_bytes(serialization.Encoding.PEM), PUBLIC)
    if issued.private_key is not None:
        contents[".key"] = (key_pem(issued.private_key), PRIVATE)
        contents[".p12"] = (pkcs12_of(issued, password, legacy=legacy), PRIVATE)
    if issued.private_key is not None and authority is not None:
        contents["-truststore.p12"] = (truststore_of(authority, password, legacy=legacy), PUBLIC)
    return contents


def generate_password() -> str:
    """Five groups of four, e.g. for reading out over the telephone."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(5))


def chain_pem(issued: Issued) -> bytes:
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in (issued.certificate, *issued.authorities))


def key_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def pkcs12_of(issued: Issued, password: str, *, legacy: bool = False) -> bytes:
    encryption = _encryption(password, legacy=legacy)
    return pkcs12.serialize_key_and_certificates(
        issued.label.encode(), issued.private_key, issued.certificate, list(issued.authorities), encryption
    )


def truststore_of(authority: x509.Certificate, password: str, *, legacy: bool = False) -> bytes:
    """Java takes a PKCS#12 as trusted only with an attribute of its own, which other programs do not write."""
    trusted = pkcs12.PKCS12Certificate(authority, b"gateway")
    return pkcs12.serialize_java_truststore([trusted], _encryption(password, legacy=legacy))


def _encryption(password: str, *, legacy: bool) -> serialization.KeySerializationEncryption:
    return _legacy(password) if legacy else serialization.BestAvailableEncryption(password.encode())


def _legacy(password: str) -> serialization.KeySerializationEncryption:
    builder = serialization.PrivateFormat.PKCS12.encryption_builder()
    builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC).hmac_hash(hashes.SHA1())  # noqa: S303 - asked for
    return builder.build(password.encode())
