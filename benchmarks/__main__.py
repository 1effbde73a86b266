"""``python -m benchmarks``, which is ``make bench``: start the candidates, measure in rounds, show, stop."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from benchmarks import access, loop
from benchmarks.candidates import GatewayCandidate, NginxCandidate, Target
from benchmarks.measure import Plan, Samples, rounds
from benchmarks.orders import WORKLOADS
from benchmarks.report import facts, machine, show, show_checks

DEFAULT = Plan()


@click.command()
@click.option("--rounds", "count", type=click.IntRange(1), default=DEFAULT.rounds, show_default=True, help="How many interleaved rounds.")
@click.option("--connections", type=click.IntRange(1), default=DEFAULT.connections, show_default=True, help="Keep-alive connections.")
@click.option("--window", type=click.FloatRange(0.2), default=DEFAULT.window, show_default=True, help="Seconds of each measurement.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Proxy workers, and nginx workers.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def bench(count: int, connections: int, window: float, workers: int, as_json: bool) -> None:
    """CPU per request of the gateway's full job against nginx without tokens, in the same run."""
    console = Console(stderr=as_json, width=None if sys.stdout.isatty() else 150)  # in a log, rows stay whole
    plan = Plan(rounds=count, connections=connections, window=window)
    nginx = NginxCandidate.program()
    about = machine(nginx)
    if nginx is None:
        console.print("[yellow]nginx is not installed (apt-get install nginx-light): the gateway is measured without its peer.[/]")
    samples, peer = _measure(plan, workers, nginx is not None, console)
    rows, checks = facts(samples, peer), access.measure()
    if as_json:
        document = {"about": about, "rows": rows, "access_checks": [asdict(check) for check in checks]}
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        show(rows, about, plan, peer, console)
        show_checks(checks, console)


def _measure(plan: Plan, workers: int, with_nginx: bool, console: Console) -> tuple[Samples, str | None]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-bench-")))
        ours = GatewayCandidate(folder / "gateway-run", workers)
        stack.callback(ours.stop)
        targets, peer = [ours.start()], None
        if with_nginx:
            nginx = NginxCandidate(folder / "nginx", ours, workers)
            stack.callback(nginx.stop)
            targets.append(nginx.start())
            peer = targets[-1].name
        progress = stack.enter_context(Progress(console=console, transient=True))
        samples = _rounds(targets, plan, progress)
        if not ours.keeps_its_promise():
            console.print("[bold red]What was measured is not the job: a name reached the backend, or did not come back.[/]")
            sys.exit(1)
        return samples, peer


def _rounds(targets: list[Target], plan: Plan, progress: Progress) -> Samples:
    task = progress.add_task("measuring", total=plan.rounds * (len(WORKLOADS) + 1) * len(targets))
    return loop.run(rounds(targets, plan, lambda: progress.advance(task)))


if __name__ == "__main__":
    bench()
