"""What changes in a message: a record and tokens in, bytes out; and every body that is not what was declared is refused."""

import asyncio
import gzip
import json
import zlib
from unittest import mock

import brotli
import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request
from aiohttp.web_protocol import RequestPayloadError

from gateway.body.selector import compile_record
from gateway.errors import Refused
from gateway.policy.decide import Decision
from gateway.policy.model import Limits, Role, Route
from gateway.policy.path import canonical
from gateway.proxy import bodies
from gateway.proxy.bodies import at_rest, read_request, restored, scan_answer
from gateway.proxy.rate import Pace

RECORD = compile_record("order", {"household.name": "name", "notes[*]": "note"}, ["id", "city"], {}, unlisted="refuse")
JSON = {"Content-Type": "application/json", "Host": "gateway.example"}
ORDER = b'{"id": 1.50, "household": {"name": "Max Mustermann"}, "notes": ["Hund im Garten"] }'


async def requested(body=ORDER, *, target="/orders", headers=JSON, declared=RECORD, query=None, limits=None, pieces=1):
    """``read_request`` on a request whose body comes in so many pieces; None is a request without one."""
    payload = None
    if body is not None:
        payload = StreamReader(mock.create_autospec(BaseProtocol, spec_set=True, instance=True), 2**16, loop=asyncio.get_running_loop())
        size = max(1, -(-len(body) // pieces))
        for start in range(0, len(body), size):
            payload.feed_data(body[start : start + size])
        payload.feed_eof()
    options = {} if payload is None else {"payload": payload}
    request = make_mocked_request("POST", target, headers=headers, **options)
    route = Route("POST", "/orders", ("orders",), frozenset({"dispatcher"}), query or {}, declared, None)
    return await read_request(request, Decision(route, Role("dispatcher"), canonical(target).parameters, limits or Limits()))


def tokens(outgoing):
    return [f"<{item.data_class}{at}>" for at, item in enumerate(outgoing.values())]


@pytest.mark.parametrize("pieces", [1, 2, len(ORDER)])
async def test_only_the_declared_values_change_and_every_other_byte_stays(pieces):
    outgoing = await requested(pieces=pieces)
    assert [(item.data_class, item.value, item.search) for item in outgoing.values()] == [
        ("name", "Max Mustermann", False),
        ("note", "Hund im Garten", False),
    ]
    target, body = outgoing.tokenized(tokens(outgoing))
    assert target == b"/orders"
    assert body == ORDER.replace(b"Max Mustermann", b"<name0>").replace(b"Hund im Garten", b"<note1>")


@pytest.mark.parametrize(
    ("coding", "write"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("br", brotli.compress), ("identity", bytes)]
)
async def test_tb2_a_compressed_body_is_looked_into(coding, write):
    outgoing = await requested(write(ORDER), headers={**JSON, "Content-Encoding": coding})
    assert [item.value for item in outgoing.values()] == ["Max Mustermann", "Hund im Garten"]
    assert outgoing.tokenized(tokens(outgoing))[1] == ORDER.replace(b"Max Mustermann", b"<name0>").replace(b"Hund im Garten", b"<note1>")


async def test_parameters_come_first_and_their_tokens_are_encoded():
    query = {"name": "name", "page": "clear", "note": "note"}
    outgoing = await requested(target="/orders?page=2&name=Max+M%C3%BCller&note=a&x=", query={**query, "x": "clear"})
    assert [(item.data_class, item.value, item.search) for item in outgoing.values()][:2] == [
        ("name", "Max Müller", True),
        ("note", "a", True),
    ]
    target, body = outgoing.tokenized(["8š&5=»#?/%+", "t", "n", "h"])
    assert target == b"/orders?page=2&name=8%C5%A1%265%3D%C2%BB%23%3F%2F%25%2B&note=t&x="
    assert canonical(target.decode()).parameters[1].value == "8š&5=»#?/%+"
    assert json.loads(body)["household"]["name"] == "n"


@pytest.mark.parametrize(
    ("reason", "how"),
    [
        ("body-missing", {"body": None}),
        ("body-missing", {"body": b""}),
        ("body-not-declared", {"declared": None}),
        ("media-type", {"headers": {**JSON, "Content-Type": "text/html"}}),
        ("media-type", {"headers": {"Host": "gateway.example"}}),
        ("content-coding", {"headers": {**JSON, "Content-Encoding": "compress"}}),
        ("content-coding", {"headers": {**JSON, "Content-Encoding": "gzip, br"}}),
        ("body-coding-broken", {"headers": {**JSON, "Content-Encoding": "br"}}),
        ("body-coding-broken", {"headers": {**JSON, "Content-Encoding": "gzip"}, "body": gzip.compress(ORDER, mtime=0)[:-1]}),
        ("body-missing", {"headers": {**JSON, "Content-Encoding": "gzip"}, "body": gzip.compress(b"", mtime=0)}),
        ("body-too-large", {"headers": {**JSON, "Content-Encoding": "gzip"}, "body": gzip.compress(bytes(1 << 20), mtime=0)}),
        ("body-field-unlisted", {"headers": {**JSON, "Content-Encoding": "gzip"}, "body": gzip.compress(b'{"birthday": 1}', mtime=0)}),
        ("body-too-large", {"limits": Limits(body=len(ORDER) - 1)}),
        ("body-too-large", {"limits": Limits(body=10), "pieces": len(ORDER)}),
        ("body-too-large", {"headers": {**JSON, "Content-Length": "2000000"}}),
        ("body-too-deep", {"body": b'{"id": [[[["x"]]]]}', "limits": Limits(depth=3)}),
        ("body-not-json", {"body": b"{}x"}),
        ("body-field-unlisted", {"body": b'{"birthday": 1}'}),
    ],
)
async def test_what_is_not_what_was_declared_is_refused(reason, how):
    with pytest.raises(Refused, match=f"^{reason}$"):
        await requested(**how)


@pytest.mark.parametrize("declared", [RECORD, "pass"])
@pytest.mark.parametrize("dribbled", [0, 5])
async def test_td6_a_body_that_stays_out_or_dribbles_is_a_timeout(monkeypatch, declared, dribbled):
    """A byte is no sign of life: it earns a thousandth of a second."""
    monkeypatch.setattr(bodies, "REQUEST_BODY", Pace(first=0.01, most=0.02, slowest=1_000_000))
    payload = StreamReader(mock.create_autospec(BaseProtocol, spec_set=True, instance=True), 2**16, loop=asyncio.get_running_loop())
    for byte in b'{"id"'[:dribbled]:
        payload.feed_data(bytes([byte]))
    request = make_mocked_request("POST", "/orders", headers=JSON, payload=payload)
    route = Route("POST", "/orders", ("orders",), frozenset(), {}, declared, None)
    with pytest.raises(Refused, match="request-timeout"):
        outgoing = await read_request(request, Decision(route, Role("dispatcher"), (), Limits()))
        async for _ in outgoing.tokenized([])[1].pieces:
            pass


async def test_the_time_that_the_application_takes_is_not_the_clients(monkeypatch):
    """Between two pieces nobody waits for the client: what it cannot send because nothing is read must not count against it."""
    monkeypatch.setattr(bodies, "REQUEST_BODY", Pace(first=0.2, most=0.2, slowest=1_000_000))
    loop = asyncio.get_running_loop()
    payload = StreamReader(mock.create_autospec(BaseProtocol, spec_set=True, instance=True), 2**16, loop=loop)
    payload.feed_data(b"one")
    request = make_mocked_request("POST", "/orders", headers=JSON, payload=payload)
    route = Route("POST", "/orders", ("orders",), frozenset(), {}, "pass", None)
    pieces = (await read_request(request, Decision(route, Role("dispatcher"), (), Limits()))).tokenized([])[1].pieces
    assert await anext(pieces) == b"one"
    monkeypatch.setattr(loop, "time", lambda now=loop.time() + 3600: now)  # an hour in which the application took nothing
    payload.feed_data(b"two")
    payload.feed_eof()
    assert [piece async for piece in pieces] == [b"two"]


@pytest.mark.parametrize("declared", [RECORD, "pass"])
async def test_a_body_that_breaks_off_is_no_body(declared):
    """T-S4: what came of it must not count as all of it."""
    payload = StreamReader(mock.create_autospec(BaseProtocol, spec_set=True, instance=True), 2**16, loop=asyncio.get_running_loop())
    payload.set_exception(RequestPayloadError("broken off"))
    request = make_mocked_request("POST", "/orders", headers=JSON, payload=payload)
    route = Route("POST", "/orders", ("orders",), frozenset(), {}, declared, None)
    with pytest.raises(Refused, match="request-framing"):
        outgoing = await read_request(request, Decision(route, Role("dispatcher"), (), Limits()))
        async for _ in outgoing.tokenized([])[1].pieces:
            pass


async def test_a_value_that_also_stands_where_it_would_stay_is_refused():
    """B-13: hidden in one place and readable in the next is not hidden."""
    outgoing = await requested(b'{"id": 1, "city": "bei Max Mustermann", "household": {"name": "Max Mustermann"}}')
    with pytest.raises(Refused, match="body-echo"):
        outgoing.tokenized(["<token>"])


async def test_pass_is_streamed_and_has_no_limit_of_size():
    outgoing = await requested(b"x" * 1000, declared="pass", headers={"Host": "gateway.example"}, limits=Limits(body=1), pieces=10)
    assert outgoing.values() == []
    upload = outgoing.tokenized([])[1]
    assert upload.length is None
    assert b"".join([piece async for piece in upload.pieces]) == b"x" * 1000
    outgoing = await requested(b"x" * 1000, declared="pass", headers={"Content-Length": "1000"})
    assert outgoing.tokenized([])[1].length == 1000


ANSWER = [(b"Content-Type", b"application/json")]


def test_an_answer_is_restored_in_its_declared_places_only():
    body = b'{"id": 1, "household": {"name": "8\xc5\xa1l5"}, "notes": ["a", "b"]}'
    scanned = scan_answer(ANSWER, body, RECORD, Limits())
    assert [(item.data_class, item.text) for item in at_rest(scanned)] == [("name", "8šl5"), ("note", "a"), ("note", "b")]
    assert restored(scanned, ["8šl5", "a", "b"]) == body  # what this role sees as it is costs no byte
    assert json.loads(restored(scanned, ['Max "M"', "a", "ö"])) == {"id": 1, "household": {"name": 'Max "M"'}, "notes": ["a", "ö"]}


def test_an_answer_that_came_compressed_although_nobody_asked():
    scanned = scan_answer([*ANSWER, (b"Content-Encoding", b"br")], brotli.compress(ORDER), RECORD, Limits())
    assert json.loads(restored(scanned, ["Max M.", "Hund"]))["household"] == {"name": "Max M."}


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (ANSWER, b"{"),
        (ANSWER, b'{"id": 1, "id": 2}'),
        (ANSWER, b'{"else": 1}'),
        (ANSWER, b"[]"),
        (ANSWER, b'{"id": "\xff"}'),
        ([(b"Content-Type", b"text/html")], b'{"id": 1}'),
        ([], b'{"id": 1}'),
        ([*ANSWER, (b"Content-Encoding", b"gzip")], b'{"id": 1}'),
        ([*ANSWER, (b"Content-Encoding", b"gzip")], gzip.compress(b'{"else": 1}', mtime=0)),
        ([*ANSWER, (b"Content-Encoding", b"gzip")], gzip.compress(bytes(1 << 20), mtime=0)),
        ([*ANSWER, (b"Content-Encoding", b"gzip, br")], gzip.compress(b'{"id": 1}', mtime=0)),
        ([*ANSWER, (b"Content-Encoding", b"gzip"), (b"Content-Encoding", b"gzip")], gzip.compress(b'{"id": 1}', mtime=0)),
        ([*ANSWER, (b"Content-Encoding", b"compress")], b'{"id": 1}'),
    ],
)
def test_an_answer_that_cannot_be_read_is_never_passed_as_it_is(headers, body):
    with pytest.raises(Refused, match="upstream-unreadable"):
        scan_answer(headers, body, RECORD, Limits())
