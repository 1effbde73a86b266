"""What stands in our certificates, asserted extension by extension, and what the authority's files withstand."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.ca.authority import Authority, create_authority, load_authority, new_key, self_signed, sign_leaf
from gateway.ca.leaf import parse_leaf
from gateway.ca.ledger import Ledger
from gateway.errors import ConfigurationError

PASSWORD = b"a password of thirty-two bytes.."


def extension(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> tuple[x509.ExtensionType, bool]:
    found = certificate.extensions.get_extension_for_class(kind)
    return found.value, found.critical


def key_usages(certificate: x509.Certificate) -> set[str]:
    usage, critical = extension(certificate, x509.KeyUsage)
    assert critical
    names = [
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
    ]
    return {name for name in names if getattr(usage, name)}


def test_c10_authority_certificate_satisfies_strict_verifiers(authority: Authority) -> None:
    certificate = authority.certificate
    assert extension(certificate, x509.BasicConstraints) == (x509.BasicConstraints(ca=True, path_length=0), True)
    assert key_usages(certificate) == {"key_cert_sign", "crl_sign"}
    key_identifier, _ = extension(certificate, x509.SubjectKeyIdentifier)
    issuer_identifier, _ = extension(certificate, x509.AuthorityKeyIdentifier)
    assert issuer_identifier.key_identifier == key_identifier.digest
    assert isinstance(authority.private_key.curve, ec.SECP256R1)
    certificate.verify_directly_issued_by(certificate)


def test_c11_authority_subject_tells_strangers_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "customers" / "stadtwerke_musterstadt" / "ca"
    first = create_authority(directory, PASSWORD).certificate.subject.rfc4514_string()
    second = create_authority(tmp_path / "other", PASSWORD).certificate.subject.rfc4514_string()
    assert "musterstadt" not in first
    assert first != second


def test_client_certificate_extensions(authority: Authority) -> None:
    issued = authority.issue("stadtwerke_musterstadt", "import server 1")
    certificate = issued.certificate
    assert [attribute.value for attribute in certificate.subject] == ["import server 1"]
    assert extension(certificate, x509.BasicConstraints) == (x509.BasicConstraints(ca=False, path_length=None), True)
    assert key_usages(certificate) == {"digital_signature"}
    usages, _ = extension(certificate, x509.ExtendedKeyUsage)
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    names, _ = extension(certificate, x509.SubjectAlternativeName)
    assert list(names) == [x509.UniformResourceIdentifier("urn:pii-gateway:customer:stadtwerke_musterstadt")]
    assert extension(certificate, x509.SubjectKeyIdentifier)[0]
    issuer_identifier, _ = extension(certificate, x509.AuthorityKeyIdentifier)
    assert issuer_identifier.key_identifier == extension(authority.certificate, x509.SubjectKeyIdentifier)[0].digest
    assert certificate.public_key() == issued.private_key.public_key()
    certificate.verify_directly_issued_by(authority.certificate)


def test_rsa_for_old_clients(authority: Authority) -> None:
    issued = authority.issue("energie_nord", "import", key=new_key("rsa"))
    assert isinstance(issued.private_key, rsa.RSAPrivateKey)
    assert issued.private_key.key_size == 3072
    issued.certificate.verify_directly_issued_by(authority.certificate)
    assert parse_leaf(issued.certificate.public_bytes(Encoding.DER))


def test_a_key_that_stays_with_the_customer(authority: Authority) -> None:
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    issued = authority.issue("energie_nord", "import", key=public)
    assert issued.private_key is None
    assert issued.certificate.public_key() == public


def test_client_certificate_dates_and_serial(authority: Authority) -> None:
    issued = authority.issue("energie_nord", "import", days=30)
    certificate = issued.certificate
    now = datetime.now(UTC)
    assert timedelta(minutes=4) < now - certificate.not_valid_before_utc < timedelta(minutes=7)
    assert timedelta(days=29) < certificate.not_valid_after_utc - now <= timedelta(days=30)
    assert certificate.serial_number.bit_length() == 128
    assert int(issued.serial, 16) == certificate.serial_number
    assert authority.issue("energie_nord", "import").serial != issued.serial


def test_client_certificate_never_outlives_its_authority() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    short = self_signed(key, "short", days=10)
    leaf = sign_leaf((short, key), key.public_key(), "x", [x509.DNSName("x")], ExtendedKeyUsageOID.CLIENT_AUTH, 365)
    assert leaf.not_valid_after_utc == short.not_valid_after_utc


def test_issued_certificate_stands_in_the_ledger(authority: Authority) -> None:
    issued = authority.issue("energie_nord", "import")
    entry = Ledger.load(authority.ledger_path).entries[issued.fingerprint]
    assert (entry.serial, entry.label, entry.revoked) == (issued.serial, "import", None)
    assert authority.revoke(issued.serial).revoked is not None


@pytest.mark.parametrize(
    ("customer", "label", "days"),
    [
        ("", "import", 365),
        ("Energie Nord", "import", 365),
        ("nord/../musterstadt", "import", 365),
        ("energie_nord\n", "import", 365),
        ("energie_nord", "", 365),
        ("energie_nord", "x" * 65, 365),
        ("energie_nord", "a\nb", 365),
        ("energie_nord", "\u202egnp.tropmi", 365),
        ("energie_nord", " import", 365),
        ("energie_nord", "import", 0),
        ("energie_nord", "import", 36500),
    ],
)
def test_t_m10_odd_requests_are_not_issued(authority: Authority, customer: str, label: str, days: int) -> None:
    with pytest.raises(ValueError, match=r"customer|label|valid"):
        authority.issue(customer, label, days)
    assert not Ledger.load(authority.ledger_path).entries


def test_files_and_modes(authority: Authority) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in authority.directory.iterdir()}
    assert modes == {"ca.pem": 0o644, "ca.key": 0o600, "ledger.jsonl": 0o600}
    assert b"ENCRYPTED" in (authority.directory / "ca.key").read_bytes()
    assert [path.name for path in authority.directory.parent.iterdir()] == ["ca"]


def test_authority_comes_back_with_its_password(authority: Authority) -> None:
    again = load_authority(authority.directory, PASSWORD)
    issued = again.issue("energie_nord", "import")
    issued.certificate.verify_directly_issued_by(authority.certificate)


def test_binary_passwords_work(tmp_path: Path) -> None:
    password = bytes(range(32))
    create_authority(tmp_path / "ca", password)
    assert load_authority(tmp_path / "ca", password)


def test_authority_is_never_overwritten(authority: Authority) -> None:
    with pytest.raises(ConfigurationError, match="never overwritten"):
        create_authority(authority.directory, PASSWORD)
    assert load_authority(authority.directory, PASSWORD).certificate == authority.certificate


def test_short_password_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too short"):
        create_authority(tmp_path / "ca", b"short")


def _swap_key(directory: Path) -> None:
    other = create_authority(directory.parent / "other", PASSWORD)
    (directory / "ca.key").write_bytes((other.directory / "ca.key").read_bytes())


@pytest.mark.parametrize(
    ("damage", "password", "text"),
    [
        (lambda directory: None, b"another password of 32 bytes....", "does not open"),
        (lambda directory: (directory / "ca.key").write_bytes(b"garbage"), PASSWORD, "does not open"),
        (lambda directory: (directory / "ca.pem").write_bytes(b""), PASSWORD, "damaged"),
        (lambda directory: (directory / "ca.key").unlink(), PASSWORD, "cannot be read"),
        (_swap_key, PASSWORD, "do not belong together"),
    ],
)
def test_damaged_authority_does_not_open(authority: Authority, damage, password: bytes, text: str) -> None:
    damage(authority.directory)
    with pytest.raises(ConfigurationError, match=text) as raised:
        load_authority(authority.directory, password)
    assert password.decode() not in str(raised.value)


def test_t_m9_certificate_of_a_client_signs_nothing(authority: Authority) -> None:
    issued = authority.issue("energie_nord", "import")
    below = sign_leaf(
        (issued.certificate, issued.private_key),
        issued.private_key.public_key(),
        "below",
        [x509.DNSName("x")],
        ExtendedKeyUsageOID.CLIENT_AUTH,
        1,
    )
    with pytest.raises((ValueError, InvalidSignature)):
        below.verify_directly_issued_by(authority.certificate)
    assert below.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "import"


def test_secrets_stay_out_of_representations(authority: Authority) -> None:
    assert "private_key" not in repr(authority)
    assert "private_key" not in repr(authority.issue("energie_nord", "import"))
