"""Whose a certificate is and why, as told to people: what the gateway would say, and what each authority says."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.ca.opinion import SENTENCES, opinion_of, read_leaf
from gateway.ca.trust import CustomerTrust, Trust
from gateway.errors import ConfigurationError
from gateway.problems import REASONS
from tests.ca.pki import DAY, NOW, make_pki

ONE, OTHER = make_pki("Corporate CA"), make_pki("Corporate CA")
NOW_SECONDS = NOW.timestamp()


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    sources = {}
    for customer, pki in (("energie_nord", ONE), ("stadtwerke_musterstadt", OTHER)):
        (tmp_path / customer).write_bytes(pki.pem)
        sources[customer] = CustomerTrust(tmp_path / customer)
    return Trust.build(sources, NOW_SECONDS)


def test_who_it_is_and_what_every_authority_says(trust: Trust) -> None:
    opinion = opinion_of(trust, ONE.leaf(), NOW_SECONDS)
    assert (opinion.customer, opinion.reason, opinion.sentence) == ("energie_nord", None, "a certificate of energie_nord")
    assert opinion.of_customers == {
        "energie_nord": "vouches for it",
        "stadtwerke_musterstadt": "no customer's authority issued it, or what it says is not what was signed",
    }


@pytest.mark.parametrize(
    ("leaf", "reason", "asked"),
    [
        (make_pki("Stranger").leaf(), "certificate-unknown", 0),
        (make_pki("Corporate CA").leaf(), "certificate-unknown", 2),
        (ONE.leaf(begin=NOW - 3 * DAY, end=NOW - DAY), "certificate-expired", 2),
        (ONE.leaf(usages=[]), "certificate-unsuitable", 0),
        (b"garbage", "certificate-unsuitable", 0),
        (b"", "certificate-missing", 0),
    ],
    ids=["stranger", "namesake", "expired", "unsuitable", "garbage", "nothing"],
)
def test_why_it_is_kept_out(trust: Trust, leaf: bytes, reason: str, asked: int) -> None:
    opinion = opinion_of(trust, leaf, NOW_SECONDS)
    assert (opinion.customer, opinion.reason, len(opinion.of_customers)) == (None, reason, asked)
    assert opinion.sentence == SENTENCES[reason]


def test_what_only_could_say_of_it(trust: Trust) -> None:
    names = [x509.DNSName("import.example"), x509.UniformResourceIdentifier("urn:x")]
    opinion = opinion_of(trust, ONE.leaf(names=names), NOW_SECONDS)
    assert [kind for kind, _ in opinion.named_by] == ["subject", "dns", "uri", "sha256", "spki"]
    assert opinion.named_by[:3] == (("subject", "CN=import"), ("dns", "import.example"), ("uri", "urn:x"))


def test_every_reason_has_a_sentence() -> None:
    assert set(SENTENCES) == {reason for reason in REASONS if reason.startswith(("certificate-", "revocation-"))}


def test_the_first_certificate_of_a_file(tmp_path: Path) -> None:
    leaf = ONE.sign()
    file = tmp_path / "leaf"
    for encoding, more in ((Encoding.PEM, ONE.pem), (Encoding.DER, b"")):
        file.write_bytes(leaf.public_bytes(encoding) + more)
        assert read_leaf(file) == leaf.public_bytes(Encoding.DER)


@pytest.mark.parametrize("content", [None, b"", b"garbage", b"\x30garbage"])
def test_t_m3_a_file_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "leaf").write_bytes(content)
    with pytest.raises(ConfigurationError, match="leaf"):
        read_leaf(tmp_path / "leaf")
