"""The vault: values to tokens and back. It alone decides what is revealed, by its own policies, and it keeps the audit log.

Three walls meet here: the session (who), the policy (what may they see) and the cipher (can it be opened at all). One call to the
cipher and at most two to the store per body, however many fields it has. What never may come in: a key, a verb that lists, or a
branch that returns a value before its reveal record is written.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence

from gateway.audit import AuditLog, Record
from gateway.cipher.interface import Cipher
from gateway.errors import Refused, SessionEnded, Unavailable
from gateway.policy.model import PolicySet, Role
from gateway.tokens.form import DataClass
from gateway.tokens.mask import mask
from gateway.vault.accounts import Accounts
from gateway.vault.filling import Filling
from gateway.vault.interface import Account, AtRest, Clear, Event, Exchange, Session
from gateway.vault.issued import Issued, find_issued
from gateway.vault.sessions import Handles
from gateway.vault.store import Store
from gateway.vault.throttle import Throttle
from gateway.vault.tokenizing import Tokenizing

#: Exchanges that may be open at once. Each has a connection of its own in some worker, so this is far beyond any load.
MOST_OPEN = 100_000
#: How much of a user name failures are counted under: one more than any user has, so that long ones fill no memory and meet nobody.
LONGEST_NAME = 129
HIDDEN = "***"  # what stands for a clear value from before the gateway, to a role that may not see its class

_log = logging.getLogger("gateway.vault")


class LocalVault:
    """The local form of ``interface.Vault``.

    ``policies``: the current set. ``store_of`` raises KeyError for unknown customers. ``clock``: seconds since the epoch, for what a
    session says to a worker; ``ticks``: seconds that only go forward, for waits.
    """

    def __init__(
        self,
        policies: Callable[[], PolicySet],
        cipher: Cipher,
        store_of: Callable[[str], Store],
        audit: AuditLog,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policies = policies
        self._cipher = cipher
        self._store_of = store_of
        self._audit = audit
        self._handles = Handles(clock)
        self._throttle = Throttle(ticks)
        self._filling = Filling(self._half_full)
        self._accounts = Accounts(policies, cipher, audit, ticks)
        self._open: OrderedDict[str, Exchange] = OrderedDict()

    # -- interface.Vault

    async def open_session(self, customer: str, user: str, password: str, address: str) -> Session:
        named = user[:LONGEST_NAME]
        self._throttle.check(customer, named, address)
        try:
            await self._cipher.unlock(customer, user, password)  # also for a name that no policy knows: it takes the same time
        except Refused as refused:
            if refused.reason == "password-wrong":
                self._throttle.failed(customer, named, address)
            raise
        role = self._policies().role_of(customer, user)
        if role is None:
            self._throttle.failed(customer, named, address)
            raise Refused("password-wrong")
        self._throttle.succeeded(customer, named, address)
        return self._handles.issue(customer, user, role.name)

    async def tokenize(self, session: bytes, exchange: Exchange, items: Sequence[Clear]) -> list[str]:
        held = self._handles.verify(session)
        policies = self._policies()
        self._role(policies, held)
        if (exchange.customer, exchange.user, exchange.role) != (held.customer, held.user, held.role):
            raise Unavailable("policy-out-of-step")
        classes = [self._class(policies, item.data_class) for item in items]
        self._begin(exchange)
        if not items:
            return []
        tokenizing = Tokenizing(held.customer, self._cipher, self._store(held.customer), self._filling)
        return await tokenizing.run(items, classes)

    async def detokenize(self, session: bytes, exchange: str, items: Sequence[AtRest]) -> list[str]:
        held = self._handles.verify(session)
        policies = self._policies()
        role = self._role(policies, held)
        begun = self._begun(held, exchange)
        classes = [self._class(policies, item.data_class) for item in items]
        found = await find_issued(held.customer, items, self._cipher, self._store(held.customer), lambda name: _sees(role, name))
        issued = [_or_mask(*one) for one in zip(found, items, classes, strict=True)]
        shown = [_shown(role, item, found) for item, found in zip(items, issued, strict=True)]
        self._audit.write("reveal", _reveal_record(begun, role, items, issued))
        return shown

    async def record(self, event: Event) -> None:
        begun = self._open.get(event.exchange)
        # Who, where and on which route is what the vault itself wrote at the beginning: a worker may say anything by now.
        # So is whether it began: the worker does not learn that of an exchange whose values the vault itself refused.
        kind = "end" if begun is not None and event.kind == "refused" else event.kind
        self._audit.write(kind, {**_fields(event), **(_facts(begun) if begun is not None else {})})
        self._open.pop(event.exchange, None)  # not before: until then it can still be ended by ``abandon``

    async def account(self, session: bytes, exchange: str) -> Account:
        return await self._accounts.account(*self._changing(session, exchange))

    async def change_password(self, session: bytes, exchange: str, current: str, new: str | None, overlap: int) -> str:
        begun, _ = self._changing(session, exchange)
        return await self._accounts.change_password(begun, current, new, overlap)

    async def make_user(self, session: bytes, exchange: str, user: str, current: str, new: str | None) -> str:
        return await self._accounts.make_user(*self._changing(session, exchange), user, current, new)

    # -- for the process that runs it

    def abandon(self, exchanges: Iterable[str]) -> None:
        """End what a worker had begun when it vanished."""
        for exchange in exchanges:
            begun = self._open.pop(exchange, None)
            if begun is not None:
                self._audit.write("end", {**_facts(begun), "reason": "process-ended"})

    # -- inside

    def _begin(self, exchange: Exchange) -> None:
        """Once per exchange: a repeated call, after the session was opened again, is the same exchange, with the same facts.

        Other facts under a known id would run without a record of their own.
        """
        begun = self._open.get(exchange.id)
        if begun is not None and begun != exchange:
            raise Unavailable("policy-out-of-step")
        if begun is not None:
            return
        if len(self._open) >= MOST_OPEN:
            raise Unavailable("vault-unavailable")
        self._audit.write("begin", _facts(exchange))
        self._open[exchange.id] = exchange

    def _begun(self, held: Session, exchange: str) -> Exchange:
        """Nothing is revealed or changed for an exchange that did not begin here."""
        begun = self._open.get(exchange)
        if begun is None or (begun.customer, begun.user) != (held.customer, held.user):
            raise Unavailable("policy-out-of-step")
        return begun

    def _changing(self, session: bytes, exchange: str) -> tuple[Exchange, Role]:
        held = self._handles.verify(session)
        role = self._role(self._policies(), held)
        return self._begun(held, exchange), role

    def _half_full(self, customer: str, data_class: str, space: int) -> None:
        """While there is time: another form for this class, before new values get none (503)."""
        _log.warning("customer %s: half of the %d possible tokens of a shape of class %s are issued", customer, space, data_class)
        self._audit.write("operator", {"customer": customer, "reason": "token-space-half-full", "data_class": data_class, "space": space})

    def _role(self, policies: PolicySet, session: Session) -> Role:
        """By this process's own policies, at this moment; whoever is no longer in them, or not in this role, starts again."""
        role = policies.role_of(session.customer, session.user)
        if role is None or role.name != session.role:
            raise SessionEnded
        return role

    def _class(self, policies: PolicySet, name: str) -> DataClass:
        data_class = policies.data_classes.get(name)
        if data_class is None:
            raise Unavailable("policy-out-of-step")
        return data_class

    def _store(self, customer: str) -> Store:
        try:
            return self._store_of(customer)
        except KeyError:
            raise Unavailable("policy-out-of-step") from None


def _or_mask(found: Issued | None, item: AtRest, data_class: DataClass) -> Issued | None:
    """What a class that is masked on its way in has at rest hides its value already: nothing in it is clear."""
    if found is None and data_class.form == "mask" and item.text == mask(item.text):
        return Issued(None)
    return found


def _sees(role: Role, data_class: str) -> bool:
    return data_class in role.clear or data_class in role.masked


def _shown(role: Role, item: AtRest, found: Issued | None) -> str:
    """What one text becomes. ``found`` None: it is no token, so it is clear at rest."""
    if not item.text:
        return ""
    value = item.text if found is None else found.value
    if item.data_class in role.clear and value is not None:
        return value
    if item.data_class in role.masked and value is not None:
        return mask(value)
    return HIDDEN if found is None else item.text


def _reveal_record(exchange: Exchange, role: Role, items: Sequence[AtRest], issued: Sequence[Issued | None]) -> Record:
    """Counts per data class, and nothing of what was shown."""
    clear: Counter[str] = Counter()
    masked: Counter[str] = Counter()
    at_rest: Counter[str] = Counter()
    for item, found in zip(items, issued, strict=True):
        if not item.text:
            continue
        if item.data_class in role.clear:
            clear[item.data_class] += 1
        elif item.data_class in role.masked:
            masked[item.data_class] += 1
        if found is None:
            at_rest[item.data_class] += 1
    counts = {"clear": dict(clear), "masked": dict(masked), "clear_at_rest": dict(at_rest)}
    facts = {"exchange": exchange.id, "customer": exchange.customer, "user": exchange.user, "role": role.name, "route": exchange.route}
    return {**facts, **{name: count for name, count in counts.items() if count}}


def _facts(exchange: Exchange) -> Record:
    fields = {"exchange": exchange.id, **{name: getattr(exchange, name) for name in exchange.__struct_fields__ if name != "id"}}
    return {name: value for name, value in fields.items() if value}


def _fields(event: Event) -> Record:
    fields = {name: getattr(event, name) for name in event.__struct_fields__ if name != "kind"}
    return {name: value for name, value in fields.items() if value and (name, value) != ("count", 1)}
