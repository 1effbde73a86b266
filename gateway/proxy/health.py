"""Active health checks: a request of the gateway's own to each server of a customer that wants them, on a connection of its own.

What never may come in: anything of a client's. A check goes out with nobody present, so it carries no user, no password and no
certificate of a client, and not what ``authorization: file:`` holds either: whoever answers it has not proved to be more than alive.
"""

from __future__ import annotations

import asyncio
import logging

from gateway.errors import Refused
from gateway.policy.model import HealthCheck, Server, Upstream
from gateway.proxy.circuit import checked
from gateway.proxy.dialing import Dialer
from gateway.proxy.upstream_connection import Timeouts, Unanswered, serialise
from gateway.proxy.upstream_servers import LiveUpstream
from gateway.wire import place_of

LONGEST = 5.0  # seconds for one check

_log = logging.getLogger("gateway.proxy.upstream")


async def keep_checking(live: LiveUpstream, check: HealthCheck, dialer: Dialer) -> None:
    """Until cancelled. All servers at once: a dead one must not delay what is found out about the others."""
    while True:
        try:
            well = await asyncio.gather(*(is_well(dialer, live.upstream, server.server, check) for server in live.servers))
            for server, verdict in zip(live.servers, well, strict=True):
                server.judge(checked(server.circuit, verdict))
        except Exception as error:  # the root of a task: without checks, requests alone find out, and somebody should know
            _log.error("a health check failed: %s at %s", type(error).__name__, place_of(error))
        await asyncio.sleep(check.every)


async def is_well(dialer: Dialer, upstream: Upstream, server: Server, check: HealthCheck) -> bool:
    """An answer below 400, in time. What it says is not read."""
    headers = [(b"Host", upstream.authority.encode("ascii")), (b"User-Agent", b"pii-gateway-health"), (b"Accept", b"*/*")]
    head = serialise("GET", check.path.encode("ascii"), headers, b"")
    longest = min(float(check.every), LONGEST)
    try:
        async with asyncio.timeout(longest):
            connection = await dialer.dial(upstream, server, longest)
            try:
                await connection.exchange(head, None, "GET", Timeouts(longest, longest, longest))
                return connection.parser is not None and connection.parser.status < 400
            finally:
                connection.abort()
    except (Refused, Unanswered, TimeoutError):
        return False
