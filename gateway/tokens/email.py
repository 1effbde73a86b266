"""Addresses that every form validator takes and no mail server delivers.

The reserved space: 20 characters of ``[a-z0-9]`` at a domain that the policy names and that is reserved for never existing (RFC 6761,
``.invalid``), so a mail sent by mistake reaches nobody. What never may come in: a second spelling; mail systems ignore case, we do not.
"""

from __future__ import annotations

import re

from gateway.tokens.form import DataClass, Randbelow

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_LENGTH = 20
_LOCAL = re.compile(r"[a-z0-9]{20}", re.ASCII)
_VALUE = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")


class EmailForm:
    one_way = False

    def fits(self, data_class: DataClass, value: str) -> bool:
        return _VALUE.fullmatch(value) is not None

    def generate(self, data_class: DataClass, value: str, randbelow: Randbelow) -> str:
        while True:
            token = f"{_local_part(randbelow)}@{data_class.domain}"
            if token != value:
                return token

    def recognises(self, data_class: DataClass, text: str) -> bool:
        local, at, domain = text.partition("@")
        return bool(at and data_class.domain) and domain == data_class.domain and _LOCAL.fullmatch(local) is not None

    def space(self, data_class: DataClass, value: str) -> int | None:
        return None  # 36**20 > 2**103


def _local_part(randbelow: Randbelow) -> str:
    number = randbelow(36**_LENGTH)
    letters = []
    for _ in range(_LENGTH):
        number, at = divmod(number, 36)
        letters.append(_LETTERS[at])
    return "".join(letters)
