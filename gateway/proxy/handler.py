"""The whole path of a request, in one function: ``Gateway._cross``. Read it first.

Each stage takes a value and returns the next one's; nothing is stashed on the request. Whatever happens ends in exactly one
answer and one audit event. What never may come in: a second way to the upstream.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Sequence

from aiohttp import HttpVersion10
from aiohttp.web import BaseRequest, Response, StreamResponse

from gateway.errors import Refused, SessionEnded, Unavailable
from gateway.policy.decide import AccessRequest, Decision, decide
from gateway.policy.model import Customer
from gateway.policy.path import is_reserved
from gateway.proxy import account, answers
from gateway.proxy.access import Client, Snapshot, check_host, identify
from gateway.proxy.admission import DEFAULT_SHARES, Admission, Shares, Turn
from gateway.proxy.bodies import ANSWER_LIMIT, Outgoing, at_rest, read_request, restored, scan_answer
from gateway.proxy.exchange import Credentials, Trail
from gateway.proxy.headers import Public, basic_credentials, inbound, outbound
from gateway.proxy.server import check_framing, peer_of
from gateway.proxy.sessions import Sessions
from gateway.proxy.upstream import UpstreamKey, UpstreamPool, UpstreamResponse
from gateway.proxy.validators import view_of
from gateway.vault.interface import AtRest, Clear, Event, Exchange, Vault
from gateway.wire import place_of

_log = logging.getLogger("gateway.proxy")

#: Seconds between tries to record an event: a vault that was killed is back within a few, and the audit log shall be complete.
RECORD_AGAIN = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 0.0)


class Gateway:
    """The external API. ``snapshot`` gives the current policies and trust; ``vault`` is the internal API."""

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        vault: Vault,
        upstreams: UpstreamPool,
        *,
        clock: Callable[[], float] = time.time,
        shares: Shares = DEFAULT_SHARES,
    ) -> None:
        self._snapshot = snapshot
        self._vault = vault
        self._upstreams = upstreams
        self._sessions = Sessions(vault)
        self._admission = Admission(shares)
        self._clock = clock
        self._recording: set[asyncio.Task[None]] = set()

    async def _cross(self, request: BaseRequest, trail: Trail) -> StreamResponse:
        """Receive, identify, decide, tokenize, forward, detokenize, respond (design sections 1 and 6, in this order)."""
        snapshot = self._snapshot()
        trail.revision = snapshot.policies.revision
        peer = peer_of(request)
        trail.address = peer.address

        # Who is it? Framing first: a request that two parsers could read differently is judged no further.
        check_framing(request)
        client = identify(snapshot, peer, self._clock(), trail.learn)
        check_host(snapshot, request.headers["Host"], peer.server_name)
        user, password = basic_credentials(request.headers.get("Authorization"))
        # Whose turn is it? A customer's burst waits behind itself, before it costs a password's check or a body's memory.
        trail.turn = self._admission.enter(client.customer) or await self._queued(request, client.customer)
        session = await self._sessions.of(client, user, password, self._clock())
        credentials = Credentials(self._sessions, client, user, password, session)
        trail.user = user

        # The gateway's own page: behind the same locks as all else, and nothing of it ever goes upstream.
        access = _access_request(request, client, user, snapshot)
        if is_reserved(access.target):
            return await account.answer(request, access, self._vault, credentials, trail)

        # What may they? Only then is a byte of the body read.
        decision = decide(snapshot.policies, access)
        trail.route = decision.route.template
        outgoing = await self._receive(request, decision, trail)

        # Nothing leaves before it is tokenized, its tokens are on disk and the begin record is written.
        tokens = await self._tokenize(credentials, trail.begins(decision.role.name), outgoing.values(), trail)
        target, body = outgoing.tokenized(tokens)
        customer = snapshot.policies.customers[client.customer]
        upstream = await self._upstreams.request(
            UpstreamKey.of(customer),
            request.method,
            customer.upstream.base_path.encode() + target,
            outbound(
                request.raw_headers, public=_public(request, client, trail, decision), route=decision.route, upstream=customer.upstream
            ),
            body,
            on_replay=trail.sent_again,
        )

        # Nothing comes back that was not declared, or that this role may not see.
        try:
            return await self._respond(request, upstream, decision, customer, credentials, trail)
        finally:
            upstream.release()

    async def _receive(self, request: BaseRequest, decision: Decision, trail: Trail) -> Outgoing:
        """A body that is still on its way holds no turn: a hundred that dribble must not be the reason why their own customer waits."""
        if decision.route.request == "pass" or request.content.is_eof():
            return await read_request(request, decision)
        trail.turn.leave()
        outgoing = await read_request(request, decision)
        trail.turn = self._admission.enter(trail.customer) or await self._queued(request, trail.customer)
        return outgoing

    async def _queued(self, request: BaseRequest, customer: str) -> Turn:
        turn = await self._admission.wait(customer)
        if request.transport is None:
            turn.leave()
            raise ConnectionResetError  # its client has left meanwhile: nobody would read the answer
        return turn

    async def _tokenize(self, credentials: Credentials, exchange: Exchange, values: Sequence[Clear], trail: Trail) -> list[str]:
        tokens = await credentials.ask(lambda session: self._vault.tokenize(session, exchange, values))
        trail.begun, credentials.begun = True, exchange
        return tokens

    async def _detokenize(self, credentials: Credentials, exchange: str, texts: Sequence[AtRest]) -> list[str]:
        if not texts:
            return []
        return await credentials.ask(lambda session: self._vault.detokenize(session, exchange, texts))

    async def _respond(
        self,
        request: BaseRequest,
        upstream: UpstreamResponse,
        decision: Decision,
        customer: Customer,
        credentials: Credentials,
        trail: Trail,
    ) -> StreamResponse:
        declared = decision.route.response
        view = view_of(trail.revision, customer.name, decision.role.name) if declared != "pass" else None
        headers = inbound(upstream.raw_headers, view=view, upstream=customer.upstream, host=request.headers["Host"])
        if declared == "pass":
            return await _stream(request, upstream, headers, trail)
        body = await upstream.read_all(ANSWER_LIMIT)
        if not body or declared is None or 300 <= upstream.status < 400:
            return _bodiless(upstream, body, headers, trail)
        if upstream.status == 206:
            raise Refused("upstream-unreadable")  # nobody asked for a part (T-B3), and it would pass for the whole: its range is not told
        try:
            scanned = scan_answer(upstream.raw_headers, body, declared, decision.limits)
        except Refused:
            if upstream.status < 400:
                raise
            return answers.refusal("upstream-status", trail.exchange, status=upstream.status)
        texts = await self._detokenize(credentials, trail.exchange, at_rest(scanned))
        return Response(status=upstream.status, headers=headers, body=restored(scanned, texts))

    async def handle(self, request: BaseRequest) -> StreamResponse:
        """The edge: turns whatever ``_cross`` raised into one problem document, and records how the exchange ended."""
        trail = Trail(str(uuid.uuid4()), request.method)
        reason, status, retry_after = "client-gone", 0, None
        try:
            response = await self._cross(request, trail)
            reason, status = trail.reason, response.status
            return response
        except (Refused, Unavailable) as refused:
            reason, retry_after = refused.reason, getattr(refused, "retry_after", None)
        except SessionEnded:  # twice in one exchange: the vault and the cipher disagree, or the key is being destroyed
            reason = "keys-unavailable"
        except ConnectionError:  # only writes to the client raise it; the upstream's are Refused
            raise
        except Exception as error:  # the edge of the process: whatever it was, nothing is forwarded or revealed
            # Only the place is logged: the text of an unforeseen exception may hold the value that caused it.
            _log.error("exchange %s failed: %s at %s", trail.exchange, type(error).__name__, place_of(error))
            reason = "internal"
        finally:
            trail.turn.leave()
            if reason in (trail.reason, "client-gone"):
                self._record(trail.event(reason, status))
        return self._refuse(request, trail, reason, retry_after)

    def _refuse(self, request: BaseRequest, trail: Trail, reason: str, retry_after: int | None) -> StreamResponse:
        response = answers.refusal(reason, trail.exchange, retry_after=retry_after)
        self._record(trail.event(reason, response.status))
        if trail.started:
            # Part of an answer is out: it must never count as complete, so the connection is broken off.
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError
        if request.body_exists and not request.content.at_eof():
            response.force_close()  # unread bytes of a body must never be taken for the next request (T-S4)
        return response

    def _record(self, event: Event) -> None:
        """Without waiting: the vault ends what a vanished worker began, and refuses new exchanges when it cannot write."""
        task = asyncio.get_running_loop().create_task(self._write(event))
        self._recording.add(task)
        task.add_done_callback(self._recording.discard)

    async def _write(self, event: Event) -> None:
        for pause in RECORD_AGAIN:
            try:
                await self._vault.record(event)
            except Unavailable:
                await asyncio.sleep(pause)
            except Exception as error:  # the root of a task: the loop would print it, and its text may hold a value
                _log.error("an event failed: %s at %s", type(error).__name__, place_of(error))
                break
            else:
                return
        _log.error("the end of exchange %s could not be recorded", event.exchange)

    async def drained(self) -> None:
        """Wait until every event is written: before a worker ends."""
        while self._recording:
            await asyncio.wait(self._recording)


def _access_request(request: BaseRequest, client: Client, user: str, snapshot: Snapshot) -> AccessRequest:
    return AccessRequest(
        customer=client.customer,
        user=user,
        method=request.method,
        target=request.raw_path,
        hostnames=snapshot.hostnames,
        origin=request.headers.get("Origin"),
        fetch_site=request.headers.get("Sec-Fetch-Site"),
    )


def _public(request: BaseRequest, client: Client, trail: Trail, decision: Decision) -> Public:
    return Public(
        address=client.address,
        host=request.headers["Host"],
        exchange=trail.exchange,
        customer=client.customer,
        user=trail.user,
        role=decision.role.name,
        leaf=client.leaf,
        view=view_of(trail.revision, client.customer, decision.role.name),
    )


async def _stream(request: BaseRequest, upstream: UpstreamResponse, headers: Sequence[tuple[str, str]], trail: Trail) -> StreamResponse:
    """A declared ``pass`` answer: forwarded piece by piece, never looked into, as fast as the client reads."""
    response = StreamResponse(status=upstream.status)
    response.headers.extend(headers)
    if request.version == HttpVersion10 and response.content_length is None:
        response.force_close()  # aiohttp would keep the connection of one who asked for it, and with it the only end of this answer
    trail.started = True
    trail.turn.leave()  # it may last for hours (server-sent events): from here on it is a connection like any other, and costs no more
    await response.prepare(request)
    async for piece in upstream.chunks():
        await response.write(piece)
    await response.write_eof()
    return response


def _bodiless(upstream: UpstreamResponse, body: bytes, headers: Sequence[tuple[str, str]], trail: Trail) -> StreamResponse:
    """An answer without a body, or one whose body is not passed on: that of a redirect, or of an error on a route that declares none."""
    if body and upstream.status < 300:
        raise Refused("upstream-unreadable")
    if body and upstream.status >= 400:
        return answers.refusal("upstream-status", trail.exchange, status=upstream.status)
    response = Response(status=upstream.status)
    response.headers.extend(headers)
    return response
