"""``cert issue|renew|list|revoke``: portable files, never overwritten, and the operator knows exactly which ones there are."""

import json
import re
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12

from tests.ca.signing import request as signing_request
from tests.ca.signing import write

OURS = "stadtwerke_musterstadt"
TRUST = {"truststore", "server_authority", "server_authority_missing", "sheets"}
PBE_SHA1_3DES = bytes.fromhex("2a864886f70d010c0103")  # RFC 7292, appendix C


def issue(on, out, label="import-job", *words):
    return on("cert", "issue", OURS, label, "--out", out, "--json", *words, operator=True)


def test_issued_listed_revoked(on, tmp_path):
    files = json.loads(issue(on, tmp_path / "new").out)
    assert set(files) == {"certificate", "private_key", "pkcs12", "pkcs12_password", "serial", *TRUST}
    assert (files["server_authority_missing"], Path(files["sheets"]).is_dir()) == (None, True)
    modes = {name: Path(files[name]).stat().st_mode & 0o777 for name in ("certificate", "private_key", "pkcs12")}
    assert modes == {"certificate": 0o644, "private_key": 0o600, "pkcs12": 0o600}
    ssl.create_default_context().load_cert_chain(files["certificate"], files["private_key"])
    (listed,) = json.loads(on("cert", "list", OURS, "--json").out)
    assert (listed["serial"], listed["label"], listed["revoked"]) == (files["serial"], "import-job", None)
    revoked = on("cert", "revoke", OURS, listed["serial"], "--json")
    assert json.loads(revoked.out) == {"serial": listed["serial"], "revoked": True}
    assert json.loads(on("cert", "list", OURS, "--json").out)[0]["revoked"]
    assert on("cert", "revoke", OURS, listed["serial"]).code == 0  # said twice is no failure: the answer is still yes


def test_tables_for_people(on, tmp_path):
    issued = on("cert", "issue", OURS, "import-job", "--out", tmp_path / "new", operator=True)
    assert "pkcs12 password" in issued.out
    assert "import-job" in on("cert", "list", OURS).out


def test_nothing_is_overwritten_and_nothing_stands_in_the_ledger_for_it(on, tmp_path):
    assert issue(on, tmp_path).code == 0
    again = issue(on, tmp_path)
    assert (again.code, again.out) == (78, "")
    assert again.err.count("is never overwritten") == 6
    assert len(json.loads(on("cert", "list", OURS, "--json").out)) == 1


@pytest.mark.parametrize("label", ["../draussen", "a b", "", "x" * 65, "\u202etxt"])
def test_a_label_becomes_a_file_name(on, tmp_path, label):
    refused = issue(on, tmp_path / "new", label)
    assert refused.code == 78
    assert "Traceback" not in refused.err
    assert json.loads(on("cert", "list", OURS, "--json").out) == []


def test_a_folder_that_cannot_be_written_is_said(on, tmp_path):
    (tmp_path / "file").write_text("")
    refused = issue(on, tmp_path / "file" / "below")
    assert refused.code == 1
    assert "gateway: " in refused.err
    assert json.loads(on("cert", "list", OURS, "--json").out) == []


def listed(on, *customer):
    return {row["serial"]: row for row in json.loads(on("cert", "list", *customer, "--json").out)}


def serial_of(file):
    return f"{x509.load_pem_x509_certificate(Path(file).read_bytes()).serial_number:x}"


def test_a_renewed_certificate_has_a_successor_and_both_count(on, tmp_path):
    old = serial_of(json.loads(issue(on, tmp_path / "old", "import-job", "--days", "20").out)["certificate"])
    assert (listed(on)[old]["status"], listed(on)[old]["warning"], listed(on)[old]["days_left"]) == ("expiring", True, 19)
    renewed = json.loads(on("cert", "renew", OURS, old, "--out", tmp_path / "new", "--json", operator=True).out)
    new = serial_of(renewed["certificate"])
    both = listed(on)
    assert (both[old]["status"], both[old]["renewed_by"], both[old]["warning"], both[old]["revoked"]) == ("renewed", new, False, None)
    assert (both[new]["label"], both[new]["status"], both[new]["renewed_by"]) == ("import-job", "valid", None)
    assert Path(renewed["private_key"]).read_text() != (tmp_path / "old" / Path(renewed["private_key"]).name).read_text()
    on("cert", "revoke", OURS, new)
    assert listed(on)[old]["status"] == "expiring"


def test_a_revoked_or_unknown_one_is_not_renewed(on, tmp_path):
    serial = serial_of(json.loads(issue(on, tmp_path / "old").out)["certificate"])
    on("cert", "revoke", OURS, serial)
    for renewed, said in ((serial, "was revoked"), ("0123", "gateway cert list")):
        refused = on("cert", "renew", OURS, renewed, "--out", tmp_path / "new", operator=True)
        assert (refused.code, said in refused.err) == (1, True)
    assert not (tmp_path / "new").exists()


def test_a_customers_own_key_stays_with_the_customer(on, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    request = write(tmp_path, signing_request(key=key))
    files = json.loads(issue(on, tmp_path / "new", "import-job", "--csr", request).out)
    assert {name for name, value in files.items() if value} == {"certificate", "server_authority", "sheets", "serial"}
    assert x509.load_pem_x509_certificate(Path(files["certificate"]).read_bytes()).public_key() == key.public_key()
    renewed = on("cert", "renew", OURS, serial_of(files["certificate"]), "--csr", request, "--out", tmp_path / "next", operator=True)
    assert (renewed.code, "pkcs12" in renewed.out) == (0, False)


def test_a_refused_request_is_a_mistake_in_a_file(on, tmp_path):
    request = write(tmp_path, signing_request(x509.BasicConstraints(True, None)))
    refused = issue(on, tmp_path / "new", "import-job", "--csr", request)
    assert refused.code == 78
    assert refused.err.startswith(f"{request}: the signing request is refused: it asks for the rights of an authority")
    assert listed(on) == {}


def test_rsa_and_old_windows(on, tmp_path):
    files = json.loads(issue(on, tmp_path / "new", "import-job", "--key-type", "rsa", "--legacy").out)
    store = Path(files["pkcs12"]).read_bytes()
    assert PBE_SHA1_3DES in store
    opened = pkcs12.load_pkcs12(store, files["pkcs12_password"].encode())
    assert opened.key.key_size == 3072


def test_why_there_is_no_truststore_is_said(on, folder, tmp_path):
    server = folder.path / "certs" / "server.pem"
    server.write_text(server.read_text().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n")
    (folder.path / "certs" / "server-ca.pem").unlink()
    said = on("cert", "issue", OURS, "import-job", "--out", tmp_path / "new", operator=True)
    assert (said.code, f"No truststore was written: {server} names no authority" in said.out) == (0, True)


def test_without_a_name_all_customers_are_listed_and_people_are_warned(on, tmp_path):
    issue(on, tmp_path / "new", "import-job", "--days", "7")
    said = on("cert", "list")
    assert "expires in 6 days" in said.out
    assert "1 to be renewed within 30 days" in said.out
    assert said.code == 0
    assert {row["customer"] for row in listed(on).values()} == {OURS}


def test_the_warning_is_yellow_on_a_terminal(on, tmp_path, monkeypatch):
    issue(on, tmp_path / "new", "import-job", "--days", "7")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert re.search("\x1b\\[33m *expires in 6 days", on("cert", "list").out)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("cert", "list", "nobody"), 78, "there is no such customer"),
        (("cert", "revoke", "nobody", "1"), 78, "there is no such customer"),
        (("cert", "revoke", OURS, "0123"), 1, "gateway cert list"),
        (("cert", "issue", OURS, "x", "--days", "9999"), 2, "--days"),
        (("cert", "issue", OURS, "x", "--key-type", "dsa"), 2, "--key-type"),
        (("cert", "issue", OURS, "x", "--csr", "r.csr", "--key-type", "rsa"), 2, "brings its own key"),
        (("cert", "renew", "nobody", "1", "--csr", "r.csr", "--legacy"), 2, "brings its own key"),
    ],
)
def test_mistakes_are_said(on, words, code, said):
    refused = on(*words)
    assert (refused.code, said in refused.err) == (code, True), refused.err
