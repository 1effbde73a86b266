"""The pages of installation: complete for every case, without a password, and their commands do what they say."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.ca.authority import Authority
from gateway.ca.bundle import Bundle, Server, key_pem, write_bundle
from gateway.ca.installation import SHEETS, Address, sheets
from gateway.ca.server import create_server_certificate, server_authority

NAME = "stadtwerke_musterstadt-import"


@pytest.mark.parametrize("own_key", [False, True], ids=["our key", "own key"])
@pytest.mark.parametrize("private", [False, True], ids=["public server", "private server"])
@pytest.mark.parametrize("sheet", SHEETS)
def test_every_page_is_whole_in_every_case(sheet: str, own_key: bool, private: bool) -> None:
    page = sheets(NAME, "import", Address("gateway.example", 8443), own_key=own_key, private_authority=private)[sheet]
    assert page.startswith("# import ")
    assert not re.search(r"^@|\$(host|port|key|label|certificate|pkcs12|authority|truststore)\b", page, re.MULTILINE)
    assert not re.search(r"\n\n\n", page)
    assert page.count("```") % 2 == 0
    assert "https://gateway.example:8443" in page
    assert "**A new machine**: install the same files" in page
    assert (f"{NAME}.key" in page) == (not own_key)
    assert (f"{NAME}-server-ca.pem" in page) == private
    assert len(page.splitlines()) < 80  # one page


def test_a_port_that_nobody_knows_yet_is_a_word() -> None:
    assert "https://localhost:PORT/" in sheets(NAME, "import", Address("localhost", 0), own_key=False, private_authority=True)["python.md"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A TLS server that asks for a certificate of ``tmp_path/ca`` and answers 200: yields its port and its authority."""
    files = create_server_certificate(tmp_path / "certs", ["localhost"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.private_key)
    context.load_verify_locations(tmp_path / "ca" / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_serve, args=(listening, context), daemon=True).start()
        yield listening.getsockname()[1], files.certificate


def _serve(listening: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            raw, _ = listening.accept()
        except OSError:
            return
        try:
            with context.wrap_socket(raw, server_side=True) as connection:
                request = connection.recv(65536)
                asked = b"Authorization: Basic bWFyaWE6Z2VoZWlt" in request  # maria:geheim
                connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok" % (b"200 OK" if asked else b"401 No"))
        except OSError:
            continue


@pytest.fixture
def bundle(authority: Authority, server: tuple[int, Path], tmp_path: Path) -> Bundle:
    place = Server(Address("localhost", server[0]), server_authority(server[1]))
    return write_bundle(tmp_path / "out", NAME, authority.issue("stadtwerke_musterstadt", "import"), place)


def commands(bundle: Bundle, sheet: str, language: str) -> list[str]:
    assert bundle.sheets is not None
    return re.findall(rf"```{language}\n(.*?)```", (bundle.sheets / sheet).read_text(), re.DOTALL)


def run(bundle: Bundle, command: list[str], said: str = "") -> str:
    folder = bundle.certificate.parent
    result = subprocess.run(command, cwd=folder, input=said, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def test_no_password_stands_in_a_page(bundle: Bundle) -> None:
    assert bundle.sheets is not None
    assert {page.name for page in bundle.sheets.iterdir()} == set(SHEETS)
    assert not [page for page in bundle.sheets.iterdir() if bundle.password in page.read_text()]


def test_curl_connects_as_its_page_says(bundle: Bundle, neighbour: Callable[[str], str]) -> None:
    neighbour("curl")
    command = commands(bundle, "curl-openssl.md", "sh")[0].replace("--user USER", "--user maria:geheim --fail --silent")
    assert run(bundle, ["sh", "-c", command]) == "ok"


def test_openssl_connects_as_its_page_says(bundle: Bundle, neighbour: Callable[[str], str]) -> None:
    neighbour("openssl")
    assert "Verification: OK" in run(bundle, ["sh", "-c", commands(bundle, "curl-openssl.md", "sh")[1]])


def test_python_connects_as_its_page_says(bundle: Bundle) -> None:
    program = commands(bundle, "python.md", "python")[0].replace("getpass.getpass()", "'geheim'")
    assert run(bundle, [sys.executable, "-c", program], "maria\n").endswith("200\n")


def test_keytool_finds_what_javas_page_says(bundle: Bundle, neighbour: Callable[[str], str]) -> None:
    neighbour("keytool")
    key, trust = commands(bundle, "java.md", "sh")[0].splitlines()
    assert "PrivateKeyEntry" in run(bundle, ["sh", "-c", f"{key} -storepass {bundle.password}"])
    assert "trustedCertEntry" in run(bundle, ["sh", "-c", f"{trust} -storepass {bundle.password}"])


def test_a_customers_own_key_becomes_the_files_that_the_pages_name(
    bundle: Bundle, authority: Authority, neighbour: Callable[[str], str]
) -> None:
    """The commands of the page, one after the other, with the customer's own key; then the files are what the rest of it expects."""
    neighbour("keytool")
    folder, openssl = bundle.certificate.parent / "own", neighbour("openssl")
    made = authority.issue("stadtwerke_musterstadt", "batch")
    place = Server(Address("localhost", 8443), server_authority(bundle.certificate.parent.parent / "certs" / "server.pem"))
    own = write_bundle(folder, NAME, authority.issue("stadtwerke_musterstadt", "own", key=made.certificate.public_key()), place)  # type: ignore[arg-type]
    (folder / "YOUR.key").write_bytes(key_pem(made.private_key))  # type: ignore[arg-type]
    pkcs12, truststore, *_ = commands(own, "java.md", "sh")
    run(own, ["sh", "-c", pkcs12.strip() + " -passout pass:geheim"])
    run(own, ["sh", "-c", truststore.strip() + " -storepass geheim"])
    assert "BEGIN PRIVATE KEY" in run(own, [openssl, "pkcs12", "-in", f"{NAME}.p12", "-passin", "pass:geheim", "-nodes"])
    assert "trustedCertEntry" in run(own, ["keytool", "-list", "-keystore", f"{NAME}-truststore.p12", "-storepass", "geheim"])
