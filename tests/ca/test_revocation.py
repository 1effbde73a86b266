"""Revocation lists: which ones can be relied on, and what becomes of a customer whose list ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ObjectIdentifier

from gateway.ca.revocation import RevocationLists, fault_at, is_older, kept_lists, newer_lists, read_lists, signed_by, window_of
from gateway.ca.trust import CustomerTrust, Trust
from gateway.errors import ConfigurationError, Refused
from tests.ca.pki import DAY, NOW, Pki, make_pki, usage
from tests.ca.signing import der

PKI = make_pki()
NOWHERE = Path("nowhere.crl")


def lists(*pems: bytes, pki: Pki = PKI) -> tuple[x509.CertificateRevocationList, ...]:
    return read_lists(NOWHERE, [pki.certificate], b"".join(pems))


def point(**limits: Any) -> x509.IssuingDistributionPoint:
    names = ("only_contains_user_certs", "only_contains_ca_certs", "indirect_crl", "only_contains_attribute_certs")
    given: dict[str, Any] = {"full_name": None, "relative_name": None, "only_some_reasons": None, **dict.fromkeys(names, False)}
    return x509.IssuingDistributionPoint(**(given | limits))


@pytest.mark.parametrize(
    ("extension", "critical", "said"),
    [
        (x509.DeltaCRLIndicator(1), True, "delta"),
        (x509.DeltaCRLIndicator(1), False, "delta"),
        (point(indirect_crl=True), True, "indirect"),
        (point(only_contains_user_certs=True), True, "some certificates"),
        (point(only_contains_ca_certs=True), False, "some certificates"),
        (point(only_some_reasons=frozenset([x509.ReasonFlags.key_compromise])), True, "reasons only"),
        (x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True, "critical extension"),
    ],
    ids=["delta", "delta, not critical", "indirect", "users only", "authorities only", "some reasons", "unknown and critical"],
)
def test_t_m11_a_list_that_does_not_say_all_is_none(extension: x509.ExtensionType, critical: bool, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        lists(PKI.crl(extra=[(extension, critical)]))


def test_what_is_unknown_and_not_critical_does_no_harm() -> None:
    assert lists(PKI.crl(extra=[(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00"), False)]))


def test_t_m11_a_list_counts_only_if_its_authority_may_sign_lists() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    silent = Pki(PKI.sign(key=key, ca=True, usages=None, subject="Silent", key_usage=usage(key_cert_sign=True)), key)
    with pytest.raises(ConfigurationError, match="without a revocation list"):
        read_lists(NOWHERE, [silent.certificate], silent.crl())


@pytest.mark.parametrize(
    "signer", [Pki(PKI.certificate, ec.generate_private_key(ec.SECP256R1())), make_pki("Other"), make_pki("Own PKI")],
    ids=["another key", "another authority", "one of the same name"],
)  # fmt: skip
def test_t_m11_a_list_that_somebody_else_signed_is_none(signer: Pki) -> None:
    crl = x509.load_pem_x509_crl(signer.crl())
    assert not signed_by(crl, PKI.certificate)


def test_lists_of_others_in_the_same_file_are_left_out() -> None:
    assert len(lists(PKI.crl(), make_pki("Other").crl())) == 1


@pytest.mark.parametrize(
    ("offset", "fault"),
    [(timedelta(0), ""), (timedelta(hours=23), ""), (timedelta(hours=25), "expired"), (timedelta(hours=-25), "not valid yet")],
)
def test_c05_a_list_counts_in_its_time(offset: timedelta, fault: str) -> None:
    found = lists(PKI.crl())
    said = fault_at(found, (NOW + offset).timestamp())
    assert fault in said and bool(said) == bool(fault)
    assert window_of(found[0]) == ((NOW - DAY).timestamp(), (NOW + DAY).timestamp())


@pytest.mark.parametrize(
    ("new", "older"),
    [
        ({"number": 5}, False),
        ({"number": 6, "begin": NOW - timedelta(hours=1)}, False),
        ({"number": 4}, True),
        ({"number": 6, "begin": NOW - 2 * DAY}, True),
        ({"number": 4, "begin": NOW - timedelta(hours=1)}, True),
        ({"number": None}, True),
    ],
    ids=["the same", "newer", "smaller number", "earlier", "later with a smaller number", "no number any more"],
)
def test_an_older_list_takes_nothing_back(new: dict[str, Any], older: bool) -> None:
    """Rollback: over plain HTTP anybody on the way may hand out last month's list, which is signed all the same."""
    assert is_older(lists(PKI.crl(**new)), lists(PKI.crl(number=5)), [PKI.certificate]) is older


def test_lists_of_two_authorities_are_not_compared() -> None:
    other = make_pki("Own PKI")
    both = [PKI.certificate, other.certificate]
    assert not is_older(lists(other.crl(number=1), pki=other), lists(PKI.crl(number=5)), both)


def test_what_a_list_says_of_its_key_makes_it_no_other_ones() -> None:
    """An authority that has begun to write key identifiers: the lists from before are its own, and older."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(PKI.certificate.subject).last_update(NOW - 2 * DAY).next_update(NOW + DAY)
    nameless = lists(builder.add_extension(x509.CRLNumber(3), False).sign(PKI.key, hashes.SHA256()).public_bytes(Encoding.PEM))
    assert is_older(nameless, lists(PKI.crl(number=5)), [PKI.certificate])


def test_an_authority_that_came_later_takes_nothing_back(tmp_path: Path) -> None:
    """A second authority in the trust file, whose list has not come: the first one's revocations stand, and are not rolled back."""
    new, revoked, file = make_pki("New PKI"), PKI.sign(), tmp_path / "fetched.crl"
    file.write_bytes(PKI.crl(revoked, number=5))
    both = [PKI.certificate, new.certificate]
    assert RevocationLists(kept_lists(file, both)).names([revoked])
    with pytest.raises(ConfigurationError, match="older than what is kept"):
        newer_lists(file, both, PKI.crl(number=4) + new.crl(number=1), NOW.timestamp())
    assert len(newer_lists(file, both, PKI.crl(revoked, number=5) + new.crl(number=1), NOW.timestamp())) == 2


def test_t_m11_a_list_over_a_weak_hash_is_none() -> None:
    """It can be moved to other entries, as a certificate can to another name. (``cryptography`` refuses it too, and does not say why.)"""
    listed = x509.load_pem_x509_crl(PKI.crl()).tbs_certlist_bytes
    content = listed[listed.index(b"\x02\x01\x01") :]  # from the version on
    sha256, sha1 = bytes.fromhex("300a06082a8648ce3d040302"), bytes.fromhex("300906072a8648ce3d0401")
    assert content.count(sha256) == 1
    weak = der(0x30, content.replace(sha256, sha1))
    signed = der(0x30, weak, sha1, der(0x03, b"\x00", PKI.key.sign(weak, ec.ECDSA(hashes.SHA1()))))
    with pytest.raises(ConfigurationError, match="weak hash"):
        read_lists(NOWHERE, [PKI.certificate], signed)


def test_what_is_kept_and_cannot_be_relied_on_is_as_if_it_never_came(tmp_path: Path) -> None:
    file = tmp_path / "crl.der"
    assert kept_lists(file, [PKI.certificate]) == ()
    for content, count in ((b"garbage", 0), (make_pki("Other").crl(), 0), (PKI.crl(), 1)):
        file.write_bytes(content)
        assert len(kept_lists(file, [PKI.certificate])) == count


def released(certificate: x509.Certificate) -> tuple[x509.CertificateRevocationList, ...]:
    entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(NOW)
    entry = entry.add_extension(x509.CRLReason(x509.ReasonFlags.remove_from_crl), False)
    builder = x509.CertificateRevocationListBuilder().issuer_name(PKI.certificate.subject).last_update(NOW - DAY).next_update(NOW + DAY)
    return lists(builder.add_revoked_certificate(entry.build()).sign(PKI.key, hashes.SHA256()).public_bytes(Encoding.PEM))


def test_who_is_named() -> None:
    leaf, other = PKI.sign(), PKI.sign()
    named = RevocationLists(lists(PKI.crl(leaf)))
    assert named.names([leaf, PKI.certificate])
    assert not named.names([other, PKI.certificate])
    assert not RevocationLists(released(leaf)).names([leaf])
    assert not RevocationLists(lists(PKI.crl(leaf))).names([make_pki("Other").certificate])


STALE = {"begin": NOW - 3 * DAY, "end": NOW - DAY}
FUTURE = {"begin": NOW + DAY, "end": NOW + 2 * DAY}


def judged(tmp_path: Path, pem: bytes, crl: bytes | None, leaf: x509.Certificate, **source: Any) -> str:
    (tmp_path / "ca.pem").write_bytes(pem)
    if crl is not None:
        (tmp_path / "crl").write_bytes(crl)
    customers = {"energie_nord": CustomerTrust(tmp_path / "ca.pem", tmp_path / "crl", **source)}
    trust = Trust.build(customers, NOW.timestamp(), running=True)
    try:
        return trust.identify(leaf.public_bytes(Encoding.DER), NOW.timestamp()).customer
    except Refused as refusal:
        return refusal.reason


URL = "http://pki.example/ca.crl"
LISTED, UNLISTED, STRANGER = PKI.sign(), PKI.sign(), make_pki("Own PKI").sign()
STATES = [
    # list, fetched, what each of the two choices says of a good, a listed and an unknown certificate
    (PKI.crl(LISTED), False, ("energie_nord", "certificate-revoked"), ("energie_nord", "certificate-revoked")),
    (PKI.crl(LISTED, **STALE), False, ("revocation-unknown", "certificate-revoked"), ("energie_nord", "certificate-revoked")),
    (PKI.crl(LISTED, **FUTURE), False, ("revocation-unknown", "certificate-revoked"), ("energie_nord", "certificate-revoked")),
    (PKI.crl(LISTED, **STALE), True, ("revocation-unknown", "certificate-revoked"), ("energie_nord", "certificate-revoked")),
    (None, True, ("revocation-unknown", "revocation-unknown"), ("energie_nord", "energie_nord")),
    (b"garbage", True, ("revocation-unknown", "revocation-unknown"), ("energie_nord", "energie_nord")),
]


@pytest.mark.parametrize("accepts", [False, True], ids=["refuse", "accept"])
@pytest.mark.parametrize("state", STATES, ids=["current", "expired", "not yet", "expired, fetched", "never came", "damaged"])
def test_c05_what_a_missing_or_expired_list_does_is_the_customers_choice(
    tmp_path: Path, state: tuple[bytes | None, bool, tuple[str, str], tuple[str, str]], accepts: bool
) -> None:
    crl, fetched, refusing, accepting = state
    source = {"accepts": accepts, "fetched": URL if fetched else None}
    found = tuple(judged(tmp_path, PKI.pem, crl, leaf, **source) for leaf in (UNLISTED, LISTED))
    assert found == (accepting if accepts else refusing)
    assert judged(tmp_path, PKI.pem, crl, STRANGER, **source) == "certificate-unknown"


@pytest.mark.parametrize(
    ("of_root", "of_intermediate", "refusing", "accepting"),
    [
        ({}, {}, "energie_nord", "energie_nord"),
        (STALE, {}, "revocation-unknown", "energie_nord"),
        ({}, STALE, "revocation-unknown", "energie_nord"),
    ],
    ids=["both count", "the root's has expired", "the intermediate's has expired"],
)
@pytest.mark.parametrize("revoked", [False, True], ids=["", "intermediate revoked"])
def test_c05_every_list_of_the_chain_counts(
    tmp_path: Path, of_root: dict[str, Any], of_intermediate: dict[str, Any], refusing: str, accepting: str, revoked: bool
) -> None:
    issuing = PKI.intermediate("Issuing")
    crl = PKI.crl(*([issuing.certificate] if revoked else []), **of_root) + issuing.crl(**of_intermediate)
    leaf = issuing.sign()
    for accepts, expected in ((False, refusing), (True, accepting)):
        found = judged(tmp_path, PKI.pem + issuing.pem, crl, leaf, accepts=accepts)
        assert found == ("certificate-revoked" if revoked else expected)


@pytest.mark.parametrize(
    ("crl", "accepts", "starts", "goes_on"),
    [
        (PKI.crl(**STALE), False, False, True),
        (PKI.crl(**FUTURE), False, False, True),
        (PKI.crl(**STALE), True, True, True),
        (b"garbage", True, False, False),
        (make_pki("Other").crl(), True, False, False),
        (None, True, False, False),
    ],
    ids=["expired", "not yet", "expired, accept", "garbage", "somebody else's", "missing"],
)
def test_c05_what_stops_a_start_and_what_a_reload(tmp_path: Path, crl: bytes | None, accepts: bool, starts: bool, goes_on: bool) -> None:
    """One customer's expired list must not keep all others' policies from changing; a file that is no list is always a mistake."""
    (tmp_path / "ca.pem").write_bytes(PKI.pem)
    if crl is not None:
        (tmp_path / "crl").write_bytes(crl)
    customers = {"energie_nord": CustomerTrust(tmp_path / "ca.pem", tmp_path / "crl", accepts=accepts)}
    for running, fine in ((False, starts), (True, goes_on)):
        if fine:
            Trust.build(customers, NOW.timestamp(), running=running)
        else:
            with pytest.raises(ConfigurationError, match="crl"):
                Trust.build(customers, NOW.timestamp(), running=running)


def test_t_m2_a_new_list_counts_though_the_policies_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(PKI.pem)
    file = tmp_path / "crl"
    file.write_bytes(PKI.crl())
    trust = Trust.build({"energie_nord": CustomerTrust(tmp_path / "ca.pem", file)}, NOW.timestamp())
    leaf = LISTED.public_bytes(Encoding.DER)

    def verdict(trust: Trust) -> str:
        try:
            return trust.identify(leaf, NOW.timestamp()).customer
        except Refused as refusal:
            return refusal.reason

    assert (verdict(trust), trust.refreshed() is trust) == ("energie_nord", True)
    file.write_bytes(PKI.crl(LISTED, number=2))
    newer = trust.refreshed()
    assert verdict(newer) == "certificate-revoked"
    file.write_bytes(b"garbage")
    assert verdict(newer.refreshed()) == "certificate-revoked", "what is damaged takes nothing back"
    assert verdict(trust) == "energie_nord", "an exchange ends with the trust that it began with"


def test_t_m12_a_refusal_costs_one_check_until_time_may_change_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ca.pem").write_bytes(PKI.pem)
    (tmp_path / "crl").write_bytes(PKI.crl(**FUTURE))
    trust = Trust.build({"energie_nord": CustomerTrust(tmp_path / "ca.pem", tmp_path / "crl")}, NOW.timestamp(), running=True)
    checked: list[float] = []
    check: Callable[..., Any] = Trust._check
    monkeypatch.setattr(Trust, "_check", lambda self, leaf, now: (checked.append(now), check(self, leaf, now))[1])
    leaf = PKI.leaf(end=NOW + 5 * DAY)
    said = []
    for hours in (0, 1, 23, 25, 30, 47, 49, 60):
        try:
            said.append(trust.identify(leaf, (NOW + timedelta(hours=hours)).timestamp()).customer)
        except Refused as refusal:
            said.append(refusal.reason)
    assert said == ["revocation-unknown"] * 3 + ["energie_nord"] * 3 + ["revocation-unknown"] * 2
    assert len(checked) == 3
