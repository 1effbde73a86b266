"""The same bytes in other segments are the same requests: what is answered, and what reaches the suite, never hangs on how bytes arrive."""

import asyncio
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.attacks.inside import inside
from tests.attacks.test_ts1_smuggling import CHUNKED, CHUNKS, FIRST_LINES, FRAMINGS, JSON, POST
from tests.cli.conftest import made  # noqa: F401 - fixture

NAME = b'{"household": {"name": "Max Mustermann"}, "meter_number": "1ESY1160123456"}'
SMUGGLED = b"GET /orders?page=66 HTTP/1.1"

#: Requests that are answered, and leave their connection open.
WHOLE = {
    "GET": lambda head: head(b"GET /orders/7 HTTP/1.1"),
    "HEAD": lambda head: head(b"HEAD /orders/7 HTTP/1.1"),
    "search": lambda head: head(b"GET /orders?name=Max+Mustermann&page=2 HTTP/1.1"),
    "POST": lambda head: head(POST, JSON, b"Content-Length: %d" % len(NAME)) + NAME,
    "one chunk": lambda head: head(POST, JSON, CHUNKED) + b"%x\r\n%b\r\n0\r\n\r\n" % (len(NAME), NAME),
    "chunks of ten": lambda head: head(POST, JSON, CHUNKED) + chunks(NAME, 10) + b"0\r\n\r\n",
    "extensions and trailers": lambda head: head(POST, JSON, CHUNKED) + b'%x;a="b"\r\n%b\r\n0;c\r\nX: y\r\n\r\n' % (len(NAME), NAME),
    "no such route": lambda head: head(b"GET /nowhere HTTP/1.1"),
    "ambiguous": lambda head: head(b"GET /orders/%2e%2e HTTP/1.1"),
}

#: The last of its connection: one that says so, and everything that two parsers could read in two ways.
LAST = {
    "close": lambda head: head(b"GET /orders/8 HTTP/1.1", b"Connection: close"),
    **{f"framing, {case}": lambda head, case=case: head(POST, JSON, *FRAMINGS[case][0]) + FRAMINGS[case][1] for case in FRAMINGS},
    **{f"chunks, {case}": lambda head, case=case: head(POST, JSON, CHUNKED) + CHUNKS[case] for case in CHUNKS},
    **{f"first line, {case}": lambda head, case=case: head(FIRST_LINES[case]) for case in FIRST_LINES},
}


def chunks(body, size):
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


class Bench:
    """One worker and one loop for all examples; what a request gets by itself is asked once."""

    def __init__(self, runner, inside):
        self.runner, self.inside, self._alone = runner, inside, {}

    def bring(self, segments):
        """(answers, requests at the suite)."""

        async def crossed():
            self.inside.log.seen.clear()
            return await self.inside.connect().bring(segments), list(self.inside.log.seen)

        return self.runner.run(crossed())

    def alone(self, name):
        if name not in self._alone:
            whole = WHOLE.get(name) or LAST[name]
            closing = [] if name in LAST else [self.inside.head(b"GET /nowhere HTTP/1.1", b"Connection: close")]
            answer, seen = self.bring([whole(self.inside.head), *closing])
            self._alone[name] = (answer.removesuffix(self.goodbye) if closing else answer), seen
        return self._alone[name]

    @property
    def goodbye(self):
        """What the request gets that ends the connection of one that was asked by itself."""
        if "" not in self._alone:
            self._alone[""] = self.bring([self.inside.head(b"GET /nowhere HTTP/1.1", b"Connection: close")])[0]
        return self._alone[""]


@pytest.fixture(scope="module")
def bench(made, tmp_path_factory):  # noqa: F811
    with asyncio.Runner() as runner:
        folder = replace(made, path=Path(shutil.copytree(made.path, tmp_path_factory.mktemp("segments") / "gateway")))
        crossing = inside(folder)
        bench = Bench(runner, runner.run(crossing.__aenter__()))
        bench.alone("POST")  # from now on the name has its token, for every search
        yield bench
        runner.run(crossing.__aexit__(None, None, None))


def cut(data, sizes):
    """By ``sizes`` in turn, again and again."""
    at = number = 0
    while at < len(data):
        size = sizes[number % len(sizes)]
        yield data[at : at + size]
        at, number = at + size, number + 1


CUTS = st.lists(st.one_of(st.integers(1, 3), st.integers(1, 400)), min_size=1, max_size=30)


def answers_of(sent):
    """(status, body) of each answer. Which of two places refuses a request shows in the rest, and in nothing that is said."""
    return [(answer[9:12], answer.partition(b"\r\n\r\n")[2]) for answer in re.split(rb"(?=HTTP/1\.[01] \d{3} )", sent)[1:]]


@pytest.mark.trap(
    "T-S1", "However its bytes are cut, a pipeline sends on what its requests send by themselves, and nothing behind a bad one."
)
@pytest.mark.trap(
    "T-S2", "However its bytes are cut, a chunk line that is none is refused at once, and nothing behind it is ever a request."
)
@settings(max_examples=200)
@given(st.lists(st.sampled_from(sorted(WHOLE)), max_size=3), st.sampled_from(sorted(LAST)), CUTS)
def test_ts1_ts2_no_cut_makes_another_request(bench, names, last, sizes):
    """Fewer are answered where bytes that are no request came in one segment with them, or behind a chunked body: the client asks again."""
    head = bench.inside.head
    data = b"".join((WHOLE.get(name) or LAST[name])(head) for name in (*names, last)) + head(SMUGGLED)
    sent, seen = bench.bring(cut(data, sizes))
    answers, good, end = answers_of(sent), [bench.alone(name) for name in names], bench.alone(last)
    whole = [answer for sent, _ in (*good, end) for answer in answers_of(sent)]
    refused = answers[-1:] == answers_of(bench.alone("framing, no colon")[0])
    assert answers and (answers == whole[: len(answers)] or (refused and answers[:-1] == whole[: len(answers) - 1]))
    requests = [request for _, found in (*good, end) for request in found]
    assert seen == requests[: len(seen)]
    assert len(seen) >= sum(status == b"200" for status, _ in answers)


@pytest.mark.trap("T-S1", "Requests that come one after the other, in whatever crumbs, are all answered as each is by itself.")
@settings(max_examples=100)
@given(st.lists(st.sampled_from(sorted(set(WHOLE) - {"extensions and trailers"})), max_size=4), CUTS)
def test_ts1_crumbs_lose_nothing(bench, names, sizes):
    head = bench.inside.head
    requests = [(WHOLE.get(name) or LAST[name])(head) for name in (*names, "close")]
    sent, seen = bench.bring(segment for request in requests for segment in cut(request, sizes))
    alone = [bench.alone(name) for name in (*names, "close")]
    assert answers_of(sent) == [answer for sent, _ in alone for answer in answers_of(sent)]
    assert seen == [request for _, found in alone for request in found]


@pytest.mark.trap("T-S1", "A trailer never becomes a header of the next request.")
@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
def test_ts1_a_trailer_is_nobodys_header(bench, size):
    head = bench.inside.head
    data = head(POST, JSON, CHUNKED) + b"2\r\n{}\r\n0\r\nX-Smuggled: yes\r\n\r\n" + head(b"GET /orders/7 HTTP/1.1")
    sent, seen = bench.bring(cut(data, [size]))
    assert [status for status, _ in answers_of(sent)] == [b"200"] and len(seen) == 1
    assert b"Connection: close" in sent and b"Smuggled" not in seen[0]
