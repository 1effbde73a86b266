"""Reading and writing the binary fields of the key files (``docs/cryptography.md``): big-endian, length-prefixed, bounded.

What never may come in: a key, a file, or leniency. A file that is one byte too short or too long is refused.
"""

from __future__ import annotations

from gateway.cipher.primitives import Argon2Parameters, Bytes, DoesNotOpen

LONGEST_FIELD = 1 << 16  # no field of these files comes near; bounds what a hostile length may allocate


def number(value: int, size: int) -> bytes:
    return value.to_bytes(size, "big")


def cost_field(cost: Argon2Parameters) -> bytes:
    """9 bytes: memory in KiB (4), iterations (4), lanes (1)."""
    return number(cost.memory, 4) + number(cost.iterations, 4) + number(cost.lanes, 1)


class Fields:
    """Takes one field after the other off a buffer; anything that does not fit is ``DoesNotOpen``."""

    def __init__(self, content: Bytes) -> None:
        self._content = bytes(content)
        self.position = 0

    def take(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self._content):
            raise DoesNotOpen
        field, self.position = self._content[self.position : end], end
        return field

    def rest(self) -> bytes:
        return self.take(len(self._content) - self.position)

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def prefixed(self) -> bytes:
        """A field that ``length_prefixed`` wrote."""
        size = self.number(4)
        if size > LONGEST_FIELD:
            raise DoesNotOpen
        return self.take(size)

    def text(self) -> str:
        try:
            return self.prefixed().decode()
        except UnicodeDecodeError:
            raise DoesNotOpen from None

    def cost(self) -> Argon2Parameters:
        cost = Argon2Parameters(self.number(4), self.number(4), self.number(1))
        if not cost.acceptable():
            raise DoesNotOpen
        return cost

    def end(self) -> None:
        """Nothing may follow: what we do not read, we do not authenticate by meaning."""
        if self.position != len(self._content):
            raise DoesNotOpen
