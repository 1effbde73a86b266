"""Claims that the demo makes: each is checked before it is printed, and the first that fails ends the demo."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape


class ClaimFailed(Exception):
    """The text is the claim; never a value."""


class Claims:
    def __init__(self, console: Console) -> None:
        self._console = console
        self.held = 0

    def check(self, claim: str, holds: bool) -> None:
        """Print ``claim`` if it holds; otherwise raise ClaimFailed with it."""
        if not holds:
            raise ClaimFailed(claim)
        self.held += 1
        self._console.print(f"  [green]✓[/] {escape(claim)}")
