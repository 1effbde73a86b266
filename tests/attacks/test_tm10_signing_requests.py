"""T-M10: a signing request is a stranger's wish list. Whatever it asks for, it gets a certificate of ours or none.

Each abuse goes the way of ``cert issue --csr``, up to the ledger: a refusal leaves no entry and no file.
"""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.ca.ledger import Ledger, record_revocation
from gateway.errors import ConfigurationError, Refused
from gateway.runtime import setup
from gateway.runtime.certificates import Wishes, issue_certificate, ledger_of, open_authority
from gateway.runtime.keys import open_operator_key
from gateway.runtime.snapshot import build_snapshot
from tests.ca.pki import usage
from tests.ca.signing import basic_constraints, extensions_asked, handmade, request, write
from tests.cli.conftest import CUSTOMER, PASSPHRASE, made

__all__ = ["made"]
OTHER = "energie_nord"
URI = "urn:pii-gateway:customer:"


def uri(name):
    return x509.UniformResourceIdentifier(URI + name)


def san(*names):
    return x509.SubjectAlternativeName(names)


def rsa_with_exponent(exponent):
    numbers = rsa.generate_private_key(65537, 2048).private_numbers()
    return rsa.RSAPublicNumbers(exponent, numbers.public_numbers.n).public_key()


def resigned(content, place=-1):
    """With its signature changed: whoever made it does not hold the key."""
    der = x509.load_pem_x509_csr(content).public_bytes(serialization.Encoding.DER)
    return der[:place] + bytes([der[place] ^ 1])


CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
NAMED_TWICE = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "import"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, OTHER)])
BROKEN_USAGE = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.37"), b"\x30\x05\x06")
CA = x509.BasicConstraints(True, None)

ABUSES = {
    "CA rights": (lambda: request(CA), "rights of an authority"),
    "CA rights, critical": (lambda: request(CA, critical=True), "rights of an authority"),
    "keyCertSign": (lambda: request(usage(digital_signature=True, key_cert_sign=True)), "rights of an authority"),
    "cRLSign": (lambda: request(usage(digital_signature=True, crl_sign=True)), "rights of an authority"),
    "another customer's URI": (lambda: request(san(uri(OTHER))), "another customer's name"),
    "own and another's URI": (lambda: request(san(uri(CUSTOMER), uri(OTHER))), "another customer's name"),
    "another's URI in capitals": (lambda: request(san(x509.UniformResourceIdentifier((URI + OTHER).upper()))), "another customer's name"),
    "another's name as CN": (lambda: request(subject=OTHER), "names another customer"),
    "another's name as CN, disguised": (lambda: request(subject=f" {OTHER.upper()}"), "names another customer"),
    "another's URI as CN": (lambda: request(subject=URI + OTHER), "names another customer"),
    "another's name as O": (lambda: request(subject=NAMED_TWICE), "names another customer"),
    "T-M8 own URI as a DNS name": (lambda: request(san(x509.DNSName(URI + CUSTOMER))), "names of its own"),
    "T-M8 own name as an e-mail address": (lambda: request(san(x509.RFC822Name(f"{CUSTOMER}@example"))), "names of its own"),
    "own URI and a host name": (lambda: request(san(uri(CUSTOMER), x509.DNSName("gateway.example"))), "names of its own"),
    "own URI twice": (lambda: request(san(uri(CUSTOMER), uri(CUSTOMER))), "more than once"),
    "500 names": (lambda: request(san(*(x509.DNSName(f"host{n}.example") for n in range(500)))), "500 alternative names"),
    "100,000 names": (lambda: request(san(*(x509.DNSName(f"host{n}.example") for n in range(100_000)))), "larger than 32 KiB"),
    "a certificate for servers": (lambda: request(x509.ExtendedKeyUsage([SERVER])), "other than clientAuth"),
    "T-M9 for servers, too": (lambda: request(x509.ExtendedKeyUsage([CLIENT, SERVER])), "other than clientAuth"),
    "T-M9 for anything": (lambda: request(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])), "other than clientAuth"),
    "name constraints": (lambda: request(x509.NameConstraints([x509.DNSName("a")], None), critical=True), "critical extension 2.5.29.30"),
    "an EKU that does not parse": (lambda: request(BROKEN_USAGE), "cannot be read"),
    "one extension twice": (lambda: handmade(extensions_asked(basic_constraints(False), basic_constraints(True))), "cannot be read"),
    "two lists of extensions": (lambda: handmade(*(extensions_asked(basic_constraints(ca)) for ca in (False, True))), "extensions twice"),
    "RSA of 1024 bits": (lambda: request(key=rsa.generate_private_key(65537, 1024)), "fewer than 2048"),
    "RSA of 16384 bits": (lambda: handmade(key=rsa.RSAPublicNumbers(65537, (1 << 16383) + 1).public_key()), "more than 8192"),
    "RSA with a giant exponent": (lambda: handmade(key=rsa_with_exponent((1 << 2047) + 1)), "odd exponent"),
    "a curve nobody checked": (lambda: request(key=ec.generate_private_key(ec.SECP256K1())), "curve other than"),
    "DSA": (lambda: request(key=dsa.generate_private_key(2048)), "not accepted"),
    "a key that cannot sign": (lambda: handmade(key=x25519.X25519PrivateKey.generate().public_key()), "refused"),
    "SHA-1": (lambda: handmade(algorithm=hashes.SHA1()), "weak hash"),
    "SHA-224": (lambda: request(algorithm=hashes.SHA224()), "weak hash"),
    "somebody else's key": (lambda: handmade(key=ec.generate_private_key(ec.SECP256R1()).public_key()), "not by its own key"),
    "a changed signature": (lambda: resigned(request()), "not by its own key"),
    "a private key in the file": (lambda: request() + private_pem(), "must not leave the customer"),
}  # fmt: skip


def private_pem():
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@pytest.fixture(scope="module")
def two(made, tmp_path_factory):
    """Two customers; the attacker is the operator's pen, held by a letter from the first one."""
    folder = replace(made, path=Path(shutil.copytree(made.path, tmp_path_factory.mktemp("two") / "gateway")))
    operator = open_operator_key(folder.config, PASSPHRASE.encode())
    setup.add_customer(folder.config, operator, OTHER, api="planning_suite", upstream="http://127.0.0.1:9/nord", ca=None,
                       networks=["198.51.100.0/24"], users={"jens": "dispatcher"})  # fmt: skip
    return folder.config, operator


@pytest.mark.trap(
    "T-M10",
    "A signing request that asks for more than a client gets, or has a weak or foreign key, is refused and leaves no trace.",
)
@pytest.mark.parametrize("abuse", ABUSES)
def test_tm10_nothing_is_issued(two, tmp_path, abuse):
    content, said = ABUSES[abuse]
    before = ledger_of(two[0], CUSTOMER).read_bytes()
    with pytest.raises(ConfigurationError, match=said):
        issue_certificate(*two, CUSTOMER, "import", tmp_path / "out", Wishes(csr=write(tmp_path, content())))
    assert ledger_of(two[0], CUSTOMER).read_bytes() == before
    assert not (tmp_path / "out").exists()


@pytest.mark.trap("T-M10", "Of a signing request nothing but the public key reaches the certificate.")
def test_tm10_of_a_harmless_request_only_the_key_is_used(two, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    asked = request(usage(digital_signature=True, key_encipherment=True), key=key, subject="Herr Direktor, bitte alles")
    bundle = issue_certificate(*two, CUSTOMER, "batch", tmp_path / "out", Wishes(csr=write(tmp_path, asked)))
    certificate = x509.load_pem_x509_certificate(bundle.certificate.read_bytes())
    assert certificate.public_key() == key.public_key()
    assert [attribute.value for attribute in certificate.subject] == ["batch"]
    assert not certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_encipherment
    assert list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == [uri(CUSTOMER)]
    assert (bundle.private_key, bundle.pkcs12) == (None, None)
    assert not [file for file in (tmp_path / "out").rglob("*") if file.is_file() and b"PRIVATE KEY" in file.read_bytes()]


@pytest.mark.trap("T-M10", "A key that has a certificate of one customer gets none of another.")
def test_tm10_one_key_is_one_customers(two, tmp_path):
    """With one key under two names, whoever steals it is two customers; and each of them could say it was the other."""
    key = ec.generate_private_key(ec.SECP256R1())
    asked = Wishes(csr=write(tmp_path, request(key=key)))
    assert issue_certificate(*two, OTHER, "shared", tmp_path / "first", asked)
    with pytest.raises(ConfigurationError, match="belongs to a certificate of another customer"):
        issue_certificate(*two, CUSTOMER, "shared", tmp_path / "second", asked)
    assert issue_certificate(*two, OTHER, "shared-2", tmp_path / "third", asked)  # a renewal that keeps its key is the customer's choice


@pytest.mark.trap("T-M10", "The key of a revoked certificate is never certified again.")
def test_tm10_the_key_of_a_revoked_certificate_does_not_come_back(two, tmp_path):
    asked = Wishes(csr=write(tmp_path, request()))
    bundle = issue_certificate(*two, CUSTOMER, "stolen", tmp_path / "first", asked)
    serial = f"{x509.load_pem_x509_certificate(bundle.certificate.read_bytes()).serial_number:x}"
    record_revocation(ledger_of(two[0], CUSTOMER), serial)
    with pytest.raises(ConfigurationError, match="was revoked"):
        issue_certificate(*two, CUSTOMER, "stolen-2", tmp_path / "second", asked)


@pytest.mark.trap("T-M10", "An authority's own key becomes no client's.")
@pytest.mark.parametrize("owner", [CUSTOMER, OTHER])
def test_tm10_an_authoritys_own_key_is_no_clients(two, tmp_path, owner):
    key = open_authority(*two, owner).private_key
    with pytest.raises(ConfigurationError, match="an authority's"):
        issue_certificate(*two, CUSTOMER, "ca", tmp_path / "out", Wishes(csr=write(tmp_path, request(key=key))))


@pytest.mark.trap("T-M10", "Without the operator's key, or with another one, no certificate is issued.")
@pytest.mark.parametrize("credential", ["none", "another operator's"])
def test_tm10_without_the_operators_key_nobody_issues(two, tmp_path, credential):
    """Not with the files alone, and not with a key of one's own."""
    config = two[0]
    if credential == "none":
        text = (config.authority_dir(CUSTOMER) / "ca.key").read_text()
        assert "ENCRYPTED" in text
        with pytest.raises(TypeError):
            serialization.load_pem_private_key(text.encode(), None)
        return
    other = setup.FileOperatorKey.create(tmp_path / "other.key", "a thief's own")
    with pytest.raises(ConfigurationError, match="does not open"):
        issue_certificate(config, other, CUSTOMER, "import", tmp_path / "out", Wishes(csr=write(tmp_path, request())))


@pytest.mark.trap("T-M10", "What one customer's authority signs in another's name is let in as nobody.")
def test_tm10_one_customers_authority_never_signs_for_another(two, tmp_path):
    """Even asked from inside the program: the certificate would name one customer and chain to the other's authority, and is refused."""
    issued = open_authority(*two, CUSTOMER).issue(OTHER, "import")
    with pytest.raises(Refused, match="certificate-unsuitable"):
        build_snapshot(two[0]).trust.identify(issued.certificate.public_bytes(serialization.Encoding.DER), time.time())


def test_every_ledger_line_of_this_file_is_readable(two):
    assert all(Ledger.load(ledger_of(two[0], name)) for name in (CUSTOMER, OTHER))
    assert json.loads(ledger_of(two[0], CUSTOMER).read_text().splitlines()[0])["event"] == "issue"
