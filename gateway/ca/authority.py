"""The authority of one customer: an own key, an own certificate, and the client certificates that it signs.

Of a signing request nothing but the key ever comes here (``signing_requests.py``), so nobody else has a say in what a certificate
contains (T-M10). What never may come in: a second customer, or anything sensitive in a subject, since TLS shows the
subjects of authorities to strangers (C-11).
"""

from __future__ import annotations

import re
import secrets
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.ca import ledger
from gateway.ca.files import PRIVATE, PUBLIC, Contents, sync_directory, write_all
from gateway.ca.signers import FileSigner, Signer
from gateway.errors import ConfigurationError, Mistake

CERTIFICATE_FILE = "ca.pem"
LEDGER_FILE = "ledger.jsonl"

CUSTOMER_URI = "urn:pii-gateway:customer:"

AUTHORITY_DAYS = 3650
#: Clocks of customers' machines run behind ours; a certificate "from the future" would be refused for minutes.
BACKDATE = timedelta(minutes=5)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
ClientKey = PrivateKey | PublicKey

#: RSA is for clients that know nothing else; 3072 bits are as strong as P-256 (NIST SP 800-57 part 1, table 2).
KEY_TYPES: Mapping[str, Callable[[], PrivateKey]] = {
    "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 3072),
}

_CUSTOMER = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Issued:
    """A client certificate, on its way to the customer. ``authorities`` complete the chain.

    ``private_key`` is None where it never left the customer.
    """

    certificate: x509.Certificate
    private_key: PrivateKey | None = field(repr=False)
    authorities: tuple[x509.Certificate, ...]
    label: str
    serial: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Authority:
    """An open authority; the caller drops it as soon as it has issued."""

    directory: Path
    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def ledger_path(self) -> Path:
        return self.directory / LEDGER_FILE

    def issue(self, customer: str, label: str, days: int = 365, *, key: ClientKey | None = None, renews: str | None = None) -> Issued:
        """A client certificate of ``customer``. It stands in the ledger before anyone holds it.

        ``key``: a new P-256 key if none is given; of a customer who keeps the private one, the public key. ``renews``: a serial.
        """
        _check_request(customer, label, days)
        key = key if key is not None else new_key("ec")
        private, public = (key, key.public_key()) if isinstance(key, PrivateKey) else (None, key)
        certificate = _client_certificate(self, public, customer, label, days)
        entry = ledger.record_issue(self.ledger_path, certificate, label, renews)
        return Issued(certificate, private, (self.certificate,), label, entry.serial, entry.fingerprint)

    def revoke(self, serial: str) -> ledger.Entry:
        return ledger.record_revocation(self.ledger_path, serial)


def new_key(key_type: str) -> PrivateKey:
    """A client's key, of one of ``KEY_TYPES``."""
    return KEY_TYPES[key_type]()


def create_authority(directory: Path, key: bytes | Signer) -> Authority:
    """Make a new authority in ``directory``, which appears complete or not at all. ``key``: its file's password, or who signs."""
    signer = _signer(key)
    private, files = signer.create()
    try:
        certificate = self_signed(private, f"PII gateway authority {secrets.token_hex(8)}", AUTHORITY_DAYS)
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        _appear(directory, {CERTIFICATE_FILE: (pem, PUBLIC), **files, LEDGER_FILE: (b"", PRIVATE)})
    except BaseException:  # also when interrupted: a key on a token that no certificate names would stay there for ever
        signer.discard(files)
        raise
    return Authority(directory, certificate, private)


def _appear(directory: Path, contents: Contents) -> None:
    directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".authority-") as unfinished:
        write_all(Path(unfinished) / "ca", contents)
        try:
            (Path(unfinished) / "ca").rename(directory)
        except OSError:
            raise ConfigurationError([Mistake(directory, 0, "exists already; an authority is never overwritten")]) from None
    sync_directory(directory.parent)


def load_authority(directory: Path, key: bytes | Signer) -> Authority:
    """Open an authority; ConfigurationError when it is not there, does not open, or key and certificate do not belong together."""
    try:
        certificate = x509.load_pem_x509_certificate((directory / CERTIFICATE_FILE).read_bytes())
        private = _signer(key).open(directory, certificate.public_key())
    except OSError as error:
        raise ConfigurationError([Mistake(directory, 0, f"the authority cannot be read ({error.strerror})")]) from None
    except (ValueError, TypeError):
        # No detail: cryptography's text for a wrong password and for a damaged file differ between versions.
        raise ConfigurationError([Mistake(directory, 0, "the authority's key does not open, or its certificate is damaged")]) from None
    return Authority(directory, certificate, private)


def _signer(key: bytes | Signer) -> Signer:
    return FileSigner(key) if isinstance(key, bytes) else key


def self_signed(key: ec.EllipticCurvePrivateKey, name: str, days: int) -> x509.Certificate:
    """An authority's own certificate, as strict verifiers want it (C-10); it may sign leaves only (path length 0)."""
    public = key.public_key()
    builder = _dated(x509.CertificateBuilder(), _moment() + timedelta(days=days))
    builder = builder.subject_name(common_name(name)).issuer_name(common_name(name)).public_key(public)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(key_usage(digital_signature=False, signs_certificates=True), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
    return builder.sign(key, hashes.SHA256())


def sign_leaf(
    authority: tuple[x509.Certificate, ec.EllipticCurvePrivateKey],
    public: PublicKey,
    subject: str,
    names: Sequence[x509.GeneralName],
    purpose: x509.ObjectIdentifier,
    days: int,
) -> x509.Certificate:
    """A leaf for exactly one purpose. It never outlives its authority: the chain would not hold any longer anyway."""
    issuer, key = authority
    end = min(_moment() + timedelta(days=days), issuer.not_valid_after_utc)
    builder = _dated(x509.CertificateBuilder(), end)
    builder = builder.subject_name(common_name(subject)).issuer_name(issuer.subject).public_key(public)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(key_usage(digital_signature=True, signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    return builder.sign(key, hashes.SHA256())


def common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def key_usage(*, digital_signature: bool, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _client_certificate(authority: Authority, public: PublicKey, customer: str, label: str, days: int) -> x509.Certificate:
    names = [x509.UniformResourceIdentifier(CUSTOMER_URI + customer)]
    signer = (authority.certificate, authority.private_key)
    return sign_leaf(signer, public, label, names, ExtendedKeyUsageOID.CLIENT_AUTH, days)


def _check_request(customer: str, label: str, days: int) -> None:
    if _CUSTOMER.fullmatch(customer) is None:
        raise ValueError("not a customer's name")
    # 64: X.520's upper bound of a common name. Control and bidi characters would reach logs and tables (T-A7).
    if not 1 <= len(label) <= 64 or not label.isprintable() or label != label.strip():
        raise ValueError("a certificate's label is 1 to 64 printable characters")
    if not 1 <= days <= AUTHORITY_DAYS:
        raise ValueError("a certificate is valid for 1 to 3650 days")


def _dated(builder: x509.CertificateBuilder, end: datetime) -> x509.CertificateBuilder:
    return builder.not_valid_before(_moment() - BACKDATE).not_valid_after(end).serial_number(_serial())


def _serial() -> int:
    """128 random bits with the highest one set: always positive, always of one length (RFC 5280, 4.1.2.2: at most 20 octets)."""
    return secrets.randbits(128) | 1 << 127


def _moment() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
