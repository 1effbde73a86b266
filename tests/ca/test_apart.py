"""Whose certificate is it? Authorities that cannot be told apart, or that certify anybody, are mistakes before anyone connects."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.ca import apart
from gateway.ca.apart import certifies_anybody, system_roots
from gateway.ca.trust import CustomerTrust, Member, Trust, read_anchors
from gateway.errors import ConfigurationError, Refused
from tests.ca.pki import NOW, Pki, make_pki

KEY = ec.generate_private_key(ec.SECP256R1())
ROOT = make_pki("Group Root")
ISSUING = ROOT.intermediate("Issuing")
SISTER = ROOT.intermediate("Sister")


@pytest.fixture
def sources(tmp_path: Path) -> Callable[..., dict[str, CustomerTrust]]:
    """One customer per file: ``{name: [authorities]}``."""

    def write(files: dict[str, list[Pki]], **options: object) -> dict[str, CustomerTrust]:
        for customer, pkis in files.items():
            (tmp_path / f"{customer}.pem").write_bytes(b"".join(pki.pem for pki in pkis))
        return {customer: CustomerTrust(tmp_path / f"{customer}.pem", **options) for customer in files}  # type: ignore[arg-type]

    return write


def mistakes(customers: dict[str, CustomerTrust]) -> list[str]:
    try:
        Trust.build(customers, NOW.timestamp())
    except ConfigurationError as error:
        return [str(mistake) for mistake in error.mistakes]
    return []


ALIKE, BELOW = "cannot be told apart from one of customer", "was certified by one of customer"
PAIRS = [
    ([make_pki("One", KEY)], [make_pki("One", KEY)], ALIKE),
    ([make_pki("One", KEY)], [make_pki("Two", KEY)], ALIKE),
    ([make_pki("One", key_identifier=b"same")], [make_pki("One", key_identifier=b"same")], ALIKE),
    ([ROOT, ISSUING], [ROOT, SISTER], ALIKE),
    ([ROOT], [ISSUING], BELOW),
    ([ISSUING], [ROOT, SISTER], BELOW),
    ([ISSUING], [SISTER], ""),
    ([make_pki("Corporate CA")], [make_pki("Corporate CA")], ""),
]
PAIR_IDS = ["same", "same key", "same name and identifier", "same root", "below", "above", "sisters", "same name, other key"]


@pytest.mark.parametrize(("one", "other", "said"), PAIRS, ids=PAIR_IDS)
@pytest.mark.parametrize("turned", [False, True], ids=["", "turned"])
@pytest.mark.parametrize("only", [(), ({"dns": "import.example"},)], ids=["all", "only"])
def test_two_customers_that_cannot_be_told_apart(
    sources: Callable[..., dict[str, CustomerTrust]], one: list[Pki], other: list[Pki], said: str, turned: bool, only: tuple[dict[str, str]]
) -> None:
    """Both files are named, and ``only`` is no way out: who certifies for both can say whatever name it likes."""
    customers = sources({"energie_nord": other if turned else one, "stadtwerke_musterstadt": one if turned else other}, only=only)
    found = mistakes(customers)
    assert bool(found) == bool(said), found
    if said:
        assert said in found[0]
        assert all(str(source.authority) in found[0] for source in customers.values())


def test_an_intermediate_below_anothers_root_would_be_a_choice_in_silence(sources: Callable[..., dict[str, CustomerTrust]]) -> None:
    """What ``build`` keeps from happening, and the last wall behind it: with both in one file, both say yes, and nobody is let in."""
    customers = sources({"energie_nord": [ROOT], "stadtwerke_musterstadt": [ISSUING]})
    members = {customer: Member(source, read_anchors(source, NOW.timestamp()), None) for customer, source in customers.items()}
    leaf = ISSUING.leaf()
    assert Trust(members).identify(leaf, NOW.timestamp()).customer == "stadtwerke_musterstadt"
    customers["energie_nord"].authority.write_bytes(ROOT.pem + ISSUING.pem)
    source = customers["energie_nord"]
    members["energie_nord"] = replace(members["energie_nord"], anchors=read_anchors(source, NOW.timestamp()))
    with pytest.raises(Refused, match="certificate-ambiguous"):
        Trust(members).identify(leaf, NOW.timestamp())


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The system's trust store, empty until a test writes into it."""
    file = tmp_path / "store.crt"
    monkeypatch.setattr(apart, "SYSTEM_STORES", (str(file),))
    monkeypatch.setattr(apart.ssl, "get_default_verify_paths", lambda: replace_cafile(None))
    system_roots.cache_clear()
    yield file
    system_roots.cache_clear()


def replace_cafile(cafile: str | None) -> object:
    return type("Paths", (), {"cafile": cafile})


@pytest.mark.parametrize(
    ("authorities", "public"),
    [([ROOT], True), ([ISSUING], True), ([make_pki("Group Root")], False), ([make_pki("Own PKI"), ROOT], True), ([make_pki()], False)],
    ids=["a public root", "a public issuer", "a namesake", "one of them", "a private one"],
)
def test_only_is_required_for_an_authority_that_certifies_others(
    sources: Callable[..., dict[str, CustomerTrust]], store: Path, authorities: list[Pki], public: bool
) -> None:
    store.write_bytes(make_pki("Other Root").pem + ROOT.pem)
    found = mistakes(sources({"energie_nord": authorities}))
    assert ["name the customer's under 'only'" in mistake for mistake in found] == [True] * public
    assert not mistakes(sources({"energie_nord": authorities}, only=({"dns": "import.example"},)))


def test_a_renewed_public_root_with_its_old_key_is_the_same(store: Path) -> None:
    store.write_bytes(make_pki("Group Root", ROOT.key).pem)
    assert certifies_anybody(ROOT.certificate)


@pytest.mark.parametrize(
    ("content", "count"),
    [(None, 0), (b"", 0), (b"garbage", 0), (ROOT.pem, 1), (ROOT.pem + make_pki("Group Root").pem, 1), (ROOT.pem + ROOT.pem[:200], 1)],
    ids=["missing", "empty", "garbage", "one", "two of a name", "cut off"],
)
def test_a_store_that_cannot_be_read_is_no_reason_to_fail(store: Path, content: bytes | None, count: int) -> None:
    if content is not None:
        store.write_bytes(content)
    assert len(system_roots()) == count


def test_odd_certificates_in_the_store_are_passed_over(store: Path) -> None:
    broken = bytearray(ROOT.certificate.public_bytes(Encoding.DER))
    at = broken.index(bytes.fromhex("06072a8648ce3d0201"))  # id-ecPublicKey becomes a kind of key that nobody knows
    broken[at + 8] = 0x7F
    block = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(bytes(broken)) + b"-----END CERTIFICATE-----\n"
    store.write_bytes(block + ISSUING.pem)
    assert list(system_roots()) == [ISSUING.certificate.subject]


def test_the_stores_of_this_system_are_read_once() -> None:
    assert system_roots() is system_roots()
