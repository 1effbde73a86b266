"""``audit show|verify``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from gateway.audit import read, verify
from gateway.cli.output import ANSWER_NO, as_json, show
from gateway.cli.serving import config_option
from gateway.config import load_config

COLUMNS = ("time", "kind", "customer", "user", "method", "route", "status", "reason", "exchange")


@click.group()
def audit() -> None:
    """The audit log: who was let in, refused, and shown what; without values."""


@audit.command("show")
@config_option
@click.option("--customer", help="Only this customer.")
@click.option("--exchange", help="Only this exchange, the instance of a problem document.")
@click.option("--kind", help="Only records of this kind: begin, reveal, end, refused, closed, operator.")
@click.option("--last", type=click.IntRange(1), default=50, show_default=True, help="How many of the newest.")
@as_json
def show_(config_path: Path, customer: str | None, exchange: str | None, kind: str | None, last: int, as_json: bool) -> None:
    """The newest records."""
    wanted = {name: value for name, value in (("customer", customer), ("exchange", exchange), ("kind", kind)) if value}
    records = [r for r in read(load_config(config_path).audit_dir) if all(r.get(name) == value for name, value in wanted.items())][-last:]
    if as_json:
        click.echo(json.dumps(records, indent=2))
        return
    show([{column: record.get(column, "") for column in COLUMNS} for record in records], title="Audit log")


@audit.command("verify")
@config_option
@click.option("--head", default="", help="The head that an earlier run printed, kept elsewhere: proves that the end is whole, too.")
@as_json
def verify_(config_path: Path, head: str, as_json: bool) -> None:
    """Check that no record was changed, removed, inserted or moved."""
    verdict = verify(load_config(config_path).audit_dir, head.strip().lower())
    if as_json:
        where = str(verdict.first_bad) if verdict.first_bad else None
        click.echo(
            json.dumps({"ok": verdict.ok, "records": verdict.records, "head": verdict.head, "first_bad": where, "reason": verdict.reason})
        )
    elif verdict.ok:
        click.echo(f"whole: {verdict.records} records, each chained to the one before; head: {verdict.head}")
    else:
        click.echo(f"NOT whole: {verdict.first_bad}: {verdict.reason}", err=True)
    sys.exit(0 if verdict.ok else ANSWER_NO)
