"""Trust: which customer a client certificate belongs to, judged on every request.

The certificate chooses the customer, never a name that the client sends (design section 6). The chain is checked once per
certificate; what can change under a running connection, time, revocation and our own ledger, is checked on every call, so
that a resumed or long-lived TLS session carries nothing over (T-M1, T-M2, C-01). The outer TLS context only filters: it takes
``union_pem()`` as its store, with VERIFY_X509_PARTIAL_CHAIN, and whatever it lets through is judged here from the leaf alone (C-07).

What never may come in: a name from SNI, Host or a header, or a default for certificates that nobody claims.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gateway.ca.anchors import UNKNOWN, Anchors, CustomerTrust, read_anchors, read_revocation
from gateway.ca.apart import Authorities, mistakes_between
from gateway.ca.authority import CERTIFICATE_FILE, CUSTOMER_URI, LEDGER_FILE
from gateway.ca.leaf import is_one_of, names_of, parse_leaf, spelled
from gateway.ca.ledger import Ledger, Stamp, fingerprint_of, serial_of, stamp_of
from gateway.ca.validity import Validity, validities
from gateway.errors import ConfigurationError, Mistake, Refused
from gateway.policy.model import Certificates, PolicySet

#: Certificates whose chain check is remembered; the oldest one makes room.
REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose certificate it is. ``fingerprint`` is SHA-256 and hex, ``serial`` hex, as in the ledger and in the audit log."""

    customer: str
    fingerprint: str
    serial: str
    not_after: float  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class Member:
    """One customer's part of the trust. ``ledger`` is there for our own authorities; ``lists``: which file of lists was read."""

    source: CustomerTrust
    anchors: Anchors
    ledger: Ledger | None
    lists: Stamp | None = None


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What a chain check found out: ``fault``, or an identity that counts between ``since`` and ``until``.

    ``chain_since`` and ``chain_until`` bound the time in which the check itself holds; outside it is made again.
    """

    fault: str | None
    identity: Identity
    since: float
    chain_since: float
    chain_until: float


class Trust:
    """An immutable snapshot, built whole and swapped; only its memory of chain checks grows, up to a bound."""

    __slots__ = ("_issuers", "_members", "_verdicts")

    def __init__(self, members: Mapping[str, Member], verdicts: OrderedDict[bytes, _Verdict] | None = None) -> None:
        self._members = dict(members)
        self._issuers = _by_subject(members)
        self._verdicts: OrderedDict[bytes, _Verdict] = OrderedDict() if verdicts is None else verdicts

    @classmethod
    def build(cls, customers: Mapping[str, CustomerTrust], now: float, *, running: bool = False) -> Trust:
        """Read all files. Raises ConfigurationError with every mistake of every customer together. ``running``: see ``read_anchors``."""
        members: dict[str, Member] = {}
        mistakes: list[Mistake] = []
        for customer, source in customers.items():
            try:
                ledger = Ledger.load(source.ledger) if source.ledger else None
                lists = _stamp(source.crl)  # before it is read: what is written meanwhile is noticed
                members[customer] = Member(_spelled(source), read_anchors(source, now, running=running), ledger, lists)
            except ConfigurationError as error:
                mistakes += error.mistakes
        mistakes += mistakes_between({customer: _authorities(member) for customer, member in members.items()})
        if mistakes:
            raise ConfigurationError(mistakes)
        return cls(members)

    def identify(self, leaf_der: bytes | None, now: float) -> Identity:
        """Whose certificate this is, now. Raises Refused with one of the ``certificate-…`` reasons."""
        if not leaf_der:
            raise Refused("certificate-missing")
        digest = hashlib.sha256(leaf_der).digest()
        verdict = self._verdicts.get(digest)
        if verdict is None or not verdict.chain_since <= now < verdict.chain_until:
            verdict = self._remember(digest, self._check(leaf_der, now))
        if verdict.fault is not None:
            raise Refused(verdict.fault)
        identity = verdict.identity
        if not verdict.since <= now <= identity.not_after:
            raise Refused("certificate-expired")
        self._check_ledger(identity)
        return identity

    def opinions(self, leaf_der: bytes, now: float) -> dict[str, str | None]:
        """What each customer whose authority has the issuer's name says of it: None is yes. For people; nothing is decided by it."""
        leaf = parse_leaf(leaf_der)
        return {customer: self._fault(customer, leaf, now) for customer in self._issuers.get(leaf.issuer.public_bytes(), ())}

    def with_ledgers(self, ledgers: Mapping[str, Ledger]) -> Trust:
        """The same authorities with newer ledgers. Chain checks stay remembered: no ledger was part of them."""
        members = {customer: replace(self._members[customer], ledger=ledger) for customer, ledger in ledgers.items()}
        if any(member.source.ledger is None for member in members.values()):
            raise ValueError("only our own authorities have a ledger")
        return Trust({**self._members, **members}, self._verdicts)

    def refreshed(self) -> Trust:
        """This trust, or one with the ledgers and revocation lists that changed on disk. Costs one ``stat`` per customer.

        What is damaged keeps its customer's last one: it must not keep another customer's revocation from counting (T-M2).
        """
        relisted = {customer: newer for customer, member in self._members.items() if (newer := _relisted(member)) is not member}
        if relisted:
            return Trust({**self._members, **relisted}).refreshed()  # lists are part of the chain checks: none stays remembered
        changed = {customer: ledger for customer, member in self._members.items() if (ledger := _newer_ledger(member)) is not None}
        return self.with_ledgers(changed) if changed else self

    def union_pem(self) -> str:
        """All authorities of all customers, for the outer TLS context."""
        certificates = [certificate for member in self._members.values() for certificate in member.anchors.certificates]
        return "".join(certificate.public_bytes(serialization.Encoding.PEM).decode() for certificate in certificates)

    def validities(self) -> Iterator[Validity]:
        """Until when each customer's authorities and revocation lists count."""
        for customer, member in self._members.items():
            yield from validities(customer, member.source, member.anchors)

    def _check_ledger(self, identity: Identity) -> None:
        ledger = self._members[identity.customer].ledger
        if ledger is None:
            return
        entry = ledger.entries.get(identity.fingerprint)
        if entry is None:
            raise Refused("certificate-not-in-ledger")
        if entry.revoked is not None:
            raise Refused("certificate-revoked")

    def _check(self, leaf_der: bytes, now: float) -> _Verdict:
        """The costly part. Every customer that may have issued the leaf is asked, so that two yeses are noticed."""
        leaf = parse_leaf(leaf_der)
        candidates = self._issuers.get(leaf.issuer.public_bytes(), ())
        faults = {customer: self._fault(customer, leaf, now) for customer in candidates}
        owners = [customer for customer, fault in faults.items() if fault is None]
        window = _window([moment for customer in candidates for moment in self._members[customer].anchors.moments()], leaf, now)
        if len(owners) > 1:
            return _verdict("", leaf, "certificate-ambiguous", window)
        if owners:
            return _verdict(owners[0], leaf, None, window)
        return _verdict("", leaf, _most_telling(faults.values()), window)

    def _fault(self, customer: str, leaf: x509.Certificate, now: float) -> str | None:
        member = self._members[customer]
        fault = member.anchors.verify(leaf, now)
        if fault is not None:
            return fault
        if member.ledger is not None and not _names_only(leaf, customer):
            return "certificate-unsuitable"
        return None if is_one_of(leaf, member.source.only) else "certificate-unsuitable"

    def _remember(self, digest: bytes, verdict: _Verdict) -> _Verdict:
        """Refusals too, so that a refused client costs one chain check."""
        self._verdicts[digest] = verdict
        self._verdicts.move_to_end(digest)
        if len(self._verdicts) > REMEMBERED:
            self._verdicts.popitem(last=False)
        return verdict


def sources_of(policies: PolicySet, authority_dir: Callable[[str], Path], fetched_crl: Callable[[str], Path]) -> dict[str, CustomerTrust]:
    """Where each customer's trust lies: in our authority for the customer, or in the file that the policy names."""
    return {name: _source(customer.certificates, authority_dir(name), fetched_crl(name)) for name, customer in policies.customers.items()}


def _source(certificates: Certificates, directory: Path, fetched_crl: Path) -> CustomerTrust:
    if certificates.authority is None:
        return CustomerTrust(directory / CERTIFICATE_FILE, None, directory / LEDGER_FILE)
    return CustomerTrust(
        certificates.authority,
        fetched_crl if certificates.crl_url is not None else certificates.crl,
        only=certificates.only,
        fetched=certificates.crl_url,
        accepts=certificates.without_crl == "accept",
    )


def _spelled(source: CustomerTrust) -> CustomerTrust:
    try:
        return replace(source, only=spelled(source.only))
    except ValueError:
        text = "a 'subject' under 'only' of its customer's policy is none: openssl x509 -noout -subject -nameopt RFC2253 prints it"
        raise ConfigurationError([Mistake(source.authority, 0, text)]) from None


def _authorities(member: Member) -> Authorities:
    all_of_them = member.ledger is None and not member.source.only
    return Authorities(member.source.authority, member.anchors.certificates, all_of_them)


def _relisted(member: Member) -> Member:
    """With the lists that its file holds now; a damaged one takes back nothing of what was known."""
    if member.source.crl is None or (stamp := _stamp(member.source.crl)) == member.lists:
        return member
    try:
        revocation = read_revocation(member.source, member.anchors.certificates, None)
    except ConfigurationError:
        return replace(member, lists=stamp)
    return replace(member, anchors=replace(member.anchors, revocation=revocation), lists=stamp)


def _newer_ledger(member: Member) -> Ledger | None:
    if member.source.ledger is None or member.ledger is None or _stamp(member.source.ledger) == member.ledger.stamp:
        return None
    try:
        return Ledger.load(member.source.ledger)
    except ConfigurationError:
        return None


def _stamp(path: Path | None) -> Stamp | None:
    try:
        return stamp_of(path) if path is not None else None
    except OSError:
        return None


def _window(moments: Iterable[float], leaf: x509.Certificate, now: float) -> tuple[float, float]:
    """From the last to the next moment at which time alone may change the verdict: in between it need not be found again."""
    every = [*moments, leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()]
    before, after = [moment for moment in every if moment <= now], [moment for moment in every if moment > now]
    return max(before, default=float("-inf")), min(after, default=float("inf"))


def _verdict(customer: str, leaf: x509.Certificate, fault: str | None, window: tuple[float, float]) -> _Verdict:
    identity = Identity(customer, fingerprint_of(leaf), serial_of(leaf), leaf.not_valid_after_utc.timestamp())
    return _Verdict(fault, identity, leaf.not_valid_before_utc.timestamp(), *window)


def _names_only(leaf: x509.Certificate, customer: str) -> bool:
    """Our own certificates name their customer in exactly one URI; no other type of name counts (T-M8)."""
    return {name for kind, name in names_of(leaf) if kind == "uri"} == {CUSTOMER_URI + customer}


def _most_telling(faults: Iterable[str | None]) -> str:
    """For the audit log: a revoked or expired certificate of a customer says more than that another does not know it."""
    order = ("certificate-revoked", UNKNOWN, "certificate-expired", "certificate-unsuitable")
    found = set(faults)
    return next((reason for reason in order if reason in found), "certificate-unknown")


def _by_subject(members: Mapping[str, Member]) -> dict[bytes, tuple[str, ...]]:
    found: dict[bytes, dict[str, None]] = {}
    for customer, member in members.items():
        for certificate in member.anchors.certificates:
            found.setdefault(certificate.subject.public_bytes(), {})[customer] = None
    return {subject: tuple(customers) for subject, customers in found.items()}
