"""What the proxy may ask of the vault: the boundary between the external and the internal API.

The vault trusts no worker: every verb names a session that the vault itself issued, and the vault decides by its own
``PolicySet`` what that session's role may see. There is no verb that lists values. All that crosses a socket here (msgpack) is a
frozen msgspec struct. What never may be added: a key, or a verb that returns something for no exchange.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Protocol

import msgspec

#: The vault keeps these while an exchange is open, and a worker that was broken into may send anything.
Word = Annotated[str, msgspec.Meta(max_length=128)]


class Session(msgspec.Struct, frozen=True, array_like=True):
    """A lease: who opened it, and until when the worker may use the handle without showing the password again."""

    handle: bytes
    customer: str
    user: str
    role: str
    expires: float  # seconds since the epoch


class Exchange(msgspec.Struct, frozen=True, array_like=True):
    """The facts of one exchange that the audit log keeps: never a value, never a raw target, only the route's template."""

    id: Word  # UUID, the ``instance`` of every problem document
    customer: Word
    user: Word
    role: Word
    method: Word
    route: Annotated[str, msgspec.Meta(max_length=4096)]  # template, e.g. /orders/{id}
    address: Word
    certificate: Word  # SHA-256 of the leaf, hex
    revision: Word  # of the worker's policy set


class Clear(msgspec.Struct, frozen=True, array_like=True):
    """One value on its way in. ``search``: a query parameter, which must not put anything into the vault."""

    data_class: str
    value: str
    search: bool = False


class AtRest(msgspec.Struct, frozen=True, array_like=True):
    """One text that the upstream sent at a declared place: a token, or a clear value from before the gateway."""

    data_class: str
    text: str


class Account(msgspec.Struct, frozen=True, array_like=True):
    """What a user may do with accounts: the own password always; and, by role, give listed users their first one."""

    makes_users: bool
    without_password: list[str] = []


class Event(msgspec.Struct, frozen=True, array_like=True):
    """Something for the audit log that is not a verb of its own: a refusal, the end of an exchange, a handshake failure.

    A worker's word, but for exchanges that the vault saw begin. Operator events have no way in here.
    """

    kind: Literal["refused", "end", "closed"]
    exchange: str = ""
    customer: str = ""
    user: str = ""
    method: str = ""
    route: str = ""
    address: str = ""
    certificate: str = ""
    reason: str = ""
    status: int = 0
    count: int = 1
    revision: str = ""
    replayed: bool = False  # the upstream may have seen this request twice: a connection had ended without an answer (H-06)


class Vault(Protocol):
    """Local (``vault.LocalVault``) and remote (``remote.RemoteVault``) form pass the same tests."""

    async def open_session(self, customer: str, user: str, password: str, address: str) -> Session:
        """Check the password by opening the keyslot. Raises Refused('password-wrong' | 'throttled'), Unavailable."""

    async def tokenize(self, session: bytes, exchange: Exchange, items: Sequence[Clear]) -> list[str]:
        """Begin ``exchange`` in the audit log and turn every value into its token: returns when all are on disk.

        Also called with no items, for exchanges that change nothing. Raises SessionEnded, Refused('mask-written-back' |
        'value-too-long'), Unavailable.
        """

    async def detokenize(self, session: bytes, exchange: str, items: Sequence[AtRest]) -> list[str]:
        """What the session's role may see of each text; the reveal record is written first. Raises SessionEnded, Unavailable."""

    async def record(self, event: Event) -> None:
        """Append to the audit log. Raises Unavailable."""

    async def account(self, session: bytes, exchange: str) -> Account:
        """What the session's user may do. Raises SessionEnded, Unavailable."""

    async def change_password(self, session: bytes, exchange: str, current: str, new: str | None, overlap: int) -> str:
        """The session's own user gets a new password (generated for None), which is returned; the current one goes on for ``overlap``
        seconds. Raises SessionEnded, Refused('current-password-wrong' | 'password-…' | 'overlap-too-long' | 'throttled'), Unavailable.
        """

    async def make_user(self, session: bytes, exchange: str, user: str, current: str, new: str | None) -> str:
        """A listed user without a password gets the first one, which is returned. ``current``: of the session's user.

        Raises as ``change_password``; and Refused('role-denied' | 'user-unlisted' | 'user-has-password' | 'users-too-many').
        """
