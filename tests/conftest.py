"""What every test may rely on, whatever it tests.

Belongs here: options of the run, and finding a neighbour program. Never may: a fixture that builds a part of the gateway; that stands
beside the tests of the part.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Callable, Mapping

import hypothesis
import pytest

# Timing is not what properties are about, and a shared machine stalls; in CI the same examples run every time, so that a red run can be
# repeated.
hypothesis.settings.register_profile("gateway", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("gateway")

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
with contextlib.suppress(ImportError):
    import uvloop

    LOOPS["uvloop"] = uvloop.new_event_loop


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Marked ``both_loops``: what touches transports, which are other types with uvloop and report ends differently."""
    return LOOPS if item.get_closest_marker("both_loops") else {"asyncio": asyncio.new_event_loop}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="fail the run when any test was skipped: skipped proves nothing (O-03)")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Only the process that reports to the terminal knows all results; the workers of xdist do not."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not session.config.getoption("--no-skips") or hasattr(session.config, "workerinput") or reporter is None:
        return
    if reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    skipped = len(terminalreporter.stats.get("skipped", ()))
    if config.getoption("--no-skips") and skipped:
        terminalreporter.write_line(f"--no-skips: {skipped} skipped, so this run has failed", red=True)


@pytest.fixture(scope="session")
def neighbour() -> Callable[[str], str]:
    """The path of a program that is not ours (curl, nginx, chromium …), or the test is skipped and says which one is missing."""

    def find(command: str) -> str:
        path = shutil.which(command, path=os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin")
        if path is None:
            pytest.skip(f"{command} is not installed")
        return path

    return find
