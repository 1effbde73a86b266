"""One run of the whole demo for all tests of this folder."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from gateway.demo.claims import Claims
from gateway.demo.environment import Environment
from gateway.demo.story import tell


@pytest.fixture(scope="session")
def shown(tmp_path_factory):
    """(environment, claims, what was printed); the story is told once, on real processes."""
    said = io.StringIO()
    console = Console(file=said, width=200)
    environment = Environment.build(Path(tmp_path_factory.mktemp("demo")) / "run", console, workers=1)
    try:
        environment.start()
        claims = Claims(console)
        tell(environment, claims, console)
        yield environment, claims, said.getvalue()
    finally:
        environment.stop()
