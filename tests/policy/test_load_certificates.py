"""Whose certificates count: every spelling that a security team may use, and what each mistake says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ca.leaf import spelled
from gateway.policy.load_certificates import ATTRIBUTES, is_subject
from gateway.policy.model import Certificates
from tests.policy.test_load_customers import FILE, text

HEX = "0123456789abcdef" * 4
COLONS = ":".join(HEX[at : at + 2] for at in range(0, 64, 2)).upper()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("crl: certs/own.crl", (True, None, "refuse")),
        ("crl: 'http://pki.example/ca.crl'", (False, "http://pki.example/ca.crl", "refuse")),
        ("crl: 'https://pki.example:8443/ca?id=7', without_crl: accept", (False, "https://pki.example:8443/ca?id=7", "accept")),
        ("crl: 'http://[2001:db8::7]/ca.crl', without_crl: refuse", (False, "http://[2001:db8::7]/ca.crl", "refuse")),
    ],
)
def test_a_revocation_list_is_a_file_or_a_url(written: str, expected: tuple[bool, str | None, str], folder: Any) -> None:
    policies = folder.load({FILE: text(certificates=f"{{file: ca.pem, {written}}}")})
    found = policies.customers["energie_nord"].certificates
    assert (found.crl == folder.path / "certs/own.crl", found.crl_url, found.without_crl) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"sha256": HEX}, {"sha256": HEX}),
        ({"sha256": COLONS}, {"sha256": HEX}),
        ({"spki": HEX.upper()}, {"spki": HEX}),
        ({"dns": "Import.EXAMPLE"}, {"dns": "import.example"}),
        ({"email": "Import@Customer.EXAMPLE"}, {"email": "Import@customer.example"}),
        ({"uri": "urn:Example:Import"}, {"uri": "urn:Example:Import"}),
        ({"subject": "CN=import,O=Energie Nord"}, {"subject": "CN=import,O=Energie Nord"}),
        ({"subject": r"CN=Müller\, Max+UID=7,emailAddress=m@x.example,2.5.4.97=VATDE-1"},) * 2,
    ],
)
def test_one_spelling_for_each_member(written: dict[str, str], expected: dict[str, str], folder: Any) -> None:
    entry = ", ".join(f"{key}: '{value}'" for key, value in written.items())
    policies = folder.load({FILE: text(certificates=f"{{file: ca.pem, only: [{{{entry}}}]}}")})
    assert policies.customers["energie_nord"].certificates == Certificates(folder.path / "ca.pem", only=(expected,))


URL = "expected a file, or a URL such as http://pki.example/ca.crl, without user or fragment"
DIGITS = "a SHA-256 has 64 hexadecimal digits, with or without colons; found "
SUBJECT = "expected the whole subject as RFC 4514 writes it, such as CN=import,O=Energie Nord"
OPENSSL = "openssl x509 -noout -subject -nameopt RFC2253 prints it"
DNS, URI, EMAIL = "expected a DNS name such as", "expected a URI such as", "expected an address such as"
BROKEN = [
    ("crl: ''", "expected a path"),
    ("crl: 'ftp://pki.example/ca.crl'", URL),
    ("crl: 'ldap:///CN=ca'", URL),
    ("crl: 'http://127.1/ca.crl'", URL),
    ("crl: 'http:///ca.crl'", URL),
    ("crl: 'http://max:geheim@pki.example/ca.crl'", URL),
    ("crl: 'http://pki.example/ca.crl#1'", URL),
    ("crl: 'http://pki.example/c a.crl'", URL),
    ("crl: 'http://pki.example:0/ca.crl'", URL),
    ("crl: 'http://pki.example:x/ca.crl'", URL),
    ("crl: 'http://[::1/ca.crl'", URL),
    ("crl: 'http://pki.example/ä.crl'", URL),
    ("without_crl: accept", "says what happens while no list of 'crl' counts, and there is no 'crl'"),
    ("crl: a.crl, without_crl: pass", "expected one of refuse, accept"),
    ("only: [{sha256: abc}]", DIGITS + "3 of them"),
    (f"only: [{{sha256: '{HEX}0'}}]", DIGITS + "65 of them"),
    (f"only: [{{spki: '{HEX[:-1]}g'}}]", DIGITS + "something else"),
    ("only: [{spki: ''}]", DIGITS + "0 of them"),
    ("only: [{dns: '*.example'}]", DNS),
    ("only: [{dns: '192.0.2.1'}]", DNS),
    ("only: [{dns: 'import.example.'}]", DNS),
    ("only: [{dns: 'import.example:443'}]", DNS),
    ("only: [{dns: 'müller.example'}]", DNS),
    ("only: [{uri: 'import'}]", URI),
    ("only: [{uri: 'urn:a b'}]", URI),
    ("only: [{email: 'import'}]", EMAIL),
    ("only: [{email: 'Import <import@customer.example>'}]", EMAIL),
    ("only: [{email: '@customer.example'}]", EMAIL),
    ("only: [{subject: import}]", SUBJECT),
    ("only: [{subject: 'CN='}]", SUBJECT),
    ("only: [{subject: '/CN=import/O=Energie Nord'}]", f"{SUBJECT}; not with slashes: {OPENSSL}"),
    ("only: [{subject: 'O = Energie Nord, CN = import'}]", f"{SUBJECT}; no blanks beside commas and equals signs: {OPENSSL}"),
    ("only: [{subject: 'CN=import, O=Energie Nord'}]", f"{SUBJECT}; no blanks"),
    ("only: [{subject: 'cn=import'}]", f"{SUBJECT}; 'cn' is none of CN, L, "),
    ("only: [{subject: 'CN=a;O=b'}]", SUBJECT),
]


@pytest.mark.parametrize(("written", "expected"), BROKEN)
def test_a_mistake_says_what_to_write(written: str, expected: str, folder: Any) -> None:
    found = folder.mistakes({FILE: text(certificates=f"{{file: ca.pem, {written}}}")})
    assert len(found) == 1, found
    assert found[0].startswith(f"energie_nord.yaml:5: {expected}")
    assert "geheim" not in found[0]


def test_what_belongs_to_an_authority_of_ones_own(folder: Any) -> None:
    found = folder.mistakes({FILE: text(certificates="{authority: gateway, crl: a, without_crl: accept, only: [{dns: a}]}")})
    assert [mistake.split("'")[1] for mistake in found] == ["crl", "without_crl", "only"]


SUBJECTS = st.lists(
    st.tuples(st.sampled_from((*ATTRIBUTES, "2.5.4.97")), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)),
    min_size=1,
    max_size=3,
)


@given(SUBJECTS | st.text('CN=,+\\"a #;<>20', max_size=12))
def test_what_the_policy_takes_for_a_subject_is_one(drawn: Any) -> None:
    """The reader of certificates is stricter in a few lengths only, and says so itself: nothing is ever compared that was not read."""
    text = drawn if isinstance(drawn, str) else ",".join(f"{name}={value}" for name, value in drawn)
    if is_subject(text):
        try:
            assert spelled([{"subject": text}])[0]["subject"]
        except ValueError:
            assert "C=" in text  # a country has two letters
