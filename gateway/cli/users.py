"""``user add|password|recovery-code|remove``: each writes a keyslot, so each needs a credential of that customer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from gateway.cipher.credentials import Credential, generate_password
from gateway.cipher.providers import OperatorKey
from gateway.cli.duration import Duration
from gateway.cli.output import as_json, done
from gateway.cli.secrets import authorising_credential, operator_passphrase, passphrase_file, read_secret
from gateway.cli.serving import config_option
from gateway.config import Config, load_config
from gateway.runtime import setup
from gateway.runtime.keys import open_operator_key
from gateway.runtime.operator_events import note

authorised_by = click.option("--authorised-by", metavar="USER", help="A user of this customer whose password is given.")
use_recovery = click.option("--recovery", "use_recovery", is_flag=True, help="The recovery code is given instead.")
credential_file = click.option(
    "--credential-file",
    type=click.Path(path_type=Path, allow_dash=True),
    help="File with that password or recovery code (- is standard input).",
)


def with_credential(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say who of the customer allows it: every verb here writes a keyslot, or destroys one."""
    return authorised_by(use_recovery(credential_file(command)))


def _both_keys(
    config: Config, customers: tuple[str | None, bool, Path | None], passphrase_file: Path | None
) -> tuple[Credential, OperatorKey]:
    """The customer's key first: without it the operator's passphrase is not even asked for."""
    credential = authorising_credential(*customers)
    return credential, open_operator_key(config, operator_passphrase(passphrase_file).encode())


@click.group()
def user() -> None:
    """Users of a customer. The operator cannot make one without the customer."""


@user.command("add")
@config_option
@click.argument("customer")
@click.argument("name")
@click.option("--role", required=True, help="A role of the customer's API.")
@with_credential
@passphrase_file
@as_json
def add(
    config_path: Path,
    customer: str,
    name: str,
    role: str,
    authorised_by: str | None,
    use_recovery: bool,
    credential_file: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Make user NAME of CUSTOMER and print the password, once."""
    config = load_config(config_path)
    credential, operator = _both_keys(config, (authorised_by, use_recovery, credential_file), passphrase_file)
    password = setup.add_user(config, operator, customer, name, role, credential)
    done(f"Password of {name}: {password}", {"user": name, "role": role, "password": password}, as_json=as_json)
    note(config, customer=customer, user=name, reason="user-added")


@user.command("password")
@config_option
@click.argument("customer")
@click.argument("name")
@with_credential
@click.option(
    "--new-password-file", type=click.Path(path_type=Path, allow_dash=True), help="File with the new password (default: one is generated)."
)
@click.option(
    "--overlap", type=Duration(), default=0, help="How long the old password goes on beside the new one, such as 24h (default: not)."
)
@passphrase_file
@as_json
def password(
    config_path: Path,
    customer: str,
    name: str,
    authorised_by: str | None,
    use_recovery: bool,
    credential_file: Path | None,
    new_password_file: Path | None,
    overlap: int,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Give user NAME of CUSTOMER a new password."""
    config = load_config(config_path)
    credential, operator = _both_keys(config, (authorised_by, use_recovery, credential_file), passphrase_file)
    new = read_secret(new_password_file) if new_password_file else generate_password()
    setup.set_password(config, operator, customer, name, new, credential, overlap)
    shown = None if new_password_file else new
    until = _moment(overlap) if overlap else None
    also = f"\nThe old one is valid until {until}." if until else ""
    facts = {"user": name, "password": shown, "old_password_valid_until": until}
    done(f"Password of {name}: {shown or 'changed'}{also}", facts, as_json=as_json)
    note(config, customer=customer, user=name, reason="password-changed")


def _moment(seconds: int) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")


@user.command("recovery-code")
@config_option
@click.argument("customer")
@with_credential
@passphrase_file
@as_json
def recovery_code(
    config_path: Path,
    customer: str,
    authorised_by: str | None,
    use_recovery: bool,
    credential_file: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Make a new recovery code of CUSTOMER and print it, once; the old one is void."""
    config = load_config(config_path)
    credential, operator = _both_keys(config, (authorised_by, use_recovery, credential_file), passphrase_file)
    code = setup.replace_recovery_code(config, operator, customer, credential)
    done(f"Recovery code, to be printed and kept by the customer: {code}", {"customer": customer, "recovery_code": code}, as_json=as_json)
    note(config, customer=customer, reason="recovery-code-replaced")


@user.command("remove")
@config_option
@click.argument("customer")
@click.argument("name")
@with_credential
@passphrase_file
@as_json
def remove(
    config_path: Path,
    customer: str,
    name: str,
    authorised_by: str | None,
    use_recovery: bool,
    credential_file: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Take user NAME of CUSTOMER out of the policy and destroy the keyslot."""
    config = load_config(config_path)
    credential, operator = _both_keys(config, (authorised_by, use_recovery, credential_file), passphrase_file)
    setup.remove_user(config, operator, customer, name, credential)
    note(config, customer=customer, user=name, reason="user-removed")
    done(f"{name} is removed.", {"user": name, "removed": True}, as_json=as_json)
