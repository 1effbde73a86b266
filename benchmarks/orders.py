"""The requests: an order with five personal fields, every value of every order new, and the page of four orders that the backend kept.

Never may: a repeated value in an order, which the vault would find instead of sealing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

ORDER = (
    '{"meter_number":"1ESY1160123456","appointment":"2026-12-01T09:30","household":{"name":"Max Mustermann %(n)07d",'
    '"street":"Lindenallee 17b, Haus %(n)07d","postcode":"01067","city":"Dresden","phone":"0049 351 4%(n)07d",'
    '"email":"max.mustermann.%(n)07d@example.org"},"notes":["Klingel %(n)07d defekt, bitte bei Nachbarin Frau Öztürk läuten"]}'
)
CLEAR = "Mustermann"

Workload = Callable[[str, bytes], Callable[[], bytes]]


def posts(target: str, headers: bytes) -> Callable[[], bytes]:
    numbers = itertools.count(1)
    length = len((ORDER % {"n": 0}).encode())
    head = b"POST %b HTTP/1.1\r\n%bContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (target.encode(), headers, length)
    return lambda: head + (ORDER % {"n": next(numbers)}).encode()


def gets(target: str, headers: bytes) -> Callable[[], bytes]:
    request = b"GET %b HTTP/1.1\r\n%b\r\n" % (target.encode(), headers)
    return lambda: request


#: workload → (its requests, the status of every answer). POST comes first: the page is made of what it sent.
WORKLOADS: dict[str, tuple[Workload, int]] = {
    "POST an order, 5 fields": (posts, 201),
    "GET a page, 20 tokens": (gets, 200),
}
