"""Who may ask the operators' listener for what: one synchronous decision over the head of a request.

The listener is reached by every program of the machine, and by pages in an operator's browser: by a name that was rebound to
127.0.0.1, or across origins (T-A4; mitmproxy CVE-2025-23217, Caddy CVE-2026-27589). What never may come in: a header that grants
anything (T-A6), or an exception for health checks beyond the paths that are named here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.admin.token import opens

#: What a load balancer and a fetcher of revocation lists ask for, who have no token. Nothing in the answers is a secret.
OPEN = frozenset({"/healthz", "/readyz"})
OPEN_PREFIX = "/crl/"


@dataclass(frozen=True, slots=True)
class Ask:
    """What the decision looks at. ``path`` is the target as it stands in the request line, undecoded."""

    method: str
    path: str
    headers: Mapping[str, str]
    has_body: bool = False


def refusal(ask: Ask, hosts: Collection[str], token: Path) -> str | None:
    """None, or the reason (``problems.REASONS``) for which the answer is no."""
    if _host_name(ask.headers.get("Host", "")) not in hosts:
        return "host-foreign"
    # Nobody's page has business here, not even one that this listener delivered: it delivers none that runs.
    if "Origin" in ask.headers or ask.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return "origin-foreign"
    if ask.method not in ("GET", "HEAD"):
        return "method-unknown"
    if ask.has_body:
        return "body-not-declared"
    if ask.path not in OPEN and not ask.path.startswith(OPEN_PREFIX) and not opens(token, ask.headers.get("Authorization")):
        return "token-wrong"
    return None


def own_hosts(address: str, hostnames: Collection[str]) -> frozenset[str]:
    """The names by which the listener may be asked: where it listens, localhost, and the gateway's own."""
    return frozenset({f"[{address}]" if ":" in address else address, "localhost", *(name.lower() for name in hostnames)})


def _host_name(host: str) -> str:
    """The name without its port, in lower case; empty when what follows the name is no port."""
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        return host.lower()
    return name.lower() if port.isascii() and port.isdigit() else ""
