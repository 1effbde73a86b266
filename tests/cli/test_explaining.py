"""``explain``: the answer, its reason, and the exit code that a script can ask."""

import json

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.ca.ledger import record_revocation
from gateway.runtime.certificates import open_authority
from gateway.runtime.keys import open_operator_key
from tests.ca.pki import make_pki
from tests.cli.conftest import CUSTOMER, PASSPHRASE

INSIDE, OUTSIDE = "192.0.2.7", "198.51.100.1"


@pytest.fixture
def issued(folder, tmp_path):
    """A certificate of the customer's, as a file, and its ledger."""
    authority = open_authority(folder.config, open_operator_key(folder.config, PASSPHRASE.encode()), CUSTOMER)
    one = authority.issue(CUSTOMER, "import")
    file = tmp_path / "import.pem"
    file.write_bytes(one.certificate.public_bytes(Encoding.PEM))
    return file, one, authority


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--address", INSIDE), 0, f"let in: TLS is offered; with the right certificate and password it counts as inside for {CUSTOMER}"),
        (("--address", f"::ffff:{INSIDE}", "--customer", CUSTOMER), 0, f"let in: {INSIDE} lies in 192.0.2.0/24, which is {CUSTOMER}'s ("),
        (("--address", OUTSIDE), 1, "kept out: the connection is closed before TLS: the address lies in no customer's networks"),
        (("--address", "2002:c000:207::1"), 1, "192.0.2.7, which the address carries, would lie in 192.0.2.0/24, but does not count"),
    ],
)
def test_an_address(on, words, code, said):
    explained = on("explain", *words)
    assert explained.code == code, explained.err
    assert said in explained.out
    told = json.loads(on("explain", "--json", *words).out)
    assert told["admitted"] is (code == 0)
    assert [one["customer"] for one in told["address"]["customers"]] == [CUSTOMER]


def test_a_load_balancer(on, folder):
    text = folder.config_file.read_text().replace("proxy_protocol: []", "proxy_protocol: [198.51.100.0/28]")
    folder.config_file.write_text(text if "198.51.100.0/28" in text else f"{text}proxy_protocol: [198.51.100.0/28]\n")
    explained = on("explain", "--address", OUTSIDE)
    assert explained.code == 1
    assert "a load balancer: it lies in 198.51.100.0/28" in explained.out


def test_a_certificate_and_both_together(on, issued):
    file, one, authority = issued
    assert on("explain", "--certificate", file).code == 0
    told = json.loads(on("explain", "--json", "--certificate", file, "--address", INSIDE).out)
    assert (told["admitted"], told["certificate"]["customer"]) == (True, CUSTOMER)
    assert ["sha256", one.fingerprint] in told["certificate"]["named_by"]
    apart = on("explain", "--certificate", file, "--address", OUTSIDE)
    assert (apart.code, "kept out: the connection is closed before TLS" in apart.out) == (1, True)
    record_revocation(authority.ledger_path, one.serial)
    revoked = on("explain", "--certificate", file, "--address", INSIDE)
    assert (revoked.code, "(certificate-revoked)" in revoked.out) == (1, True)


def test_a_strangers_certificate(on, tmp_path):
    file = tmp_path / "stranger.der"
    file.write_bytes(make_pki("Stranger").leaf())
    explained = on("explain", "--certificate", file)
    assert (explained.code, "(certificate-unknown)" in explained.out) == (1, True)
    assert "Authorities of its issuer's name: none" in explained.out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "give --address, --certificate, or both"),
        (("--address", "10.1"), 2, "'10.1' is not an address: write all four numbers"),
        (("--address", INSIDE, "--customer", "nobody"), 2, f"there is no customer 'nobody'; known are: {CUSTOMER}"),
        (("--certificate", "absent.pem"), 78, "absent.pem: cannot be read"),
    ],
)
def test_what_cannot_be_asked(on, words, code, said):
    explained = on("explain", *words)
    assert (explained.code, said in explained.err) == (code, True), explained.err


def test_a_certificate_of_another_customer(on, issued, folder):
    other = (
        folder.policy()
        .read_text()
        .replace(CUSTOMER, "energie_nord")
        .replace("/musterstadt", "/nord")
        .replace("192.0.2.0/24", "198.51.100.0/24")
    )
    (folder.path / "certs" / "own-ca.pem").write_bytes(make_pki().pem)
    folder.policy("energie_nord").write_text(other.replace("{authority: gateway}", "{file: certs/own-ca.pem}"))
    file, _, _ = issued
    explained = on("explain", "--certificate", file, "--customer", "energie_nord")
    assert (explained.code, f"it is a certificate of {CUSTOMER}, and not of energie_nord" in explained.out) == (1, True)
    foreign = on("explain", "--certificate", file, "--address", OUTSIDE)
    assert (foreign.code, "(network-foreign)" in foreign.out) == (1, True)
