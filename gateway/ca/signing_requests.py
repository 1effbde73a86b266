"""Signing requests (PKCS#10) of customers who keep their private key: read strictly, and nothing taken from them but the public key.

What a certificate says is ours to say (T-M10): a request that asks for something else is refused with a sentence rather than
silently given less, because whoever wrote it expects to get it. The file is bounded first and the key judged before any costly
arithmetic (T-M12). What never may come in: a field of the request that ends up in a certificate.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.ca.authority import CERTIFICATE_FILE, CUSTOMER_URI, LEDGER_FILE, PublicKey
from gateway.ca.leaf import ACCEPTED_KEYS, MAX_LEAF, PARSER_ERRORS, key_fault, signature_fault
from gateway.ca.ledger import Ledger, key_digest
from gateway.errors import ConfigurationError, Mistake

_MAX_FILE = 2 * MAX_LEAF  # base64 and line breaks make a third of it; some tools write the request as text in front
_BLOCK = re.compile(rb"-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----.+?-----END (?:NEW )?CERTIFICATE REQUEST-----", re.DOTALL)

_EXTENSION_REQUEST = x509.ObjectIdentifier("1.2.840.113549.1.9.14")  # RFC 2985, 5.4.2

#: What may be asked for, or is judged below. Windows and keytool also ask for extensions of their own; those count for nothing.
_JUDGED = (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage, x509.SubjectAlternativeName, x509.SubjectKeyIdentifier)


def read_public_key(file: Path, customer: str, others: Collection[str]) -> PublicKey:
    """The key to certify for ``customer``. Raises ConfigurationError with everything that the request must not ask for.

    ``others``: the names of all other customers.
    """
    request = _parse(file)
    try:
        faults = [key_fault(request) or _signature_fault(request)]
        faults += _extension_faults(request, customer) if not faults[0] else []
        faults += [_subject_fault(request, others)]
    except PARSER_ERRORS:
        faults = ["something in it cannot be read"]
    mistakes = [Mistake(file, 0, f"the signing request is refused: {fault}") for fault in faults if fault]
    if mistakes:
        raise ConfigurationError(mistakes)
    key = request.public_key()
    assert isinstance(key, ACCEPTED_KEYS)
    return key


def require_free(file: Path, key: PublicKey, customer: str, directories: Mapping[str, Path]) -> None:
    """Raises ConfigurationError when this key stands for somebody else already. ``directories``: customer → its authority's folder."""
    digest = key_digest(key)
    ledgers = {name: Ledger.load(directory / LEDGER_FILE) for name, directory in directories.items()}
    if any(digest == _authority_key(directory) for directory in directories.values()):
        raise _mistake(file, "the signing request is refused: its key is an authority's")
    if any(entry.key == digest for name, ledger in ledgers.items() if name != customer for entry in ledger.entries.values()):
        raise _mistake(file, "the signing request is refused: its key belongs to a certificate of another customer")
    if any(entry.key == digest and entry.revoked for entry in ledgers[customer].entries.values()):
        # Whoever stole the key would come in again with the new certificate.
        raise _mistake(file, "the signing request is refused: a certificate with this key was revoked, so a new key is needed")


def _authority_key(directory: Path) -> str:
    return key_digest(x509.load_pem_x509_certificate((directory / CERTIFICATE_FILE).read_bytes()).public_key())


def _parse(file: Path) -> x509.CertificateSigningRequest:
    content = _read(file)
    if b"PRIVATE KEY-----" in content:
        raise _mistake(file, "holds a private key, which must not leave the customer: it counts as known to others, a new one is needed")
    blocks = _BLOCK.findall(content)
    if (blocks or content[:1] != b"\x30") and (len(blocks) != 1 or content.count(b"-----BEGIN") != 1):
        raise _mistake(file, "is not one signing request, as PEM or DER")
    try:
        request = x509.load_pem_x509_csr(blocks[0]) if blocks else x509.load_der_x509_csr(content)
    except PARSER_ERRORS:
        raise _mistake(file, "cannot be read as a signing request") from None
    return request


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_FILE + 1)
    except OSError as error:
        raise _mistake(file, f"cannot be read ({error.strerror})") from None
    if len(content) > _MAX_FILE:
        raise _mistake(file, f"is larger than {_MAX_FILE // 1024} KiB, which no signing request for a client is")
    return content


def _signature_fault(request: x509.CertificateSigningRequest) -> str:
    """Its own signature proves that whoever made it holds the private key; over a weak hash it proves nothing."""
    return signature_fault(request) or ("" if request.is_signature_valid else "its signature is not by its own key")


def _extension_faults(request: x509.CertificateSigningRequest, customer: str) -> Iterator[str]:
    if len([attribute for attribute in request.attributes if attribute.oid == _EXTENSION_REQUEST]) > 1:
        yield "it asks for extensions twice"  # readers differ in which of the two counts
    for extension in request.extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and value.ca:
            yield "it asks for the rights of an authority (basic constraints with CA:TRUE)"
        elif isinstance(value, x509.KeyUsage) and (value.key_cert_sign or value.crl_sign):
            yield "it asks for the rights of an authority (key usage keyCertSign or cRLSign)"
        elif isinstance(value, x509.ExtendedKeyUsage) and set(value) != {ExtendedKeyUsageOID.CLIENT_AUTH}:
            yield "it asks for an extended key usage other than clientAuth alone"
        elif isinstance(value, x509.SubjectAlternativeName):
            yield _names_fault(value, customer)
        elif extension.critical and not isinstance(value, _JUDGED):
            yield f"it asks for the critical extension {extension.oid.dotted_string}, which the certificate will not have"


def _names_fault(names: x509.SubjectAlternativeName, customer: str) -> str:
    """Exactly our own name or none. The type counts, too (T-M8): a DNS name that is spelled like the URI is another name."""
    ours = x509.UniformResourceIdentifier(CUSTOMER_URI + customer)
    foreign = [name for name in names if name != ours]
    if any(isinstance(name, x509.UniformResourceIdentifier) and name.value.lower().startswith(CUSTOMER_URI) for name in foreign):
        return "it asks for another customer's name"
    if foreign:
        return f"it asks for {len(foreign)} alternative names of its own; leave them out, the certificate gets {CUSTOMER_URI}{customer}"
    return "it asks for the same alternative name more than once" if len(list(names)) > 1 else ""


def _subject_fault(request: x509.CertificateSigningRequest, others: Collection[str]) -> str:
    """The subject will not be in the certificate; one that names another customer was meant for that one, or to look like it."""
    names = {str(attribute.value).strip().casefold() for attribute in request.subject}
    uris = {CUSTOMER_URI + other.casefold() for other in others}
    return "its subject names another customer" if names & (uris | {other.casefold() for other in others}) else ""


def _mistake(file: Path, text: str) -> ConfigurationError:
    return ConfigurationError([Mistake(file, 0, text)])
