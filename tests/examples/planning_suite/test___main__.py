"""The suite as a process: says where it listens, serves, and ends when told."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

ROOT = Path(__file__).parents[3]


async def test_runs_until_told_to_stop(tmp_path: Path) -> None:
    arguments = ["--listen", "127.0.0.1:0", "--data", str(tmp_path), "--customer", "musterstadt", "--customer", "nord"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "examples.planning_suite", *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    said = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
    assert said["port"] > 0
    async with aiohttp.ClientSession() as session, session.get(f"{said['url']}/nord/orders") as response:
        assert await response.json() == {"items": [], "total": 0, "next": None}
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 30) == 0
    assert {path.name for path in tmp_path.iterdir()} >= {"musterstadt.db", "nord.db"}


@pytest.mark.parametrize("arguments", [["--listen", "x"], ["--listen", "127.0.0.1:99999"], ["--customer", "../x"], ["--customer", "A"]])
async def test_odd_arguments(tmp_path: Path, arguments: list[str]) -> None:
    whole = ["--data", str(tmp_path), "--customer", "nord", *arguments]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "examples.planning_suite", *whole, cwd=ROOT, stderr=asyncio.subprocess.DEVNULL
    )
    assert await process.wait() == 2
