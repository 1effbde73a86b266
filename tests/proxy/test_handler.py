"""The request path from both ends: what the client is told, what the upstream saw, and the one audit event of each exchange."""

import asyncio
import json
import logging
import re
from urllib.parse import unquote

import pytest
from aiohttp import web

from gateway.errors import Refused, SessionEnded, Unavailable
from gateway.problems import REASONS, problem_of
from gateway.proxy import handler
from tests.cli.conftest import CUSTOMER, folder, made  # noqa: F401 - fixtures
from tests.proxy.crossing import crossing

ORDER = {
    "meter_number": "1ESY1160123456",
    "household": {"name": "Max Mustermann", "street": "Lindenallee 17b", "phone": "0351 4567890", "email": "max.mustermann@example.org"},
    "notes": ["Klingel defekt"],
}
VALUES = [*ORDER["household"].values(), *ORDER["notes"]]


@pytest.fixture
async def here(folder):  # noqa: F811
    async with crossing(folder) as it:
        yield it


def with_value(**changes):
    return {**ORDER, "household": {**ORDER["household"], **changes}}


# -- the way that is meant


async def test_the_upstream_gets_tokens_and_the_dispatcher_gets_values(here):
    answer = await here.ask(body=ORDER)
    assert (answer.status, answer.json) == (201, ORDER)
    ((method, path, headers, body),) = here.received
    assert (method, path) == ("POST", "/musterstadt/orders")
    assert not [value for value in VALUES if value in body.decode()]
    assert json.loads(body)["meter_number"] == ORDER["meter_number"]
    assert (headers["Gateway-Customer"], headers["Gateway-User"], headers["Gateway-Role"]) == (CUSTOMER, "maria", "dispatcher")
    assert "Authorization" not in headers
    (end,) = await here.ended()
    (begin,), (reveal,) = here.events("begin"), here.events("reveal")
    assert begin["exchange"] == reveal["exchange"] == end["exchange"] == headers["X-Request-Id"]
    assert (end["kind"], end["status"], end.get("reason", "")) == ("end", 201, "")
    assert reveal["clear"] == {"name": 1, "street": 1, "phone": 1, "email": 1, "note": 1}
    assert here.vault.calls == ["open_session", "tokenize", "detokenize", "record"]  # one trip each, however many fields


async def test_who_sees_tokens_only_is_revealed_nothing(here):
    answer = await here.ask(body=ORDER, user="import_job")
    assert answer.status == 201
    assert not [value for value in VALUES if value in answer.body.decode()]
    assert answer.json == json.loads(here.received[0][3])


async def test_a_search_goes_out_as_a_token(here):
    await here.ask(body=ORDER)
    here.answer = lambda request: answer_json({"items": [], "total": 0})
    await here.ask("GET", "/orders?name=Max+Mustermann&page=2")
    stored = json.loads(here.received[0][3])["household"]["name"]
    target = here.received[1][1]
    assert target.endswith("&page=2")
    assert "Mustermann" not in target
    assert stored in unquote(target)


async def answer_json(value, status=200, **headers):
    return web.Response(status=status, body=json.dumps(value).encode(), headers={"Content-Type": "application/json", **headers})


async def test_a_session_is_opened_once_for_many_requests(here):
    for _ in range(3):
        assert (await here.ask(body=ORDER)).status == 201
    assert here.vault.calls.count("open_session") == 1
    await here.ended(3)


# -- refusals: nothing has left, one event, one document that says nothing


REFUSED = [
    ("certificate-missing", {"certificate": False}),
    ("host-foreign", {"headers": {"Host": "other.example"}}),
    ("credentials-missing", {"user": None}),
    ("credentials-missing", {"user": None, "headers": {"Authorization": "Bearer x"}}),
    ("credentials-malformed", {"user": None, "headers": {"Authorization": "Basic %%%"}}),
    ("password-wrong", {"password": "wrong wrong wrong"}),
    ("role-denied", {"method": "GET", "user": "import_job"}),
    ("route-unknown", {"method": "GET", "target": "/orders/1/2/3"}),
    ("method-unknown", {"method": "DELETE"}),
    ("path-ambiguous", {"method": "GET", "target": "/orders/..%2f1"}),
    ("query-unlisted", {"method": "GET", "target": "/orders?street=Lindenallee"}),
    ("origin-foreign", {"body": ORDER, "headers": {"Origin": "https://evil.example"}}),
    ("body-missing", {}),
    ("body-not-declared", {"method": "GET", "target": "/orders/1", "body": ORDER}),
    ("media-type", {"body": ORDER, "headers": {"Content-Type": "text/plain"}}),
    ("content-coding", {"body": ORDER, "headers": {"Content-Encoding": "compress"}}),
    ("body-coding-broken", {"body": ORDER, "headers": {"Content-Encoding": "gzip"}}),
    ("body-too-large", {"body": {"meter_number": "1" * (1 << 20)}}),
    ("body-not-json", {"body": b'{"id": }'}),
    ("body-not-utf8", {"body": b'{"id": "\xff"}'}),
    ("body-duplicate-key", {"body": b'{"id": 1, "id": 2}'}),
    ("body-field-unlisted", {"body": {**ORDER, "birthday": "1970-01-01"}}),
    ("body-wrong-type", {"body": with_value(name=["Max Mustermann"])}),
    ("body-echo", {"body": {**ORDER, "meter_number": "Max Mustermann"}}),
    ("mask-written-back", {"body": with_value(name="M*** M***")}),
    ("value-too-long", {"body": with_value(name="M" * 70_000)}),
]


@pytest.mark.parametrize(("reason", "request_"), REFUSED, ids=[reason for reason, _ in REFUSED])
async def test_what_is_refused_goes_nowhere(here, reason, request_):
    answer = await here.ask(**request_)
    problem = problem_of(reason)
    assert (answer.status, answer.json["type"], answer.json["title"]) == (problem.status, problem.type, problem.title)
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json) == {"type", "title", "status", "instance"}
    assert reason not in answer.body.decode().replace(problem.type, "")
    assert ("www-authenticate" in answer.headers) == (problem.status == 401)
    assert here.received == []
    (event,) = await here.ended()
    assert event["exchange"] == answer.exchange
    assert event["reason"] == reason
    assert event["status"] == problem.status
    assert (event["kind"] == "end") == bool(here.events("begin"))  # what was begun is ended, and nothing else
    assert not [value for value in VALUES if value in json.dumps(here.events("end", "refused", "begin", "reveal"), ensure_ascii=False)]


FAILING = [
    ("open_session", Unavailable("vault-unavailable"), "vault-unavailable"),
    ("open_session", Refused("throttled", retry_after=17), "throttled"),
    ("tokenize", Unavailable("vault-unavailable"), "vault-unavailable"),
    ("tokenize", Unavailable("cipher-unavailable"), "cipher-unavailable"),
    ("tokenize", Unavailable("audit-unavailable"), "audit-unavailable"),
    ("tokenize", Unavailable("token-space-exhausted"), "token-space-exhausted"),
    ("tokenize", RuntimeError("Max Mustermann"), "internal"),
    ("detokenize", Unavailable("cipher-unavailable"), "cipher-unavailable"),
    ("detokenize", Unavailable("audit-unavailable"), "audit-unavailable"),
    ("detokenize", ValueError("Max Mustermann"), "internal"),
]


@pytest.mark.parametrize(("verb", "error", "reason"), FAILING, ids=[f"{verb}-{reason}" for verb, _, reason in FAILING])
async def test_a_wall_that_fails_forwards_nothing_and_reveals_nothing(here, caplog, verb, error, reason):
    here.vault.raising[verb] = [error]
    answer = await here.ask(body=ORDER)
    assert answer.status == problem_of(reason).status
    assert answer.headers["retry-after"] == ("17" if reason == "throttled" else "1")
    assert not [value for value in VALUES if value in answer.body.decode()]
    assert len(here.received) == (1 if verb == "detokenize" else 0)
    (event,) = await here.ended()
    assert (event["kind"], event["reason"]) == ("end" if verb == "detokenize" else "refused", reason)
    assert "Mustermann" not in caplog.text  # O-01: an unforeseen exception's text may hold the value that caused it
    assert ("failed" in caplog.text) == (reason == "internal")


# -- sessions that end in the middle


@pytest.mark.parametrize("verb", ["tokenize", "detokenize"])
async def test_a_session_that_ends_is_opened_again_once(here, verb):
    here.vault.raising[verb] = [SessionEnded()]
    assert (await here.ask(body=ORDER)).status == 201
    assert here.vault.calls.count("open_session") == 2
    assert len(here.events("begin")) == 1
    assert len(here.received) == 1
    await here.ended()


@pytest.mark.parametrize("verb", ["tokenize", "detokenize"])
async def test_and_not_for_ever(here, verb):
    here.vault.raising[verb] = [SessionEnded(), SessionEnded(), SessionEnded()]
    answer = await here.ask(body=ORDER)
    assert answer.status == 503
    (event,) = await here.ended()
    assert event["reason"] == "keys-unavailable"


async def test_a_password_that_was_changed_meanwhile_is_refused(here):
    assert (await here.ask(body=ORDER)).status == 201
    here.vault.raising = {"tokenize": [SessionEnded()], "open_session": [Refused("password-wrong")]}
    assert (await here.ask(body=ORDER)).status == 401
    assert len(here.received) == 1


# -- what the upstream does


def responding(status=200, body=b"", content_type="application/json", **headers):
    async def answer(request):
        return web.Response(status=status, body=body, headers={"Content-Type": content_type, **headers})

    return answer


UPSTREAM = [
    ("unreadable JSON", responding(body=b'{"id": '), 502, "upstream-unreadable"),
    ("an undeclared field", responding(body=b'{"id": 1, "secret": "x"}'), 502, "upstream-unreadable"),
    ("a list for a record", responding(body=b"[]"), 502, "upstream-unreadable"),
    ("HTML on a protected route", responding(body=b"<p>Max", content_type="text/html"), 502, "upstream-unreadable"),
    ("T-B3: a part that nobody asked for", responding(206, b'{"id": 1}', **{"Content-Range": "bytes 0-8/99"}), 502, "upstream-unreadable"),
    ("its own error, unreadable", responding(500, b"Traceback: Max Mustermann", "text/plain"), 500, ""),
    ("its own error, as the record", responding(409, b'{"id": 1}'), 409, ""),
    ("not found without a body", responding(404), 404, ""),
    ("nothing", responding(204), 204, ""),
]


@pytest.mark.parametrize(("answer", "status", "reason"), [row[1:] for row in UPSTREAM], ids=[row[0] for row in UPSTREAM])
async def test_what_is_not_declared_never_comes_back(here, answer, status, reason):
    here.answer = answer
    got = await here.ask("GET", "/orders/1")
    assert got.status == status
    assert b"Max" not in got.body
    (event,) = await here.ended()
    assert (event["kind"], event.get("reason", ""), event["status"]) == ("end", reason, status)


async def test_an_upstream_that_is_not_there(here):
    here.folder.policy().write_text(re.sub(r"127\.0\.0\.1:[0-9]+/", "127.0.0.1:1/", here.folder.policy().read_text()))
    here.worker.swap()
    assert (await here.ask(body=ORDER)).status == 502
    (event,) = await here.ended()
    assert (event["kind"], event["reason"]) == ("end", "upstream-unreachable")


async def streaming(request, *, pieces=3, broken=False):
    response = web.StreamResponse(headers={"Content-Type": "application/pdf"})
    await response.prepare(request)
    for _ in range(pieces):
        await response.write(b"x" * 1000)
    if broken:
        request.transport.abort()
    return response


async def test_a_pass_answer_is_streamed(here):
    here.answer = streaming
    got = await here.ask("GET", "/orders/1/documents")
    assert (got.status, got.complete, got.body.count(b"x")) == (200, True, 3000)
    (event,) = await here.ended()
    assert (event["kind"], event.get("reason", "")) == ("end", "")


async def test_a_stream_that_breaks_off_never_counts_as_complete(here):
    here.answer = lambda request: streaming(request, broken=True)
    got = await here.ask("GET", "/orders/1/documents")
    assert not got.complete
    (event,) = await here.ended()
    assert event["kind"] == "end"
    assert REASONS[event["reason"]] == "upstream-failed"


async def test_a_client_that_leaves_in_the_middle_is_recorded(here):
    async def endless(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    here.answer = endless
    reader, writer = await here.connect()
    writer.write(here.head("GET", "/orders/1/documents", "maria", None, {}).encode())
    await reader.readexactly(1000)
    writer.transport.abort()
    (event,) = await here.ended()
    assert (event["kind"], event["reason"]) == ("end", "client-gone")


# -- the one event of an exchange


@pytest.mark.parametrize("fails", [1, 3])
async def test_an_event_is_tried_again_until_the_vault_is_back(here, monkeypatch, fails):
    monkeypatch.setattr(handler, "RECORD_AGAIN", (0.0, 0.0, 0.0, 0.0))
    here.vault.raising["record"] = [Unavailable("vault-unavailable")] * fails
    await here.ask(body=ORDER)
    await here.ended()


async def test_one_that_cannot_be_written_is_in_the_log(here, monkeypatch, caplog):
    caplog.set_level(logging.ERROR)
    monkeypatch.setattr(handler, "RECORD_AGAIN", (0.0, 0.0))
    here.vault.raising["record"] = [Unavailable("vault-unavailable")] * 2
    answer = await here.ask(method="GET", user="import_job")
    await here.worker.gateway.drained()
    assert f"the end of exchange {answer.exchange} could not be recorded" in caplog.text


async def test_after_a_refused_body_the_connection_ends(here):
    """T-S4: unread bytes of a body are never taken for the next request."""
    smuggled = b"GET /orders HTTP/1.1\r\nHost: gateway.example\r\n\r\n"
    reader, writer = await here.connect()
    head = here.head(
        "POST", "/orders", "maria", "wrong wrong wrong", {"Content-Length": str(len(smuggled) + 100_000), "Connection": "keep-alive"}
    )
    writer.write(head.encode() + smuggled)
    got = b""
    async with asyncio.timeout(30):
        while piece := await reader.read(65536):
            got += piece
    assert got.count(b"HTTP/1.1") == 1
    writer.transport.abort()
    await here.ended()


async def test_an_exchange_keeps_the_policies_that_it_began_with(here):
    began, go = asyncio.Event(), asyncio.Event()

    async def slow(request):
        began.set()
        await go.wait()
        return await answer_json({"id": 1})

    here.answer = slow
    asking = asyncio.create_task(here.ask("GET", "/orders/1"))
    await began.wait()
    before = here.worker.snapshot.policies.revision
    policy = here.folder.path / "policies" / "planning_suite.yaml"
    policy.write_text(re.sub(r"(GET /orders/\{id\}: *\{roles: )\[dispatcher\]", r"\1[auditor]", policy.read_text()))
    assert here.worker.swap() != before
    go.set()
    assert (await asking).status == 200
    assert (await here.ask("GET", "/orders/1")).status == 403
    assert {event["revision"] for event in await here.ended(2)} == {before, here.worker.snapshot.policies.revision}
