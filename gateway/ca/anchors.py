"""The authorities that count for one customer, read from files and checked whole, and the store that verifies chains with them.

A file that is missing, empty, damaged, expired or not an authority's is a mistake with its place, never an empty store and never
the system's roots (T-M3). One store and one set of revocation lists per customer: shared ones would refuse, or let in, the others'
(C-05). What never may come in: a decision that outlives the files it was made from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from OpenSSL.crypto import X509, X509Store, X509StoreContext, X509StoreContextError, X509StoreFlags

from gateway.ca.blocks import blocks, mistake
from gateway.ca.leaf import PARSER_ERRORS, allows_client, key_fault, key_of, signature_fault
from gateway.ca.revocation import RevocationLists, fault_at, kept_lists, read_lists
from gateway.errors import ConfigurationError, Mistake

_MAX_CERTIFICATES = 100

UNKNOWN = "revocation-unknown"
_REASONS = {
    **dict.fromkeys((9, 10), "certificate-expired"),
    23: "certificate-revoked",
    # No list that counts: absent, of another scope, ended or not begun, signed in a way that proves nothing (C-05)
    **dict.fromkeys((3, 5, 8, 11, 12, 15, 16, 33, 35, 36, 44, 54), UNKNOWN),
    **dict.fromkeys((2, 7, 18, 19, 20, 21, 27), "certificate-unknown"),
}


@dataclass(frozen=True, slots=True)
class CustomerTrust:
    """Whose certificates count for a customer. ``ledger`` is set for our own authorities, and only for them.

    ``fetched``: the lists in ``crl`` come from this URL, and may not have come yet. ``accepts``: see ``RevocationLists``.
    """

    authority: Path
    crl: Path | None = None
    ledger: Path | None = None
    only: tuple[Mapping[str, str], ...] = ()
    fetched: str | None = None
    accepts: bool = False


@dataclass(frozen=True, slots=True)
class Anchors:
    """One customer's authorities, and its revocation lists if the policy asks for any."""

    certificates: tuple[x509.Certificate, ...]
    revocation: RevocationLists | None = None

    def verify(self, leaf: x509.Certificate, now: float) -> str | None:
        """None if the chain of ``leaf`` ends in one of these authorities now and none of it is revoked, else the reason.

        Revocation is asked last, so that a stranger with our customer's name costs no reading of lists (T-M12).
        """
        outcome = self._verify(leaf, now, self._flags())
        if isinstance(outcome, str):
            return outcome
        return self._revocation_fault(leaf, outcome, now) if self.revocation is not None else None

    def sound(self, now: float) -> bool:
        """Do the authorities hold by themselves, for a strict verifier? Else it would refuse every client later (C-10).

        A renewed authority with its old key is skipped: OpenSSL finds one of the two only. Lists are checked when they are read.
        """
        distinct = {(certificate.subject, key_of(certificate)): certificate for certificate in reversed(self.certificates)}
        return not any(isinstance(self._verify(certificate, now, self._flags()), str) for certificate in distinct.values())

    def moments(self) -> list[float]:
        """When what is judged by changes with time alone: authorities and lists that begin or end."""
        found = [one.timestamp() for c in self.certificates for one in (c.not_valid_before_utc, c.not_valid_after_utc)]
        return found + (self.revocation.moments() if self.revocation is not None else [])

    def _revocation_fault(self, leaf: x509.Certificate, chain: Sequence[x509.Certificate], now: float) -> str | None:
        assert self.revocation is not None
        outcome = self._verify(leaf, now, self._flags() | self._revocation_flags(), self.revocation.lists)
        if not isinstance(outcome, str):
            return None
        if outcome == UNKNOWN and self.revocation.names(chain):
            return "certificate-revoked"
        return None if outcome == UNKNOWN and self.revocation.accepts else outcome

    def _verify(
        self, target: x509.Certificate, now: float, flags: int, lists: Sequence[x509.CertificateRevocationList] = ()
    ) -> str | list[x509.Certificate]:
        """The chain, or why there is none.

        The store is made anew: the time of one that exists cannot be set a second time (the first one stays, silently), and
        an entry cannot be taken out again (C-06).
        """
        store = X509Store()
        store.set_flags(flags)
        store.set_time(datetime.fromtimestamp(now, UTC))
        for certificate in self.certificates:
            store.add_cert(X509.from_cryptography(certificate))
        for crl in lists:
            store.add_crl(crl)
        try:
            chain = X509StoreContext(store, X509.from_cryptography(target)).get_verified_chain()
        except X509StoreContextError as error:
            return _REASONS.get(error.errors[0], "certificate-unsuitable")
        return [certificate.to_cryptography() for certificate in chain]

    def _flags(self) -> int:
        """PARTIAL_CHAIN only for an intermediate without its root: with the root it would stop short of it, and of its limits.

        POLICY_CHECK, because OpenSSL counts policy constraints as understood and otherwise passes over them, critical or not (T-M11).
        It is stricter than RFC 5280: no policies can be named through pyOpenSSL, so who asks for one is refused, also where it is there.
        """
        return X509StoreFlags.X509_STRICT | X509StoreFlags.POLICY_CHECK | (0 if self._rooted() else X509StoreFlags.PARTIAL_CHAIN)

    def _revocation_flags(self) -> int:
        return X509StoreFlags.CRL_CHECK | (X509StoreFlags.CRL_CHECK_ALL if self._rooted() else 0)

    def _rooted(self) -> bool:
        return {certificate.issuer for certificate in self.certificates} <= {certificate.subject for certificate in self.certificates}


def read_anchors(source: CustomerTrust, now: float, *, running: bool = False) -> Anchors:
    """Raises ConfigurationError with every mistake found in the files.

    ``running``: an expired list is then this customer's trouble alone, and keeps nobody else's policies from being loaded (C-05).
    """
    certificates = read_certificates(source.authority, now)
    anchors = Anchors(certificates, read_revocation(source, certificates, None if running else now))
    if not anchors.sound(now):
        raise mistake(source.authority, 0, "an authority in it fails strict verification")
    return anchors


def read_revocation(source: CustomerTrust, certificates: Sequence[x509.Certificate], now: float | None) -> RevocationLists | None:
    """None where the policy names no list. ``now``: None where it is not asked whether they count. Raises ConfigurationError."""
    if source.crl is None:
        return None
    if source.fetched is not None:
        return RevocationLists(kept_lists(source.crl, certificates), source.accepts)
    lists = read_lists(source.crl, certificates)
    fault = fault_at(lists, now) if now is not None and not source.accepts else ""
    if fault:
        raise mistake(source.crl, 0, f"{fault}: every client of this customer would be refused")
    return RevocationLists(lists, source.accepts)


def read_certificates(path: Path, now: float) -> tuple[x509.Certificate, ...]:
    """Every authority of the file. Raises ConfigurationError with every mistake in it."""
    certificates = []
    mistakes = []
    for line, der in blocks(path, b"CERTIFICATE"):
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
