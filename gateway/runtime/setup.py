"""Setting up: a new folder, customers and users. The command line and the demo call the same functions. Certificates: ``certificates.py``.

They work on the files, so they work on a stopped and on a running gateway: every process notices the change within a second.
What never may come in: printing; what a caller shows, and to whom, is its own affair.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from gateway.ca.files import require_absent
from gateway.ca.server import ServerFiles, create_server_certificate
from gateway.cipher.credentials import Credential, generate_password
from gateway.cipher.customers import CustomerKeys
from gateway.cipher.files import locked
from gateway.cipher.primitives import wipe
from gateway.cipher.providers import FileOperatorKey, OperatorKey
from gateway.config import Config, load_config
from gateway.errors import ConfigurationError, Mistake
from gateway.policy.load import load_policies
from gateway.policy.load import policy_file as policy_file
from gateway.policy.load_customers import NAME
from gateway.runtime.certificates import authority_password as authority_password
from gateway.runtime.certificates import founded_authority
from gateway.runtime.certificates import issue_certificate as issue_certificate
from gateway.runtime.certificates import ledger_of as ledger_of
from gateway.runtime.keys import customer_files
from gateway.runtime.policy_edit import customer_file, quoted, replace_checked, with_user, without_user


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

    Raises ConfigurationError when something of it is there already: nothing is ever overwritten, and what failed leaves nothing
    behind, so that it can be tried again.
    """
    config_file, policies, certs = folder / "config.yaml", folder / "policies", folder / "certs"
    require_absent([config_file, policies, *(certs / name for name in ("server-ca.pem", "server.pem", "server.key", "operator.key"))])
    with _undone_on_failure(config_file, policies, *([] if certs.exists() else [certs])):
        (policies / "customers").mkdir(parents=True)
        certs.mkdir(mode=0o700, exist_ok=True)
        for name in ("data_classes.yaml", "planning_suite.yaml"):
            shutil.copyfile(templates() / "policies" / name, policies / name)
        text = (templates() / "config.yaml").read_text()
        config_file.write_text(text.replace("[gateway.example]", "[" + ", ".join(map(quoted, hostnames)) + "]"))
        config = load_config(config_file)  # before any key is made: it says which host name is none
        config.state.mkdir(mode=0o700, parents=True, exist_ok=True)  # its folders' names are the customers'
        files = _server_certificate(config_file, certs, hostnames)
        FileOperatorKey.create(certs / "operator.key", passphrase)
    return files


def _server_certificate(config_file: Path, certs: Path, hostnames: Sequence[str]) -> ServerFiles:
    try:
        return create_server_certificate(certs, hostnames)
    except ValueError as error:
        raise ConfigurationError([Mistake(config_file, 0, f"hostnames: {error}")]) from None


@contextmanager
def _undone_on_failure(*made: Path) -> Iterator[None]:
    """Take away what this call made, and nothing else: ``made`` did not exist when it began."""
    try:
        yield
    except BaseException:  # also when interrupted: half of a setup would stand in the way of the next attempt
        for path in made:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        raise


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
    """An authority, a customer token in its keyslots, and last the policy file, which lets the customer in. ``users``: user → role.

    Whatever fails, nothing of it stays. So it can be repeated.
    """
    file = config.policies / "customers" / f"{name}.yaml"
    _require_new_customer(config, file, name)
    passwords = {user: generate_password() for user in users}
    with _undone_on_failure(config.customer_dir(name), config.share(name)), founded_authority(config, operator, name):
        recovery_code = keys_of(config, operator, name).create(passwords)
        text = customer_file(name, api, upstream, networks, dict(users), ca)
        replace_checked(file, text, lambda: load_policies(config))
    return NewCustomer(name, passwords, recovery_code)


def _require_new_customer(config: Config, file: Path, name: str) -> None:
    """Raises ConfigurationError, before a path is made of the name."""
    if not NAME.fullmatch(name):
        raise ConfigurationError([Mistake(file.parent, 0, f"{name!r} is not a name for a customer: lower-case letters, digits, _ and -")])
    load_policies(config)  # a mistake that was there before is not this customer's
    if file.exists():
        raise ConfigurationError([Mistake(file, 0, "this customer exists already; nothing was changed")])
    if config.tombstone(name).exists():
        raise ConfigurationError([Mistake(config.tombstone(name), 0, "a customer of this name was shredded; the name is never used again")])
    for path in (config.customer_dir(name), config.share(name)):
        if path.exists():
            text = f"belongs to a customer that no policy names; put {file} back, or, if it never held data, remove {path} and repeat"
            raise ConfigurationError([Mistake(path, 0, text)])


def add_user(config: Config, operator: OperatorKey, customer: str, user: str, role: str, authorised_by: Credential) -> str:
    """A keyslot and a line in the policy; returns the generated password. A credential of that customer is needed: the operator
    cannot give himself a slot."""
    with _one_editor(config):
        file, keys, password = policy_file(config, customer), keys_of(config, operator, customer), generate_password()
        wipe(keys.open(authorised_by))  # a wrong credential changes nothing, not even for a moment: a running gateway would see it
        if user in keys.users():
            raise ConfigurationError([Mistake(file, 0, "this user has a keyslot already; nothing was changed")])
        # The policy is checked first and put back: a role that does not exist must not leave a keyslot behind.
        with _edited(config, file, with_user(file.read_text(), file, user, role)):
            keys.add_user(user, password, authorised_by=authorised_by)
    return password


def _one_editor(config: Config) -> AbstractContextManager[None]:
    """One of us at a time, or the second would write back what it read before the first one's change."""
    folder = config.policies / "customers"
    return locked(folder) if folder.is_dir() else nullcontext()


@contextmanager
def _edited(config: Config, file: Path, text: str) -> Iterator[None]:
    """With ``text`` in the policy; and with the old one again when what follows fails: policy and keyslots say the same."""
    before = file.read_text()
    replace_checked(file, text, lambda: load_policies(config))
    try:
        yield
    except BaseException:  # also when interrupted
        if file.exists() and file.read_text() == text:  # what somebody else has written meanwhile is not ours to take back
            replace_checked(file, before, lambda: None)
        raise


def set_password(
    config: Config, operator: OperatorKey, customer: str, user: str, password: str, authorised_by: Credential, overlap: int = 0
) -> None:
    """The old password goes on for ``overlap`` seconds."""
    policy_file(config, customer)
    keys_of(config, operator, customer).set_password(user, password, authorised_by=authorised_by, overlap=overlap)


def replace_recovery_code(config: Config, operator: OperatorKey, customer: str, authorised_by: Credential) -> str:
    policy_file(config, customer)
    return keys_of(config, operator, customer).replace_recovery_code(authorised_by=authorised_by)


def remove_user(config: Config, operator: OperatorKey, customer: str, user: str, authorised_by: Credential) -> None:
    """First out of the policy, which refuses him within a second; then his slot goes. Can be repeated if it was interrupted."""
    with _one_editor(config):
        file, keys = policy_file(config, customer), keys_of(config, operator, customer)
        wipe(keys.open(authorised_by))  # a wrong credential changes nothing
        slot, text = user in keys.users(), file.read_text()
        if not slot or user in load_policies(config).customers[customer].users:
            text = without_user(text, file, user)
        with _edited(config, file, text):
            if slot:
                keys.remove_user(user, authorised_by=authorised_by)


def shred(config: Config, operator: OperatorKey, customer: str) -> None:
    """Destroy the customer's keyslots and share and sign the tombstone: no backup brings the data back. Then the policy file goes."""
    file = policy_file(config, customer)
    keys_of(config, operator, customer).shred()
    file.unlink()


def keys_of(config: Config, operator: OperatorKey, customer: str) -> CustomerKeys:
    return CustomerKeys(customer, customer_files(config, customer), operator)
