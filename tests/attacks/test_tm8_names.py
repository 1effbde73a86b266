"""T-M8: a name counts only as what it is. ``only`` names one type; the same text as another type, or as a common name, is nobody."""

import hashlib
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from tests.attacks.own_authority import KEY
from tests.ca.pki import make_pki

PKI = make_pki("Own Root")
NAME, MAIL, URN = "import.customer.example", "import@customer.example", "urn:customer:import"
NAMES = {
    "dns": x509.DNSName(NAME),
    "uri": x509.UniformResourceIdentifier(URN),
    "email": x509.RFC822Name(MAIL),
}
#: The same texts as other types than they are; IA5 texts may hold whatever an authority signs.
DISGUISES = {
    "a host as URI": x509.UniformResourceIdentifier(NAME),
    "a host as mail address": x509.RFC822Name(NAME),
    "a URI as host": x509.DNSName(URN),
    "a URI as mail address": x509.RFC822Name(URN),
    "a mail address as host": x509.DNSName(MAIL),
    "a mail address as URI": x509.UniformResourceIdentifier(MAIL),
    "an address": x509.IPAddress(ip_address("127.0.0.1")),
    "an other name": x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x17" + NAME.encode()),
    "a directory name": x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])),
    "a host above": x509.DNSName("customer.example"),
    "a host below": x509.DNSName(f"a.{NAME}"),
    "a wildcard": x509.DNSName("*.customer.example"),
    "a host with NUL": x509.DNSName(f"{NAME}\0.evil.example"),
    "a host with a dot": x509.DNSName(f"{NAME}."),
}


@pytest.mark.trap("T-M8", "A customer's own certificates count by the type of name that the policy says, and by no other that looks alike.")
@pytest.mark.parametrize("kind", NAMES)
def test_tm8_only_the_type_that_the_policy_names(own, suite, kind):
    text = {"dns": NAME, "uri": URN, "email": MAIL}[kind]
    taken, said = own.trust(PKI, more=f'only: [{{{kind}: "{text}"}}]')
    assert taken, said
    others = {other: name for other, name in NAMES.items() if other != kind} | DISGUISES
    found = {about: own.status(PKI.sign(key=KEY, names=[name])) for about, name in others.items()}
    found["common name"] = own.status(PKI.sign(key=KEY, subject=text))
    assert {about for about, status in found.items() if status == 200} == set(), found
    assert suite.seen == []
    assert own.status(PKI.sign(key=KEY, names=[*DISGUISES.values(), NAMES[kind]][-2:])) == 200


def of_key(key):
    plain = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(plain).hexdigest()


MINE, OTHER = PKI.sign(key=KEY, subject="import"), PKI.sign(key=KEY, subject="import 2")  # two certificates of one key
HASHES = {
    "a certificate": ("sha256", MINE.fingerprint(hashes.SHA256()).hex(":").upper(), [True, False]),
    "its key": ("spki", of_key(KEY).upper(), [True, True]),
    "another key": ("spki", of_key(PKI.key), [False, False]),
    "a key's hash as a certificate's": ("sha256", of_key(KEY), [False, False]),
    "a subject": ("subject", "CN=import", [True, False]),
}


@pytest.mark.trap("T-M8", "By hash or subject exactly the named certificate, key or subject is let in.")
@pytest.mark.parametrize("about", HASHES)
def test_tm8_hashes_and_subjects(own, about):
    kind, text, expected = HASHES[about]
    taken, said = own.trust(PKI, more=f'only: [{{{kind}: "{text}"}}]')
    assert taken, said
    assert [own.status(certificate) == 200 for certificate in (MINE, OTHER)] == expected


@pytest.mark.trap("T-M8", "Of an entry with several names every one must fit.")
def test_tm8_every_member_of_an_entry_counts(own):
    taken, said = own.trust(PKI, more=f'only: [{{dns: {NAME}, uri: "{URN}"}}]')
    assert taken, said
    found = [
        own.status(PKI.sign(key=KEY, names=names)) == 200
        for names in ([NAMES["dns"]], [NAMES["uri"]], [NAMES["dns"], NAMES["uri"]], [NAMES["uri"], NAMES["dns"], NAMES["email"]])
    ]
    assert found == [False, False, True, True]
