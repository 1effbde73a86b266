"""Certificates that a customer's authority signed, in the ledger, and made for something else than being a client."""

import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku

from gateway.demo.story import OTHER
from tests.attacks.forger import Forger, show, uri_of
from tests.ca.pki import Pki, make_pki, usage

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
FOR_CLIENTS = (Eku.CLIENT_AUTH,)

FLAWS = {
    "for servers": {"usages": (Eku.SERVER_AUTH,)},
    "for e-mail": {"usages": (Eku.EMAIL_PROTECTION,)},
    "for code": {"usages": (Eku.CODE_SIGNING,)},
    "for OCSP": {"usages": (Eku.OCSP_SIGNING,)},
    "for time stamps": {"usages": (Eku.TIME_STAMPING,)},
    "for anything": {"usages": (Eku.ANY_EXTENDED_KEY_USAGE,)},
    "for a purpose that nobody knows": {"usages": (x509.ObjectIdentifier("1.2.3.4.5"),)},
    "for no stated purpose": {"usages": None},
    "an authority": {"ca": True},
    "an authority for clients": {"ca": True, "usages": FOR_CLIENTS, "key_usage": usage(key_cert_sign=True, digital_signature=True)},
    "may sign certificates": {"key_usage": usage(digital_signature=True, key_cert_sign=True)},
    "may not sign": {"key_usage": usage(key_encipherment=True)},
    "only for agreement": {"key_usage": usage(key_agreement=True)},
    "a critical extension that nobody knows": {
        "extra": [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]
    },
}


@pytest.fixture(scope="module")
def forger(environment, tmp_path_factory):
    return Forger(environment, tmp_path_factory.mktemp("nested"))


@pytest.fixture(scope="module")
def good(forger):
    return forger.files(*forger.sign(), forger.authority.certificate)


@pytest.fixture(scope="module")
def flawed(forger):
    return {case: forger.files(*forger.sign(**flaw), forger.authority.certificate) for case, flaw in FLAWS.items()}


def below(forger, issuer, issuer_key):
    """A leaf that a customer's certificate signed, with the name of the customer, and in the ledger for good measure."""
    pki = Pki(issuer, issuer_key)
    certificate, key = forger.sign(pki=pki)
    return forger.files(certificate, key, issuer, forger.authority.certificate)


CHAINS = {
    "below a client's certificate": lambda forger: below(forger, *forger.sign()),
    "below an intermediate of the authority": lambda forger: below(forger, *forger.sign(ca=True, usages=None)),
    "below a certificate for servers": lambda forger: below(forger, *forger.sign(usages=(Eku.SERVER_AUTH,))),
    "the authority itself": lambda forger: forger.files(forger.authority.certificate, forger.authority.private_key),
    "signed by itself, with our name": lambda forger: self_signed(forger),
    "of an authority with the same name": lambda forger: of_a_namesake(forger),
    "of an authority that it brings along": lambda forger: of_its_own(forger),
}


def self_signed(forger):
    key = ec.generate_private_key(ec.SECP256R1())
    own = Pki(forger.authority.certificate, key)
    return forger.files(*forger.sign(pki=own, key=key), forger.authority.certificate)


def of_a_namesake(forger):
    own = make_pki(forger.authority.certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
    return forger.files(*forger.sign(pki=own), own.certificate)


def of_its_own(forger):
    own = make_pki("Own PKI")
    return forger.files(*forger.sign(pki=own, names=[uri_of(OTHER)]), own.certificate)


@pytest.mark.trap(
    "T-M9", "A certificate for servers, for anything, for nothing, of an authority, or with an unknown critical extension lets nobody in."
)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", FLAWS)
def test_tm9_made_for_something_else(attacker, suite, good, flawed, case, version, eventually):
    eventually(lambda: show(attacker, good) == 200)
    suite.reset()
    assert show(attacker, flawed[case], version=version) in (403, None)
    assert suite.seen == []


@pytest.mark.trap("T-M9", "What a client's certificate, an intermediate or somebody of the authority's name signed lets nobody in.")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CHAINS)
def test_tm9_signed_by_something_else(attacker, suite, forger, good, case, version, eventually):
    file = CHAINS[case](forger)
    after = forger.files(*forger.sign(), forger.authority.certificate)
    eventually(lambda: show(attacker, after) == 200)  # so the ledger has been read with all of them in it
    suite.reset()
    assert show(attacker, file, version=version) in (403, None)
    assert suite.seen == []
