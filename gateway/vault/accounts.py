"""Users and their passwords, as the vault judges it: who may change what, how often somebody may try, and what is recorded.

Each change takes the current password of the user who asks, in the same call, and the cipher opens a keyslot with it: neither the
worker's word nor an open session writes one. What never may come in: a password in a record, or a verb that changes another user's.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from gateway.audit import AuditLog
from gateway.cipher.interface import Cipher
from gateway.errors import Refused, Unavailable
from gateway.policy.model import PolicySet, Role
from gateway.vault.interface import Account, Exchange
from gateway.vault.throttle import Throttle

_log = logging.getLogger("gateway.vault")


class Accounts:
    """``ticks``: seconds that only go forward."""

    def __init__(self, policies: Callable[[], PolicySet], cipher: Cipher, audit: AuditLog, ticks: Callable[[], float]) -> None:
        self._policies, self._cipher, self._audit = policies, cipher, audit
        # Apart from the door's: whoever guesses in an open browser keeps signing in beside it, which would take back each failure; and
        # whoever mistypes in the form goes on working.
        self._throttle = Throttle(ticks)

    async def account(self, begun: Exchange, role: Role) -> Account:
        if not role.makes_users:
            return Account(makes_users=False)
        having = frozenset(await self._cipher.users(begun.customer))
        return Account(makes_users=True, without_password=[user for user in self._listed(begun.customer) if user not in having])

    async def change_password(self, begun: Exchange, current: str, new: str | None, overlap: int) -> str:
        def change() -> Awaitable[str]:
            return self._cipher.change_password(begun.customer, begun.user, current, new, overlap)

        return await self._authorised(begun, change, "password-changed", begun.user)

    async def make_user(self, begun: Exchange, role: Role, user: str, current: str, new: str | None) -> str:
        """Only whom the security team has listed, with the role that the policy says: neither side alone makes a user."""
        if not role.makes_users:
            raise Refused("role-denied")
        if user not in self._listed(begun.customer):
            raise Refused("user-unlisted")

        def change() -> Awaitable[str]:
            return self._cipher.make_user(begun.customer, begun.user, current, user, new)

        return await self._authorised(begun, change, "user-made", user)

    def _listed(self, customer: str) -> list[str]:
        return list(self._policies().customers[customer].users)

    async def _authorised(self, begun: Exchange, change: Callable[[], Awaitable[str]], reason: str, account: str) -> str:
        who = begun.customer, begun.user, begun.address
        self._throttle.check(*who)
        try:
            password = await change()
        except Refused as refused:
            if refused.reason == "password-wrong":
                self._throttle.failed(*who)
                raise Refused("current-password-wrong") from None
            raise
        self._throttle.succeeded(*who)
        self._record(begun, reason, account)
        return password

    def _record(self, begun: Exchange, reason: str, account: str) -> None:
        """After the change, since only then it is one. When it cannot be written the user still gets the password, which is nowhere
        else: that this exchange began is on disk, and its end is tried again."""
        facts = {name: getattr(begun, name) for name in ("customer", "user", "role", "address", "certificate", "revision")}
        try:
            self._audit.write("account", {"exchange": begun.id, **facts, "reason": reason, "account": account})
        except Unavailable:
            _log.error("exchange %s changed an account, and its record could not be written", begun.id)
