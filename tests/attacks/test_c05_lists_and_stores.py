"""One store and one revocation list per customer, built anew on every reload; and chains that strict verifiers take."""

import ssl

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.ca.trust import CustomerTrust, Trust
from gateway.demo.story import OTHER, OURS
from gateway.errors import Refused
from gateway.proxy.tls import server_context
from tests.attacks.conftest import customer_policy
from tests.attacks.forger import Forger, show
from tests.ca.handshake import handshake
from tests.ca.pki import DAY, NOW, make_pki

CUSTOMERS = (OURS, OTHER)


def der(certificate):
    return certificate.public_bytes(Encoding.DER)


@pytest.fixture
def trusted(tmp_path):
    """Trust in one PKI per customer; ``lists``: customer → PEM of its revocation list."""

    def build(pkis, lists, now=NOW):
        sources = {}
        for customer, pki in pkis.items():
            (tmp_path / f"{customer}.pem").write_bytes(pki.pem)
            if customer in lists:
                (tmp_path / f"{customer}.crl").write_bytes(lists[customer])
            sources[customer] = CustomerTrust(tmp_path / f"{customer}.pem", tmp_path / f"{customer}.crl" if customer in lists else None)
        return Trust.build(sources, now.timestamp())

    return build


def verdict(trust, leaf, now=NOW):
    try:
        return trust.identify(der(leaf), now.timestamp()).customer
    except Refused as refused:
        return refused.reason


@pytest.mark.trap(
    "C-05", "A customer's revocation list counts for that customer alone: the other one, without a list, is let in beside it."
)
def test_c05_a_list_of_one_customer_refuses_nobody_elses(trusted):
    pkis = {customer: make_pki(customer) for customer in CUSTOMERS}
    good = {customer: pki.sign(end=NOW + 5 * DAY) for customer, pki in pkis.items()}
    revoked = pkis[OTHER].sign()
    trust = trusted(pkis, {OTHER: pkis[OTHER].crl(revoked)})
    assert [verdict(trust, good[customer]) for customer in CUSTOMERS] == [OURS, OTHER]
    assert verdict(trust, revoked) == "certificate-revoked"


@pytest.mark.trap("C-05", "When a list ends, its own customer is refused as declared, and the other one goes on.")
def test_c05_a_list_that_ends(trusted):
    pkis = {customer: make_pki(customer) for customer in CUSTOMERS}
    good = {customer: pki.sign(end=NOW + 5 * DAY) for customer, pki in pkis.items()}
    trust = trusted(pkis, {customer: pki.crl(end=NOW + (1 if customer == OTHER else 3) * DAY) for customer, pki in pkis.items()})
    assert [verdict(trust, good[customer]) for customer in CUSTOMERS] == [OURS, OTHER]
    later = NOW + 2 * DAY
    assert verdict(trust, good[OURS], later) == OURS
    assert verdict(trust, good[OTHER], later) not in CUSTOMERS


@pytest.mark.trap(
    "C-07", "A leaf alone is enough to be judged: its issuer is found in the customer's own file, whatever chain came with it."
)
def test_c07_a_leaf_without_a_chain(trusted, tmp_path):
    root = make_pki("Own PKI")
    middle = root.intermediate("Own PKI, clients")
    (tmp_path / "chain.pem").write_bytes(root.pem + middle.pem)
    trust = Trust.build({OTHER: CustomerTrust(tmp_path / "chain.pem")}, NOW.timestamp())
    assert verdict(trust, middle.sign()) == OTHER


@pytest.mark.trap(
    "C-06", "A reload forgets an authority: its certificates fail at once, on connections that live too, and come back with it."
)
def test_c06_a_reload_forgets_an_authority(attacker, suite, environment, tmp_path, eventually):
    policy = customer_policy(environment, OTHER)
    text = policy.read_text()
    own = make_pki("Own PKI")
    (policy.parent / "own-ca.pem").write_bytes(own.pem)
    forger = Forger(environment, tmp_path)
    theirs = forger.files(*forger.sign(pki=own, names=[], ledger=False))
    ours = environment.customers[OTHER]
    line = attacker.connect()
    line.send(attacker.head())
    assert line.reply().status == 200
    try:
        policy.write_text(text.replace("{authority: gateway}", f'{{file: "{policy.parent / "own-ca.pem"}"}}'))
        eventually(lambda: show(attacker, theirs) == 200)
        line.send(attacker.head())
        assert line.reply().status == 403
        assert show(attacker, both(ours, tmp_path)) is None
    finally:
        policy.write_text(text)
    eventually(lambda: show(attacker, both(ours, tmp_path)) == 200)
    assert show(attacker, theirs) is None


def both(access, folder):
    file = folder / "both.pem"
    file.write_bytes(access.certificate.read_bytes() + access.private_key.read_bytes())
    return file


@pytest.mark.trap(
    "C-10", "Certificates of our authorities pass VERIFY_X509_STRICT, at clients that check us and at servers that check our customers."
)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_c10_strict_verifiers(attacker, suite, environment, version):
    client = attacker.context(OTHER, version=version)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    line = attacker.connect(context=client)
    line.send(attacker.head())
    assert line.reply().status == 200
    strict = server_context(environment.config.certificate, environment.config.private_key, "")
    strict.verify_mode, strict.verify_flags = (
        ssl.CERT_REQUIRED,
        strict.verify_flags | ssl.VERIFY_X509_STRICT & ~ssl.VERIFY_X509_PARTIAL_CHAIN,
    )
    strict.load_verify_locations(environment.config.authority_dir(OTHER) / "ca.pem")
    assert handshake(strict, client, "localhost").getpeercert(binary_form=True)
