"""C-10: Python 3.13 verifies strictly by default, and so do others: whatever we issue holds for a verifier that forgives nothing."""

import shutil
import ssl
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.ca.crl import publish
from gateway.runtime.certificates import Wishes, issue_certificate, open_authority
from gateway.runtime.keys import open_operator_key
from tests.ca.handshake import handshake
from tests.ca.signing import request, write
from tests.cli.conftest import CUSTOMER, PASSPHRASE, made

__all__ = ["made"]
X509_STRICT = 0x20
VERIFIED = [
    *((leaf, "authority", "sslclient") for leaf in ("ec", "rsa", "csr")),
    ("server", "server-authority", "sslserver"),
    ("authority", "authority", "any"),
    ("server-authority", "server-authority", "any"),
]


@pytest.fixture(scope="module")
def files(made, tmp_path_factory):
    """Client certificates of every kind, and all authorities, by name."""
    folder = replace(made, path=Path(shutil.copytree(made.path, tmp_path_factory.mktemp("strict") / "gateway")))
    config, operator, out = folder.config, open_operator_key(folder.config, PASSPHRASE.encode()), folder.path / "out"
    found = {"authority": config.authority_dir(CUSTOMER) / "ca.pem", "crl": config.authority_dir(CUSTOMER) / "crl.pem"}
    found |= {"server": config.certificate, "server-authority": config.certificate.parent / "server-ca.pem", "key": config.private_key}
    for label, wishes in (("ec", Wishes()), ("rsa", Wishes(key_type="rsa")), ("csr", Wishes(csr=write(folder.path, request())))):
        bundle = issue_certificate(config, operator, CUSTOMER, label, out, wishes)
        found |= {label: bundle.certificate, f"{label}-key": bundle.private_key}
    publish(open_authority(config, operator, CUSTOMER), time.time())
    return found


@pytest.mark.trap(
    "C-10", "OpenSSL's strict verification takes every certificate that we issue, with the revocation list, and the server's."
)
@pytest.mark.parametrize(("leaf", "authority", "purpose"), VERIFIED)
def test_openssl(files, neighbour, leaf, authority, purpose):
    checked = ("-crl_check", "-CRLfile", files["crl"]) if purpose == "sslclient" else ()
    command = [neighbour("openssl"), "verify", "-x509_strict", "-purpose", purpose, *checked, "-CAfile", files[authority], files[leaf]]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.trap("C-10", "A handshake in which both sides verify strictly succeeds, as with Python 3.13's defaults.")
@pytest.mark.parametrize("leaf", ["ec", "rsa"])
def test_handshake(files, leaf):
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.load_cert_chain(files["server"], files["key"])
    client.load_cert_chain(files[leaf], files[f"{leaf}-key"])
    server.load_verify_locations(files["authority"])
    client.load_verify_locations(files["server-authority"])
    server.verify_mode = ssl.CERT_REQUIRED
    for context in (server, client):
        context.verify_flags |= ssl.VerifyFlags(X509_STRICT)
    handshake(server, client, "gateway.example")
