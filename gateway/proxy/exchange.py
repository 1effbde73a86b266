"""What goes along with one exchange: what is known of it for the audit log, and the credentials that it came with.

What never may come in: a body or a value of one, or a password in a ``repr``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.errors import SessionEnded
from gateway.proxy.access import Client
from gateway.proxy.admission import NO_TURN, Turn
from gateway.proxy.sessions import Sessions
from gateway.vault.interface import Event, Exchange, Session

RENEWALS = 2  # of a session within one call

_T = TypeVar("_T")


@dataclass
class Trail:
    """What is known of an exchange so far: grows as it crosses, and becomes its one audit event at the end."""

    exchange: str
    method: str
    address: str = ""
    customer: str = ""
    user: str = ""
    route: str = ""
    certificate: str = ""
    revision: str = ""
    reason: str = ""  # of an answer that says no and is not a problem document: a page
    begun: bool = False  # the vault has written its begin record
    replayed: bool = False  # the upstream may have seen the request twice
    started: bool = False  # bytes of an answer are on their way to the client
    turn: Turn = NO_TURN

    def learn(self, customer: str, certificate: str) -> None:
        self.customer, self.certificate = customer, certificate

    def sent_again(self) -> None:
        self.replayed = True

    def begins(self, role: str) -> Exchange:
        """The facts that the vault writes before anything happens."""
        who = self.customer, self.user, role
        return Exchange(self.exchange, *who, self.method, self.route, self.address, self.certificate, self.revision)

    def event(self, reason: str, status: int) -> Event:
        return Event(
            "end" if self.begun else "refused",
            exchange=self.exchange,
            customer=self.customer,
            user=self.user,
            method=self.method,
            route=self.route,
            address=self.address,
            certificate=self.certificate,
            reason=reason,
            status=status,
            revision=self.revision,
            replayed=self.replayed,
        )


@dataclass
class Credentials:
    """A session and what it takes to open it once more: a lease may end, or a process restart, while an exchange runs."""

    sessions: Sessions
    client: Client
    user: str
    password: str = field(repr=False)
    session: Session
    begun: Exchange | None = None  # what the vault was told at the beginning

    async def ask(self, verb: Callable[[bytes], Awaitable[_T]]) -> _T:
        """A verb of the vault with this session; and again with a new one, where the vault did nothing but say that it has ended.

        Twice at most: cipher and vault may be replaced one after the other, and each forgets what was open.
        """
        for _ in range(RENEWALS):
            try:
                return await verb(self.session.handle)
            except SessionEnded:
                await self._renew()
        return await verb(self.session.handle)

    async def _renew(self) -> None:
        """A vault that has taken another's place has not seen this exchange begin: so it begins there once more, with the same facts."""
        self.session = await self.sessions.renew(self.client, self.user, self.password)
        if self.begun is not None and self.begun.role == self.session.role:
            with contextlib.suppress(SessionEnded):  # the next try says so too
                await self.sessions.begin(self.session, self.begun)
