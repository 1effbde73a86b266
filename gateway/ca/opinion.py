"""Whose a certificate is and why, in words: what ``Trust.identify`` says, what each customer's authority says, and what the certificate
could be named by.

For people at a terminal; nothing that decides asks here. What never may come in: a private key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509

from gateway.ca.blocks import blocks, mistake
from gateway.ca.leaf import PARSER_ERRORS, key_of, names_of, subject_of
from gateway.ca.ledger import fingerprint_of
from gateway.ca.trust import Trust
from gateway.errors import Refused

#: Of every reason that ``Trust.identify`` gives.
SENTENCES = {
    "certificate-missing": "there is no certificate",
    "certificate-unknown": "no customer's authority issued it, or what it says is not what was signed",
    "certificate-ambiguous": "two customers' authorities vouch for it, so nobody can say whose it is",
    "certificate-expired": "it has ended, or is not valid yet; or its authority has, or is not",
    "certificate-revoked": "it, or an authority above it, was revoked",
    "revocation-unknown": "no revocation list of its customer counts now, so nobody can say that it was not revoked",
    "certificate-not-in-ledger": "our authority's signature, and we have no record of issuing it: treat it as a stolen authority key",
    "certificate-unsuitable": "it is not for clients, its key, names or chain break a rule, or no entry of 'only' fits it",
}


@dataclass(frozen=True, slots=True)
class Opinion:
    """``customer`` when it is let in, ``reason`` when it is not. ``named_by``: what ``only`` could say of it."""

    customer: str | None
    reason: str | None
    of_customers: Mapping[str, str] = field(default_factory=dict)
    named_by: tuple[tuple[str, str], ...] = ()

    @property
    def sentence(self) -> str:
        return f"a certificate of {self.customer}" if self.reason is None else SENTENCES[self.reason]


def read_leaf(file: Path) -> bytes:
    """The first certificate of a PEM file, or the one of a DER file, as DER. Raises ConfigurationError."""
    for line, der in blocks(file, b"CERTIFICATE"):
        try:
            x509.load_der_x509_certificate(der)
        except PARSER_ERRORS:
            raise mistake(file, line, "it cannot be read as a certificate") from None
        return der
    raise mistake(file, 0, "holds no certificate")


def opinion_of(trust: Trust, leaf_der: bytes, now: float) -> Opinion:
    """What the gateway would say of a client that shows it now."""
    customer, reason = None, None
    try:
        customer = trust.identify(leaf_der, now).customer
    except Refused as refused:
        reason = refused.reason
    return Opinion(customer, reason, _of_customers(trust, leaf_der, now), _named_by(leaf_der))


def _of_customers(trust: Trust, leaf_der: bytes, now: float) -> dict[str, str]:
    try:
        opinions = trust.opinions(leaf_der, now)
    except Refused:  # of no use as a client's certificate, whoever signed it
        return {}
    return {customer: "vouches for it" if fault is None else SENTENCES[fault] for customer, fault in opinions.items()}


def _named_by(leaf_der: bytes) -> tuple[tuple[str, str], ...]:
    try:
        leaf = x509.load_der_x509_certificate(leaf_der)
        facts = [("subject", subject_of(leaf)), *sorted(names_of(leaf)), ("sha256", fingerprint_of(leaf))]
        return (*facts, ("spki", hashlib.sha256(key_of(leaf)).hexdigest()))
    except PARSER_ERRORS:  # its names cannot be read, and so cannot be named
        return ()
