"""The gateway's own certificate is accepted by a strict client for exactly the names that were asked for."""

from __future__ import annotations

import ipaddress
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.ca.server import create_server_certificate, server_authority
from gateway.errors import ConfigurationError
from tests.ca.handshake import handshake
from tests.ca.pki import make_pki

X509_STRICT = 0x20


def contexts(directory: Path, *names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    files = create_server_certificate(directory, names)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.certificate, files.private_key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(files.authority)
    client.verify_flags |= ssl.VerifyFlags(X509_STRICT)
    return server, client


@pytest.mark.parametrize("name", ["gateway.example", "127.0.0.1", "::1", "localhost"])
def test_c10_strict_client_accepts(tmp_path: Path, name: str) -> None:
    handshake(*contexts(tmp_path, "gateway.example", "127.0.0.1", "::1", "localhost"), name)


def test_other_names_are_not_covered(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(*contexts(tmp_path, "gateway.example"), "other.example")


def test_files_extensions_and_modes(tmp_path: Path) -> None:
    files = create_server_certificate(tmp_path / "certs", ["Gateway.Example", "192.0.2.7"])
    leaf, authority = x509.load_pem_x509_certificates(files.certificate.read_bytes())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.DNSName("gateway.example"), x509.IPAddress(ipaddress.ip_address("192.0.2.7"))]
    assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert x509.load_pem_x509_certificate(files.authority.read_bytes()) == authority
    assert stat.S_IMODE(files.private_key.stat().st_mode) == 0o600
    assert len(list((tmp_path / "certs").iterdir())) == 3, "the authority's key is not kept"


def test_files_are_never_overwritten(tmp_path: Path) -> None:
    files = create_server_certificate(tmp_path, ["gateway.example"])
    before = files.private_key.read_bytes()
    with pytest.raises(ConfigurationError, match="never overwritten"):
        create_server_certificate(tmp_path, ["gateway.example"])
    assert files.private_key.read_bytes() == before


@pytest.mark.parametrize("names", [[], [""], ["*.example"], ["a b"], ["-x.example"], ["müller.example"], ["x" * 64], ["a\n"], ["http://x"]])
def test_names_that_are_none_are_refused(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(ValueError, match="host name"):
        create_server_certificate(tmp_path, names)
    assert not list(tmp_path.iterdir())


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


ROOT = make_pki("Public root")
BELOW = ROOT.intermediate("Public intermediate")
SERVER = BELOW.sign(subject="gateway.example")
ITSELF = make_pki("gateway.example", ca=False)

CHAINS = {
    "down to the root": ((SERVER, BELOW.certificate, ROOT.certificate), "CN=Public root", ""),
    "a root that serves": ((ROOT.certificate,), "CN=Public root", ""),
    "down to an intermediate": ((SERVER, BELOW.certificate), None, "ends in an intermediate authority"),
    "nothing but itself": ((SERVER,), None, "names no authority"),
    "signed by itself": ((ITSELF.certificate,), None, "names no authority"),
    "out of order": ((ROOT.certificate, SERVER), None, "names no authority"),
}


@pytest.mark.parametrize("chain", CHAINS)
def test_what_clients_of_an_operators_own_certificate_trust(tmp_path: Path, chain: str) -> None:
    certificates, subject, reason = CHAINS[chain]
    (tmp_path / "server.pem").write_bytes(pem(*certificates))
    found = server_authority(tmp_path / "server.pem")
    assert (found.certificate.subject.rfc4514_string() if found.certificate else None) == subject
    assert reason in found.reason


def test_the_authority_that_init_made_counts_while_it_is_the_servers(tmp_path: Path) -> None:
    """It stays beside a certificate that somebody put in its place, and would then be the wrong one to hand over."""
    files = create_server_certificate(tmp_path, ["gateway.example"])
    files.certificate.write_bytes(pem(x509.load_pem_x509_certificates(files.certificate.read_bytes())[0]))
    made = server_authority(files.certificate)
    assert made.certificate is not None
    assert pem(made.certificate) == files.authority.read_bytes()
    files.certificate.write_bytes(pem(SERVER))
    assert server_authority(files.certificate).certificate is None


@pytest.mark.parametrize("content", [None, b"", b"garbage"], ids=["missing", "empty", "garbage"])
def test_an_unreadable_server_certificate_is_a_reason_and_no_failure(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "server.pem").write_bytes(content)
    assert "cannot be read" in server_authority(tmp_path / "server.pem").reason
