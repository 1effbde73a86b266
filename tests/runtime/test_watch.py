"""Noticing that files changed: by content, also behind a swapped symlink (Y-04), and a bad file changes nothing (Y-03)."""

import asyncio
import logging
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError, Mistake
from gateway.runtime.watch import digest, watch


def test_digest_follows_contents_names_and_presence(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("a")
    before = digest([one, two])
    assert digest([two, one]) == before
    two.write_text("")
    present = digest([one, two])
    one.write_text("b")
    assert len({before, present, digest([one, two])}) == 3


def test_y04_a_swapped_symlink_is_a_change(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "policy.yaml").write_text(name)
    link = tmp_path / "current"
    link.symlink_to("old")
    before = digest([link / "policy.yaml"])
    (tmp_path / "next").symlink_to("new")
    (tmp_path / "next").replace(link)
    assert digest([link / "policy.yaml"]) != before


@pytest.fixture
async def watched(tmp_path):
    """A running watch: yields (file, asked, queue of reloads, what reload raises)."""
    file, asked, stop = tmp_path / "file", asyncio.Event(), asyncio.Event()
    file.write_text("first")
    reloads: asyncio.Queue[str] = asyncio.Queue()
    failures: list[Exception] = []

    def reload() -> str:
        reloads.put_nowait(file.read_text())
        if failures:
            raise failures.pop()
        return "revision"

    task = asyncio.create_task(watch(lambda: [file], reload, asked, stop, seen=digest([file]), interval=0.01))
    yield file, asked, reloads, failures
    stop.set()
    await task


async def test_a_change_reloads(watched):
    file, _, reloads, _ = watched
    await asyncio.to_thread(_replace, file, "second")
    assert await asyncio.wait_for(reloads.get(), 10) == "second"


async def test_asking_reloads_without_a_change(watched):
    _, asked, reloads, _ = watched
    asked.set()
    assert await asyncio.wait_for(reloads.get(), 10) == "first"


async def test_y03_a_bad_file_says_why_and_the_next_change_counts(watched, caplog):
    file, _, reloads, failures = watched
    caplog.set_level(logging.INFO, "gateway.reload")
    failures.append(ConfigurationError([Mistake(Path("policies/x.yaml"), 7, "there is no such role")]))
    await asyncio.to_thread(_replace, file, "bad")
    assert await asyncio.wait_for(reloads.get(), 10) == "bad"
    await asyncio.to_thread(_replace, file, "good")
    assert await asyncio.wait_for(reloads.get(), 10) == "good"
    assert "not reloaded: policies/x.yaml:7: there is no such role" in caplog.text


def _replace(file, text):
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)
