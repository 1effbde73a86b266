"""The end of a customer's data: destroy the share and the keys, and leave a signed tombstone that outlives every backup.

What never may come in: a way back.
"""

from __future__ import annotations

import time

from gateway.cipher import files
from gateway.cipher.files import CustomerFiles
from gateway.cipher.layout import Fields, number
from gateway.cipher.primitives import MAC, DoesNotOpen, authenticate, length_prefixed, same
from gateway.cipher.providers import OperatorKey
from gateway.errors import Unavailable

MAGIC = b"GWTOMBS\x01"


def tombstone(operator: OperatorKey, customer: str, seconds: int) -> bytes:
    """magic (8) · operator key version (2) · customer (4 + n) · Unix time (8) · HMAC-SHA256 under the operator part (32)."""
    version = operator.current
    content = MAGIC + number(version, 2) + length_prefixed(customer) + number(seconds, 8)
    return content + authenticate(operator.operator_part("tombstone", customer, version), content)


def is_shredded(paths: CustomerFiles, operator: OperatorKey, customer: str) -> bool:
    """A tombstone that is there but not ours is no reason to open: Unavailable."""
    content = files.read(paths.tombstone)
    if content is None:
        return False
    try:
        genuine = _genuine(operator, customer, content)
    except DoesNotOpen:
        genuine = False
    if not genuine:
        raise Unavailable("keys-unavailable")
    return True


def _genuine(operator: OperatorKey, customer: str, content: bytes) -> bool:
    fields = Fields(content)
    magic, version, name, _ = fields.take(len(MAGIC)), fields.number(2), fields.text(), fields.number(8)
    signed, mac = content[: fields.position], fields.take(MAC)
    fields.end()
    if magic != MAGIC or name != customer:
        return False
    return same(mac, authenticate(operator.operator_part("tombstone", customer, version), signed))


def shred(paths: CustomerFiles, operator: OperatorKey, customer: str) -> None:
    """Tombstone first: whatever interrupts us afterwards, this customer stays closed, and the call can be repeated."""
    paths.tombstone.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    files.write(paths.tombstone, tombstone(operator, customer, int(time.time())))
    for path in (paths.share, paths.keyslots, paths.data_keys):
        files.destroy(path)
