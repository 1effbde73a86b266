"""A customer's name in every place of a certificate where somebody once read one: only the one URI counts."""

import ipaddress

import pytest
from cryptography import x509
from cryptography.x509.oid import ObjectIdentifier

from gateway.ca.authority import CUSTOMER_URI
from gateway.demo.story import OTHER, OURS
from tests.attacks.forged import values
from tests.attacks.forger import Forger, show, uri_of

URN = CUSTOMER_URI + OURS
DIRECTORY = x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, OURS)]))
OTHER_NAME = x509.OtherName(ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c" + bytes([len(URN)]) + URN.encode())  # as Active Directory's

#: Beside the right URI: changes nothing.
BESIDE = {
    "e-mail": [x509.RFC822Name(f"{OURS}@pii-gateway")],
    "DNS": [x509.DNSName(URN)],
    "DNS, plain": [x509.DNSName(OURS.replace("_", "-"))],
    "IP": [x509.IPAddress(ipaddress.ip_address("127.0.0.2"))],
    "otherName": [OTHER_NAME],
    "directory name": [DIRECTORY],
    "registered id": [x509.RegisteredID(ObjectIdentifier("1.2.3.4"))],
}
#: Of our own authority, and no customer.
NOBODY = {
    "no name": [],
    "another customer's URI": [uri_of(OURS)],
    "both URIs": [uri_of(OTHER), uri_of(OURS)],
    "both, the other way round": [uri_of(OURS), uri_of(OTHER)],
    "upper case": [x509.UniformResourceIdentifier((CUSTOMER_URI + OTHER).upper())],
    "with a path": [x509.UniformResourceIdentifier(CUSTOMER_URI + OTHER + "/x")],
    "with a blank": [x509.UniformResourceIdentifier(CUSTOMER_URI + OTHER + " ")],
    "with NUL": [x509.UniformResourceIdentifier(CUSTOMER_URI + OTHER + "\0." + OURS)],
    "percent-encoded": [x509.UniformResourceIdentifier(CUSTOMER_URI + OTHER.replace("_", "%5F"))],
    "another scheme": [x509.UniformResourceIdentifier(f"https://pii-gateway/customer/{OTHER}")],
    "URI as DNS": [x509.DNSName(CUSTOMER_URI + OTHER)],
    "URI as e-mail": [x509.RFC822Name(f"{OTHER}@pii-gateway")],
    "URI as otherName": [x509.OtherName(ObjectIdentifier("1.2.3"), b"\x0c\x01x")],
    "IP of the customer": [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))],
    "directory name": [x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, OTHER)]))],
}


@pytest.fixture(scope="module")
def shown(environment, tmp_path_factory):
    """All of them signed and in the ledger; the gateway reads it within a second."""
    forger = Forger(environment, tmp_path_factory.mktemp("names"))
    named = {("beside", case): [uri_of(OTHER), *names] for case, names in BESIDE.items()} | {
        ("nobody", case): names for case, names in NOBODY.items()
    }
    signed = {case: forger.sign(names=names, subject=OURS) for case, names in named.items()}
    return {case: forger.files(*pair, forger.authority.certificate) for case, pair in signed.items()}


@pytest.mark.trap(
    "T-M8", "Names of other types beside the customer's URI, and any common name, change nothing: the URI's customer is let in."
)
@pytest.mark.parametrize("case", BESIDE)
def test_tm8_other_types_beside_it(attacker, suite, shown, case, eventually):
    eventually(lambda: show(attacker, shown["beside", case]) == 200)
    assert values(suite.seen[-1], b"Gateway-Customer") == [OTHER.encode()]


@pytest.mark.trap("T-M8", "Without exactly one URI of the customer whose authority signed, nobody is let in, whatever other names say.")
@pytest.mark.parametrize("case", NOBODY)
def test_tm8_nobody(attacker, suite, shown, case, eventually):
    eventually(lambda: show(attacker, shown["beside", "DNS"]) == 200)
    suite.reset()
    assert show(attacker, shown["nobody", case]) in (403, None)
    assert suite.seen == []
