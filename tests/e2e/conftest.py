"""One gateway with real processes, real sockets and the real suite, shared by the tests of this folder."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from gateway.demo.environment import Environment


@pytest.fixture(scope="session")
def gateway(tmp_path_factory):
    """As ``gateway demo`` sets it up: three processes, two customers."""
    environment = Environment.build(Path(tmp_path_factory.mktemp("e2e")) / "run", Console(file=io.StringIO()), workers=1)
    try:
        environment.start()
        yield environment
    finally:
        environment.stop()


@pytest.fixture
def own_gateway(tmp_path):
    """One for a single test that breaks things."""
    environment = Environment.build(tmp_path / "run", Console(file=io.StringIO()), workers=1)
    try:
        environment.start()
        yield environment
    finally:
        environment.stop()
