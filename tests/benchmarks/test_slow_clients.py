"""The crowd is what it says: a third of each kind, none of which ends by itself. How much it slows anybody is nobody's assertion here."""

from __future__ import annotations

import re

from benchmarks.candidates import Target
from benchmarks.load import Place
from benchmarks.slow_clients import LARGE, Crowd


def test_a_third_of_each_kind() -> None:
    target = Target("gateway", Place("localhost", 1), "/orders", b"Host: localhost\r\n", dict)
    sent = Crowd(target, 9)._sent
    assert len(sent) == 9 and [sent.count(kind) for kind in set(sent)] == [3, 3, 3]
    half_a_head, half_a_body, whole = sent[:3]
    assert b"\r\n\r\n" not in half_a_head
    for kind, is_whole in ((half_a_body, False), (whole, True)):
        head, _, body = kind.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: ([0-9]+)", head)
        assert length is not None and (len(body) == int(length[1])) == is_whole
    assert len(whole) > LARGE
