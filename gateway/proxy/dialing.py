"""Opening a connection to one server: its addresses one after the other, TLS with both sides' certificates, UNIX sockets.

What belongs here: what a name, an address and a certificate must be before a request may go there. What never may: which server is
asked, and whether a request is sent again. A name is judged by the addresses that it has now (T-A4): whoever runs the resolver must
not be able to turn customers' requests to our own listeners, or a plain one to another machine.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from gateway.errors import ConfigurationError, Mistake, Refused
from gateway.policy.hosts import address_in, is_loopback, is_own_door
from gateway.policy.model import Customer, OwnCertificate, Server, Upstream
from gateway.proxy.directory import Directory
from gateway.proxy.upstream_connection import Connection

Doors = Collection[tuple[str, int]]


class Route(NamedTuple):
    """A UNIX socket's path with port 0, or an address; and with TLS, which name it must prove to have."""

    place: str
    port: int
    context: ssl.SSLContext | None
    name: str


class Dialer:
    """``doors``: our own listeners. ``opened`` counts connections, ever: reuse shows as requests minus opened."""

    def __init__(self, doors: Doors = (), directory: Directory | None = None) -> None:
        self._doors = doors
        self._own_ports = frozenset(port for _, port in doors)
        self.directory = directory or Directory()
        self._contexts: dict[tuple[Path | None, OwnCertificate | None], ssl.SSLContext] = {}
        self.opened = 0

    async def dial(self, upstream: Upstream, server: Server, seconds: float) -> Connection:
        """Raises Refused('upstream-unreachable' | 'upstream-timeout'). Nothing of a request has been sent then."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        try:
            context = self._context(upstream)
        except (OSError, ValueError):  # ssl's errors are OSErrors: a file that is missing, or is no certificate
            raise Refused("upstream-unreachable") from None
        if server.socket:
            return await self._open(Route(server.socket, 0, context, upstream.host), seconds)
        named = address_in(server.host) is None
        addresses = await self.directory.addresses(server.host) if named else (server.host,)
        reason = "upstream-unreachable"
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            if not self._may_be_reached(upstream, address, server.port):
                continue
            try:
                # Each gets its share of the time: a dead address first must not keep the others from being tried.
                connection = await self._open(Route(address, server.port, context, upstream.host), (end - loop.time()) / left)
            except Refused as refused:
                reason = refused.reason
                continue
            connection.resolved = (server.host, address) if named else None
            return connection
        raise Refused(reason)

    def renew(self) -> None:
        """After a reload: certificates and trust are read again."""
        self._contexts.clear()

    def _may_be_reached(self, upstream: Upstream, address: str, port: int) -> bool:
        return not is_own_door(address, port, self._doors) and (upstream.scheme == "https" or is_loopback(address))

    async def _open(self, route: Route, seconds: float) -> Connection:
        loop = asyncio.get_running_loop()
        tls = route.context
        name = route.name if tls is not None else None
        try:
            async with asyncio.timeout(seconds):
                if route.port:
                    _, connection = await loop.create_connection(Connection, route.place, route.port, ssl=tls, server_hostname=name)
                else:
                    _, connection = await loop.create_unix_connection(Connection, route.place, ssl=tls, server_hostname=name)
        except TimeoutError:
            raise Refused("upstream-timeout") from None
        except (OSError, UnicodeError, ValueError):  # route, refusal, certificate; the last two: names that IDNA refuses
            raise Refused("upstream-unreachable") from None
        self.opened += 1
        if route.port in self._own_ports and connection.is_to_this_machine:
            connection.abort()
            raise Refused("upstream-unreachable")
        return connection

    def _context(self, upstream: Upstream) -> ssl.SSLContext | None:
        if upstream.scheme == "http":
            return None
        files = upstream.ca, upstream.own_certificate
        context = self._contexts.get(files)
        if context is None:
            context = self._contexts[files] = client_context(*files)
        return context


def check_certificates(customers: Iterable[Customer]) -> None:
    """Raises ConfigurationError for every certificate of ours that could not be shown to an upstream."""
    mistakes: list[Mistake] = []
    for customer in customers:
        own = customer.upstream.own_certificate
        if own is None:
            continue
        try:
            client_context(None, own)
        except (OSError, ValueError):
            text = f"own_certificate: {own.certificate} and {own.private_key} cannot be loaded, are encrypted, or do not belong together"
            mistakes.append(Mistake(customer.file, 0, text))
    if mistakes:
        raise ConfigurationError(mistakes)


def client_context(ca: Path | None, own: OwnCertificate | None) -> ssl.SSLContext:
    """Raises OSError (ssl.SSLError is one) for files that cannot be used."""
    context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if own is not None:
        # An encrypted key: OpenSSL would ask for its password on the terminal, and the whole worker would wait.
        context.load_cert_chain(own.certificate, own.private_key, password=lambda: "")
    return context
