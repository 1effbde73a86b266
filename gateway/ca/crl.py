"""The revocation list of one customer's authority (CRL version 2, RFC 5280 section 5), made from the ledger.

For verifiers other than ours: the gateway itself asks the ledger on every request, so revocation bites also where no list can be
made. What never may come in: a revocation that the ledger has not.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from gateway.ca.authority import BACKDATE, CERTIFICATE_FILE, LEDGER_FILE, Authority
from gateway.ca.files import PUBLIC, replace_file
from gateway.ca.leaf import ACCEPTED_KEYS, PARSER_ERRORS
from gateway.ca.ledger import Ledger

DER_FILE = "crl.der"
PEM_FILE = "crl.pem"

#: A list is made anew when half of this is over, so that three days without the gateway refuse nobody's clients (C-05).
VALID = timedelta(days=7)


def publish(authority: Authority, now: float) -> x509.CertificateRevocationList:
    """Make the list from the ledger as it is, and put it in place of the last one."""
    crl = make_crl(authority, Ledger.load(authority.ledger_path), _next_number(authority.directory, now), now)
    replace_file(authority.directory / PEM_FILE, crl.public_bytes(serialization.Encoding.PEM), PUBLIC)
    replace_file(authority.directory / DER_FILE, crl.public_bytes(serialization.Encoding.DER), PUBLIC)
    return crl


def make_crl(authority: Authority, ledger: Ledger, number: int, now: float) -> x509.CertificateRevocationList:
    """Revoked certificates stay on it when they have expired: some archive's signature may be judged by it later."""
    moment = datetime.fromtimestamp(int(now), UTC)
    identifier = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority.certificate.subject)
    builder = builder.last_update(moment - BACKDATE).next_update(moment + VALID)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    for entry in ledger.entries.values():
        if entry.revoked is not None:
            revoked = x509.RevokedCertificateBuilder().serial_number(int(entry.serial, 16)).revocation_date(entry.revoked)
            builder = builder.add_revoked_certificate(revoked.build())
    return builder.sign(authority.private_key, hashes.SHA256())


def due(directory: Path, now: float) -> float:
    """When the list in ``directory`` must be made anew (seconds since the epoch): 0 when it is missing, damaged, or not what ledger and
    authority say today. Raises ConfigurationError for a ledger that cannot be read."""
    ledger = Ledger.load(directory / LEDGER_FILE)
    crl = read(directory)
    if crl is None or crl.next_update_utc is None:
        return 0
    revoked = {int(entry.serial, 16) for entry in ledger.entries.values() if entry.revoked is not None}
    begin, end = crl.last_update_utc.timestamp(), crl.next_update_utc.timestamp()
    if {entry.serial_number for entry in crl} != revoked or begin > now or not _signed(crl, directory):
        return 0
    return (begin + end) / 2


def read(directory: Path) -> x509.CertificateRevocationList | None:
    """The list as it was published last, in both forms; None when there is none that can be read."""
    try:
        crl = x509.load_der_x509_crl((directory / DER_FILE).read_bytes())
        both = crl.public_bytes(serialization.Encoding.PEM) == (directory / PEM_FILE).read_bytes()
    except (OSError, *PARSER_ERRORS):
        return None
    return crl if both else None


def _signed(crl: x509.CertificateRevocationList, directory: Path) -> bool:
    certificate = x509.load_pem_x509_certificate((directory / CERTIFICATE_FILE).read_bytes())
    key = certificate.public_key()
    return isinstance(key, ACCEPTED_KEYS) and crl.issuer == certificate.subject and crl.is_signature_valid(key)


def _next_number(directory: Path, now: float) -> int:
    """Grows also when the last list was lost, or came back from an old backup (RFC 5280, 5.2.3): never below the clock."""
    crl = read(directory)
    last = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number if crl is not None else 0
    return max(last + 1, int(now))
