"""Content codings against the tools that write them, and against whatever else calls itself by their names (T-B2, T-D1)."""

import gzip
import random
import sys
import tracemalloc
import zlib

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.body.content_coding import FREE, RATIO, STREAMS, content_coding, decoded
from gateway.errors import Refused

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ORDERS = b"".join(b'{"id": %d, "household": {"name": "Max Mustermann %d"}},' % (n, n * n) for n in range(3000))
PLENTY = 64 << 20


def bare(body):
    compress = zlib.compressobj(wbits=-15)
    return compress.compress(body) + compress.flush()


WRITERS = {
    "gzip": [gzip.compress, lambda body: gzip.compress(body, 1)],
    "deflate": [zlib.compress, bare, lambda body: zlib.compress(body, 0)],
    "br": [brotli.compress, lambda body: brotli.compress(body, quality=1)],
    "zstd": [zstd.compress, lambda body: zstd.compress(body, level=19)],
}
EVERY = [(coding, number) for coding, writers in WRITERS.items() for number in range(len(writers))]


def written(coding, number, body):
    return WRITERS[coding][number](body)


@pytest.mark.parametrize(("coding", "number"), EVERY)
@pytest.mark.parametrize("body", [b"", b"{}", ORDERS, random.Random(7).randbytes(200_000)], ids=["empty", "short", "orders", "noise"])
def test_what_was_compressed_comes_back(coding, number, body):
    assert decoded(coding, written(coding, number, body), PLENTY) == body


@given(st.binary(max_size=2000), st.sampled_from(EVERY))
def test_whatever_it_is(body, how):
    assert decoded(how[0], written(*how, body), PLENTY) == body


@given(st.binary(max_size=300), st.sampled_from(sorted(WRITERS)))
def test_what_is_not_compressed_is_refused_and_nothing_else_happens(body, coding):
    try:
        assert len(decoded(coding, body, 1000)) <= 1000
    except Refused as refused:
        assert refused.reason in ("body-coding-broken", "body-too-large")


@pytest.mark.parametrize(("coding", "number"), EVERY)
def test_a_body_whose_end_does_not_come_is_refused(coding, number):
    """Its beginning alone may be good JSON."""
    whole = written(coding, number, ORDERS)
    for end in (1, len(whole) // 2, len(whole) - 1):
        with pytest.raises(Refused, match=r"^body-coding-broken$"):
            decoded(coding, whole[:end], PLENTY)


@pytest.mark.parametrize(("coding", "number"), EVERY)
def test_nothing_stands_behind_the_end(coding, number):
    with pytest.raises(Refused, match=r"^body-coding-broken$"):
        decoded(coding, written(coding, number, ORDERS) + b"{}", PLENTY)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_td1_streams_behind_one_another_are_one_body_and_have_a_bound(coding):
    """RFC 1952 section 2.2 and RFC 8878 section 3.1: parallel compressors write them."""
    one = written(coding, 0, b"[1]")
    assert decoded(coding, one * STREAMS, PLENTY) == b"[1]" * STREAMS
    with pytest.raises(Refused, match=r"^body-coding-broken$"):
        decoded(coding, one * (STREAMS + 1), PLENTY)


@pytest.mark.parametrize("coding", ["deflate", "br"])
def test_where_there_are_no_streams_a_second_one_is_refused(coding):
    with pytest.raises(Refused, match=r"^body-coding-broken$"):
        decoded(coding, written(coding, 0, b"{}") * 2, PLENTY)


@pytest.mark.parametrize(("coding", "number"), EVERY)
def test_td1_the_limit_is_of_output_and_exact(coding, number):
    body = written(coding, number, ORDERS)
    assert decoded(coding, body, len(ORDERS)) == ORDERS
    with pytest.raises(Refused, match=r"^body-too-large$"):
        decoded(coding, body, len(ORDERS) - 1)


@pytest.mark.parametrize(("coding", "number"), [how for how in EVERY if how != ("deflate", 2)])
def test_td1_a_bomb_costs_no_more_than_its_ratio(coding, number):
    bomb = written(coding, number, bytes(16 << 20))
    most = max(FREE, RATIO * len(bomb))
    assert len(bomb) * RATIO < 16 << 20
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match=r"^body-too-large$"):
            decoded(coding, bomb, PLENTY)
        assert tracemalloc.get_traced_memory()[1] < 4 * most + (1 << 20)
    finally:
        tracemalloc.stop()


def test_td1_a_bomb_in_members_is_one_bomb():
    with pytest.raises(Refused, match=r"^body-too-large$"):
        decoded("gzip", gzip.compress(bytes(1 << 20)) * 50, PLENTY)


def test_td1_a_bomb_inside_a_bomb_is_opened_once():
    assert decoded("gzip", gzip.compress(gzip.compress(bytes(1 << 20))), PLENTY) == gzip.compress(bytes(1 << 20))


def test_td1_a_frame_of_zstd_may_not_ask_for_a_large_window():
    """RFC 9659: 128 MB would be held for one byte of output."""
    options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.content_size_flag: 0}
    compressor = zstd.ZstdCompressor(options=options)
    wide = compressor.compress(b"{}") + compressor.flush()
    with pytest.raises(Refused, match=r"^body-coding-broken$"):
        decoded("zstd", wide, PLENTY)


@pytest.mark.parametrize(
    ("values", "coding"),
    [
        ([], ""),
        ([""], ""),
        (["identity"], ""),
        ([" GZip\t"], "gzip"),
        (["x-gzip"], "gzip"),
        (["deflate"], "deflate"),
        (["br"], "br"),
        (["ZSTD"], "zstd"),
    ],
)
def test_codings_that_are_opened(values, coding):
    assert content_coding(values) == coding


@pytest.mark.parametrize(
    "values",
    [["gzip, gzip"], ["gzip", "gzip"], ["identity", "gzip"], ["identity, gzip"], ["compress"], ["*"], ["gzip;q=1"], ["gz\u0131p"], ["dcb"],
     ["aes128gcm"], [","], ["gzip,"], ["identity", "identity"]],
)  # fmt: skip
def test_tb2_all_others_are_refused(values):
    with pytest.raises(Refused, match=r"^content-coding$"):
        content_coding(values)
