"""What the documents promise to be complete about, they are complete about.

Belongs here: lists in ``docs/`` against the lists in the program. Never may: the wording of a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from gateway.cipher.service import WAITING
from gateway.cli import cli
from gateway.metrics import METRICS
from gateway.problems import PROBLEMS, REASONS, problem_of
from gateway.proxy import server
from gateway.proxy.admission import DEFAULT_SHARES
from gateway.proxy.bodies import ANSWER_LIMIT
from gateway.proxy.listener import Limits
from gateway.proxy.rate import REQUEST_BODY, SLOWEST
from gateway.proxy.tls_transport import CERTIFICATE_BYTES, HELLO_BYTES, IDLE_BYTES, IDLE_SHARE
from gateway.proxy.upstream_connection import DEFAULT_TIMEOUTS
from gateway.proxy.upstream_parser import MAX_HEAD, MAX_HEADERS, MAX_INTERIM

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(file for top in ("docs", "certs", "benchmarks") for file in (ROOT / top).rglob("*.md"))])


def rows(document: str) -> dict[str, list[str]]:
    """First cell of every table row, without its backticks → the other cells; of a problem and a reason of one name, the reason."""
    lines = [line for line in (ROOT / document).read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]
    return {first.strip("`"): others for first, *others in cells}


ERRORS = rows("docs/errors.md")


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_is_explained(reason: str) -> None:
    problem, status, meaning, remedy = ERRORS[reason]
    assert problem.strip("`") == REASONS[reason]
    assert status in (str(problem_of(reason).status), "no answer", "its own")
    assert meaning and remedy


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_problem_is_listed(name: str) -> None:
    text = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    assert f"| `{name}` | {PROBLEMS[name].status or 'the application’s own'} | {PROBLEMS[name].title} |" in text


def test_nothing_is_explained_that_does_not_exist() -> None:
    assert set(ERRORS) == set(PROBLEMS) | set(REASONS)


def commands(group: click.Group, path: str = "gateway") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


@pytest.mark.parametrize(("path", "command"), list(commands(cli)), ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_and_option_is_described(path: str, command: click.Command) -> None:
    section = re.search(rf"^### `{path}[ `](.*?)(?=^##|\Z)", (ROOT / "docs/cli.md").read_text(encoding="utf-8"), re.M | re.S)
    assert section, f"docs/cli.md has no section on {path}"
    options = [option for parameter in command.params if isinstance(parameter, click.Option) for option in parameter.opts]
    assert not [option for option in options if option.startswith("--") and f"`{option}" not in section[0]]
    assert command.help


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{document.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{document.name}: {link}"


METRIC_ROWS = rows("docs/metrics.md")


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_described_and_has_its_alarm(name: str) -> None:
    labels, meaning, alarm = METRIC_ROWS[name]
    assert labels == ", ".join(METRICS[name].labels)
    assert meaning and alarm


def test_no_metric_is_described_that_does_not_exist() -> None:
    assert set(METRIC_ROWS) == set(METRICS)


#: What ``operations.md`` says of a phase → numbers of the program that must stand in its row.
LIMITS: dict[str, tuple[object, ...]] = {
    "accept": (Limits().connections, Limits().per_address),
    "PROXY header": (f"{Limits().proxy_header:.0f} s",),
    "handshake": (f"{Limits().handshake:.0f} s", f"{HELLO_BYTES >> 10} kB", f"{CERTIFICATE_BYTES >> 10} kB"),
    "after the handshake": (Limits().per_customer,),
    "records that carry nothing": (f"{IDLE_BYTES >> 10} kB", f"{IDLE_SHARE} bytes"),
    "request line and headers": (f"{server.HEAD_DEADLINE:.0f} s",),
    "exchanges under way": (
        f"{DEFAULT_SHARES.each} of a customer",
        f"{DEFAULT_SHARES.total} in all",
        f"{DEFAULT_SHARES.certain} of each",
        f"{DEFAULT_SHARES.waiting} more",
        f"{DEFAULT_SHARES.patience:.0f} s",
    ),
    "passwords to be checked": (WAITING,),
    "body, start": (f"{REQUEST_BODY.first:.0f} s",),
    "body, rate": (f"{REQUEST_BODY.slowest // 1000} kB/s", f"{REQUEST_BODY.most:.0f} s"),
    "upstream, connection": (f"{DEFAULT_TIMEOUTS.connect:.0f} s", DEFAULT_SHARES.each),
    "upstream, first byte": (f"{DEFAULT_TIMEOUTS.answer:.0f} s", f"{MAX_HEAD >> 10} KiB", f"{MAX_HEADERS} headers", MAX_INTERIM),
    "upstream, rate": (f"{DEFAULT_TIMEOUTS.idle:.0f} s", f"{SLOWEST // 1000} kB/s", f"{ANSWER_LIMIT >> 20} MiB"),
    "answer, taken by the client": (f"{server.LEAST_TAKEN >> 10} KiB", f"{server.WRITE_DEADLINE:.0f} s"),
    "rest of a refused body": (f"{server.LINGER:.0f} s",),
    "silence between requests, or before the first": (f"{server.KEEP_ALIVE:.0f} s",),
}


@pytest.mark.parametrize("phase", LIMITS)
def test_the_table_of_limits_has_the_programs_numbers(phase: str) -> None:
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    (row,) = (line for line in text.splitlines() if line.startswith(f"| {phase} |"))
    assert not [number for number in LIMITS[phase] if str(number) not in row]
