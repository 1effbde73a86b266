"""One page per system that says how a customer installs the files: templates in ``sheets/``, filled with names of files and host.

A line that begins with ``@word|`` stands in a sheet only if the word holds: ``issued`` (we made the key) or ``own``, ``private`` (the
server's authority comes along) or ``public``, or two of them, ``own-private``; ``@head|`` and ``@foot|`` are what all sheets say.
What never may come in: a password.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

FOLDER = Path(__file__).with_name("sheets")
SHEETS = ("windows.md", "macos.md", "firefox.md", "chromium-linux.md", "curl-openssl.md", "python.md", "java.md", "dotnet.md")

_CONDITION = re.compile(r"@([a-z-]+)\| ?(.*)")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the customer connects to. ``port`` 0 is one that nobody knows yet."""

    hostname: str
    port: int


def sheets(name: str, label: str, address: Address, *, own_key: bool, private_authority: bool) -> dict[str, str]:
    """File name → text, for the files that are called after ``name``."""
    holds = {"own" if own_key else "issued", "private" if private_authority else "public"}
    facts = {
        "label": label,
        "host": address.hostname,
        "port": str(address.port or "PORT"),
        "certificate": f"{name}.pem",
        "key": "YOUR.key" if own_key else f"{name}.key",
        "pkcs12": f"{name}.p12",
        "authority": f"{name}-server-ca.pem",
        "truststore": f"{name}-truststore.p12",
    }
    return {sheet: Template("\n".join(_lines(FOLDER / sheet, holds)) + "\n").substitute(facts) for sheet in SHEETS}


def _lines(file: Path, holds: set[str]) -> list[str]:
    lines: list[str] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        condition = _CONDITION.fullmatch(line)
        if condition is None:
            lines.append(line)
        elif condition[1] in ("head", "foot"):
            lines += _lines(FOLDER / f"_{condition[1]}.md", holds)
        elif set(condition[1].split("-")) <= holds:
            lines.append(condition[2])
    return lines
