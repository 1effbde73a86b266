"""``cert issue|revoke|list``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gateway.ca.authority import LEDGER_FILE
from gateway.ca.ledger import Ledger, record_revocation
from gateway.cli.output import as_json, done, show
from gateway.cli.secrets import operator_passphrase, passphrase_file
from gateway.cli.serving import config_option
from gateway.config import load_config
from gateway.runtime import setup
from gateway.runtime.keys import open_operator_key
from gateway.runtime.operator_events import note


@click.group()
def cert() -> None:
    """Certificates for customers, from an authority per customer."""


@cert.command("issue")
@config_option
@click.argument("customer")
@click.argument("label")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=".", show_default=True, help="Folder for the files.")
@click.option("--days", type=click.IntRange(1, 825), default=365, show_default=True, help="How long it is valid.")
@passphrase_file
@as_json
def issue(config_path: Path, customer: str, label: str, out: Path, days: int, passphrase_file: Path | None, as_json: bool) -> None:
    """Issue a certificate for CUSTOMER; LABEL says for what, e.g. import-job."""
    config = load_config(config_path)
    operator = open_operator_key(config, operator_passphrase(passphrase_file).encode())
    bundle = setup.issue_certificate(config, operator, customer, label, out, days=days)
    files = {
        "certificate": str(bundle.certificate),
        "private_key": str(bundle.private_key),
        "pkcs12": str(bundle.pkcs12),
        "pkcs12_password": bundle.password,
    }
    if as_json:
        click.echo(json.dumps(files, indent=2))
    else:
        show([{"file": name.replace("_", " "), "": value} for name, value in files.items()], title=f"Certificate of {customer}")
        click.echo("The same files work on every machine that sends for this customer; a new machine needs no new certificate.")
    note(config, customer=customer, reason="certificate-issued")


@cert.command("list")
@config_option
@click.argument("customer")
@as_json
def list_(config_path: Path, customer: str, as_json: bool) -> None:
    """The certificates that were issued for CUSTOMER."""
    config = load_config(config_path)
    setup.policy_file(config, customer)
    entries = Ledger.load(config.authority_dir(customer) / LEDGER_FILE).entries.values()
    rows = [
        {
            "serial": entry.serial,
            "label": entry.label,
            "issued": str(entry.issued),
            "not_after": str(entry.not_after),
            "revoked": str(entry.revoked) if entry.revoked else None,
        }
        for entry in entries
    ]
    show(rows, title=f"Certificates of {customer}", as_json=as_json)


@cert.command("revoke")
@config_option
@click.argument("customer")
@click.argument("serial")
@as_json
def revoke(config_path: Path, customer: str, serial: str, as_json: bool) -> None:
    """Revoke a certificate of CUSTOMER; live connections notice within two seconds."""
    config = load_config(config_path)
    record_revocation(setup.ledger_of(config, customer), serial)
    note(config, customer=customer, reason="certificate-revoked")
    done(f"{serial} is revoked.", {"serial": serial, "revoked": True}, as_json=as_json)
