"""The authorities that count for one customer, read from files and checked whole, and the store that verifies chains with them.

A file that is missing, empty, damaged, expired or not an authority's is a mistake with its place, never an empty store and never
the system's roots (T-M3). One store and one CRL per customer: a shared one would refuse, or let in, the others' (C-05). What never
may come in: a decision that outlives the files it was made from.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from OpenSSL.crypto import X509, X509Store, X509StoreContext, X509StoreContextError, X509StoreFlags

from gateway.ca.leaf import ACCEPTED_KEYS, PARSER_ERRORS, allows_client, key_fault, key_of, signature_fault
from gateway.errors import ConfigurationError, Mistake

_MAX_FILE = 16 << 20  # T-D7: a CRL of a large PKI has a few MB
_MAX_CERTIFICATES = 100
_BLOCK = re.compile(rb"^-----BEGIN ([A-Z0-9 ]+)-----([^-]*)(-----END \1-----)?", re.MULTILINE)

_REASONS = {
    **dict.fromkeys((9, 10), "certificate-expired"),
    # 23 is revoked; without a CRL that counts now, nobody can prove that it is not (C-05)
    **dict.fromkeys((3, 11, 12, 13, 14, 23, 33, 44, 54), "certificate-revoked"),
    **dict.fromkeys((2, 7, 18, 19, 20, 21, 27), "certificate-unknown"),
}


@dataclass(frozen=True, slots=True)
class CustomerTrust:
    """Whose certificates count for a customer. ``ledger`` is set for our own authorities, and only for them."""

    authority: Path
    crl: Path | None = None
    ledger: Path | None = None
    only: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Anchors:
    """One customer's authorities and revocation lists. ``since`` and ``until``: when all of them count."""

    certificates: tuple[x509.Certificate, ...]
    crls: tuple[x509.CertificateRevocationList, ...]
    since: float
    until: float

    def verify(self, leaf: x509.Certificate, now: float) -> str | None:
        """None if the chain of ``leaf`` ends in one of these authorities now, else the reason.

        The store is made anew: the time of one that exists cannot be set a second time (the first one stays, silently), and
        an entry cannot be taken out again (C-06).
        """
        return self._verify(leaf, now, self._flags() | self._revocation_flags())

    def sound(self, now: float) -> bool:
        """Do the authorities hold by themselves, for a strict verifier? Else it would refuse every client later (C-10).

        A renewed authority with its old key is skipped: OpenSSL finds one of the two only. Lists are checked when they are read.
        """
        distinct = {(certificate.subject, key_of(certificate)): certificate for certificate in reversed(self.certificates)}
        return all(self._verify(certificate, now, self._flags()) is None for certificate in distinct.values())

    def _verify(self, target: x509.Certificate, now: float, flags: int) -> str | None:
        store = X509Store()
        store.set_flags(flags)
        store.set_time(datetime.fromtimestamp(now, UTC))
        for certificate in self.certificates:
            store.add_cert(X509.from_cryptography(certificate))
        for crl in self.crls:
            store.add_crl(crl)
        try:
            X509StoreContext(store, X509.from_cryptography(target)).verify_certificate()
        except X509StoreContextError as error:
            return _REASONS.get(error.errors[0], "certificate-unsuitable")
        return None

    def _flags(self) -> int:
        """PARTIAL_CHAIN only for an intermediate without its root: with the root it would stop short of it, and of its limits."""
        return X509StoreFlags.X509_STRICT | (0 if self._rooted() else X509StoreFlags.PARTIAL_CHAIN)

    def _revocation_flags(self) -> int:
        if not self.crls:
            return 0
        return X509StoreFlags.CRL_CHECK | (X509StoreFlags.CRL_CHECK_ALL if self._rooted() else 0)

    def _rooted(self) -> bool:
        return {certificate.issuer for certificate in self.certificates} <= {certificate.subject for certificate in self.certificates}


def read_anchors(source: CustomerTrust, now: float) -> Anchors:
    """Raises ConfigurationError with every mistake found in the files."""
    certificates = _read_certificates(source.authority, now)
    crls = _read_crls(source.crl, certificates, now) if source.crl else ()
    anchors = Anchors(certificates, crls, *_window(certificates, crls))
    if not anchors.sound(now):
        raise _mistake(source.authority, 0, "an authority in it fails strict verification")
    return anchors


def name_of(certificate: x509.Certificate) -> tuple[bytes, bytes]:
    """What a verifier finds an issuer by: subject and key identifier."""
    identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    return certificate.subject.public_bytes(), identifier


def _window(certificates: tuple[x509.Certificate, ...], crls: tuple[x509.CertificateRevocationList, ...]) -> tuple[float, float]:
    begins = [certificate.not_valid_before_utc for certificate in certificates] + [crl.last_update_utc for crl in crls]
    ends = [certificate.not_valid_after_utc for certificate in certificates]
    ends += [crl.next_update_utc for crl in crls if crl.next_update_utc is not None]
    return max(begins).timestamp(), min(ends).timestamp()


def _read_certificates(path: Path, now: float) -> tuple[x509.Certificate, ...]:
    certificates = []
    mistakes = []
    for line, der in _blocks(path, b"CERTIFICATE"):
        try:
            certificate = x509.load_der_x509_certificate(der)
            fault = _authority_fault(certificate, datetime.fromtimestamp(now, UTC))
        except PARSER_ERRORS:
            fault = "it cannot be read as a certificate"
        if fault:
            mistakes.append(Mistake(path, line, f"not an authority that can be trusted: {fault}"))
        else:
            certificates.append(certificate)
    if len(certificates) > _MAX_CERTIFICATES:
        mistakes.append(Mistake(path, 0, f"holds more than {_MAX_CERTIFICATES} certificates"))
    if mistakes:
        raise ConfigurationError(mistakes)
    return tuple(certificates)


def _authority_fault(certificate: x509.Certificate, now: datetime) -> str:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        return "it has expired, or is not valid yet"
    try:
        authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        signs = certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
        certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return "basic constraints, key usage or subject key identifier are missing"
    if not (authority and signs):
        return "it may not sign certificates"
    if not allows_client(certificate, absent=True):
        return "it may not sign certificates of clients"
    own = certificate.issuer == certificate.subject  # a root's signature over itself proves nothing, so its hash does not matter
    return key_fault(certificate) or ("" if own else signature_fault(certificate))


def _read_crls(path: Path, certificates: tuple[x509.Certificate, ...], now: float) -> tuple[x509.CertificateRevocationList, ...]:
    crls = []
    for line, der in _blocks(path, b"X509 CRL"):
        try:
            crl = x509.load_der_x509_crl(der)
            end = crl.next_update_utc
            current = end is not None and crl.last_update_utc.timestamp() <= now <= end.timestamp()
        except PARSER_ERRORS:
            raise _mistake(path, line, "it cannot be read as a revocation list") from None
        if not current:
            raise _mistake(path, line, "the revocation list has expired, or is not valid yet: it would refuse every client")
        crls.append(crl)
    if not all(any(_covers(crl, certificate) for crl in crls) for certificate in certificates):
        raise _mistake(path, 0, "there is an authority without a revocation list of its own: all its clients would be refused")
    return tuple(crls)


def _covers(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    may_sign = certificate.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    key = certificate.public_key()
    if not isinstance(key, ACCEPTED_KEYS):
        return False
    return may_sign and crl.issuer == certificate.subject and crl.is_signature_valid(key)


def _blocks(path: Path, kind: bytes) -> Iterator[tuple[int, bytes]]:
    """(line, DER) of each block of a PEM file, or the one of a DER file. Only blocks of ``kind``, and at least one."""
    content = _read_file(path)
    if content[:1] == b"\x30":
        yield 0, content
        return
    found = list(_BLOCK.finditer(content))
    if not found or len(found) != content.count(b"-----BEGIN"):
        raise _mistake(path, 0, f"is neither PEM nor DER of a {kind.decode()}, or is damaged")
    for block in found:
        line = content.count(b"\n", 0, block.start()) + 1
        if block[1] != kind:
            # Also a private key, which has no business here.
            raise _mistake(path, line, f"only {kind.decode()} blocks belong here")
        if block[3] is None:
            raise _mistake(path, line, "the block is cut off")
        yield line, _decoded(path, line, block[2])


def _decoded(path: Path, line: int, text: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except ValueError:
        raise _mistake(path, line, "the block is not base64") from None


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise _mistake(path, 0, f"cannot be read ({error.strerror})") from None
    if not content.strip():
        raise _mistake(path, 0, "is empty")
    if len(content) > _MAX_FILE:
        raise _mistake(path, 0, "is larger than 16 MiB")
    return content


def _mistake(path: Path, line: int, text: str) -> ConfigurationError:
    return ConfigurationError([Mistake(path, line, text)])
