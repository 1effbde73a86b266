"""Files of certificates and lists as bytes: whole or not at all. What stands in the blocks is tried in ``test_anchors.py``."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.ca import blocks as module
from gateway.ca.blocks import blocks, read_file
from gateway.errors import ConfigurationError

ONE = b"-----BEGIN THING-----\nAAEC\n-----END THING-----\n"
NOWHERE = Path("nowhere")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (ONE, [(1, b"\0\1\2")]),
        (b"text\r\n" + ONE.replace(b"\n", b"\r\n") + ONE, [(2, b"\0\1\2"), (5, b"\0\1\2")]),
        (b"\x30\x03\x02\x01\x07", [(0, b"\x30\x03\x02\x01\x07")]),
    ],
)
def test_every_block_has_its_line(content: bytes, expected: list[tuple[int, bytes]]) -> None:
    assert list(blocks(NOWHERE, b"THING", content)) == expected


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"garbage", ONE[:-6], ONE + b"-----BEGIN", ONE.replace(b"THING", b"KEY"), ONE.replace(b"A", b"?")]
)
def test_t_m3_whole_or_not_at_all(content: bytes) -> None:
    with pytest.raises(ConfigurationError) as raised:
        list(blocks(NOWHERE, b"THING", content))
    assert "garbage" not in str(raised.value)


def test_t_d7_a_file_without_end_is_not_read_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILE", 1 << 20)
    with pytest.raises(ConfigurationError, match="larger than 1 MiB"):
        read_file(Path("/dev/zero"))
