"""T-M11: what an authority was limited to, it is limited to: names, depth, and whatever nobody here understands.

One file of authorities, a leaf for each case, over real handshakes. Accepting what must be refused would be a bug; where we refuse
more than RFC 5280 asks for, the case says so.
"""

from ipaddress import ip_address, ip_network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku
from cryptography.x509.oid import NameOID, ObjectIdentifier

from tests.attacks.own_authority import KEY
from tests.ca.pki import DAY, NOW, Pki, make_pki, usage

ROOT = make_pki("Own Root")
DNS, URI, EMAIL = x509.DNSName, x509.UniformResourceIdentifier, x509.RFC822Name


def address(text):
    return x509.IPAddress(ip_network(text) if "/" in text else ip_address(text))


def directory(text):
    return x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]))


def limited(number, permitted=None, excluded=None, *, critical=True, above=ROOT):
    """An authority below the root, for certain names only."""
    key = ec.generate_private_key(ec.SECP256R1())
    limits = x509.NameConstraints(permitted or None, excluded or None)
    certificate = above.sign(
        key=key, ca=True, usages=None, subject=f"Limited {number}", end=NOW + 2 * DAY, path_length=0, extra=[(limits, critical)]
    )
    return Pki(certificate, key)


#: what it is about: (permitted, excluded, names of the leaf or its subject, let in)
NAMES = {
    "inside": ([DNS("customer.example")], [], [DNS("import.customer.example")], True),
    "the domain itself": ([DNS("customer.example")], [], [DNS("customer.example")], True),
    "outside": ([DNS("customer.example")], [], [DNS("import.example")], False),
    "ends alike": ([DNS("customer.example")], [], [DNS("xcustomer.example")], False),
    "one inside, one outside": ([DNS("customer.example")], [], [DNS("a.customer.example"), DNS("b.example")], False),
    "in capitals": ([DNS("customer.example")], [], [DNS("IMPORT.CUSTOMER.EXAMPLE")], True),
    "excluded": ([], [DNS("secret.example")], [DNS("a.secret.example")], False),
    "excluded, in capitals (CVE-2026-27137)": ([], [DNS("secret.example")], [DNS("A.SECRET.EXAMPLE")], False),
    "excluded, with a wildcard": ([], [DNS("secret.example")], [DNS("*.secret.example")], False),
    "excluded, others": ([], [DNS("secret.example")], [DNS("a.example")], True),
    "permitted and excluded": ([DNS("example")], [DNS("secret.example")], [DNS("a.secret.example")], False),
    "everything excluded": ([], [DNS("")], [DNS("a.example")], False),
    "name of another type": ([DNS("customer.example")], [], [URI("urn:import")], True),
    "a common name that is a host": ([DNS("customer.example")], [], "import.example", False),
    "a common name that is none": ([DNS("customer.example")], [], "import", True),
    "mail inside": ([EMAIL("customer.example")], [], [EMAIL("import@customer.example")], True),
    "mail outside": ([EMAIL("customer.example")], [], [EMAIL("import@other.example")], False),
    "mail of a subdomain": ([EMAIL("customer.example")], [], [EMAIL("import@a.customer.example")], False),
    "one address excluded": ([], [EMAIL("max@customer.example")], [EMAIL("max@customer.example")], False),
    "several mail limits (CVE-2026-33810)": (
        [EMAIL("a.example"), EMAIL("b.example")],
        [EMAIL("x@b.example")],
        [EMAIL("y@a.example"), EMAIL("x@b.example")],
        False,
    ),
    "URI inside": ([URI(".customer.example")], [], [URI("https://a.customer.example/import")], True),
    "URI outside": ([URI(".customer.example")], [], [URI("https://customer.example.evil.example/")], False),
    "URI that hides its host": ([URI(".customer.example")], [], [URI("https://evil.example/@a.customer.example")], False),
    "URI without a host": ([URI(".customer.example")], [], [URI("urn:import")], False),
    "address inside": ([address("192.0.2.0/24")], [], [address("192.0.2.7")], True),
    "address outside": ([address("192.0.2.0/24")], [], [address("198.51.100.7")], False),
    "address of the other version": ([address("192.0.2.0/24")], [], [address("::ffff:192.0.2.7")], False),
    "address excluded": ([], [address("192.0.2.0/24")], [address("192.0.2.7")], False),
    "subject inside": ([directory("import")], [], "import", True),
    "subject outside": ([directory("import")], [], "other", False),
    "subject excluded": ([], [directory("import")], "import", False),
}
LIMITED = {about: limited(number, *NAMES[about][:2]) for number, about in enumerate(NAMES)}


def leaf(authority, names=(), **changes):
    named = {"subject": names} if isinstance(names, str) else {"names": names}
    return authority.sign(key=KEY, **named, **changes)


@pytest.mark.trap("T-M11", "An authority that is limited to some names lets in nobody else's, whatever their type and spelling.")
def test_tm11_names(own, suite):
    taken, said = own.trust(ROOT, *LIMITED.values())
    assert taken, said
    found = {about: own.status(leaf(LIMITED[about], NAMES[about][2])) for about in NAMES}
    assert {about: status == 200 for about, status in found.items()} == {about: case[3] for about, case in NAMES.items()}
    assert set(found.values()) <= {200, 403, None}
    assert len(suite.seen) == sum(case[3] for case in NAMES.values())


@pytest.mark.trap(
    "T-M11", "Limits count also where they are not critical, stand in the root itself, or in an intermediate without its root."
)
def test_tm11_limits_count_wherever_they_stand(own):
    limits = x509.NameConstraints([DNS("customer.example")], None)
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    draft = Pki(make_pki("Limited Root", key).certificate, key)
    root = Pki(draft.sign(key=key, ca=True, usages=None, subject="Limited Root", end=NOW + 2 * DAY, extra=[(limits, True)]), key)
    assert root.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value == identifier
    soft = limited(101, [DNS("customer.example")], critical=False)
    inside, outside = [DNS("a.customer.example")], [DNS("a.example")]
    taken, said = own.trust(ROOT, soft, root)
    assert taken, said
    found = [own.status(leaf(authority, names)) == 200 for authority in (soft, root) for names in (inside, outside)]
    taken, said = own.trust(LIMITED["inside"])  # alone: an intermediate without its root
    assert taken, said
    found += [own.status(leaf(LIMITED["inside"], names)) == 200 for names in (inside, outside)]
    assert found == [True, False] * 3


def below(authority, subject, path_length):
    key = ec.generate_private_key(ec.SECP256R1())
    return Pki(authority.sign(key=key, ca=True, usages=None, subject=subject, end=NOW + 2 * DAY, path_length=path_length), key)


@pytest.mark.trap("T-M11", "An authority certifies no further down than its path length says.")
def test_tm11_path_length(own):
    none, one = below(ROOT, "Nobody below", 0), below(ROOT, "One below", 1)
    under_none, under_one = below(none, "Under none", 0), below(one, "Under one", 0)
    too_deep = below(under_one, "Too deep", 0)
    taken, said = own.trust(ROOT, none, one, under_one)
    assert taken, said
    found = {name: own.status(leaf(pki)) == 200 for name, pki in (("none", none), ("one", one), ("under one", under_one))}
    assert found == {"none": True, "one": True, "under one": True}
    for forbidden in (under_none, too_deep):
        taken, said = own.trust(ROOT, none, one, under_one, forbidden)
        assert taken, said
        assert own.status(leaf(forbidden)) != 200
        assert own.status(leaf(under_one)) == 200


UNKNOWN = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")
LEAVES = {
    "plain": ({}, True),
    "unknown extension": ({"extra": [(UNKNOWN, False)]}, True),
    "unknown critical extension": ({"extra": [(UNKNOWN, True)]}, False),
    "policy constraints that ask for a policy": ({"extra": [(x509.PolicyConstraints(0, 0), True)]}, False),
    "a key that may not sign": ({"key_usage": usage(key_encipherment=True)}, False),
    "a key that may sign certificates": ({"key_usage": usage(digital_signature=True, key_cert_sign=True)}, False),
    "for any purpose": ({"usages": [Eku.ANY_EXTENDED_KEY_USAGE]}, False),  # RFC 5280 would let it in (T-M9)
    "without a purpose": ({"usages": None}, False),  # so would it here
    "for servers": ({"usages": [Eku.SERVER_AUTH]}, False),
    "signed by somebody else": ({"signer": ec.generate_private_key(ec.SECP256R1())}, False),
    "not linked to its authority": ({"linked": False}, False),  # strict verification asks for the identifier
}


@pytest.mark.trap(
    "T-M11", "A critical extension that nobody here understands refuses the certificate, and so does whatever limits its use."
)
def test_tm11_extensions(own):
    taken, said = own.trust(ROOT)
    assert taken, said
    found = {about: own.status(leaf(ROOT, **changes)) == 200 for about, (changes, _) in LEAVES.items()}
    assert found == {about: good for about, (_, good) in LEAVES.items()}


@pytest.mark.trap("T-M11", "A revocation list counts only if its authority signed it and may sign lists; a partial one is none.")
@pytest.mark.parametrize("forged", ["not allowed to", "another key", "delta", "unknown and critical"])
def test_tm11_revocation_lists(own, forged):
    key = ec.generate_private_key(ec.SECP256R1())
    silent = Pki(ROOT.sign(key=key, ca=True, usages=None, subject="Silent", key_usage=usage(key_cert_sign=True), end=NOW + 2 * DAY), key)
    stranger = Pki(ROOT.certificate, key)
    files, crl = {
        "not allowed to": ((ROOT, silent), ROOT.crl() + silent.crl()),
        "another key": ((ROOT,), stranger.crl()),
        "delta": ((ROOT,), ROOT.crl(extra=[(x509.DeltaCRLIndicator(1), True)])),
        "unknown and critical": ((ROOT,), ROOT.crl(extra=[(UNKNOWN, True)])),
    }[forged]
    good = leaf(ROOT)
    assert own.trust(ROOT, crl=ROOT.crl())[0]
    assert own.status(good) == 200
    taken, said = own.trust(*files, crl=crl, more="without_crl: accept")
    assert (taken, "own.crl" in said) == (False, True), said
    assert own.status(good) == 200, "the last good files count"
