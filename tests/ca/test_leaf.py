"""What may be a client's certificate at all, whoever signed it."""

from __future__ import annotations

import datetime as dt
import hashlib
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from gateway.ca.leaf import MAX_LEAF, is_one_of, names_of, parse_leaf, spelled
from gateway.errors import Refused
from tests.ca.pki import make_pki, usage

PKI = make_pki()
GOOD = PKI.leaf()


def rsa_public(exponent: int) -> rsa.RSAPublicKey:
    modulus = rsa.generate_private_key(65537, 2048).public_key().public_numbers().n
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["P-256", "P-384", "Ed25519", "RSA-2048"],
)
def test_keys_that_are_accepted(key: Any) -> None:
    assert parse_leaf(PKI.leaf(key=key))


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 1024),
        rsa_public((1 << 40) + 1),
        rsa.RSAPublicNumbers(65537, (1 << 8999) + 1).public_key(),
        ec.generate_private_key(ec.SECP192R1()),
        ec.generate_private_key(ec.SECP256K1()),
        dsa.generate_private_key(2048),
    ],
    ids=["RSA-1024", "RSA-exponent", "RSA-9000", "P-192", "secp256k1", "DSA"],
)
def test_t_m12_weak_and_odd_keys_are_refused(key: Any) -> None:
    with pytest.raises(Refused, match="certificate-unsuitable"):
        parse_leaf(PKI.leaf(key=key))


@pytest.mark.parametrize(
    "changes",
    [
        {"usages": None},
        {"usages": [Eku.SERVER_AUTH]},
        {"usages": [Eku.ANY_EXTENDED_KEY_USAGE]},
        {"usages": [Eku.EMAIL_PROTECTION]},
        {"ca": True},
        {"ca": True, "usages": None},
        {"key_usage": usage(key_encipherment=True)},
        {"key_usage": usage(digital_signature=True, key_cert_sign=True)},
    ],
    ids=str,
)
def test_t_m9_certificates_made_for_something_else_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="certificate-unsuitable"):
        parse_leaf(PKI.leaf(**changes))


def test_weak_signature_is_refused() -> None:
    key = rsa.generate_private_key(65537, 2048)
    good = x509.load_der_x509_certificate(PKI.leaf(key=key))
    builder = x509.CertificateBuilder(good.issuer, good.subject, good.public_key(), good.serial_number)
    builder = builder.not_valid_before(good.not_valid_before_utc).not_valid_after(good.not_valid_after_utc)
    for extension in good.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    assert parse_leaf(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))
    sha1 = good.public_bytes(serialization.Encoding.DER)
    # SHA-1 cannot be asked for any more, so its identifier is put in place of SHA-256's: nobody verifies signatures here yet.
    ecdsa_sha256, ecdsa_sha1 = bytes.fromhex("300a06082a8648ce3d040302"), bytes.fromhex("300906072a8648ce3d0401")
    assert sha1.count(ecdsa_sha256) == 2
    with pytest.raises(Refused, match="certificate-unsuitable"):
        parse_leaf(sha1.replace(ecdsa_sha256, ecdsa_sha1))


def test_t_d12_size_is_bounded_before_parsing() -> None:
    names = [x509.DNSName(f"host{number}.example") for number in range(2000)]
    huge = PKI.leaf(names=names)
    assert len(huge) > MAX_LEAF
    with pytest.raises(Refused, match="certificate-unsuitable"):
        parse_leaf(huge)


@given(position=st.integers(0, len(GOOD) - 1), value=st.integers(0, 255), end=st.integers(0, len(GOOD)))
def test_t_m12_damaged_certificates_are_refused_or_parsed_never_more(position: int, value: int, end: int) -> None:
    damaged = bytearray(GOOD)
    damaged[position] = value
    for der in (bytes(damaged), GOOD[:end]):
        try:
            parse_leaf(der)
        except Refused as refusal:
            assert refusal.reason == "certificate-unsuitable"


@given(st.binary(max_size=300))
def test_t_m12_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(Refused, match="certificate-unsuitable"):
        parse_leaf(noise)


NAMES = [x509.DNSName("import.example"), x509.UniformResourceIdentifier("urn:x"), x509.RFC822Name("max@example.org")]


def test_t_m8_names_keep_their_types() -> None:
    assert names_of(PKI.sign(names=NAMES)) == {("dns", "import.example"), ("uri", "urn:x"), ("email", "max@example.org")}
    assert names_of(PKI.sign(subject="import.example")) == frozenset()


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ((), True),
        (({"dns": "import.example"},), True),
        (({"dns": "other.example"}, {"uri": "urn:x"}), True),
        (({"dns": "import.example", "uri": "urn:x"},), True),
        (({"dns": "import.example", "uri": "urn:y"},), False),
        (({"dns": "urn:x"},), False),
        (({"uri": "import.example"},), False),
        (({"email": "import.example"},), False),
        (({"cn": "import"},), False),
        (({"uri": "max@example.org"},), False),
        (({"dns": "max@example.org"},), False),
        (({"email": "urn:x"},), False),
        (({"subject": "CN=import.example"},), False),
        (({"dns": "IMPORT.Example"},), True),
        (({"email": "max@EXAMPLE.org"},), True),
        (({"email": "MAX@example.org"},), False),
        (({"uri": "URN:X"},), False),
        (({},), False),
    ],
)
def test_t_m8_only_the_configured_type_counts(only: tuple[dict[str, str], ...], expected: bool) -> None:
    assert is_one_of(PKI.sign(names=NAMES), spelled(only)) is expected


def test_only_by_key_and_subject() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    only = ({"spki": hashlib.sha256(public).hexdigest(), "subject": "CN=import"},)
    assert is_one_of(PKI.sign(key=key), only)
    assert not is_one_of(PKI.sign(key=key, subject="other"), only)
    assert not is_one_of(PKI.sign(), only)


def test_only_by_fingerprint_in_every_spelling() -> None:
    leaf = PKI.sign()
    digest = leaf.fingerprint(hashes.SHA256())
    for spelling in (digest.hex(), digest.hex().upper(), digest.hex(":")):
        assert is_one_of(leaf, spelled([{"sha256": spelling}]))
    assert not is_one_of(PKI.sign(begin=dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)), ({"sha256": digest.hex()},))


OTHER_TYPES = [
    x509.IPAddress(ip_address("192.0.2.1")),
    x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
    x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x0eimport.example"),
    x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "import.example")])),
]


@pytest.mark.parametrize("name", OTHER_TYPES, ids=["address", "registered id", "other name", "directory name"])
@pytest.mark.parametrize(
    "only", [{"dns": "import.example"}, {"uri": "urn:1.2.3"}, {"email": "import.example"}, {"subject": "CN=import.example"}]
)
def test_t_m8_names_of_other_types_are_nobodys(name: x509.GeneralName, only: dict[str, str]) -> None:
    assert not is_one_of(PKI.sign(names=[name]), spelled([only]))
    assert names_of(PKI.sign(names=[name])) == frozenset()


def test_t_m8_a_certificate_without_a_subject_is_no_subject() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(PKI.certificate.subject).public_key(key.public_key())
    moment = dt.datetime.now(dt.UTC)
    leaf = builder.serial_number(7).not_valid_before(moment).not_valid_after(moment + dt.timedelta(1)).sign(key, hashes.SHA256())
    for only in ({"subject": "CN=import"}, {"dns": "a"}):
        assert not is_one_of(leaf, spelled([only]))


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ([(NameOID.ORGANIZATION_NAME, "Energie Nord"), (NameOID.COMMON_NAME, "import")], "CN=import,O=Energie Nord"),
        ([(NameOID.COMMON_NAME, "Müller, Max")], r"CN=Müller\, Max"),
        ([(NameOID.COMMON_NAME, "Müller, Max")], r"CN=M\C3\BCller\2C Max"),
        ([(NameOID.EMAIL_ADDRESS, "m@x.example"), (NameOID.SERIAL_NUMBER, "7")], "serialNumber=7,emailAddress=m@x.example"),
        ([(NameOID.EMAIL_ADDRESS, "m@x.example")], "1.2.840.113549.1.9.1=m@x.example"),
        ([(NameOID.ORGANIZATION_IDENTIFIER, "VATDE-1")], "2.5.4.97=VATDE-1"),
    ],
)
def test_only_by_subject_in_every_spelling(attributes: list[tuple[x509.ObjectIdentifier, str]], text: str) -> None:
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(PKI.certificate.subject).public_key(key.public_key())
    moment = dt.datetime.now(dt.UTC)
    leaf = builder.serial_number(7).not_valid_before(moment).not_valid_after(moment + dt.timedelta(1)).sign(key, hashes.SHA256())
    assert is_one_of(leaf, spelled([{"subject": text}]))
    assert not is_one_of(leaf, spelled([{"subject": f"{text}x"}]))


def test_what_is_no_subject_is_not_compared() -> None:
    with pytest.raises(ValueError):
        spelled([{"subject": "import"}])
