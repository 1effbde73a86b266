"""A duration as an option, written as in policies: ``30s``, ``15m``, ``24h``, ``7d``."""

from __future__ import annotations

from typing import Any

import click

from gateway.schema import seconds_of


class Duration(click.ParamType[int]):
    """Seconds. ``0`` is none."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        seconds = 0 if value in (0, "0") else seconds_of(str(value))
        if seconds is None:
            self.fail(f"{value!r} is not a duration such as 15m, 24h or 7d", param, ctx)
        return seconds
