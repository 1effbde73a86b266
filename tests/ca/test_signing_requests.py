"""What a signing request may look like. What it may not ask for is in tests/attacks/test_tm10_signing_requests.py."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from gateway.ca.ledger import key_digest
from gateway.ca.signing_requests import read_public_key, require_free
from gateway.errors import ConfigurationError
from tests.ca.pki import usage
from tests.ca.signing import request, write

CUSTOMER = "stadtwerke_musterstadt"
OWN_NAME = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"urn:pii-gateway:customer:{CUSTOMER}")])


def read(folder: Path, content: bytes) -> Any:
    return read_public_key(write(folder, content), CUSTOMER, {"energie_nord"})


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()),
        (ec.generate_private_key(ec.SECP521R1()), hashes.SHA512()),
        (ed25519.Ed25519PrivateKey.generate(), None),
        (rsa.generate_private_key(65537, 2048), hashes.SHA256()),
    ],
    ids=["P-256", "P-521", "Ed25519", "RSA-2048"],
)
def test_its_key_is_what_is_certified(tmp_path: Path, key: Any, algorithm: Any) -> None:
    assert read(tmp_path, request(key=key, algorithm=algorithm)) == key.public_key()


WISHES: dict[str, tuple[x509.ExtensionType, ...]] = {
    "nothing": (),
    "what it gets": (OWN_NAME, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), usage(digital_signature=True)),
    "what openssl's own template asks": (x509.BasicConstraints(False, None), usage(digital_signature=True, key_encipherment=True)),
    "what Windows adds": (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2"), b"\x1e\x02\x00U"),),
    "what keytool adds": (x509.SubjectKeyIdentifier(b"x" * 20),),
}


@pytest.mark.parametrize("wish", WISHES)
def test_harmless_wishes_are_no_reason_to_call_anybody(tmp_path: Path, wish: str) -> None:
    assert read(tmp_path, request(*WISHES[wish]))


PEM = request()
DER = request(encoding=Encoding.DER)

SPELLINGS = {
    "DER": DER,
    "PEM with CRLF": PEM.replace(b"\n", b"\r\n"),
    "text in front": b"Certificate Request:\n    Data: ...\n" + PEM,
    "NEW, as old tools write": PEM.replace(b"BEGIN CERT", b"BEGIN NEW CERT").replace(b"END CERT", b"END NEW CERT"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spellings(tmp_path: Path, spelling: str) -> None:
    assert read(tmp_path, SPELLINGS[spelling])


DAMAGED = {
    "nothing": b"",
    "a word": b"hello",
    "two requests": PEM + PEM,
    "two requests behind a text that begins as DER does": b"0\n" + PEM + PEM,
    "a certificate too": PEM + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "cut off": PEM[:-40],
    "cut-off DER": DER[:-1],
    "bytes behind": DER + b"\0",
    "not base64": b"-----BEGIN CERTIFICATE REQUEST-----\n????\n-----END CERTIFICATE REQUEST-----\n",
    "32 KiB of it": b"-----BEGIN CERTIFICATE REQUEST-----\n"
    + base64.b64encode(DER + bytes(30_000))
    + b"\n-----END CERTIFICATE REQUEST-----\n",
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_what_is_not_one_request_is_refused_with_its_file(tmp_path: Path, damage: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, DAMAGED[damage])
    assert [mistake.file.name for mistake in raised.value.mistakes] == ["request.csr"]


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_public_key(tmp_path / "none", CUSTOMER, ())


def test_everything_is_said_at_once(tmp_path: Path) -> None:
    wishes = (x509.BasicConstraints(True, None), usage(key_cert_sign=True), x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]))
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, request(*wishes, subject="energie_nord"))
    assert len(raised.value.mistakes) == 4


@given(st.integers(0, len(DER) - 1), st.integers(1, 255))
def test_t_m12_a_damaged_byte_never_crashes_the_reader(tmp_path_factory: pytest.TempPathFactory, place: int, change: int) -> None:
    """And never changes the key: the request's signature is over all of it."""
    damaged = DER[:place] + bytes([DER[place] ^ change]) + DER[place + 1 :]
    with pytest.raises(ConfigurationError):
        read(tmp_path_factory.getbasetemp(), damaged)


def test_a_key_of_nobody_else_is_free(tmp_path: Path, authority: Any) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    authority.issue(CUSTOMER, "import", key=key)
    require_free(tmp_path / "request.csr", key, CUSTOMER, {CUSTOMER: authority.directory})
    with pytest.raises(ConfigurationError, match="another customer"):
        require_free(tmp_path / "request.csr", key, "energie_nord", {CUSTOMER: authority.directory})
    assert len(key_digest(key)) == 64


def test_what_customers_tools_write(tmp_path: Path, neighbour: Any) -> None:
    """openssl's defaults, as a customer's administrator would type it."""
    command = [neighbour("openssl"), "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/O=Stadtwerke Musterstadt/CN=import"]
    subprocess.run([*command, "-keyout", tmp_path / "import.key", "-out", tmp_path / "import.csr"], check=True, capture_output=True)
    assert read_public_key(tmp_path / "import.csr", CUSTOMER, {"energie_nord"})


def test_what_keytool_writes(tmp_path: Path, neighbour: Any) -> None:
    store = ["-keystore", str(tmp_path / "k.p12"), "-storetype", "PKCS12", "-storepass", "123456", "-alias", "import"]
    keytool = neighbour("keytool")
    made = [keytool, "-genkeypair", "-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=import", *store]
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    subprocess.run([keytool, "-certreq", "-file", tmp_path / "j.csr", *store], check=True, capture_output=True, timeout=60)
    assert read_public_key(tmp_path / "j.csr", CUSTOMER, {"energie_nord"})
