"""Durations as options: the spelling of policies."""

import click
import pytest

from gateway.cli.duration import Duration


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("30s", 30), ("15m", 900), ("24h", 86_400), ("7d", 604_800)])
def test_durations(text, seconds):
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "24", "-1h", "1w", "24h ", "1.5h", "0h"])
def test_what_is_none(text):
    with pytest.raises(click.BadParameter, match="such as 15m, 24h or 7d"):
        Duration().convert(text, None, None)
