"""Setting up: a new folder, customers, users and certificates. The command line and the demo call the same functions.

They work on the files, so they work on a stopped and on a running gateway: every process notices the change within a second.
What never may come in: printing; what a caller shows, and to whom, is its own affair.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.ca.authority import Authority, create_authority, load_authority
from gateway.ca.bundle import Bundle, write_bundle
from gateway.ca.server import ServerFiles, create_server_certificate
from gateway.cipher.credentials import Credential, generate_password
from gateway.cipher.customers import CustomerKeys
from gateway.cipher.providers import FileOperatorKey, OperatorKey
from gateway.config import Config, load_config
from gateway.errors import ConfigurationError, Mistake
from gateway.policy.load import load_policies
from gateway.runtime.keys import customer_files
from gateway.runtime.policy_edit import customer_file, replace_checked, with_user, without_user

AUTHORITY_PURPOSE = "authority"


@dataclass(frozen=True, slots=True)
class NewCustomer:
    """What is shown once and kept nowhere."""

    name: str
    passwords: Mapping[str, str] = field(repr=False)
    recovery_code: str = field(repr=False)


def templates() -> Path:
    """The folder with ``config.yaml`` and ``policies/``: packed into the wheel, or the top of the checkout."""
    packed = Path(__file__).parents[1] / "templates"
    return packed if packed.is_dir() else Path(__file__).parents[2]


def init(folder: Path, hostnames: Sequence[str], passphrase: str) -> ServerFiles:
    """Make a folder that ``gateway serve`` can run from: configuration, policies, server certificate and operator key.

    Raises ConfigurationError when something of it is there already: nothing is ever overwritten.
    """
    config_file = folder / "config.yaml"
    if config_file.exists() or (folder / "policies").exists():
        raise ConfigurationError([Mistake(config_file, 0, "exists already; nothing was changed")])
    (folder / "policies" / "customers").mkdir(parents=True)
    (folder / "certs").mkdir(mode=0o700, exist_ok=True)
    for name in ("data_classes.yaml", "planning_suite.yaml"):
        shutil.copyfile(templates() / "policies" / name, folder / "policies" / name)
    text = (templates() / "config.yaml").read_text()
    config_file.write_text(text.replace("[gateway.example]", "[" + ", ".join(hostnames) + "]"))
    files = create_server_certificate(folder / "certs", hostnames)
    FileOperatorKey.create(folder / "certs" / "operator.key", passphrase)
    load_config(config_file)
    return files


def add_customer(
    config: Config,
    operator: OperatorKey,
    name: str,
    *,
    api: str,
    upstream: str,
    ca: str | None,
    networks: Sequence[str],
    users: Mapping[str, str],
) -> NewCustomer:
    """An authority, a customer token in its keyslots, and last the policy file, which lets the customer in. ``users``: user → role."""
    file = config.policies / "customers" / f"{name}.yaml"
    if file.exists() or config.customer_dir(name).exists():
        raise ConfigurationError([Mistake(file, 0, "this customer exists already; nothing was changed")])
    text = customer_file(name, api, upstream, networks, dict(users), ca)
    replace_checked(file, text, lambda: load_policies(config))
    file.unlink()  # it is good; but it lets the customer in only when the keys are there
    passwords = {user: generate_password() for user in users}
    create_authority(config.authority_dir(name), authority_password(operator, name))
    recovery_code = keys_of(config, operator, name).create(passwords)
    replace_checked(file, text, lambda: load_policies(config))
    return NewCustomer(name, passwords, recovery_code)


def add_user(config: Config, operator: OperatorKey, customer: str, user: str, role: str, authorised_by: Credential) -> str:
    """A keyslot and a line in the policy; returns the generated password. A credential of that customer is needed: the operator
    cannot give himself a slot."""
    file = policy_file(config, customer)
    before = file.read_text()
    password = generate_password()
    # The policy is checked first and put back: a role that does not exist must not leave a keyslot behind.
    replace_checked(file, with_user(before, file, user, role), lambda: load_policies(config))
    try:
        keys_of(config, operator, customer).add_user(user, password, authorised_by=authorised_by)
    except BaseException:  # also when interrupted: no user may stand in the policy whose slot was never made
        file.write_text(before)
        raise
    return password


def set_password(config: Config, operator: OperatorKey, customer: str, user: str, password: str, authorised_by: Credential) -> None:
    policy_file(config, customer)
    keys_of(config, operator, customer).set_password(user, password, authorised_by=authorised_by)


def remove_user(config: Config, operator: OperatorKey, customer: str, user: str, authorised_by: Credential) -> None:
    """First out of the policy, which refuses him within a second; then his slot goes."""
    file = policy_file(config, customer)
    replace_checked(file, without_user(file.read_text(), file, user), lambda: load_policies(config))
    keys_of(config, operator, customer).remove_user(user, authorised_by=authorised_by)


def shred(config: Config, operator: OperatorKey, customer: str) -> None:
    """Destroy the customer's keyslots and share and sign the tombstone: no backup brings the data back. Then the policy file goes."""
    file = policy_file(config, customer)
    keys_of(config, operator, customer).shred()
    file.unlink()


def issue_certificate(config: Config, operator: OperatorKey, customer: str, label: str, folder: Path, *, days: int = 365) -> Bundle:
    """A client certificate as PEM and PKCS#12 in ``folder``; it stands in the ledger before anyone holds it."""
    issued = open_authority(config, operator, customer).issue(customer, label, days)
    return write_bundle(folder, f"{customer}-{label}", issued)


def open_authority(config: Config, operator: OperatorKey, customer: str) -> Authority:
    policy_file(config, customer)
    return load_authority(config.authority_dir(customer), authority_password(operator, customer))


def keys_of(config: Config, operator: OperatorKey, customer: str) -> CustomerKeys:
    return CustomerKeys(customer, customer_files(config, customer), operator)


def authority_password(operator: OperatorKey, customer: str) -> bytes:
    """What encrypts an authority's private key: an operator part of its own, so it opens with the operator key alone."""
    return operator.operator_part(AUTHORITY_PURPOSE, customer, 1).hex().encode()


def policy_file(config: Config, customer: str) -> Path:
    """Raises ConfigurationError for a customer that the policies do not know."""
    known = load_policies(config).customers
    if customer not in known:
        text = "there is no such customer; known are: " + (", ".join(sorted(known)) or "none yet")
        raise ConfigurationError([Mistake(config.policies / "customers", 0, text)])
    return known[customer].file
