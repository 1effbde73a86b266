"""Revocation lists: made from the ledger, numbered upwards, and believed by verifiers that are not ours."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.ca.anchors import CustomerTrust, read_anchors
from gateway.ca.authority import Authority, create_authority
from gateway.ca.crl import due, make_crl, publish, read
from gateway.ca.ledger import Ledger
from tests.ca.pki import PASSWORD

NOW = time.time() + 3600  # an hour from now: what is made while the tests run counts already, however long that takes
DAY = 86400.0


def number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def test_what_stands_in_it(authority: Authority) -> None:
    issued = [authority.issue("energie_nord", f"machine {place}") for place in range(3)]
    authority.revoke(issued[1].serial)
    crl = make_crl(authority, Ledger.load(authority.ledger_path), 7, NOW)
    assert [entry.serial_number for entry in crl] == [issued[1].certificate.serial_number]
    assert crl.issuer == authority.certificate.subject
    assert crl.is_signature_valid(authority.certificate.public_key())
    assert number(crl) == 7
    subject = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    identifier = crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    assert (identifier.value.key_identifier, identifier.critical) == (subject, False)
    moment = datetime.fromtimestamp(int(NOW), UTC)
    assert (crl.last_update_utc, crl.next_update_utc) == (moment - timedelta(minutes=5), moment + timedelta(days=7))


def test_both_forms_are_published_and_readable_by_whoever_serves_them(authority: Authority) -> None:
    crl = publish(authority, NOW)
    assert read(authority.directory) == crl
    assert {file.name: file.stat().st_mode & 0o777 for file in authority.directory.glob("crl.*")} == {"crl.der": 0o644, "crl.pem": 0o644}
    assert not list(authority.directory.glob(".crl*"))


def test_numbers_only_grow(authority: Authority) -> None:
    first, second = publish(authority, NOW), publish(authority, NOW)
    assert number(second) == number(first) + 1
    (authority.directory / "crl.der").unlink()
    assert number(publish(authority, NOW + 60)) > number(second)
    assert number(publish(authority, NOW - 30 * DAY)) > number(second)  # a clock that was put back


def test_it_is_due_at_half_its_time_and_at_once_when_the_ledger_says_more(authority: Authority) -> None:
    serial = authority.issue("energie_nord", "import").serial
    assert due(authority.directory, NOW) == 0
    publish(authority, NOW)
    assert 3 * DAY < due(authority.directory, NOW) - NOW < 4 * DAY
    authority.issue("energie_nord", "another")  # nothing to revoke: the list stays
    assert due(authority.directory, NOW) > NOW
    authority.revoke(serial)
    assert due(authority.directory, NOW) == 0
    publish(authority, NOW)
    assert due(authority.directory, NOW) > NOW


@pytest.mark.parametrize("file", ["crl.der", "crl.pem"])
@pytest.mark.parametrize("damage", ["removed", "emptied", "cut"])
def test_a_damaged_list_is_made_anew(authority: Authority, file: str, damage: str) -> None:
    publish(authority, NOW)
    path = authority.directory / file
    content = path.read_bytes()
    path.unlink()
    if damage != "removed":
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    assert due(authority.directory, NOW) == 0
    publish(authority, NOW)
    assert due(authority.directory, NOW) > NOW


def test_another_authoritys_list_does_not_count(tmp_path: Path, authority: Authority) -> None:
    other = create_authority(tmp_path / "other", PASSWORD)
    publish(other, NOW)
    for name in ("crl.der", "crl.pem"):
        (authority.directory / name).write_bytes((other.directory / name).read_bytes())
    assert due(authority.directory, NOW) == 0


def test_our_own_reader_of_lists_takes_it(authority: Authority) -> None:
    """C-05: as if the customer had brought this authority along with its list."""
    good, bad = (authority.issue("energie_nord", label) for label in ("good", "bad"))
    authority.revoke(bad.serial)
    publish(authority, NOW)
    anchors = read_anchors(CustomerTrust(authority.directory / "ca.pem", authority.directory / "crl.pem"), NOW)
    assert anchors.verify(good.certificate, NOW + 1) is None
    assert anchors.verify(bad.certificate, NOW + 1) == "certificate-revoked"


def test_openssl_takes_it(authority: Authority, neighbour: Callable[[str], str]) -> None:
    openssl, folder = neighbour("openssl"), authority.directory
    good, bad = (authority.issue("energie_nord", label) for label in ("good", "bad"))
    authority.revoke(bad.serial)
    publish(authority, time.time())  # OpenSSL asks its own clock

    def said(*words: object) -> str:
        ran = subprocess.run([openssl, *map(str, words)], capture_output=True, text=True, timeout=30, check=False)
        return ran.stdout + ran.stderr

    text = said("crl", "-inform", "DER", "-in", folder / "crl.der", "-noout", "-text", "-CAfile", folder / "ca.pem")
    assert "Version 2" in text and "verify OK" in text and "X509v3 CRL Number" in text
    for issued, verdict in ((good, "OK"), (bad, "certificate revoked")):
        leaf = folder / f"{issued.label}.pem"
        leaf.write_bytes(issued.certificate.public_bytes(Encoding.PEM))
        checks = ("-crl_check", "-x509_strict", "-purpose", "sslclient")
        assert verdict in said("verify", *checks, "-CAfile", folder / "ca.pem", "-CRLfile", folder / "crl.pem", leaf)
