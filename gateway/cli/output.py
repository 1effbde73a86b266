"""How commands show results: tables and colour on a terminal, JSON with ``--json``; and the exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from gateway.errors import Mistake

ANSWER_NO = 1
USAGE = 2
CONFIGURATION = 78  # EX_CONFIG of sysexits.h

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def show_mistakes(mistakes: Sequence[Mistake], *, as_json: bool = False) -> None:
    """Every mistake as file:line, on standard error (or as JSON on standard output)."""
    if as_json:
        click.echo(
            json.dumps({"ok": False, "mistakes": [{"file": str(m.file), "line": m.line, "text": m.text} for m in mistakes]}, indent=2)
        )
        return
    for mistake in mistakes:
        click.echo(str(mistake), err=True)
    click.echo(f"{len(mistakes)} mistake{'s' if len(mistakes) != 1 else ''}; nothing was changed", err=True)


def show_failure(error: OSError) -> None:
    """What the operating system said, and of what."""
    of = f"{error.filename}: " if error.filename is not None else ""
    click.echo(f"gateway: {of}{error.strerror or type(error).__name__}", err=True)


def done(sentence: str, facts: dict[str, Any], *, as_json: bool) -> None:
    """That something was done: a sentence, or its facts as JSON."""
    click.echo(json.dumps(facts, ensure_ascii=False) if as_json else sentence)


def show(rows: Sequence[dict[str, Any]], *, title: str = "", as_json: bool = False) -> None:
    """``rows`` share their keys, which become the columns. For a table, a ``Text`` brings its own colour."""
    if as_json:
        click.echo(json.dumps(list(rows), indent=2, ensure_ascii=False))
        return
    if not rows:
        click.echo(f"{title}: none" if title else "none")
        return
    table = Table(title=title or None, title_justify="left")
    for column in rows[0]:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(value if isinstance(value, Text) else escape("" if value is None else str(value)) for value in row.values()))
    # Into a pipe or a file nothing is folded: a password in two lines is no password any more.
    Console(width=None if sys.stdout.isatty() else 10_000).print(table)
