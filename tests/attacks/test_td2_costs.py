"""No input costs more than a hundred times its own bytes, in memory or in work (Envoy's promise): counted, never timed.

What is counted: bytes that Python allocates (``tracemalloc``), and calls of functions, of Python's and of C's (``sys.setprofile``).
"""

import asyncio
import json
import shutil
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from tests.attacks.inside import inside
from tests.cli.conftest import made  # noqa: F401 - fixture

PROMISE = 100
ALLOWANCE = 1 << 20  # what a single small request costs by itself, whatever it is
CHUNKED = (b"POST /orders HTTP/1.1", b"Content-Type: application/json", b"Transfer-Encoding: chunked")


def posted(head, body):
    return head(b"POST /orders HTTP/1.1", b"Content-Type: application/json", b"Content-Length: %d" % len(body)) + body


FLOODS = {
    "T-D2 a head without end": lambda head: head(b"GET /orders/1 HTTP/1.1")[:-2] + b"X-Padding: 1\r\n" * 20_000,
    "T-D2 a header without end": lambda head: head(b"GET /orders/1 HTTP/1.1")[:-2] + b"X: " + b"a" * 300_000,
    "T-D2 a name without end": lambda head: head(b"GET /orders/1 HTTP/1.1")[:-2] + b"a" * 300_000,
    "T-D2 a target without end": lambda head: b"GET /" + b"a" * 300_000,
    "T-D2 a method without end": lambda head: b"A" * 300_000,
    "T-D2 empty lines without end": lambda head: b"\r\n" * 150_000,
    "T-D2 trailers without end": lambda head: head(*CHUNKED) + b"2\r\n{}\r\n0\r\n" + b"X: y\r\n" * 50_000,
    "T-D2 pipelined": lambda head: head(b"GET /nowhere HTTP/1.1") * 300,
    "T-D3 an extension without end": lambda head: head(*CHUNKED) + b"2;" + b"a" * 300_000,
    "T-D3 extensions": lambda head: head(*CHUNKED) + (b"1;" + b"a" * 200 + b"\r\n \r\n") * 500,
    "T-D3 chunks of one byte": lambda head: head(*CHUNKED) + b"1\r\n \r\n" * 15_000 + b"2\r\n{}\r\n0\r\n\r\n",
    "T-D4 multipart": lambda head: posted(head, b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 5_000),
    "T-D9 brackets": lambda head: posted(head, b"[" * 300_000),
    "T-D9 objects": lambda head: posted(head, b'{"appointment":' * 20_000),
    "T-D9 digits": lambda head: posted(head, b'{"meter_number": ' + b"9" * 300_000 + b"}"),
    "T-D9 an exponent": lambda head: posted(head, b'{"meter_number": 1e400}'),
    "T-D9 names": lambda head: posted(head, json.dumps({"appointment": {f"k{number}": 1 for number in range(10_000)}}).encode()),
    "T-D9 escapes": lambda head: posted(head, b'{"meter_number": "' + rb"\u00e4" * 50_000 + b'"}'),
    "T-D11 blanks": lambda head: posted(head, b'{"meter_number": "' + b" " * 300_000 + b'"}'),
    "T-D11 words": lambda head: posted(
        head, json.dumps({"household": {"name": "a " * 2_000}, "notes": ["a b"] * 2_000, "meter_number": "a " * 20_000}).encode()
    ),
    "T-D11 digits and marks": lambda head: posted(head, b'{"meter_number": "' + b"+49 (0)-" * 30_000 + b'"}'),
    "T-D11 at signs": lambda head: posted(head, b'{"meter_number": "' + b"a@a." * 50_000 + b'"}'),
    "T-D12 a Host": lambda head: b"GET /orders/1 HTTP/1.1\r\nHost: " + b"a." * 4_000 + b"\r\n\r\n",
    "T-D12 a Host in punycode": lambda head: b"GET /orders/1 HTTP/1.1\r\nHost: " + b"xn--a." * 1_300 + b"\r\n\r\n",
    "T-D12 an Origin": lambda head: head(b"DELETE /orders/1 HTTP/1.1", b"Origin: https://" + b"\xc3\xa4" * 3_000),
    "T-D12 a password": lambda head: (
        b"GET /orders/1 HTTP/1.1\r\nHost: gateway.example\r\nAuthorization: Basic " + b"YTo0" * 2_000 + b"\r\n\r\n"
    ),
    "T-D13 cookies": lambda head: head(b"GET /orders/1 HTTP/1.1", b"Cookie: " + b"a=;" * 2_700),
    "T-D13 lines of cookies": lambda head: head(b"GET /orders/1 HTTP/1.1", *[b"Cookie: " + b"a=;" * 2_000] * 80),
    "T-D13 100,000 cookies": lambda head: head(b"GET /orders/1 HTTP/1.1", b"Cookie: " + b"a=;" * 100_000),
    "T-D13 options of a connection": lambda head: head(b"GET /orders/1 HTTP/1.1", b"Connection: " + b"a," * 4_000),
}


SEGMENTED = [*((case, 1 << 16) for case in FLOODS), *((case, 97) for case in FLOODS if "without end" in case)]


class Meter:
    """Counts between entering and leaving."""

    def __enter__(self):
        self.calls = 0
        tracemalloc.start()
        sys.setprofile(self._count)
        return self

    def _count(self, frame, event, argument):
        self.calls += event in ("call", "c_call")

    def __exit__(self, *exc):
        sys.setprofile(None)
        self.peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


@pytest.fixture(scope="module")
def scene(made, tmp_path_factory):  # noqa: F811
    folder = replace(made, path=Path(shutil.copytree(made.path, tmp_path_factory.mktemp("costs") / "gateway")))
    with asyncio.Runner() as runner:
        crossing = inside(folder)
        bench = runner.run(crossing.__aenter__())
        runner.run(asked(bench))
        yield runner, bench
        runner.run(crossing.__aexit__(None, None, None))


async def asked(bench):
    return await bench.connect().bring([bench.head(b"GET /orders/1 HTTP/1.1", b"Connection: close")])


async def flooded(bench, data, size):
    """All of it, in segments; and then somebody else."""
    connection = bench.connect()
    with Meter() as meter:
        await connection.feed(data[at : at + size] for at in range(0, len(data), size))
        for _ in range(20):
            await asyncio.sleep(0)
    brought = connection.brought
    connection.abort()
    return meter, brought, await asked(bench)


@pytest.mark.trap("T-D2", "Heads, trailers, lines and pipelines without end cost no more than a hundred times their bytes, and end.")
@pytest.mark.trap("T-D3", "Chunks of one byte and extensions without end cost no more than a hundred times their bytes.")
@pytest.mark.trap("T-D4", "No multipart body is ever taken apart, and none costs more than its bytes.")
@pytest.mark.trap("T-D9", "JSON that is deep, wide, long in digits or full of names costs no more than a hundred times its bytes.")
@pytest.mark.trap("T-D11", "No text makes a search in it costly: work grows with its bytes, whatever they are.")
@pytest.mark.trap("T-D12", "Names of any length, of hosts, origins and users, cost no more than a hundred times their bytes.")
@pytest.mark.trap("T-D13", "Headers with as many cookies or options as fit in cost no more than a hundred times their bytes.")
@pytest.mark.parametrize(("case", "size"), SEGMENTED)
def test_td2_td3_td4_td9_td11_td12_td13_costs(scene, case, size):
    runner, bench = scene
    meter, brought, other = runner.run(flooded(bench, FLOODS[case](bench.head), size))
    assert meter.peak <= PROMISE * brought + ALLOWANCE
    assert meter.calls <= PROMISE * brought + 20_000
    assert other.startswith(b"HTTP/1.1 200")


ENDLESS = [case for case in FLOODS if "without end" in case and "extension" not in case]


@pytest.mark.trap("T-D2", "Of a head without end no more is read than twice what a head may have, and the rest is never waited for.")
@pytest.mark.parametrize("case", [case for case in ENDLESS if "empty lines" not in case])
def test_td2_an_end_is_made(scene, case):
    runner, bench = scene

    async def ended():
        connection = bench.connect()
        data = FLOODS[case](bench.head)
        await connection.feed(data[at : at + 1000] for at in range(0, len(data), 1000))
        async with asyncio.timeout(20):
            await connection.ended
        return connection.brought

    assert runner.run(ended()) < 20_000
