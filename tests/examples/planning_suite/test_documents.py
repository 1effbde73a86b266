"""The download is a PDF that readers open: its table of objects points at the objects."""

from __future__ import annotations

import re

from examples.planning_suite.documents import PAGES, pages


def test_cross_references_point_at_objects() -> None:
    content = b"".join(pages(17))
    start = int(re.search(rb"startxref\n(\d+)\n%%EOF\n$", content)[1])  # type: ignore[index]
    assert content[start : start + 5] == b"xref\n"
    offsets = [int(offset) for offset in re.findall(rb"(\d{10}) 00000 n ", content[start:])]
    assert len(offsets) == 3 + 2 * PAGES
    for number, offset in enumerate(offsets, start=1):
        assert content[offset:].startswith(b"%d 0 obj\n" % number)


def test_stream_lengths_are_true() -> None:
    content = b"".join(pages(17))
    for found in re.finditer(rb"/Length (\d+) >>\nstream\n", content):
        assert content[found.end() + int(found[1]) :].startswith(b"endstream")
