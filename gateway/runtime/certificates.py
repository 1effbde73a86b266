"""Certificates for customers: issued with a new key or for a customer's own, renewed, taken back.

Works on the files, like ``setup.py``, and so on a stopped and on a running gateway. What never may come in: printing; and what a
certificate says, which is ``gateway.ca``'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.ca.authority import LEDGER_FILE, Authority, ClientKey, create_authority, load_authority, new_key
from gateway.ca.bundle import FILE_NAME, Bundle, Server, endings, write_bundle
from gateway.ca.files import PRIVATE, require_absent
from gateway.ca.installation import Address
from gateway.ca.ledger import Ledger
from gateway.ca.server import server_authority
from gateway.ca.signers import Place, signer_for_new, signer_of
from gateway.ca.signing_requests import read_public_key, require_free
from gateway.cipher.providers import OperatorKey
from gateway.config import Config
from gateway.errors import ConfigurationError, Mistake, Refused
from gateway.policy.load import load_policies, policy_file
from gateway.policy.load_customers import NAME

AUTHORITY_PURPOSE = "authority"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the operator chooses for a certificate. With ``csr``, a signing request, the private key stays with the customer."""

    days: int = 365
    key_type: str = "ec"
    legacy: bool = False
    csr: Path | None = None
    renews: str | None = None


def issue_certificate(config: Config, operator: OperatorKey, customer: str, label: str, folder: Path, wishes: Wishes = Wishes()) -> Bundle:
    """A client certificate in ``folder``; it stands in the ledger before anyone holds it."""
    authority = open_authority(config, operator, customer)
    name = f"{customer}-{label}"
    if FILE_NAME.fullmatch(name) is None:
        raise ConfigurationError([Mistake(folder, 0, "a label is letters, digits, dot, dash and _: it becomes part of file names")])
    require_absent(folder / f"{name}{ending}" for ending in endings(own_key=wishes.csr is not None))
    key = _requested_key(config, customer, wishes.csr) if wishes.csr else new_key(wishes.key_type)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # before the ledger says that somebody holds it
    try:
        issued = authority.issue(customer, label, wishes.days, key=key, renews=wishes.renews)
    except ValueError as error:
        raise ConfigurationError([Mistake(folder, 0, str(error))]) from None
    return write_bundle(folder, name, issued, server_of(config), legacy=wishes.legacy)


def server_of(config: Config) -> Server:
    """As clients see it: the first host name, and the port that we listen on (a load balancer may have another one)."""
    return Server(Address(config.hostnames[0], config.listen[1]), server_authority(config.certificate))


def renew_certificate(config: Config, operator: OperatorKey, customer: str, serial: str, folder: Path, wishes: Wishes = Wishes()) -> Bundle:
    """One that follows ``serial``, for the same purpose. Both count until the old one ends or is revoked, so nobody has to hurry.

    Raises Refused for one that was revoked or is not in the ledger.
    """
    policy_file(config, customer)
    entry = Ledger.load(ledger_of(config, customer)).by_serial(serial)
    if entry is None:
        raise Refused("certificate-not-in-ledger")
    if entry.revoked is not None:
        raise Refused("certificate-revoked")
    return issue_certificate(config, operator, customer, entry.label, folder, replace(wishes, renews=entry.serial))


def open_authority(config: Config, operator: OperatorKey, customer: str) -> Authority:
    policy_file(config, customer)
    return authority_of(config, operator, customer)


def authority_of(config: Config, operator: OperatorKey, customer: str) -> Authority:
    """Asks no policy: revocation lists go on while one is being mended."""
    directory = config.authority_dir(customer)
    return load_authority(directory, signer_of(directory, _place(config, operator, customer)))


@contextmanager
def founded_authority(config: Config, operator: OperatorKey, customer: str) -> Iterator[None]:
    """A new authority; when what follows fails, its key goes from the token too (the files are the caller's to remove)."""
    signer, directory = signer_for_new(_place(config, operator, customer)), config.authority_dir(customer)
    create_authority(directory, signer)
    files = {file.name: (file.read_bytes(), PRIVATE) for file in directory.iterdir()}
    try:
        yield
    except BaseException:  # also when interrupted: nobody would find the key there again
        signer.discard(files)
        raise


def _place(config: Config, operator: OperatorKey, customer: str) -> Place:
    return Place(customer, authority_password(operator, customer), config.authority_keys)


def ledger_of(config: Config, customer: str) -> Path:
    """Asks no policy: a certificate must be revocable also while another customer's file has a mistake (T-M2)."""
    path = config.authority_dir(customer) / LEDGER_FILE
    if not NAME.fullmatch(customer) or not path.exists():
        policy_file(config, customer)
    return path


def authority_password(operator: OperatorKey, customer: str) -> bytes:
    """What encrypts an authority's private key: an operator part of its own, so it opens with the operator key alone."""
    return operator.operator_part(AUTHORITY_PURPOSE, customer, 1).hex().encode()


def _requested_key(config: Config, customer: str, request: Path) -> ClientKey:
    directories = {folder.parent.name: folder for folder in config.customers_dir.glob("*/ca")}
    others = (directories.keys() | load_policies(config).customers.keys()) - {customer}
    key = read_public_key(request, customer, others)
    require_free(request, key, customer, directories)
    return key
