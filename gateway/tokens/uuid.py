"""UUIDs for columns of that type: version 8 (RFC 9562 section 5.8), whose content is the implementation's own.

The reserved space: ``custom_a`` holds the ASCII letters ``pii-gw``, 74 bits behind it are random. Versions 1 to 7, which are what
applications make, differ in the version digit. What never may come in: a time, a node or a counter (V-01).
"""

from __future__ import annotations

import re

from gateway.tokens.form import DataClass, Randbelow

_CUSTOM_A = "7069692d-6777"  # "pii-gw"
_TOKEN = re.compile(_CUSTOM_A + r"-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII)
_VALUE = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}", re.ASCII)


class UuidForm:
    one_way = False

    def fits(self, data_class: DataClass, value: str) -> bool:
        return _VALUE.fullmatch(value) is not None

    def generate(self, data_class: DataClass, value: str, randbelow: Randbelow) -> str:
        while True:
            number = randbelow(1 << 74)
            custom_b, custom_c = number >> 62, (number & (1 << 62) - 1) | 1 << 63  # variant 0b10 above 62 bits
            tail = f"{custom_c:016x}"
            token = f"{_CUSTOM_A}-8{custom_b:03x}-{tail[:4]}-{tail[4:]}"
            if token != value:
                return token

    def recognises(self, data_class: DataClass, text: str) -> bool:
        return _TOKEN.fullmatch(text) is not None

    def space(self, data_class: DataClass, value: str) -> int | None:
        return None  # 2**74
