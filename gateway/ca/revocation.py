"""A customer's revocation lists: which ones can be relied on, whom they name, and until when they count.

A list counts when one of the customer's own authorities signed it, whatever way it came: from a file, or fetched over plain HTTP
(RFC 5280 section 8). What never may come in: a network, or what becomes of a client (``anchors.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

from gateway.ca.blocks import blocks, mistake
from gateway.ca.leaf import ACCEPTED_KEYS, PARSER_ERRORS, signature_fault
from gateway.errors import ConfigurationError

KIND = b"X509 CRL"
_MAX_LISTS = 100
#: What OpenSSL and we understand in a list; anything else that is critical changes what its entries mean (RFC 5280, 5.2).
_UNDERSTOOD = frozenset({ExtensionOID.CRL_NUMBER, ExtensionOID.AUTHORITY_KEY_IDENTIFIER, ExtensionOID.ISSUING_DISTRIBUTION_POINT})


@dataclass(frozen=True, slots=True)
class RevocationLists:
    """What is known of one customer's revocations; ``lists`` may be empty, where they come from a URL and never did.

    ``accepts``: without lists that count now, certificates are let in all the same (``without_crl: accept``).
    """

    lists: tuple[x509.CertificateRevocationList, ...] = ()
    accepts: bool = False

    def names(self, chain: Sequence[x509.Certificate]) -> bool:
        """Is one of the chain listed, by a list of its issuer? Also by one that has expired: nobody is taken back from it."""
        return any(_lists(crl, certificate) for crl in self.lists for certificate in chain)

    def moments(self) -> list[float]:
        """When one of them begins or ends to count."""
        return [moment for crl in self.lists for moment in window_of(crl)]


def window_of(crl: x509.CertificateRevocationList) -> tuple[float, float]:
    """From when until when it counts. One that names no end is refused when it is read; here it has none to be safe."""
    since = crl.last_update_utc.timestamp()
    return since, crl.next_update_utc.timestamp() if crl.next_update_utc is not None else since


def read_lists(
    path: Path, authorities: Sequence[x509.Certificate], content: bytes | None = None
) -> tuple[x509.CertificateRevocationList, ...]:
    """Every list of a file (or of what was fetched), each signed by one of ``authorities`` and all of these covered.

    Whether they count now is another question (``fault_at``). Raises ConfigurationError.
    """
    lists = _lists_in(path, content)
    if not all(any(signed_by(crl, certificate) for crl in lists) for certificate in authorities):
        raise mistake(path, 0, "there is an authority without a revocation list of its own: all its clients would be refused")
    return _signed_by_any(lists, authorities)


def fault_at(lists: Iterable[x509.CertificateRevocationList], now: float) -> str:
    """Why one of them does not count now, or nothing."""
    for since, until in map(window_of, lists):
        if now > until:
            return "the revocation list has expired"
        if now < since:
            return "the revocation list is not valid yet"
    return ""


def is_older(
    new: Sequence[x509.CertificateRevocationList],
    kept: Sequence[x509.CertificateRevocationList],
    authorities: Sequence[x509.Certificate],
) -> bool:
    """Would ``new`` take back what ``kept`` says? Whoever stands between us and the authority may replay an old list (rollback).

    Compared is what one key signed, whatever a list says of it: two authorities with one name are two (C-05), and an authority may have
    begun to write key identifiers into its lists.
    """
    return any(
        one.last_update_utc < other.last_update_utc or _number(one) < _number(other)
        for certificate in authorities
        for one in _signed_by_any(new, [certificate])
        for other in _signed_by_any(kept, [certificate])
    )


def signed_by(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    """By this authority's key, name and right to sign lists (T-M11)."""
    key = certificate.public_key()
    if crl.issuer != certificate.subject or not isinstance(key, ACCEPTED_KEYS):
        return False
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign and crl.is_signature_valid(key)
    except PARSER_ERRORS:  # signed in a way that this key cannot sign
        return False


def _lists_in(path: Path, content: bytes | None = None) -> list[x509.CertificateRevocationList]:
    lists = [_parsed(path, line, der) for line, der in blocks(path, KIND, content)]
    if len(lists) > _MAX_LISTS:
        raise mistake(path, 0, f"holds more than {_MAX_LISTS} revocation lists")
    return lists


def _signed_by_any(
    lists: Iterable[x509.CertificateRevocationList], authorities: Sequence[x509.Certificate]
) -> tuple[x509.CertificateRevocationList, ...]:
    return tuple(crl for crl in lists if any(signed_by(crl, certificate) for certificate in authorities))


def _parsed(path: Path, line: int, der: bytes) -> x509.CertificateRevocationList:
    try:
        crl = x509.load_der_x509_crl(der)
        fault = _fault(crl)
    except PARSER_ERRORS:
        raise mistake(path, line, "it cannot be read as a revocation list") from None
    if fault:
        raise mistake(path, line, f"not a revocation list that can be relied on: {fault}")
    return crl


def _fault(crl: x509.CertificateRevocationList) -> str:
    if crl.next_update_utc is None:
        return "it does not say until when it counts"
    for extension in crl.extensions:
        value = extension.value
        if extension.oid == ExtensionOID.DELTA_CRL_INDICATOR:
            return "it is a delta, and holds the newest changes only"
        if isinstance(value, x509.IssuingDistributionPoint) and _is_partial(value):
            return "it is indirect, or for some certificates or reasons only"
        if extension.critical and extension.oid not in _UNDERSTOOD:
            return "it holds a critical extension that is not known here"
    return signature_fault(crl)


def _is_partial(point: x509.IssuingDistributionPoint) -> bool:
    """For CA certificates or for users' only is partial too: our chains have both."""
    limits = (point.only_contains_user_certs, point.only_contains_ca_certs, point.only_contains_attribute_certs)
    return point.indirect_crl or point.only_some_reasons is not None or any(limits)


def _lists(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    if crl.issuer != certificate.issuer:
        return False
    entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
    return entry is not None and not _is_released(entry)


def _is_released(entry: x509.RevokedCertificate) -> bool:
    """``removeFromCRL`` is for deltas; where it stands in a whole list, it says what its name says."""
    try:
        reason = entry.extensions.get_extension_for_oid(CRLEntryExtensionOID.CRL_REASON).value
    except x509.ExtensionNotFound:
        return False
    return isinstance(reason, x509.CRLReason) and reason.reason is x509.ReasonFlags.remove_from_crl


def _number(crl: x509.CertificateRevocationList) -> int:
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return -1


def kept_lists(path: Path, authorities: Sequence[x509.Certificate]) -> tuple[x509.CertificateRevocationList, ...]:
    """What was fetched last, or nothing: a list that is missing, damaged or another authority's is fetched anew, and no mistake.

    An authority that came later has no list there yet; that takes nothing back of what the others' say.
    """
    try:
        return _signed_by_any(_lists_in(path), authorities)
    except ConfigurationError:
        return ()


def newer_lists(
    file: Path, authorities: Sequence[x509.Certificate], content: bytes, now: float
) -> tuple[x509.CertificateRevocationList, ...]:
    """What was fetched, if it may take the place of what lies in ``file``: sound, current, and not older. Raises ConfigurationError."""
    lists = read_lists(file, authorities, content)
    if fault := fault_at(lists, now):
        raise mistake(file, 0, f"{fault}: what came is not taken over")
    if is_older(lists, kept_lists(file, authorities), authorities):
        raise mistake(file, 0, "what came is older than what is kept here; if the authority began anew, remove this file")
    return lists
