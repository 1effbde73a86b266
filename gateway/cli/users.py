"""``user add|password|remove``: each writes a keyslot, so each needs a credential of that customer."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cipher.credentials import generate_password
from gateway.cli.output import as_json, done
from gateway.cli.secrets import authorising_credential, operator_passphrase, passphrase_file, read_secret
from gateway.cli.serving import config_option
from gateway.config import load_config
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


@click.group()
def user() -> None:
    """Users of a customer. The operator cannot make one without the customer."""


@user.command("add")
@config_option
@click.argument("customer")
@click.argument("name")
@click.option("--role", required=True, help="A role of the customer's API.")
@authorised_by
@use_recovery
@credential_file
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
    credential = authorising_credential(authorised_by, use_recovery, credential_file)
    operator = open_operator_key(config, operator_passphrase(passphrase_file).encode())
    password = setup.add_user(config, operator, customer, name, role, credential)
    done(f"Password of {name}: {password}", {"user": name, "role": role, "password": password}, as_json=as_json)
    note(config, customer=customer, user=name, reason="user-added")


@user.command("password")
@config_option
@click.argument("customer")
@click.argument("name")
@authorised_by
@use_recovery
@credential_file
@click.option(
    "--new-password-file", type=click.Path(path_type=Path, allow_dash=True), help="File with the new password (default: one is generated)."
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
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Give user NAME of CUSTOMER a new password."""
    config = load_config(config_path)
    credential = authorising_credential(authorised_by, use_recovery, credential_file)
    operator = open_operator_key(config, operator_passphrase(passphrase_file).encode())
    new = read_secret(new_password_file) if new_password_file else generate_password()
    setup.set_password(config, operator, customer, name, new, credential)
    shown = None if new_password_file else new
    done(f"Password of {name}: {shown or 'changed'}", {"user": name, "password": shown}, as_json=as_json)
    note(config, customer=customer, user=name, reason="password-changed")


@user.command("remove")
@config_option
@click.argument("customer")
@click.argument("name")
@authorised_by
@use_recovery
@credential_file
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
    credential = authorising_credential(authorised_by, use_recovery, credential_file)
    operator = open_operator_key(config, operator_passphrase(passphrase_file).encode())
    setup.remove_user(config, operator, customer, name, credential)
    note(config, customer=customer, user=name, reason="user-removed")
    done(f"{name} is removed.", {"user": name, "removed": True}, as_json=as_json)
