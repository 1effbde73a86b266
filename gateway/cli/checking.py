"""``check``: everything that the gateway would refuse to start with, all at once; ``test``: the policies' own examples."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import click

from gateway.cli.output import ANSWER_NO, CONFIGURATION, as_json, show, show_mistakes
from gateway.cli.serving import config_option
from gateway.config import load_config
from gateway.errors import ConfigurationError
from gateway.policy.load import load_policies
from gateway.runtime.policy_tests import run_policy_tests
from gateway.runtime.snapshot import build_snapshot, warnings_of


@click.command()
@config_option
@click.option("--running", is_flag=True, help="As a reload judges: an expired revocation list is a warning.")
@as_json
def check(config_path: Path, running: bool, as_json: bool) -> None:
    """Validate configuration, policies and trust files; report every mistake with file:line."""
    try:
        config = load_config(config_path)
        policies = load_policies(config)
        warnings = warnings_of(build_snapshot(config, policies, running=running), time.time())
    except ConfigurationError as error:
        show_mistakes(error.mistakes, as_json=as_json)
        sys.exit(CONFIGURATION)
    if as_json:
        click.echo(json.dumps({"ok": True, "revision": policies.revision, "customers": sorted(policies.customers), "warnings": warnings}))
        return
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"fine: revision {policies.revision}, {len(policies.customers)} customers, {len(policies.apis)} APIs")


@click.command("test")
@config_option
@as_json
def test_(config_path: Path, as_json: bool) -> None:
    """Run the examples inside the policies, with keys that live for a moment; no customer is touched."""
    outcomes = asyncio.run(run_policy_tests(load_policies(load_config(config_path))))
    rows = [{"api": o.api, "line": o.line, "as": o.role, "send": o.send, "verdict": "holds" if not o.fault else o.fault} for o in outcomes]
    show(rows, title="Policy tests", as_json=as_json)
    sys.exit(ANSWER_NO if any(outcome.fault for outcome in outcomes) else 0)
