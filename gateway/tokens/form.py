"""The protocol of a token form, and the data class that selects and parametrises one.

A form only *shapes* candidates and recognises its reserved space. Whether a text in that space is a token is decided by the
vault (it was issued to this customer and class), never here: a token is recognised, never guessed (design section 4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

Randbelow = Callable[[int], int]  # secrets.randbelow, or a seeded one in tests


@dataclass(frozen=True, slots=True)
class DataClass:
    """A kind of personal data, as ``policies/data_classes.yaml`` declares it (design section 4)."""

    name: str
    form: str = "opaque"
    method: Literal["vault", "sealed"] = "vault"
    repeat: Literal["same", "fresh"] = "same"
    alphabet: str = "windows-1252-safe"  # same_length
    prefix: str = ""  # digits: an unassigned prefix; no real value may begin with it
    keep_last: int = 0  # digits: how many trailing digits stay readable
    domain: str = ""  # email: a reserved domain (RFC 6761), e.g. token.invalid


class Form(Protocol):
    """One shape of tokens. Implementations are stateless; ``FORMS`` in ``forms.py`` is the registry."""

    one_way: bool
    """True for ``mask`` and ``drop``: nothing is stored, nothing comes back."""

    def fits(self, data_class: DataClass, value: str) -> bool:
        """Can a value of this shape get a token of this form? If not, it gets an opaque one of the same class."""

    def generate(self, data_class: DataClass, value: str, randbelow: Randbelow) -> str:
        """A random candidate for ``value`` out of the reserved space (for one-way forms: the final text)."""

    def recognises(self, data_class: DataClass, text: str) -> bool:
        """Does ``text`` lie in the space that real values cannot lie in?"""

    def space(self, data_class: DataClass, value: str) -> int | None:
        """How many different tokens a value of this shape can have; None when that is beyond 2**64."""
