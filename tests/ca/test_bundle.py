"""The customer's files open with the tools that customers have."""

from __future__ import annotations

import shutil
import ssl
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12

from gateway.ca.authority import Authority, Issued
from gateway.ca.bundle import Server, endings, generate_password, pkcs12_of, write_bundle
from gateway.ca.installation import Address
from gateway.ca.server import ServerAuthority, create_server_certificate, server_authority
from gateway.errors import ConfigurationError


@pytest.fixture
def issued(authority: Authority) -> Issued:
    return authority.issue("stadtwerke_musterstadt", "Import Müller")


def test_files_modes_and_contents(tmp_path: Path, issued: Issued) -> None:
    bundle = write_bundle(tmp_path / "out", "import", issued)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").iterdir()}
    assert modes == {"import.pem": 0o644, "import.key": 0o600, "import.p12": 0o600}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(bundle.certificate, bundle.private_key)
    assert bundle.certificate.read_bytes().count(b"BEGIN CERTIFICATE") == 2
    assert bundle.password not in repr(bundle)


@pytest.mark.parametrize("legacy", [False, True])
def test_pkcs12_holds_key_leaf_and_authority(issued: Issued, legacy: bool) -> None:
    store = pkcs12.load_pkcs12(pkcs12_of(issued, "secret", legacy=legacy), b"secret")
    assert store.key is not None
    assert store.cert is not None
    assert store.cert.certificate == issued.certificate
    assert store.cert.friendly_name == "Import Müller".encode()
    assert [extra.certificate for extra in store.additional_certs] == list(issued.authorities)


def test_pkcs12_needs_the_password(issued: Issued) -> None:
    with pytest.raises(ValueError, match=r".*"):
        pkcs12.load_pkcs12(pkcs12_of(issued, "secret"), b"wrong")


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("openssl", ["pkcs12", "-in", "{file}", "-passin", "pass:{password}", "-nodes"]),
        ("keytool", ["-list", "-v", "-storetype", "PKCS12", "-keystore", "{file}", "-storepass", "{password}"]),
    ],
)
def test_pkcs12_opens_with_customers_tools(tmp_path: Path, issued: Issued, program: str, arguments: list[str]) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    bundle = write_bundle(tmp_path, "import", issued)
    command = [program, *(text.format(file=bundle.pkcs12, password=bundle.password) for text in arguments)]
    result = subprocess.run(command, capture_output=True, encoding="latin-1", timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert "PrivateKeyEntry" in result.stdout or "BEGIN PRIVATE KEY" in result.stdout


def test_old_java_lists_the_servers_authority_as_trusted(tmp_path: Path, issued: Issued, neighbour: Callable[[str], str]) -> None:
    """Java ignores certificates in a PKCS#12 that lack its own attribute: other programs' files look empty to it. The form for new ones
    is tried in test_installation.py."""
    files = create_server_certificate(tmp_path / "certs", ["gateway.example"])
    server = Server(Address("gateway.example", 8443), server_authority(files.certificate))
    bundle = write_bundle(tmp_path / "out", "import", issued, server, legacy=True)
    command = [neighbour("keytool"), "-list", "-keystore", bundle.truststore, "-storetype", "PKCS12", "-storepass", bundle.password]
    listed = subprocess.run(command, capture_output=True, encoding="latin-1", timeout=60, check=True).stdout
    assert "gateway, " in listed and "trustedCertEntry" in listed
    assert "PrivateKeyEntry" not in listed
    assert bundle.server_authority is not None
    assert bundle.server_authority.read_bytes() == files.authority.read_bytes()


def test_of_an_own_key_there_is_nothing_secret_to_hand_over(tmp_path: Path, authority: Authority) -> None:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    files = create_server_certificate(tmp_path / "certs", ["gateway.example"])
    server = Server(Address("gateway.example", 8443), server_authority(files.certificate))
    bundle = write_bundle(tmp_path / "out", "import", authority.issue("energie_nord", "import", key=public), server)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"import.pem", "import-server-ca.pem", "import-install"}
    assert (bundle.private_key, bundle.pkcs12, bundle.truststore, bundle.password) == (None, None, None, "")


def test_without_a_known_authority_there_is_no_truststore(tmp_path: Path, issued: Issued) -> None:
    server = Server(Address("gateway.example", 8443), ServerAuthority(None, "it is a public one"))
    bundle = write_bundle(tmp_path / "out", "import", issued, server)
    assert (bundle.truststore, bundle.server_authority) == (None, None)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"import.pem", "import.key", "import.p12", "import-install"}


@pytest.mark.parametrize("ending", endings(own_key=False))
def test_one_file_that_is_there_keeps_all_others_from_being_written(tmp_path: Path, issued: Issued, ending: str) -> None:
    (tmp_path / f"import{ending}").write_text("the last copy")
    with pytest.raises(ConfigurationError, match="never overwritten"):
        write_bundle(tmp_path, "import", issued, Server(Address("gateway.example", 8443), ServerAuthority(None)))
    assert [path.name for path in tmp_path.iterdir() if path.name != "ca"] == [f"import{ending}"]


def test_bundle_is_never_overwritten(tmp_path: Path, issued: Issued) -> None:
    first = write_bundle(tmp_path, "import", issued)
    before = first.pkcs12.read_bytes()
    with pytest.raises(ConfigurationError, match="never overwritten"):
        write_bundle(tmp_path, "import", issued)
    assert first.pkcs12.read_bytes() == before


@pytest.mark.parametrize("name", ["", "../import", "a/b", ".hidden", "x" * 101, "a\0"])
def test_names_that_leave_the_directory_are_refused(tmp_path: Path, issued: Issued, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        write_bundle(tmp_path / "out", name, issued)
    assert not (tmp_path / "out").exists()


def test_generated_passwords_are_long_and_different() -> None:
    passwords = {generate_password() for _ in range(100)}
    assert len(passwords) == 100
    assert all(len(password.replace("-", "")) == 20 for password in passwords)
