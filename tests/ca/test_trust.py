"""Which customer a certificate belongs to, now: tables of leaves and verdicts, and what must change under a running connection."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku
from cryptography.x509.oid import ObjectIdentifier

from gateway.ca import trust as module
from gateway.ca.authority import Authority, create_authority, sign_leaf
from gateway.ca.bundle import write_bundle
from gateway.ca.ledger import Ledger, record_issue, record_revocation
from gateway.ca.server import create_server_certificate
from gateway.ca.trust import CustomerTrust, Identity, Member, Trust, sources_of
from gateway.errors import ConfigurationError, Refused
from gateway.policy.model import Certificates
from tests.ca.handshake import handshake
from tests.ca.pki import DAY, NOW, PASSWORD, Pki, make_pki

CUSTOMERS = ("stadtwerke_musterstadt", "energie_nord")


def seconds(offset: timedelta = timedelta(0)) -> float:
    return (NOW + offset).timestamp()


def verdict(trust: Trust, leaf: bytes | None, offset: timedelta = timedelta(0)) -> str:
    """The customer, or the reason of the refusal."""
    try:
        return trust.identify(leaf, seconds(offset)).customer
    except Refused as refusal:
        return refusal.reason


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


@pytest.fixture
def authorities(tmp_path: Path) -> dict[str, Authority]:
    return {customer: create_authority(tmp_path / customer / "ca", PASSWORD) for customer in CUSTOMERS}


def own(authority: Authority) -> CustomerTrust:
    return CustomerTrust(authority.directory / "ca.pem", ledger=authority.ledger_path)


def build(authorities: dict[str, Authority]) -> Trust:
    return Trust.build({customer: own(authority) for customer, authority in authorities.items()}, seconds())


def test_each_leaf_belongs_to_its_own_customer(authorities: dict[str, Authority]) -> None:
    issued = {customer: authority.issue(customer, "import") for customer, authority in authorities.items()}
    trust = build(authorities)
    for customer, one in issued.items():
        identity = trust.identify(der(one.certificate), seconds())
        end = one.certificate.not_valid_after_utc.timestamp()
        assert identity == Identity(customer, one.fingerprint, one.serial, end)
        assert trust.identify(der(one.certificate), seconds()) is identity, "the chain is checked once"


@pytest.mark.parametrize("leaf", [None, b""])
def test_no_certificate_is_refused(authorities: dict[str, Authority], leaf: bytes | None) -> None:
    assert verdict(build(authorities), leaf) == "certificate-missing"


def signed(authority: Authority, names: list[x509.GeneralName], usage: ObjectIdentifier = Eku.CLIENT_AUTH) -> x509.Certificate:
    """A leaf that our authority signed past ``issue``, put into its ledger all the same."""
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = sign_leaf((authority.certificate, authority.private_key), key.public_key(), "stadtwerke_musterstadt", names, usage, 30)
    record_issue(authority.ledger_path, leaf, "import")
    return leaf


URN = "urn:pii-gateway:customer:stadtwerke_musterstadt"
OTHER = "urn:pii-gateway:customer:energie_nord"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([x509.UniformResourceIdentifier(URN)], "stadtwerke_musterstadt"),
        ([x509.UniformResourceIdentifier(URN), x509.DNSName("import.example")], "stadtwerke_musterstadt"),
        ([x509.DNSName(URN)], "certificate-unsuitable"),
        ([x509.RFC822Name("stadtwerke_musterstadt@pii-gateway")], "certificate-unsuitable"),
        ([x509.OtherName(ObjectIdentifier("1.2.3"), b"\x0c\x01x")], "certificate-unsuitable"),
        ([x509.UniformResourceIdentifier(OTHER)], "certificate-unsuitable"),
        ([x509.UniformResourceIdentifier(URN), x509.UniformResourceIdentifier(OTHER)], "certificate-unsuitable"),
        ([x509.UniformResourceIdentifier(URN.upper())], "certificate-unsuitable"),
        ([x509.UniformResourceIdentifier(URN + "/x")], "certificate-unsuitable"),
    ],
)
def test_t_m8_only_the_uri_names_the_customer(authorities: dict[str, Authority], names: list[x509.GeneralName], expected: str) -> None:
    leaf = signed(authorities["stadtwerke_musterstadt"], names)
    assert verdict(build(authorities), der(leaf)) == expected


def test_t_m9_nested_kinds_of_certificates_are_refused(authorities: dict[str, Authority]) -> None:
    authority = authorities["energie_nord"]
    issued = authority.issue("energie_nord", "import")
    signer = (issued.certificate, issued.private_key)
    public = issued.private_key.public_key()
    below = sign_leaf(signer, public, "below", [x509.UniformResourceIdentifier(OTHER)], Eku.CLIENT_AUTH, 1)
    record_issue(authority.ledger_path, below, "below")
    server = signed(authority, [x509.UniformResourceIdentifier(OTHER)], Eku.SERVER_AUTH)
    trust = build(authorities)
    assert verdict(trust, der(below)) == "certificate-unknown"
    assert verdict(trust, der(server)) == "certificate-unsuitable"
    assert verdict(trust, der(authority.certificate)) == "certificate-unsuitable"


def test_not_in_ledger_is_refused_though_the_chain_holds(authorities: dict[str, Authority]) -> None:
    trust = build(authorities)
    issued = authorities["energie_nord"].issue("energie_nord", "import")
    assert verdict(trust, der(issued.certificate)) == "certificate-not-in-ledger"
    assert verdict(trust.refreshed(), der(issued.certificate)) == "energie_nord"


def test_t_m2_revocation_counts_on_the_next_call(authorities: dict[str, Authority]) -> None:
    authority = authorities["energie_nord"]
    issued, kept = authority.issue("energie_nord", "import"), authority.issue("energie_nord", "second machine")
    trust = build(authorities)
    assert verdict(trust, der(issued.certificate)) == "energie_nord"
    assert trust.refreshed() is trust
    record_revocation(authority.ledger_path, issued.serial)
    newer = trust.refreshed()
    assert verdict(newer, der(issued.certificate)) == "certificate-revoked"
    assert verdict(newer, der(kept.certificate)) == "energie_nord"
    assert verdict(trust, der(issued.certificate)) == "energie_nord", "an exchange ends with the trust it began with"


def test_with_ledgers_replaces_only_those_named(authorities: dict[str, Authority]) -> None:
    issued = {customer: authority.issue(customer, "import") for customer, authority in authorities.items()}
    trust = build(authorities).with_ledgers({"energie_nord": Ledger({})})
    assert verdict(trust, der(issued["energie_nord"].certificate)) == "certificate-not-in-ledger"
    assert verdict(trust, der(issued["stadtwerke_musterstadt"].certificate)) == "stadtwerke_musterstadt"


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"garbage\n"), lambda path: path.unlink()])
def test_t_m2_a_damaged_ledger_keeps_no_other_customers_revocation_from_counting(
    authorities: dict[str, Authority], damage: Callable[[Path], object]
) -> None:
    """It is a mistake where trust is built; what is in force meanwhile stays, and takes up what can be read."""
    damaged, revoking = authorities["energie_nord"], authorities["stadtwerke_musterstadt"]
    kept, revoked = damaged.issue("energie_nord", "import"), revoking.issue("stadtwerke_musterstadt", "import")
    trust = build(authorities)
    damage(damaged.ledger_path)
    record_revocation(revoking.ledger_path, revoked.serial)
    with pytest.raises(ConfigurationError):
        build(authorities)
    newer = trust.refreshed()
    assert verdict(newer, der(revoked.certificate)) == "certificate-revoked"
    assert verdict(newer, der(kept.certificate)) == "energie_nord"


def test_own_pki_has_no_ledger(trust_in: Callable[..., Trust], pki: Pki) -> None:
    trust = trust_in(pki.pem)
    assert verdict(trust, pki.leaf()) == "energie_nord"
    assert trust.refreshed() is trust
    with pytest.raises(ValueError, match="ledger"):
        trust.with_ledgers({"energie_nord": Ledger({})})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "energie_nord"),
        ({"constraints": False}, "energie_nord"),
        ({"usages": [Eku.CLIENT_AUTH, Eku.SERVER_AUTH]}, "energie_nord"),
        ({"names": [x509.UniformResourceIdentifier(URN)]}, "energie_nord"),
        ({"usages": [Eku.SERVER_AUTH]}, "certificate-unsuitable"),
        ({"ca": True}, "certificate-unsuitable"),
        ({"begin": NOW - 3 * DAY, "end": NOW - DAY}, "certificate-expired"),
        ({"begin": NOW + DAY, "end": NOW + 2 * DAY}, "certificate-expired"),
        ({"extra": [(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]}, "certificate-unsuitable"),
        ({"extra": [(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00"), False)]}, "energie_nord"),
    ],
    ids=[
        "plain",
        "without basic constraints",
        "client and server",
        "somebody's name in it",
        "server only",
        "an authority",
        "expired",
        "not yet valid",
        "unknown critical extension",
        "unknown extension",
    ],
)
def test_leaves_of_an_own_pki(trust_in: Callable[..., Trust], pki: Pki, changes: dict[str, Any], expected: str) -> None:
    assert verdict(trust_in(pki.pem), pki.leaf(**changes)) == expected


@pytest.mark.parametrize(
    "stranger",
    [lambda: make_pki("Somebody else"), lambda: make_pki("Own PKI")],
    ids=["other name", "same name, other key"],
)
def test_strangers_are_unknown(trust_in: Callable[..., Trust], pki: Pki, stranger: Callable[[], Pki]) -> None:
    assert verdict(trust_in(pki.pem), stranger().leaf()) == "certificate-unknown"


def test_name_and_identifier_of_an_authority_are_not_enough(trust_in: Callable[..., Trust], pki: Pki) -> None:
    trust = trust_in(pki.pem)
    forged = pki.sign(identifier=pki.key.public_key(), signer=ec.generate_private_key(ec.SECP256R1()))
    damaged = bytearray(pki.leaf())
    damaged[-5] ^= 1
    assert verdict(trust, der(forged)) == "certificate-unknown"
    assert verdict(trust, bytes(damaged)) == "certificate-unknown"


def test_intermediates_come_from_the_file_only(trust_in: Callable[..., Trust], pki: Pki) -> None:
    intermediate = pki.intermediate("Issuing")
    leaf = intermediate.leaf()
    assert verdict(trust_in(pki.pem), leaf) == "certificate-unknown"
    assert verdict(trust_in(pki.pem + intermediate.pem), leaf) == "energie_nord"
    assert verdict(trust_in(intermediate.pem), leaf) == "energie_nord"
    assert verdict(trust_in(intermediate.pem), pki.leaf()) == "certificate-unknown"


@pytest.mark.parametrize("with_root", [True, False])
def test_revocation_list_of_an_intermediate(trust_in: Callable[..., Trust], pki: Pki, with_root: bool) -> None:
    intermediate = pki.intermediate("Issuing")
    good, bad = intermediate.sign(), intermediate.sign()
    pem = (pki.pem if with_root else b"") + intermediate.pem
    lists = (pki.crl() if with_root else b"") + intermediate.crl(bad)
    trust = trust_in(pem, lists)
    assert (verdict(trust, der(good)), verdict(trust, der(bad))) == ("energie_nord", "certificate-revoked")


def test_t_m11_path_length_and_name_constraints(trust_in: Callable[..., Trust], pki: Pki) -> None:
    intermediate = pki.intermediate("Issuing")  # path length 0
    deeper = intermediate.intermediate("Deeper")
    assert verdict(trust_in(pki.pem + intermediate.pem + deeper.pem), deeper.leaf()) == "certificate-unsuitable"
    key = ec.generate_private_key(ec.SECP256R1())
    limits = x509.NameConstraints([x509.DNSName("customer.example")], None)
    limited = Pki(pki.sign(key=key, ca=True, usages=None, subject="Limited", extra=[(limits, True)], path_length=0), key)
    trust = trust_in(pki.pem + limited.pem)
    inside, outside = x509.DNSName("import.customer.example"), x509.DNSName("import.example")
    assert verdict(trust, limited.leaf(names=[inside])) == "energie_nord"
    assert verdict(trust, limited.leaf(names=[outside])) == "certificate-unsuitable"


POLICY = x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier("1.2.3.4.5"), None)])
OTHER_POLICY = x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier("1.2.3.4.6"), None)])


@pytest.mark.parametrize(
    ("of_authority", "of_leaf", "expected"),
    [
        ([], [], "energie_nord"),
        ([(POLICY, False)], [(POLICY, False)], "energie_nord"),
        ([(POLICY, False)], [(OTHER_POLICY, False)], "energie_nord"),
        ([(POLICY, False), (x509.PolicyConstraints(1, None), True)], [], "certificate-unsuitable"),
        ([(POLICY, False), (x509.PolicyConstraints(1, None), False)], [(OTHER_POLICY, False)], "certificate-unsuitable"),
        ([(POLICY, False), (x509.PolicyConstraints(1, None), True)], [(POLICY, False)], "certificate-unsuitable"),  # RFC 5280 would not
        ([], [(x509.PolicyConstraints(0, None), True)], "certificate-unsuitable"),
    ],
    ids=["none", "nobody asks", "nobody asks for this one", "asked for and not there", "another one", "there", "asked for by the leaf"],
)
def test_t_m11_policies_that_an_authority_asks_for(
    trust_in: Callable[..., Trust], pki: Pki, of_authority: list[Any], of_leaf: list[Any], expected: str
) -> None:
    """OpenSSL takes policy constraints for understood, and passes over them unless it is told to look (RFC 5280, 6.1)."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuing = Pki(pki.sign(key=key, ca=True, usages=None, subject="Issuing", end=NOW + 2 * DAY, extra=of_authority), key)
    assert verdict(trust_in(pki.pem + issuing.pem), issuing.leaf(extra=of_leaf)) == expected


def test_c05_revocation_list_and_its_end(trust_in: Callable[..., Trust], pki: Pki) -> None:
    good = pki.sign(end=NOW + 5 * DAY)
    bad = pki.sign()
    trust = trust_in(pki.pem, pki.crl(bad))
    assert verdict(trust, der(bad)) == "certificate-revoked"
    assert verdict(trust, der(good)) == "energie_nord"
    assert verdict(trust, der(good), 2 * DAY) == "revocation-unknown", "an expired list proves nothing any more"
    assert verdict(trust, der(good)) == "energie_nord"
    assert verdict(trust, der(bad), timedelta(hours=-30)) == "certificate-expired"


def test_time_is_judged_on_every_call(trust_in: Callable[..., Trust], pki: Pki) -> None:
    trust = trust_in(pki.pem)
    leaf = pki.leaf(begin=NOW - DAY, end=NOW + DAY)
    story = [(timedelta(0), "energie_nord"), (2 * DAY, "certificate-expired"), (-2 * DAY, "certificate-expired"), (DAY, "energie_nord")]
    assert [verdict(trust, leaf, offset) for offset, _ in story] == [expected for _, expected in story]


def test_authority_that_expires_while_we_run(trust_in: Callable[..., Trust]) -> None:
    pki = make_pki(end=NOW + DAY)
    trust = trust_in(pki.pem)
    leaf = pki.leaf(end=NOW + 5 * DAY)
    assert verdict(trust, leaf) == "energie_nord"
    assert verdict(trust, leaf, 2 * DAY) == "certificate-expired"
    assert verdict(trust, leaf) == "energie_nord", "a refusal by time is not remembered"


def test_renewed_authority_of_one_customer_may_keep_its_key(trust_in: Callable[..., Trust], pki: Pki) -> None:
    newer = make_pki(key=pki.key, end=NOW + 20 * DAY)
    assert verdict(trust_in(pki.pem + newer.pem), newer.leaf()) == "energie_nord"


def test_only_lets_in_what_the_policy_names(trust_in: Callable[..., Trust], pki: Pki) -> None:
    trust = trust_in(pki.pem, only=({"dns": "import.example"},))
    assert verdict(trust, pki.leaf(names=[x509.DNSName("import.example")])) == "energie_nord"
    assert verdict(trust, pki.leaf(names=[x509.DNSName("other.example")])) == "certificate-unsuitable"
    assert verdict(trust, pki.leaf(subject="import.example")) == "certificate-unsuitable"


def test_same_name_and_other_key_is_told_apart(tmp_path: Path) -> None:
    pkis = [make_pki("Corporate CA"), make_pki("Corporate CA")]
    for customer, pki in zip(CUSTOMERS, pkis, strict=True):
        (tmp_path / customer).write_bytes(pki.pem)
    trust = Trust.build({customer: CustomerTrust(tmp_path / customer) for customer in CUSTOMERS}, seconds())
    assert [verdict(trust, pki.leaf()) for pki in pkis] == list(CUSTOMERS)


def test_two_customers_that_both_say_yes_are_a_refusal(authorities: dict[str, Authority]) -> None:
    """``build`` does not let it come this far; the last wall is tried without it."""
    pki = make_pki()
    path = authorities["energie_nord"].directory / "own.pem"
    path.write_bytes(pki.pem)
    source = CustomerTrust(path)
    member = Member(source, module.read_anchors(source, seconds()), None)
    trust = Trust({"energie_nord": member, "stadtwerke_musterstadt": replace(member)})
    assert verdict(trust, pki.leaf()) == "certificate-ambiguous"


def test_t_m3_mistakes_of_all_customers_are_told_together(tmp_path: Path, authorities: dict[str, Authority]) -> None:
    authorities["energie_nord"].ledger_path.write_bytes(b"garbage\n")
    sources = {"energie_nord": own(authorities["energie_nord"]), "third": CustomerTrust(tmp_path / "none.pem")}
    with pytest.raises(ConfigurationError) as raised:
        Trust.build(sources, seconds())
    assert len(raised.value.mistakes) == 2


def test_t_m12_memory_is_bounded_and_a_refused_client_costs_one_check(
    trust_in: Callable[..., Trust], pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust = trust_in(pki.pem)
    monkeypatch.setattr(module, "REMEMBERED", 3)
    checked: list[bytes] = []
    check = Trust._check
    monkeypatch.setattr(Trust, "_check", lambda self, leaf, now: (checked.append(leaf), check(self, leaf, now))[1])
    stranger = make_pki("Own PKI").leaf()
    assert [verdict(trust, stranger) for _ in range(3)] == ["certificate-unknown"] * 3
    assert checked == [stranger]
    for _ in range(10):
        assert verdict(trust, pki.leaf()) == "energie_nord"
    assert len(trust._verdicts) == 3
    verdict(trust, stranger)
    assert checked.count(stranger) == 2


def test_union_holds_every_authority(authorities: dict[str, Authority]) -> None:
    found = x509.load_pem_x509_certificates(build(authorities).union_pem().encode())
    assert found == [authority.certificate for authority in authorities.values()]


PARTIAL_CHAIN, STRICT = 0x80000, 0x20


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_outer_context_lets_through_what_is_then_judged(tmp_path: Path, authorities: dict[str, Authority], version: ssl.TLSVersion) -> None:
    """C-10: with the strict flag that newer Pythons set by themselves, both customers pass the union of all authorities."""
    issued = {customer: authority.issue(customer, "import") for customer, authority in authorities.items()}
    trust = build(authorities)
    files = create_server_certificate(tmp_path / "certs", ["localhost"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.maximum_version = version
    server.load_cert_chain(files.certificate, files.private_key)
    server.verify_mode = ssl.CERT_OPTIONAL
    server.verify_flags |= ssl.VerifyFlags(PARTIAL_CHAIN | STRICT)
    server.load_verify_locations(cadata=trust.union_pem())
    for customer, one in issued.items():
        bundle = write_bundle(tmp_path / customer, "import", one)
        client = ssl.create_default_context(cafile=str(files.authority))
        client.load_cert_chain(bundle.certificate, bundle.private_key)
        leaf = handshake(server, client, "localhost").getpeercert(binary_form=True)
        assert verdict(trust, leaf) == customer


def test_nobody_is_trusted_without_customers() -> None:
    trust = Trust.build({}, seconds())
    assert trust.union_pem() == ""
    assert verdict(trust, make_pki().leaf()) == "certificate-unknown"


def test_sources_follow_the_policy(tmp_path: Path) -> None:
    ours = Certificates(None)
    theirs = Certificates(Path("ca.pem"), Path("x.crl"), ({"dns": "a"},))
    fetched = Certificates(Path("ca.pem"), crl_url="http://pki.example/ca.crl", without_crl="accept")
    named = {"energie_nord": ours, "third": theirs, "fourth": fetched}
    policies: Any = SimpleNamespace(customers={name: SimpleNamespace(certificates=one) for name, one in named.items()})
    assert sources_of(policies, lambda customer: tmp_path / customer, lambda customer: tmp_path / f"{customer}.crl") == {
        "energie_nord": CustomerTrust(tmp_path / "energie_nord/ca.pem", None, tmp_path / "energie_nord/ledger.jsonl"),
        "third": CustomerTrust(Path("ca.pem"), Path("x.crl"), None, ({"dns": "a"},)),
        "fourth": CustomerTrust(Path("ca.pem"), tmp_path / "fourth.crl", fetched="http://pki.example/ca.crl", accepts=True),
    }
