"""Files that trust is built from: what is wrong with them is said with its place, and nothing is ever trusted instead."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.ca.anchors import CustomerTrust, read_anchors
from gateway.errors import ConfigurationError
from tests.ca.pki import DAY, NOW, Pki, make_pki

PKI = make_pki()
BODY = PKI.pem.splitlines(keepends=True)
PRIVATE = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


def mistakes_in(path: Path, crl: Path | None = None, now: datetime = NOW) -> list[tuple[int, str]]:
    with pytest.raises(ConfigurationError) as raised:
        read_anchors(CustomerTrust(path, crl), now.timestamp())
    return [(mistake.line, mistake.text) for mistake in raised.value.mistakes]


@pytest.mark.parametrize(
    ("content", "line", "text"),
    [
        (b"", 0, "is empty"),
        (b" \n\n", 0, "is empty"),
        (b"garbage", 0, "neither PEM nor DER"),
        (b"\x30garbage", 0, "cannot be read as a certificate"),
        (b"".join(BODY[:-1]), 1, "cut off"),
        (b"".join(BODY[:-3]), 1, "cut off"),
        (PKI.pem + b"".join(BODY[:3]), len(BODY) + 1, "cut off"),
        (BODY[0] + b"".join(BODY[4:]), 1, "cannot be read as a certificate"),
        (BODY[0] + b"!" + b"".join(BODY[1:]), 1, "not base64"),
        (PKI.pem + b"-----BEGIN CERTIFIC", 0, "neither PEM nor DER"),
        (PKI.pem + PRIVATE, len(BODY) + 1, "only CERTIFICATE blocks"),
        (b"# ours\n" + make_pki(end=NOW - DAY).pem, 2, "expired"),
        (make_pki(begin=NOW + DAY).pem, 1, "not valid yet"),
        (make_pki(ca=False).pem, 1, "may not sign"),
        (PKI.sign().public_bytes(serialization.Encoding.PEM), 1, "may not sign"),
        (make_pki(usages=[ExtendedKeyUsageOID.SERVER_AUTH]).pem, 1, "of clients"),
        (make_pki(key=rsa.generate_private_key(65537, 1024)).pem, 1, "RSA key"),
        (make_pki(key=ec.generate_private_key(ec.SECP192R1())).pem, 1, "curve"),
        (make_pki(key=dsa.generate_private_key(1024)).pem, 1, "kind"),
    ],
)
def test_t_m3_bad_authority_files(tmp_path: Path, content: bytes, line: int, text: str) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(content)
    [(found, said)] = mistakes_in(path)
    assert (found, text in said) == (line, True), said


def test_t_m3_missing_file_and_directory(tmp_path: Path) -> None:
    assert "cannot be read" in mistakes_in(tmp_path / "none.pem")[0][1]
    assert "cannot be read" in mistakes_in(tmp_path)[0][1]


def test_t_m3_all_mistakes_of_a_file_are_told(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(make_pki(end=NOW - DAY).pem + PKI.pem + make_pki(ca=False).pem)
    assert len(mistakes_in(path)) == 2


@pytest.mark.parametrize("encode", [lambda pki: pki.pem, lambda pki: pki.certificate.public_bytes(serialization.Encoding.DER)])
def test_pem_and_der_are_read(tmp_path: Path, encode: Callable[[Pki], bytes]) -> None:
    (tmp_path / "ca").write_bytes(encode(PKI))
    assert read_anchors(CustomerTrust(tmp_path / "ca"), NOW.timestamp()).certificates == (PKI.certificate,)


def test_text_around_blocks_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "ca").write_bytes(b"subject=Own PKI\r\n" + PKI.pem.replace(b"\n", b"\r\n") + b"\r\n")
    assert len(read_anchors(CustomerTrust(tmp_path / "ca"), NOW.timestamp()).certificates) == 1


@pytest.mark.parametrize(
    ("crl", "text"),
    [
        (b"", "is empty"),
        (b"garbage", "neither PEM nor DER"),
        (PKI.pem, "only X509 CRL blocks"),
        (b"-----BEGIN X509 CRL-----\n" + base64.b64encode(b"garbage") + b"\n-----END X509 CRL-----\n", "cannot be read"),
        (PKI.crl(begin=NOW - 3 * DAY, end=NOW - DAY), "expired"),
        (PKI.crl(begin=NOW + DAY, end=NOW + 2 * DAY), "not valid yet"),
        (make_pki("Other").crl(), "without a revocation list"),
        (make_pki("Own PKI").crl(), "without a revocation list"),
    ],
)
def test_c05_bad_revocation_lists_are_found_at_load(tmp_path: Path, crl: bytes, text: str) -> None:
    (tmp_path / "ca.pem").write_bytes(PKI.pem)
    (tmp_path / "crl").write_bytes(crl)
    assert text in mistakes_in(tmp_path / "ca.pem", tmp_path / "crl")[0][1]


def test_c05_every_authority_needs_its_revocation_list(tmp_path: Path) -> None:
    intermediate = PKI.intermediate("Issuing")
    (tmp_path / "ca.pem").write_bytes(PKI.pem + intermediate.pem)
    for lists, fine in ((PKI.crl(), False), (intermediate.crl(), False), (PKI.crl() + intermediate.crl(), True)):
        (tmp_path / "crl").write_bytes(lists)
        if fine:
            revocation = read_anchors(CustomerTrust(tmp_path / "ca.pem", tmp_path / "crl"), NOW.timestamp()).revocation
            assert revocation is not None and len(revocation.lists) == 2
        else:
            assert "without a revocation list" in mistakes_in(tmp_path / "ca.pem", tmp_path / "crl")[0][1]


def test_c10_authority_that_strict_verifiers_refuse(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    lax = PKI.sign(key=key, ca=True, usages=None, subject="Lax", linked=False)  # no authority key identifier
    (tmp_path / "ca.pem").write_bytes(PKI.pem + Pki(lax, key).pem)
    assert "strict" in mistakes_in(tmp_path / "ca.pem")[0][1]


def test_texts_hold_nothing_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(b"Max Mustermann")
    assert "Mustermann" not in mistakes_in(tmp_path / "ca.pem")[0][1]
