"""``customer add|list|shred``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gateway.cli.output import as_json, done, show
from gateway.cli.secrets import operator_passphrase, passphrase_file
from gateway.cli.serving import config_option
from gateway.config import load_config
from gateway.policy.load import load_policies
from gateway.runtime import setup
from gateway.runtime.keys import open_operator_key
from gateway.runtime.operator_events import note


@click.group()
def customer() -> None:
    """Customers: each has an authority, keys and a database of its own."""


def _user_and_role(text: str) -> tuple[str, str]:
    user, colon, role = text.partition(":")
    if not (user and colon and role):
        raise click.BadParameter(f"{text!r} is not USER:ROLE", param_hint="--user")
    return user, role


@customer.command("add")
@config_option
@click.argument("name")
@click.option("--api", default="planning_suite", show_default=True, help="The API policy that applies.")
@click.option("--upstream", required=True, help="URL of this customer's own part of the application.")
@click.option("--upstream-ca", "ca", help="Authority of the upstream's certificate, a file name as in the policy.")
@click.option("--network", "networks", multiple=True, required=True, help="Network that may connect, in CIDR notation (repeatable).")
@click.option("--user", "users", multiple=True, required=True, metavar="USER:ROLE", help="A user and its role (repeatable).")
@passphrase_file
@as_json
def add(
    config_path: Path,
    name: str,
    api: str,
    upstream: str,
    ca: str | None,
    networks: tuple[str, ...],
    users: tuple[str, ...],
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Set up customer NAME; prints the users' passwords and the recovery code, once."""
    config = load_config(config_path)
    roles = dict(_user_and_role(user) for user in users)
    operator = open_operator_key(config, operator_passphrase(passphrase_file).encode())
    new = setup.add_customer(config, operator, name, api=api, upstream=upstream, ca=ca, networks=networks, users=roles)
    _show_new(new, roles, as_json)  # before anything else can fail: they are nowhere else
    note(config, customer=name, reason="customer-added")


def _show_new(new: setup.NewCustomer, roles: dict[str, str], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"customer": new.name, "passwords": dict(new.passwords), "recovery_code": new.recovery_code}, indent=2))
        return
    show(
        [{"user": user, "role": roles[user], "password": password} for user, password in new.passwords.items()],
        title=f"Customer {new.name}",
    )
    click.echo(f"Recovery code, to be printed and kept by the customer: {new.recovery_code}")
    click.echo("Shown once and kept nowhere. If all passwords and this code are lost, the customer's data is lost.")


@customer.command("list")
@config_option
@as_json
def list_(config_path: Path, as_json: bool) -> None:
    """The customers that the policies know."""
    policies = load_policies(load_config(config_path))
    rows = [
        {
            "customer": c.name,
            "api": c.api,
            "networks": ", ".join(map(str, c.networks)),
            "users": ", ".join(f"{u}:{r}" for u, r in c.users.items()),
        }
        for c in policies.customers.values()
    ]
    show(rows, title="Customers", as_json=as_json)


@customer.command("shred")
@config_option
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@passphrase_file
@as_json
def shred(config_path: Path, name: str, yes: bool, passphrase_file: Path | None, as_json: bool) -> None:
    """Destroy the keys of customer NAME: nobody can ever read its data again, not even from a backup."""
    config = load_config(config_path)
    setup.policy_file(config, name)
    if not yes:
        click.confirm(f"Every value of {name} becomes unreadable for ever. Go on?", abort=True)
    operator = open_operator_key(config, operator_passphrase(passphrase_file).encode())
    setup.shred(config, operator, name)
    note(config, customer=name, reason="customer-shredded")
    done(f"{name} is shredded; a signed tombstone keeps restored backups shut.", {"customer": name, "shredded": True}, as_json=as_json)
