"""``cert issue|renew|revoke|list``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from gateway.ca.authority import KEY_TYPES, LEDGER_FILE
from gateway.ca.bundle import Bundle
from gateway.ca.expiry import WARN, days_left, renewed_by, status
from gateway.ca.ledger import Ledger, record_revocation
from gateway.cli.output import as_json, done, show
from gateway.cli.secrets import operator_passphrase, passphrase_file
from gateway.cli.serving import config_option
from gateway.config import Config, load_config
from gateway.policy.load import load_policies, policy_file
from gateway.runtime.certificates import Wishes, issue_certificate, ledger_of, renew_certificate, server_of
from gateway.runtime.keys import open_operator_key
from gateway.runtime.operator_events import note

COLOURS = {"expiring": "yellow", "expired": "red", "revoked": "red", "renewed": "dim"}


@click.group()
def cert() -> None:
    """Certificates for customers, from an authority per customer."""


def _wishes(command: Callable[..., None]) -> Callable[..., None]:
    """The options that ``issue`` and ``renew`` share."""
    for option in (
        as_json,
        passphrase_file,
        click.option(
            "--csr", type=click.Path(path_type=Path, dir_okay=False), help="Signing request of a customer who keeps the private key."
        ),
        click.option("--legacy", is_flag=True, help="A .p12 for Windows older than 10 1709 (weak encryption)."),
        click.option(
            "--key-type", type=click.Choice(list(KEY_TYPES)), default="ec", show_default=True, help="ec is P-256; rsa has 3072 bits."
        ),
        click.option("--days", type=click.IntRange(1, 825), default=365, show_default=True, help="How long it is valid."),
        click.option(
            "--out", type=click.Path(path_type=Path, file_okay=False), default=".", show_default=True, help="Folder for the files."
        ),
    ):
        command = option(command)
    return command


@cert.command("issue")
@config_option
@click.argument("customer")
@click.argument("label")
@_wishes
def issue(config_path: Path, customer: str, label: str, out: Path, passphrase_file: Path | None, as_json: bool, **chosen: Any) -> None:
    """Issue a certificate for CUSTOMER; LABEL says for what, e.g. import-job."""
    wishes = _checked(**chosen)
    config = load_config(config_path)
    operator = open_operator_key(config, operator_passphrase(passphrase_file).encode())
    bundle = issue_certificate(config, operator, customer, label, out, wishes)
    _show_files(config, bundle, f"Certificate of {customer}", as_json)
    note(config, customer=customer, reason="certificate-issued")


@cert.command("renew")
@config_option
@click.argument("customer")
@click.argument("serial")
@_wishes
def renew(config_path: Path, customer: str, serial: str, out: Path, passphrase_file: Path | None, as_json: bool, **chosen: Any) -> None:
    """Issue the successor of a certificate of CUSTOMER. Both are valid until the old one ends or is revoked."""
    wishes = _checked(**chosen)
    config = load_config(config_path)
    operator = open_operator_key(config, operator_passphrase(passphrase_file).encode())
    bundle = renew_certificate(config, operator, customer, serial, out, wishes)
    _show_files(config, bundle, f"Renewed certificate of {customer}", as_json)
    note(config, customer=customer, reason="certificate-renewed")


def _checked(days: int, key_type: str, legacy: bool, csr: Path | None) -> Wishes:
    if csr is not None and (legacy or key_type != "ec"):
        raise click.UsageError("--csr brings its own key: --key-type and --legacy say nothing about it")
    return Wishes(days, key_type, legacy, csr)


def _show_files(config: Config, bundle: Bundle, title: str, as_json: bool) -> None:
    paths = {
        "certificate": bundle.certificate,
        "private_key": bundle.private_key,
        "pkcs12": bundle.pkcs12,
        "truststore": bundle.truststore,
        "server_authority": bundle.server_authority,
        "sheets": bundle.sheets,
    }
    files = {name: str(path) if path else None for name, path in paths.items()}
    files |= {"pkcs12_password": bundle.password or None, "serial": bundle.serial}
    missing = server_of(config).authority.reason
    if as_json:
        click.echo(json.dumps(files | {"server_authority_missing": missing or None}, indent=2))
        return
    show([{"file": name.replace("_", " "), "": value} for name, value in files.items() if value], title=title)
    click.echo("The same files work on every machine that sends for this customer; a new machine needs no new certificate.")
    if missing:
        click.echo(f"No truststore was written: {missing}.")


@cert.command("list")
@config_option
@click.argument("customer", required=False)
@as_json
def list_(config_path: Path, customer: str | None, as_json: bool) -> None:
    """The certificates that were issued for CUSTOMER, or for all customers, and what is to be renewed soon."""
    config = load_config(config_path)
    rows = [row for name in _with_ledger(config, customer) for row in _rows(config, name, time.time())]
    title = f"Certificates of {customer}" if customer else "Certificates"
    show(rows if as_json else [_for_people(row) for row in rows], title=title, as_json=as_json)
    expiring = sum(row["warning"] for row in rows)
    if expiring and not as_json:
        click.secho(f"{expiring} to be renewed within {WARN} days: gateway cert renew", fg="yellow")


def _with_ledger(config: Config, customer: str | None) -> list[str]:
    if customer is not None:
        policy_file(config, customer)
        return [customer]
    return [name for name in sorted(load_policies(config).customers) if (config.authority_dir(name) / LEDGER_FILE).exists()]


def _rows(config: Config, customer: str, now: float) -> Iterator[dict[str, Any]]:
    ledger = Ledger.load(config.authority_dir(customer) / LEDGER_FILE)
    heirs = renewed_by(ledger, now)
    for entry in ledger.entries.values():
        state = status(entry, heirs, now)
        yield {
            "customer": customer,
            "serial": entry.serial,
            "label": entry.label,
            "status": state,
            "issued": str(entry.issued),
            "not_after": str(entry.not_after),
            "days_left": days_left(entry, now),
            "revoked": str(entry.revoked) if entry.revoked else None,
            "renewed_by": heirs.get(entry.serial),
            "warning": state == "expiring",
        }


def _for_people(row: dict[str, Any]) -> dict[str, Any]:
    """One column for the state; the clock times are for programs."""
    words = {
        "expiring": f"expires in {row['days_left']} days",
        "revoked": f"revoked {str(row['revoked'])[:10]}",
        "renewed": f"renewed by {row['renewed_by']}",
    }
    text = words.get(row["status"], row["status"])
    shown = {name: row[name] for name in ("customer", "serial", "label")}
    return shown | {"issued": row["issued"][:10], "ends": row["not_after"][:10], "status": Text(text, COLOURS.get(row["status"], ""))}


@cert.command("revoke")
@config_option
@click.argument("customer")
@click.argument("serial")
@as_json
def revoke(config_path: Path, customer: str, serial: str, as_json: bool) -> None:
    """Revoke a certificate of CUSTOMER; live connections notice within two seconds."""
    config = load_config(config_path)
    record_revocation(ledger_of(config, customer), serial)
    note(config, customer=customer, reason="certificate-revoked")
    done(f"{serial} is revoked.", {"serial": serial, "revoked": True}, as_json=as_json)
