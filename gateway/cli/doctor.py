"""``doctor``: the self-check at the start, made visible, and whatever else can be looked at without changing anything."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import click

from gateway.cli.output import ANSWER_NO, as_json, show
from gateway.cli.serving import config_option
from gateway.runtime.selfcheck import program, surroundings
from gateway.runtime.selfcheck_installation import installation


@click.command()
@config_option
@as_json
def doctor(config_path: Path, as_json: bool) -> None:
    """Look at program, machine and installation, and say what is wrong and what to do; changes nothing."""
    findings = [*program(), *surroundings(), *installation(config_path, time.time())]
    wrong = sum(finding.outcome == "wrong" for finding in findings)
    if as_json:
        click.echo(json.dumps({"ok": not wrong, "findings": [asdict(finding) for finding in findings]}, indent=2, ensure_ascii=False))
    else:
        columns = ({"": f.outcome, "check": f.check, "found": f.found, "what to do": f.remedy} for f in findings)
        show(list(columns))
        minded = sum(finding.outcome == "mind" for finding in findings)
        click.echo(f"{wrong} wrong, {minded} to mind, {len(findings) - wrong - minded} fine")
    if wrong:
        sys.exit(ANSWER_NO)
