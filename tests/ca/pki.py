"""A foreign certification authority with every wrong turn that ours does not offer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PASSWORD = b"a password of thirty-two bytes.."
#: An hour from now: what a test makes while it runs counts already at this moment, however long the run has taken until then.
NOW = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
DAY = timedelta(days=1)


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def usage(**bits: bool) -> x509.KeyUsage:
    names = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"]
    names += ["key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{bit: bits.get(bit, False) for bit in names})


@dataclass(frozen=True)
class Pki:
    """A customer's own authority: what it signs is entirely up to the test."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def leaf(self, **changes: Any) -> bytes:
        return self.sign(**changes).public_bytes(serialization.Encoding.DER)

    def sign(
        self,
        *,
        key: Any = None,
        ca: bool = False,
        constraints: bool = True,
        usages: Sequence[x509.ObjectIdentifier] | None = (ExtendedKeyUsageOID.CLIENT_AUTH,),
        key_usage: x509.KeyUsage | None = None,
        names: Sequence[x509.GeneralName] = (),
        begin: datetime = NOW - DAY,
        end: datetime = NOW + DAY,
        subject: str = "import",
        extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
        path_length: int | None = None,
        identifier: Any = None,
        signer: Any = None,
        linked: bool = True,
    ) -> x509.Certificate:
        key = key or ec.generate_private_key(ec.SECP256R1())
        public = key if not hasattr(key, "public_key") else key.public_key()
        builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(self.certificate.subject).public_key(public)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
        extensions = list(extra)
        if constraints:
            extensions.append((x509.BasicConstraints(ca, path_length), True))
        extensions.append((key_usage or usage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca), True))
        if usages is not None:
            extensions.append((x509.ExtendedKeyUsage(list(usages)), False))
        if names:
            extensions.append((x509.SubjectAlternativeName(list(names)), False))
        extensions.append((x509.SubjectKeyIdentifier.from_public_key(public), False))
        if linked:
            extensions.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(identifier or self.key.public_key()), False))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(signer or self.key, hashes.SHA256())

    def intermediate(self, subject: str) -> Pki:
        key = ec.generate_private_key(ec.SECP256R1())
        return Pki(self.sign(key=key, ca=True, usages=None, subject=subject, end=NOW + 2 * DAY, path_length=0), key)

    def crl(
        self,
        *revoked: x509.Certificate,
        begin: datetime = NOW - DAY,
        end: datetime = NOW + DAY,
        number: int | None = 1,
        extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> bytes:
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject).last_update(begin).next_update(end)
        for extension, critical in [*([(x509.CRLNumber(number), False)] if number is not None else []), *extra]:
            builder = builder.add_extension(extension, critical)
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)
        for certificate in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(begin).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def make_pki(
    subject: str = "Own PKI",
    key: Any = None,
    *,
    begin: datetime = NOW - 10 * DAY,
    end: datetime = NOW + 10 * DAY,
    ca: bool = True,
    usages: Sequence[x509.ObjectIdentifier] = (),
    key_identifier: bytes | None = None,
) -> Pki:
    key = key or ec.generate_private_key(ec.SECP256R1())
    identifier = (
        x509.SubjectKeyIdentifier(key_identifier) if key_identifier else x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    )
    builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(subject)).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
    builder = builder.add_extension(x509.BasicConstraints(ca, None), True)
    builder = builder.add_extension(usage(key_cert_sign=ca, crl_sign=ca, digital_signature=not ca), True)
    builder = builder.add_extension(identifier, False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(usages)), False)
    return Pki(builder.sign(key, hashes.SHA256()), key)
