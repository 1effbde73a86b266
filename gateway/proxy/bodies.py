"""What changes in a message: the values that leave as tokens, and the texts of an answer that may come back.

Between reading a body and the pure engine in ``gateway.body``. What never may come in: a decision about who may see what (the
vault's), or a branch that forwards a body that was declared a record and was not read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote_plus

from aiohttp import HttpVersion11
from aiohttp.web import BaseRequest
from aiohttp.web_protocol import RequestPayloadError

from gateway.body.codec import check_media_type
from gateway.body.content_coding import content_coding, decoded
from gateway.body.rewrite import Scanned, echo, personal_data, scan, splice
from gateway.body.selector import Record
from gateway.errors import Refused
from gateway.policy.decide import Decision
from gateway.policy.model import Limits
from gateway.policy.path import Parameter
from gateway.proxy.rate import REQUEST_BODY, Meter
from gateway.proxy.upstream_connection import Upload
from gateway.vault.interface import AtRest, Clear

#: Bytes of an upstream's answer that is looked into. Answers are larger than requests (pages), and not the client's to choose.
ANSWER_LIMIT = 16 << 20

# Headers in which no page and no program puts what it was told by a user, or which do not go on as they came. All others are searched.
_WITHOUT_VALUES = frozenset(
    b"host authorization connection content-length content-type content-encoding transfer-encoding user-agent accept accept-charset"
    b" accept-encoding accept-language cache-control pragma origin expect priority te dnt traceparent"
    b" sec-fetch-site sec-fetch-mode sec-fetch-dest sec-fetch-user sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform".split()
)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request as it was received and judged: where its values are, before they are replaced."""

    target: str
    parameters: tuple[Parameter, ...]  # only those that carry a data class
    classes: tuple[str, ...]  # the data class of each parameter
    scanned: Scanned | None
    stream: Upload | None
    beside: tuple[str, ...] = ()  # texts of the head that go on as they came; empty when there is no value to look for

    def values(self) -> list[Clear]:
        """Every value that must not leave, in the order in which ``tokenized`` wants the tokens back."""
        searched = [Clear(cls, parameter.value, search=True) for parameter, cls in zip(self.parameters, self.classes, strict=True)]
        places = self.scanned.places if self.scanned is not None else ()
        return [*searched, *(Clear(place.data_class, place.value) for place in places)]

    def tokenized(self, tokens: Sequence[str]) -> tuple[bytes, bytes | Upload | None]:
        """Target and body with every value replaced; the echo guard has the last word. Raises Refused('body-echo')."""
        hidden = [value.value for value, token in zip(self.values(), tokens, strict=True) if value.value != token]
        others = self.scanned.others if self.scanned is not None else ()
        if echo((*others, *self.beside), hidden):
            raise Refused("body-echo")
        target = _replace_parameters(self.target, self.parameters, tokens[: len(self.parameters)])
        if self.scanned is None:
            return target, self.stream
        return target, splice(self.scanned, tokens[len(self.parameters) :])


def _replace_parameters(target: str, parameters: Sequence[Parameter], tokens: Sequence[str]) -> bytes:
    pieces: list[str] = []
    at = 0
    for parameter, token in zip(parameters, tokens, strict=True):
        pieces += target[at : parameter.start], quote(token, safe="")
        at = parameter.end
    return "".join([*pieces, target[at:]]).encode("ascii")


async def read_request(request: BaseRequest, decision: Decision) -> Outgoing:
    """Read the body, as far as the route declares one, within its limits. Raises Refused."""
    searched = [(p, cls) for p in decision.parameters if (cls := decision.route.query[p.name]) != "clear"]
    declared = decision.route.request
    scanned: Scanned | None = None
    stream: Upload | None = None
    if declared is None:
        if request.body_exists:
            raise Refused("body-not-declared")
    elif declared == "pass":
        stream = Upload(_pieces(request), request.content_length) if request.body_exists else None
    else:
        scanned = await _read_record(request, declared, decision.limits)
    beside = _beside(request, decision) if searched or (scanned is not None and scanned.places) else ()
    return Outgoing(request.raw_path, tuple(p for p, _ in searched), tuple(cls for _, cls in searched), scanned, stream, beside)


def _beside(request: BaseRequest, decision: Decision) -> tuple[str, ...]:
    """What the client chose freely in the head of this request, decoded: a value hidden in the body must not stand there (B-13, B-15)."""
    raw = request.raw_path.partition("?")[0][1:].split("/")
    chosen = [segment for segment, part in zip(raw, decision.route.segments, strict=False) if part is None]
    chosen += [value.decode() for name, value in request.raw_headers if name.lower() not in _WITHOUT_VALUES]
    clear = [parameter.value for parameter in decision.parameters if decision.route.query[parameter.name] == "clear"]
    return (*clear, *(unquote_plus(text) if "%" in text or "+" in text else text for text in chosen))


async def _read_record(request: BaseRequest, record: Record, limits: Limits) -> Scanned:
    if not request.body_exists:
        raise Refused("body-missing")
    check_media_type(request.headers.get("Content-Type"))
    body = await read_whole(request, limits.body)
    scanned = scan(body, record, depth=limits.depth)
    if personal_data(scanned):
        raise Refused("body-personal-data")
    return scanned


async def read_whole(request: BaseRequest, limit: int) -> bytes:
    """A body of at most ``limit`` bytes, on the line and decoded, never empty, whose media type was judged before. Raises Refused."""
    if not request.body_exists:
        raise Refused("body-missing")
    coding = content_coding(request.headers.getall("Content-Encoding", ()))
    if (request.content_length or 0) > limit:
        raise Refused("body-too-large")
    invite(request)
    body = decoded(coding, await _whole(request, limit), limit)
    if not body:
        raise Refused("body-missing")
    return body


def invite(request: BaseRequest) -> None:
    """Answer ``Expect: 100-continue``: only now, when all that can be judged without the body has been judged (T-S4).

    Never to HTTP/1.0, which knows no interim answers and would take it for the final one (RFC 9110 section 10.1.1).
    """
    expected = request.headers.get("Expect", "").lower() == "100-continue" and request.version == HttpVersion11
    if expected and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def _whole(request: BaseRequest, limit: int) -> bytes:
    body = bytearray()
    meter = Meter(REQUEST_BODY)
    while piece := await _piece(request, meter):
        body += piece
        if len(body) > limit:
            raise Refused("body-too-large")
    return bytes(body)


async def _pieces(request: BaseRequest) -> AsyncIterator[bytes]:
    """As they come, and no faster than they are asked for. Of any size: nothing of it stays here."""
    invite(request)
    meter = Meter(REQUEST_BODY)
    while piece := await _piece(request, meter):
        yield piece


async def _piece(request: BaseRequest, meter: Meter) -> bytes:
    """The next bytes of a body; empty at its end. Refuses whoever sends too slowly (T-D6), or breaks off.

    What is here already is taken without a timer: most bodies come with their heads.
    """
    content, loop = request.content, asyncio.get_running_loop()
    began = loop.time()
    try:
        piece = content.read_nowait()
        if not piece and not content.at_eof():
            async with asyncio.timeout(meter.patience):
                piece = await content.readany()
    except TimeoutError:
        raise Refused("request-timeout") from None
    except RequestPayloadError:
        raise Refused("request-framing") from None
    meter.took(loop.time() - began, len(piece))
    return piece


def scan_answer(headers: Sequence[tuple[bytes, bytes]], body: bytes, record: Record, limits: Limits) -> Scanned:
    """Find the declared places of an answer. Raises Refused('upstream-unreadable') for whatever is wrong with it.

    Judged by its own headers (B-01): JSON that calls itself HTML would run what is revealed in it in the browser.
    """
    types = [value for name, value in headers if name.lower() == b"content-type"]
    codings = [value.decode("latin-1") for name, value in headers if name.lower() == b"content-encoding"]
    try:
        check_media_type(types[0].decode("latin-1") if len(types) == 1 else None)
        return scan(decoded(content_coding(codings), body, ANSWER_LIMIT), record, depth=limits.depth)
    except Refused as refused:
        raise Refused("upstream-unreadable") from refused


def at_rest(scanned: Scanned) -> list[AtRest]:
    return [AtRest(place.data_class, place.value) for place in scanned.places]


def restored(scanned: Scanned, texts: Sequence[str]) -> bytes:
    return splice(scanned, [None if text == place.value else text for place, text in zip(scanned.places, texts, strict=True)])
