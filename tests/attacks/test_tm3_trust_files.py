"""T-M3: a customer's trust file that is missing or damaged. Elsewhere servers then trusted the system's roots, or everybody.

Here the gateway does not start, and one that runs goes on with the last good file.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from gateway.ca.apart import system_roots
from tests.attacks.own_authority import KEY, PLAIN
from tests.ca.pki import DAY, NOW, Pki, make_pki
from tests.cli.conftest import folder, made, run

__all__ = ["folder", "made", "run"]
PKI = make_pki("Own Root")
GOOD = PKI.sign(key=KEY)


def odd_intermediate():
    key = ec.generate_private_key(ec.SECP256R1())
    unknown = [(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]
    return Pki(PKI.sign(key=key, ca=True, usages=None, subject="Odd", end=NOW + 2 * DAY, extra=unknown), key).pem


BAD = {
    "missing": (None, "cannot be read (No such file or directory)"),
    "empty": (b"", "is empty"),
    "blank": (b" \n", "is empty"),
    "garbage": (b"Max Mustermann", "neither PEM nor DER"),
    "a page": (b"<html><title>404</title></html>", "neither PEM nor DER"),
    "truncated": (PKI.pem[:-30], "cut off"),
    "truncated in the second": (PKI.pem + make_pki("Second").pem[:200], "cut off"),
    "truncated DER": (PKI.certificate.public_bytes(serialization.Encoding.DER)[:-5], "cannot be read as a certificate"),
    "one bit is wrong": (PKI.pem.replace(b"M", b"!", 1), "not base64"),
    "expired": (make_pki("Old", end=NOW - DAY).pem, "expired"),
    "not valid yet": (make_pki("New", begin=NOW + DAY).pem, "not valid yet"),
    "no authority": (PKI.sign().public_bytes(serialization.Encoding.PEM), "may not sign certificates"),
    "one of them is none": (PKI.pem + PKI.sign().public_bytes(serialization.Encoding.PEM), "may not sign certificates"),
    "for servers only": (make_pki("Servers", usages=[ExtendedKeyUsageOID.SERVER_AUTH]).pem, "of clients"),
    "weak key": (make_pki("Weak", rsa.generate_private_key(65537, 1024)).pem, "RSA key"),
    "with its private key": (PKI.pem + PKI.key.private_bytes(*PLAIN), "only CERTIFICATE blocks belong here"),
    "unknown critical extension": (PKI.pem + odd_intermediate(), "strict verification"),
    "a revocation list": (PKI.crl(), "only CERTIFICATE blocks belong here"),
}


def own_file(folder, content):
    file = folder.path / "certs" / "own-ca.pem"
    if content is not None:
        file.write_bytes(content)
    folder.policy().write_text(folder.policy().read_text().replace("{authority: gateway}", "{file: certs/own-ca.pem}"))
    return file


@pytest.mark.trap("T-M3", "A file of a customer's authorities that is not whole and sound is a mistake with its place: exit code 78.")
@pytest.mark.parametrize("kind", BAD)
def test_tm3_a_bad_file_stops_the_check_that_every_start_makes(run, folder, kind):
    content, said = BAD[kind]
    file = own_file(folder, content)
    for words in (("check",), ("serve", "--role", "proxy")):
        refused = run(*words, "--config", folder.config_file)
        assert refused.code == 78, refused.err
        assert f"{file}" in refused.err and said in refused.err
        assert "Mustermann" not in refused.err


@pytest.mark.trap("T-M3", "With such a file the gateway does not start, and nothing listens.")
@pytest.mark.parametrize("kind", ["missing", "unreadable"])
def test_tm3_the_gateway_does_not_start(folder, kind):
    file = own_file(folder, None if kind == "missing" else b"")
    if kind == "unreadable":
        file.unlink()
        file.mkdir()  # root reads every file, whatever its mode
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder.config_file.write_text(folder.config_file.read_text().replace("0.0.0.0:8443", f"127.0.0.1:{port}"))
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(folder.config_file)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    ended = subprocess.run(
        [*command, "--passphrase-file", str(folder.passphrase_file)], env=environment, capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stdout) == (78, ""), ended.stderr
    assert str(file) in ended.stderr
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)


@pytest.mark.trap("T-M3", "A running gateway that finds such a file goes on with the last good one, and lets in nobody else.")
def test_tm3_a_running_gateway_goes_on_with_the_last_good_file(own):
    strangers = [make_pki("Own Root").sign(key=KEY), make_pki("Second").sign(key=KEY)]
    taken, said = own.trust(PKI)
    assert taken, said
    line = own._attacker.connect(context=own.context(GOOD))
    for kind, (content, expected) in BAD.items():
        if content is None:
            own.file.unlink()
        else:
            own.file.write_bytes(content)
        taken, said = own.reload()
        assert (taken, expected in said) == (False, True), (kind, said)
        assert own.status(GOOD, line) == 200, kind
    assert own.status(GOOD) == 200
    assert [own.status(stranger) == 200 for stranger in strangers] == [False, False]
    own.file.write_bytes(PKI.pem)
    assert own.reload()[0]
    assert own.status(GOOD, line) == 200


@pytest.mark.trap("T-M3", "The system's own roots are no customer's, unless the policy names one of them and says whom it means.")
def test_tm3_the_systems_roots_are_nobodys(run, folder):
    roots = [root for named in system_roots().values() for root in named][:20]
    told = set()
    for root in roots:
        own_file(folder, root.public_bytes(serialization.Encoding.PEM))
        checked = run("check", "--config", folder.config_file)
        assert checked.code == 78, root.subject
        told.add("name the customer's under 'only'" in checked.err)  # some are unsuitable all the same
        if told == {True}:
            break
    assert (True in told) == bool(roots)
    if roots:
        policy = folder.policy().read_text()
        folder.policy().write_text(policy.replace("{file: certs/own-ca.pem}", "{file: certs/own-ca.pem, only: [{dns: import.example}]}"))
        assert run("check", "--config", folder.config_file).code == 0
