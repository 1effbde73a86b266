"""The gateway's own server certificate, for trials and for first starts: a small authority that signs once and is then gone.

The authority's key is never written: who steals the server's key cannot mint certificates for other names from it. An operator
with a PKI puts its certificate in place of these files. What never may come in: certificates for customers.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.ca.authority import self_signed, sign_leaf
from gateway.ca.files import PRIVATE, PUBLIC, write_all
from gateway.ca.leaf import PARSER_ERRORS

AUTHORITY_FILE = "server-ca.pem"

#: The longest that macOS and iOS accept from a privately installed authority.
DAYS = 825

_HOSTNAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class ServerFiles:
    """Where they are: ``authority`` is what clients install, ``certificate`` (the chain) and ``private_key`` what we serve with."""

    authority: Path
    certificate: Path
    private_key: Path


def create_server_certificate(directory: Path, hostnames: Sequence[str], days: int = DAYS) -> ServerFiles:
    """Write ``server-ca.pem``, ``server.pem`` and ``server.key`` (0600); refuses to replace any of them."""
    names = [_general_name(hostname) for hostname in hostnames]
    if not names:
        raise ValueError("a server certificate needs at least one host name or address")
    signer_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = self_signed(signer_key, f"PII gateway server authority {secrets.token_hex(8)}", days)
    leaf = sign_leaf((authority, signer_key), key.public_key(), "PII gateway", names, ExtendedKeyUsageOID.SERVER_AUTH, days)
    files = ServerFiles(directory / AUTHORITY_FILE, directory / "server.pem", directory / "server.key")
    authority_pem = authority.public_bytes(serialization.Encoding.PEM)
    contents = {
        files.authority.name: (authority_pem, PUBLIC),
        files.certificate.name: (leaf.public_bytes(serialization.Encoding.PEM) + authority_pem, PUBLIC),
        files.private_key.name: (_plain(key), PRIVATE),
    }
    write_all(directory, contents)
    return files


@dataclass(frozen=True, slots=True)
class ServerAuthority:
    """What clients recognise the server by. ``certificate`` None: there is nothing to hand over, and ``reason`` says why."""

    certificate: x509.Certificate | None
    reason: str = ""


def server_authority(chain_file: Path) -> ServerAuthority:
    """The authority of the server's certificate: the one that ``init`` made, if it still is, or the root at the end of the chain."""
    try:
        chain = x509.load_pem_x509_certificates(chain_file.read_bytes())
    except (OSError, *PARSER_ERRORS):
        return ServerAuthority(None, f"{chain_file} cannot be read as the server's certificate")
    beside = _beside(chain_file)
    if beside is not None and any(_issued_by(certificate, beside) for certificate in chain):
        return ServerAuthority(beside)
    last = chain[-1]
    if _is_authority(last) and _issued_by(last, last):
        return ServerAuthority(last)
    if _is_authority(last):
        # Whoever trusts an intermediate is cut off when the server gets its next certificate from another one.
        return ServerAuthority(None, f"{chain_file} ends in an intermediate authority: clients trust its root, which their systems know")
    return ServerAuthority(None, f"{chain_file} names no authority: clients trust the one that their systems know")


def _beside(chain_file: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate((chain_file.parent / AUTHORITY_FILE).read_bytes())
    except (OSError, *PARSER_ERRORS):
        return None


def _issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, *PARSER_ERRORS):
        return False


def _general_name(hostname: str) -> x509.GeneralName:
    """An address as an address, a name as a name: verifiers never look for one among the others (T-M8)."""
    try:
        return x509.IPAddress(ipaddress.ip_address(hostname))
    except ValueError:
        if _HOSTNAME.fullmatch(hostname) is None:
            raise ValueError("not a host name or an address") from None
        return x509.DNSName(hostname.lower())


def _plain(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
