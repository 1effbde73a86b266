"""What a client certificate must be, before anyone asks whose it is: cheap checks on the leaf alone.

They run on whatever a stranger presents, so size and key are bounded first, before any costly arithmetic (T-M12). What never may
come in: a decision about a customer, or anything that remembers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.ca.ledger import fingerprint_of
from gateway.errors import Refused

#: Ours have 0.7 kB, one with an RSA-8192 key and a dozen names 3 kB. Bounds names, extensions and identifiers (T-D12).
MAX_LEAF = 16 * 1024

_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512, hashes.SHA3_256, hashes.SHA3_384, hashes.SHA3_512)

ACCEPTED_KEYS = (rsa.RSAPublicKey, ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)

#: What the parser raises on hostile input. Anything else is a bug, and ends in 503 at the edge.
PARSER_ERRORS = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType)


def parse_leaf(der: bytes) -> x509.Certificate:
    """The certificate, if it may be a client's at all. Raises Refused('certificate-unsuitable')."""
    if len(der) > MAX_LEAF:
        raise Refused("certificate-unsuitable")
    try:
        certificate = x509.load_der_x509_certificate(der)
        fault = key_fault(certificate) or _usage_fault(certificate)
    except PARSER_ERRORS:
        raise Refused("certificate-unsuitable") from None
    if fault:
        raise Refused("certificate-unsuitable")
    return certificate


def key_of(certificate: x509.Certificate) -> bytes:
    """Its public key, DER: what makes two certificates the same whatever they call themselves."""
    return certificate.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_fault(certificate: x509.Certificate | x509.CertificateSigningRequest) -> str:
    """Why this key cannot be relied on, or nothing. Also asked of authorities, and of those who ask for a certificate."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return _rsa_fault(key)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "" if isinstance(key.curve, _CURVES) else "its key lies on a curve other than P-256, P-384 and P-521"
    return "" if isinstance(key, ACCEPTED_KEYS) else "its key is of a kind that is not accepted"


def signature_fault(certificate: x509.Certificate | x509.CertificateSigningRequest | x509.CertificateRevocationList) -> str:
    """SHA-1 and MD5 signatures can be moved to another certificate. Ed25519 names no hash."""
    algorithm = certificate.signature_hash_algorithm
    return "" if algorithm is None or isinstance(algorithm, _HASHES) else "it is signed over a weak hash"


def allows_client(certificate: x509.Certificate, *, absent: bool) -> bool:
    """Is ``clientAuth`` among its extended key usages? ``absent``: what to answer when it has none.

    ``anyExtendedKeyUsage`` in a leaf is not enough (T-M9): such certificates are made for something else.
    """
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return absent
    return ExtendedKeyUsageOID.CLIENT_AUTH in usages or (absent and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usages)


def names_of(certificate: x509.Certificate) -> frozenset[tuple[str, str]]:
    """Its alternative names as (type, value). Types never mix (T-M8), and the common name is none of them."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset((_TYPES[type(name)], str(name.value)) for name in names if type(name) in _TYPES)


def subject_of(certificate: x509.Certificate) -> str:
    """As RFC 4514 writes it, with OpenSSL's names for the rarer attributes."""
    return certificate.subject.rfc4514_string(_ATTRIBUTES)


def is_one_of(certificate: x509.Certificate, only: tuple[Mapping[str, str], ...]) -> bool:
    """Does it match one of the ``spelled`` entries, every member of it? Without entries every certificate does."""
    if not only:
        return True
    facts = {(kind, _spelled(kind, name)) for kind, name in names_of(certificate)} | {
        ("sha256", fingerprint_of(certificate)),
        ("spki", hashlib.sha256(key_of(certificate)).hexdigest()),  # outlives a renewal that keeps the key
        ("subject", subject_of(certificate)),
    }
    return any(entry and entry.items() <= facts for entry in only)


_TYPES: dict[type[x509.GeneralName], str] = {
    x509.DNSName: "dns",
    x509.UniformResourceIdentifier: "uri",
    x509.RFC822Name: "email",
}
#: What OpenSSL calls these with ``-nameopt RFC2253``, and ``cryptography`` by their numbers only.
_ATTRIBUTES = {
    NameOID.EMAIL_ADDRESS: "emailAddress",
    NameOID.SERIAL_NUMBER: "serialNumber",
    NameOID.GIVEN_NAME: "GN",
    NameOID.SURNAME: "SN",
    NameOID.TITLE: "title",
}
_NUMBERS = {name: number for number, name in _ATTRIBUTES.items()}


def spelled(only: Iterable[Mapping[str, str]]) -> tuple[Mapping[str, str], ...]:
    """A policy's ``only`` in the one spelling that certificates' facts have here. Raises ValueError for what is no subject."""
    return tuple({kind: _spelled(kind, text) for kind, text in entry.items()} for entry in only)


def _spelled(kind: str, text: str) -> str:
    """DNS names know no case (RFC 4343), and neither does the part of a mail address behind its ``@``."""
    if kind == "email":
        local, at, domain = text.rpartition("@")
        return local + at + domain.lower()
    if kind == "subject":
        return x509.Name.from_rfc4514_string(text, _NUMBERS).rfc4514_string(_ATTRIBUTES)
    return text.replace(":", "").lower() if kind in ("sha256", "spki") else text.lower() if kind == "dns" else text


def _rsa_fault(key: rsa.RSAPublicKey) -> str:
    if not 2048 <= key.key_size <= 8192:
        return "its RSA key has fewer than 2048 or more than 8192 bits"
    # A public exponent as long as the modulus turns one verification into hundreds (CVE-2023-29409's neighbour).
    exponent = key.public_numbers().e
    return "" if exponent % 2 and 3 <= exponent < 1 << 32 else "its RSA key has an odd exponent"


def _usage_fault(certificate: x509.Certificate) -> str:
    if certificate.version != x509.Version.v3:
        return "it is older than X.509 version 3"
    if _is_authority(certificate):
        return "it is an authority's own certificate"
    if not allows_client(certificate, absent=False):
        return "it is not for clients"
    return signature_fault(certificate) or _key_usage_fault(certificate)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _key_usage_fault(certificate: x509.Certificate) -> str:
    """TLS 1.3 proves possession by a signature, so a key that may not sign proves nothing (RFC 8446, 4.4.2.4)."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return ""
    return "" if usage.digital_signature and not usage.key_cert_sign else "its key may not sign, or may sign certificates"
