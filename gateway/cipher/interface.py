"""What the vault may ask of the cipher: the boundary behind which all keys live.

Batches only: a body costs one call, however many fields it has. What never may be added: a verb that returns a key, one that
opens without the customer's token being open, or one that writes a keyslot without a credential of that customer in the same call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec


class ToSeal(msgspec.Struct, frozen=True, array_like=True):
    """One value to make unreadable.

    ``method``: ``vault`` gives ``sealed`` (and ``fingerprint`` if ``repeat`` is ``same``, and a self-checking ``token`` if
    ``opaque``); ``sealed`` gives only a ``token`` that contains the value; ``search`` gives only the ``fingerprint``.
    """

    data_class: str
    value: str
    method: Literal["vault", "sealed", "search"] = "vault"
    repeat: Literal["same", "fresh"] = "same"
    opaque: bool = False


class Sealed(msgspec.Struct, frozen=True, array_like=True):
    fingerprint: bytes = b""
    sealed: bytes = b""
    token: str = ""


class ToOpen(msgspec.Struct, frozen=True, array_like=True):
    """``sealed`` from the vault's database, or (method ``sealed``) nothing and the token itself.

    A ``token`` given beside ``sealed`` (opaque ones) is checked against its MAC.
    """

    data_class: str
    sealed: bytes = b""
    token: str = ""


class Cipher(Protocol):
    """Local (``service.CipherService``) and remote (``remote.RemoteCipher``) form pass the same tests."""

    async def unlock(self, customer: str, user: str, password: str) -> None:
        """Check the password by opening that user's keyslot, and keep the customer token open (idle, longest).

        Raises Refused('password-wrong') in the same time for an unknown customer or user; Unavailable('keys-unavailable').
        """

    async def seal(self, customer: str, items: Sequence[ToSeal]) -> list[Sealed]:
        """Raises SessionEnded when the customer token is not open; Unavailable."""

    async def open(self, customer: str, items: Sequence[ToOpen]) -> list[str | None]:
        """The values; None where it was not sealed for this customer and class (moved, forged, damaged).

        Raises SessionEnded, Unavailable.
        """

    async def change_password(self, customer: str, user: str, old: str, new: str | None, overlap: int) -> str:
        """A new slot for ``user``, opened by ``old``, which goes on for ``overlap`` seconds. Returns the new password: generated for None.

        Raises Refused('password-wrong' | 'password-…' | 'overlap-too-long' | 'throttled'), Unavailable('keys-unavailable').
        """

    async def make_user(self, customer: str, by_user: str, by_password: str, user: str, password: str | None) -> str:
        """A first slot for ``user``, with the token that ``by_user`` opens. Returns the password, generated for None.

        Raises as ``change_password``; and Refused('user-has-password' | 'users-too-many').
        """

    async def users(self, customer: str) -> list[str]:
        """Who has a password. Raises SessionEnded when the customer token is not open; Unavailable."""
