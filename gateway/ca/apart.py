"""Can it be said whose a certificate is? Customers' authorities against each other, and against those that certify the whole world.

Asked when trust is built: whatever cannot be told apart is a mistake with the files named, never a choice made in silence. What never
may come in: a leaf.
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from gateway.ca.blocks import blocks
from gateway.ca.leaf import PARSER_ERRORS, key_of
from gateway.errors import ConfigurationError, Mistake

#: Where systems keep the authorities that browsers believe; the first that is there.
SYSTEM_STORES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


@dataclass(frozen=True, slots=True)
class Authorities:
    """What one customer trusts. ``all_of_them``: no ``only`` says which of its certificates, and no ledger either."""

    file: Path
    certificates: tuple[x509.Certificate, ...]
    all_of_them: bool


def mistakes_between(customers: Mapping[str, Authorities]) -> list[Mistake]:
    """Every pair that cannot be told apart, and every authority that is anybody's."""
    found = [*_alike(customers), *_below_another(customers), *_public(customers)]
    return list(dict.fromkeys(found))


def _alike(customers: Mapping[str, Authorities]) -> Iterator[Mistake]:
    """With one key, or with one name and key identifier: nobody can say whose leaf it is."""
    owners: dict[object, str] = {}
    for customer, own in customers.items():
        for certificate in own.certificates:
            others = {owners.setdefault(mark, customer) for mark in (key_of(certificate), _name_of(certificate))} - {customer}
            for other in sorted(others):
                text = f"an authority in it cannot be told apart from one of customer {other} ({customers[other].file})"
                yield Mistake(own.file, 0, text)


def _below_another(customers: Mapping[str, Authorities]) -> Iterator[Mistake]:
    """An intermediate under another customer's authority: its leaves chain to both, and which one counts would depend on what else is
    in the files."""
    by_subject: dict[x509.Name, list[tuple[str, x509.Certificate]]] = {}
    for customer, own in customers.items():
        for certificate in own.certificates:
            by_subject.setdefault(certificate.subject, []).append((customer, certificate))
    for customer, own in customers.items():
        for certificate in own.certificates:
            for other, above in by_subject.get(certificate.issuer, ()):
                if other != customer and _issued(above, certificate):
                    place = f"customer {other} ({customers[other].file})"
                    yield Mistake(own.file, 0, f"an authority in it was certified by one of {place}: its certificates are both's")


def _public(customers: Mapping[str, Authorities]) -> Iterator[Mistake]:
    for own in customers.values():
        if own.all_of_them and any(certifies_anybody(certificate) for certificate in own.certificates):
            text = (
                "this system trusts an authority in it, or the one above it, so it certifies others too: name the customer's under 'only'"
            )
            yield Mistake(own.file, 0, text)


def certifies_anybody(certificate: x509.Certificate) -> bool:
    """Is it in the system's trust store, or certified by one that is?"""
    roots = system_roots()
    if any(key_of(certificate) == key_of(root) for root in roots.get(certificate.subject, ())):
        return True
    return any(_issued(root, certificate) for root in roots.get(certificate.issuer, ()))


@lru_cache(maxsize=1)
def system_roots() -> Mapping[x509.Name, tuple[x509.Certificate, ...]]:
    """By name; read once. Without a store there is nothing to compare with, and ``gateway check`` warns all the same."""
    named = ssl.get_default_verify_paths().cafile
    for place in (*([named] if named else []), *SYSTEM_STORES):
        found: dict[x509.Name, tuple[x509.Certificate, ...]] = {}
        try:
            for _, der in blocks(Path(place), b"CERTIFICATE"):
                with suppress(*PARSER_ERRORS), warnings.catch_warnings():  # an odd one: its key, or a serial number of ancient times
                    warnings.simplefilter("ignore")
                    root = x509.load_der_x509_certificate(der)
                    key_of(root)
                    found[root.subject] = (*found.get(root.subject, ()), root)
        except ConfigurationError:  # not there, or cut off somewhere: what was read counts
            pass
        if found:
            return found
    return {}


def _issued(above: x509.Certificate, below: x509.Certificate) -> bool:
    try:
        below.verify_directly_issued_by(above)
    except (InvalidSignature, *PARSER_ERRORS):
        return False
    return True


def _name_of(certificate: x509.Certificate) -> tuple[bytes, bytes]:
    """What a verifier finds an issuer by: subject and key identifier."""
    identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    return certificate.subject.public_bytes(), identifier
