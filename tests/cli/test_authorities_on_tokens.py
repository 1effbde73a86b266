"""A customer whose authority's key lies on a token, its whole life long, as an operator types it."""

import json
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.ca.crl import read
from gateway.errors import Refused
from gateway.runtime.cipher_process import CipherRole
from gateway.runtime.snapshot import build_snapshot
from tests.ca.softhsm import token
from tests.cli.conftest import CUSTOMER, PASSPHRASE

__all__ = ["token"]
NEW = "energie_nord"


@pytest.fixture
def on_token(on, folder, token):
    uri = f"pkcs11:token=Tresor%20im%20Keller?module-path={token.module}&pin-source=file:{token.pin_file}"
    folder.config_file.write_text(folder.config_file.read_text() + f'\nauthority_keys: "{uri}"\n')
    wishes = ("--upstream", "http://127.0.0.1:9/nord", "--network", "198.51.100.0/24", "--user", "jens:dispatcher")
    added = on("customer", "add", NEW, *wishes, operator=True)
    assert added.code == 0, added.err
    return on


def identified(folder, certificate):
    return build_snapshot(folder.config).trust.identify(certificate.public_bytes(Encoding.DER), time.time()).customer


def test_a_whole_life(on_token, folder, tmp_path):
    files = json.loads(on_token("cert", "issue", NEW, "import", "--out", tmp_path / "out", "--json", operator=True).out)
    certificate = x509.load_pem_x509_certificate(Path(files["certificate"]).read_bytes())
    assert not (folder.config.authority_dir(NEW) / "ca.key").exists()
    assert identified(folder, certificate) == NEW
    serial = f"{certificate.serial_number:x}"
    assert on_token("cert", "renew", NEW, serial, "--out", tmp_path / "next", operator=True).code == 0
    assert on_token("cert", "revoke", NEW, serial).code == 0  # neither token nor passphrase are needed to take something back
    with pytest.raises(Refused, match="certificate-revoked"):
        identified(folder, certificate)
    role = CipherRole(folder.config, folder.config_file, PASSPHRASE.encode())
    role.crls.look(time.time())
    role.service.close()
    assert [f"{entry.serial_number:x}" for entry in read(folder.config.authority_dir(NEW))] == [serial]
    assert read(folder.config.authority_dir(CUSTOMER)) is not None  # whose key is in a file, beside it


def test_while_the_token_is_away_nothing_is_issued_and_revocation_bites(on_token, folder, token, tmp_path):
    issued = json.loads(on_token("cert", "issue", NEW, "import", "--out", tmp_path / "out", "--json", operator=True).out)
    certificate = x509.load_pem_x509_certificate(Path(issued["certificate"]).read_bytes())
    folder.config_file.write_text(folder.config_file.read_text().replace("Tresor%20im%20Keller", "away"))
    refused = on_token("cert", "issue", NEW, "batch", "--out", tmp_path / "out", operator=True)
    assert (refused.code, "knows no token of that name" in refused.err) == (78, True)
    assert on_token("cert", "revoke", NEW, f"{certificate.serial_number:x}").code == 0
    with pytest.raises(Refused, match="certificate-revoked"):
        identified(folder, certificate)


def test_a_customer_that_could_not_be_added_leaves_no_key_on_the_token(on_token, token):
    import pkcs11

    def keys():
        with pkcs11.lib(str(token.module)).get_token(token_label=token.token).open() as session:
            return len(list(session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PUBLIC_KEY})))

    before = keys()
    wishes = ("--upstream", "ftp://127.0.0.1", "--network", "198.51.100.0/24", "--user", "jens:dispatcher")
    assert on_token("customer", "add", "kaputt", *wishes, operator=True).code == 78
    assert keys() == before
