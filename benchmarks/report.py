"""What was measured, on what, as tables or as JSON.

Never may: a judgement; a goal stands where it is promised.
"""

from __future__ import annotations

import os
import platform
import ssl
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.access import Row
from benchmarks.measure import Plan, Sample, Samples, middle, ratios

STACK = ("aiohttp", "cryptography", "httptools", "msgspec")


def machine(nginx: str | None) -> dict[str, str]:
    models = {line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")}
    said = subprocess.run([nginx, "-v"], check=True, capture_output=True, text=True).stderr.strip() if nginx else "not installed"
    return {
        "machine": f"{os.cpu_count()} cores, {' / '.join(sorted(models)) or platform.machine()}, {platform.system()} {platform.release()}",
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "python": f"{platform.python_version()}, {ssl.OPENSSL_VERSION}, " + ", ".join(f"{name} {version(name)}" for name in STACK),
        "nginx": said.removeprefix("nginx version: "),
    }


def facts(samples: Samples, peer: str | None) -> list[dict[str, Any]]:
    """One row per workload and candidate; microseconds of CPU per request."""
    rows = []
    for (workload, candidate), taken in samples.items():
        against = ratios(taken, samples[workload, peer]) if peer and candidate != peer else []
        rows.append(
            {
                "workload": workload,
                "candidate": candidate,
                "cpu_us": round(middle(taken), 1),
                "cpu_us_rounds": [round(sample.microseconds(), 1) for sample in taken],
                "system_share": round(median(_system_share(sample) for sample in taken), 2),
                "roles_us": {role: round(middle(taken, role), 1) for role in taken[0].costs},
                "per_second": round(median(sample.rate for sample in taken)),
                "ratio": round(median(against), 2) if against else None,
                "ratio_rounds": [round(ratio, 2) for ratio in against],
            }
        )
    return rows


def _system_share(sample: Sample) -> float:
    return sum(cost.system for cost in sample.costs.values()) / max(sum(cost.total for cost in sample.costs.values()), 1e-9)


def show(rows: Sequence[dict[str, Any]], about: dict[str, str], plan: Plan, peer: str | None, console: Console) -> None:
    title = f"CPU per request, µs: median of {plan.rounds} interleaved rounds \\[least–most], {plan.connections} connections, closed loop"
    table = Table(title=title, title_justify="left")
    for column in ("workload", "candidate", "by process"):
        table.add_column(column)
    for column in ("CPU µs", "of it system", "requests/s", f"against {peer}" if peer else "ratio"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row["workload"],
            row["candidate"],
            " · ".join(f"{role} {spent:.0f}" for role, spent in row["roles_us"].items() if spent >= 0.5),
            _spread(row["cpu_us"], row["cpu_us_rounds"]),
            f"{row['system_share']:.0%}",
            f"{row['per_second']:,}",
            f"× {_spread(row['ratio'], row['ratio_rounds'])}" if row["ratio"] else "",
        )
    console.print(table)
    for name, text in about.items():
        console.print(f"{name}: {text}", highlight=False, markup=False)
    console.print("Only the ratios inside one run mean anything, and only on a machine that does nothing else.")


def show_checks(checks: Sequence[Row], console: Console) -> None:
    table = Table(title="Access checks of one request, µs of CPU in one process", title_justify="left")
    table.add_column("check")
    table.add_column("µs", justify="right")
    table.add_column("at most", justify="right")
    for check in checks:
        table.add_row(check.check, f"{check.microseconds:.2f}", "" if check.most is None else f"{check.most:g}")
    console.print(table)


def _spread(value: float, of: Sequence[float]) -> str:
    return f"{value:g} [{min(of):g}–{max(of):g}]"
