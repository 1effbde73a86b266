"""The few exceptions of the gateway: one per *reaction*, never one per cause.

What belongs here: an exception that some caller answers differently from all others. The cause is a ``Reason`` (see
``problems.py``), a closed list. What never may: a value, a name, a password, a token or a key in the text of any of them;
exception texts reach logs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class GatewayError(Exception):
    """Root of everything that the gateway raises on purpose."""


class Refused(GatewayError):
    """The answer is no, and says why to the audit log: becomes the problem that belongs to ``reason``.

    ``retry_after`` is in seconds, and only set where waiting helps.
    """

    def __init__(self, reason: str, *, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class Unavailable(GatewayError):
    """A wall that must hold cannot be asked (vault, cipher, keys, audit): 503, nothing is forwarded, nothing revealed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SessionEnded(GatewayError):
    """The session is unknown, expired or locked: open it again with the password at hand, once, or refuse."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in a file that a person edits. ``line`` counts from 1; 0 when the whole file is meant."""

    file: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"


class ConfigurationError(GatewayError):
    """All mistakes found in configuration, policies or trust files, together (exit code 78)."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = mistakes
