"""The sockets between our own processes: length-prefixed msgpack frames, and everything that waits travels in one frame.

A frame is a 4-byte big-endian length and a msgpack array of calls (or of answers). Calls made in the same turn of the event
loop leave together: two hops cost 353 µs of CPU per request when each call has a frame of its own, and 23 µs with 64 in one
(design section 11). What never may come in: what a verb means (that is ``remote.py`` of vault and cipher), or a log line that
contains a payload; passwords and values travel here.

Who may speak: the socket is 0600 in a 0700 folder, the peer's uid must be ours (SO_PEERCRED), and both sides prove that they
were given the link's secret at start. The last one is a wall inside one uid: a broken-into proxy worker can reach the cipher's
socket file, but was never given the secret of the link between vault and cipher. Nor can it put itself between them: what is
proven includes whom each side sees at the other end, and for both that would be the worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import os
import secrets
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec

from gateway.errors import Refused, SessionEnded, Unavailable

#: The largest frame: a body of 1 MiB becomes at most a few MiB of values; beyond this the peer is broken or hostile.
MAX_FRAME = 64 << 20
#: Calls that may wait on one link before new ones are refused: memory stays bounded while a peer hangs.
MAX_WAITING = 20_000
#: Seconds after which an unanswered call counts as lost. Argon2 behind a full queue takes the longest (about 3 s).
CALL_DEADLINE = 15.0
NONCE = 32
PROOF = 32
#: The largest frame before the secret was proven, and the seconds for it: a stranger must not make us hold memory or descriptors.
MAX_UNPROVEN = 256
PROVEN_WITHIN = 5.0

_log = logging.getLogger("gateway.wire")
_encode = msgspec.msgpack.Encoder().encode


class Call(msgspec.Struct, frozen=True, array_like=True):
    id: int
    verb: str
    body: msgspec.Raw


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """``outcome``: ok, refused, unavailable or session-ended; ``detail``: the reason; ``retry_after`` in seconds.

    Or goodbye: calls up to ``id`` are still answered here, later ones were not taken up and belong on another connection.
    """

    id: int
    outcome: str
    body: msgspec.Raw
    detail: str = ""
    retry_after: int | None = None


_calls = msgspec.msgpack.Decoder(list[Call])
_answers = msgspec.msgpack.Decoder(list[Answer])
_NOTHING = msgspec.Raw(_encode(None))


def proof(secret: bytes, side: str, nonce: bytes, ends: bytes) -> bytes:
    """What a side shows to prove that it holds the link's secret: HMAC-SHA256 over its role, the other side's nonce and the ends."""
    return hmac.digest(secret, side.encode() + b"\0" + nonce + ends, "sha256")


def peer(sock: socket.socket) -> tuple[int, int]:
    """Process and uid at the other end (SO_PEERCRED: the kernel's word, from when the connection was made)."""
    pid, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return int(pid), int(uid)


_ENDS = struct.Struct(">ii")


def ends_seen_by_caller(sock: socket.socket) -> bytes:
    """Which processes the caller sees at the two ends: itself, and whoever listens."""
    return _ENDS.pack(os.getpid(), peer(sock)[0])


def ends_agree(ends: bytes, sock: socket.socket) -> bool:
    """Does the callee see the same? Else somebody is between the two: one who renamed our socket and bound another in its place.

    0 stands for a process in a container of its own, which has no number for us.
    """
    caller, callee = _ENDS.unpack(ends)
    seen, _ = peer(sock)
    return seen in (caller, 0) and callee in (os.getpid(), 0)


class _Frames(asyncio.Protocol):
    """Cuts the byte stream into frames and sends what has gathered once per loop turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._received = bytearray()
        self._gathered: list[Any] = []
        self._proven = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its type

    def gather(self, entry: Call | Answer) -> None:
        if not self._gathered:
            self._loop.call_soon(self._flush)
        self._gathered.append(entry)

    def _flush(self) -> None:
        gathered, self._gathered = self._gathered, []
        if self.transport is None or self.transport.is_closing():
            return
        for frame in _frames_of(gathered):
            self.transport.write(len(frame).to_bytes(4, "big") + frame)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (frame := self._next_frame()) is not None:
            try:
                self.frame_received(frame)
            except (msgspec.DecodeError, ValueError):
                self.drop()

    def _next_frame(self) -> bytes | None:
        if len(self._received) < 4:
            return None
        length = int.from_bytes(self._received[:4], "big")
        if length > (MAX_FRAME if self._proven else MAX_UNPROVEN):
            self.drop()
            return None
        if len(self._received) < 4 + length:
            return None
        frame = bytes(self._received[4 : 4 + length])
        del self._received[: 4 + length]
        return frame

    def frame_received(self, frame: bytes) -> None:
        raise AssertionError("a subclass receives frames")

    def _send_raw(self, payload: bytes) -> None:
        if self.transport is not None:
            self.transport.write(len(payload).to_bytes(4, "big") + payload)

    def _socket(self) -> socket.socket:
        assert self.transport is not None
        return cast(socket.socket, self.transport.get_extra_info("socket"))

    def drop(self) -> None:
        """Close at once: the peer is not who it must be, or does not speak the protocol."""
        self._received.clear()
        if self.transport is not None:
            self.transport.abort()


def _frames_of(entries: list[Any]) -> Iterator[bytes]:
    """One frame, or as many as it takes: large bodies that wait at the same moment must not break the link for all of them."""
    frame = _encode(entries)
    if len(frame) <= MAX_FRAME or len(entries) == 1:
        yield frame
        return
    half = len(entries) // 2
    yield from _frames_of(entries[:half])
    yield from _frames_of(entries[half:])


class Caller(_Frames):
    """The calling end: proves itself, then matches answers to calls."""

    def __init__(self, loop: asyncio.AbstractEventLoop, secret: bytes, unavailable: str) -> None:
        super().__init__(loop)
        self._secret = secret
        self._unavailable = unavailable
        self._nonce = secrets.token_bytes(NONCE)
        self._state = "greeted"
        self._ends = b""
        self.ready: asyncio.Future[None] = loop.create_future()
        self.waiting: dict[int, tuple[asyncio.Future[msgspec.Raw], float]] = {}
        self.leaving = False  # the other side said goodbye
        self.left_at = time.monotonic()  # when it did, or was lost
        self._last_id = 0

    def frame_received(self, frame: bytes) -> None:
        if self._state == "ready":
            for answer in _answers.decode(frame):
                self._settle(answer)
        elif self._state == "greeted" and len(frame) == NONCE:
            self._ends = ends_seen_by_caller(self._socket())
            self._send_raw(proof(self._secret, "caller", frame, self._ends) + self._nonce + self._ends)
            self._state = "proving"
        elif self._state == "proving" and hmac.compare_digest(frame, proof(self._secret, "callee", self._nonce, self._ends)):
            self._state, self._proven = "ready", True
            if not self.ready.done():
                self.ready.set_result(None)
        else:
            self.drop()

    def call(self, verb: str, body: bytes) -> asyncio.Future[msgspec.Raw]:
        if len(self.waiting) >= MAX_WAITING:
            raise Unavailable(self._unavailable)
        self._last_id += 1
        future: asyncio.Future[msgspec.Raw] = self._loop.create_future()
        self.waiting[self._last_id] = future, self._loop.time() + CALL_DEADLINE
        self.gather(Call(self._last_id, verb, msgspec.Raw(body)))
        return future

    def _say_goodbye(self, last: int) -> None:
        """What the other side did not take up was certainly not done: whatever it was, it may be asked for elsewhere."""
        self.leaving, self.left_at = True, time.monotonic()
        for number in [number for number in self.waiting if number > last]:
            future, _ = self.waiting.pop(number)
            if not future.done():
                future.set_exception(NotTakenUp())

    def _settle(self, answer: Answer) -> None:
        if answer.outcome == "goodbye":
            self._say_goodbye(answer.id)
            return
        future, _ = self.waiting.pop(answer.id, (None, 0.0))
        if future is None or future.done():
            return
        if answer.outcome == "ok":
            # Raw is a view into the frame; copying it keeps one answer from holding a whole frame of others.
            future.set_result(msgspec.Raw(bytes(answer.body)))
        else:
            future.set_exception(_raised(answer))

    def expire(self) -> None:
        """Give up on calls whose deadline has passed: their connection hangs, so it is closed and all of them fail."""
        now = self._loop.time()
        if any(deadline < now for _, deadline in self.waiting.values()):
            self.drop()

    def connection_lost(self, error: Exception | None) -> None:
        self._state = "closed"
        self.transport = None
        if not self.leaving:
            self.left_at = time.monotonic()
        lost = Unavailable(self._unavailable)
        if not self.ready.done():
            self.ready.set_exception(lost)
            self.ready.exception()  # retrieved: whoever waits gets it, and nobody may be waiting
        waiting, self.waiting = self.waiting, {}
        for future, _ in waiting.values():
            if not future.done():
                future.set_exception(Unavailable(self._unavailable))
                future.exception()


def _raised(answer: Answer) -> Exception:
    if answer.outcome == "refused":
        return Refused(answer.detail, retry_after=answer.retry_after)
    if answer.outcome == "session-ended":
        return SessionEnded()
    return Unavailable(answer.detail or "internal")


class NotTakenUp(Exception):
    """The call reached a process that was on its way out."""


Handler = Callable[["Connection", msgspec.Raw], Awaitable[Any]]


class Connection(_Frames):
    """The answering end of one connection. ``begun`` is for the verbs' own bookkeeping (exchanges that this peer began)."""

    def __init__(self, callee: Callee, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._callee = callee
        self._nonce = secrets.token_bytes(NONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_id = 0
        self._leaving = False
        self.begun: set[str] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if peer(self._socket())[1] not in (os.getuid(), 0):
            self.drop()
            return
        self._callee.connections.add(self)
        self._loop.call_later(PROVEN_WITHIN, self._drop_unproven)
        self._send_raw(self._nonce)

    def _drop_unproven(self) -> None:
        if not self._proven:
            self.drop()

    def begun_elsewhere(self, exchange: str) -> bool:
        """Did another peer begin it? Then it is none of this one's business."""
        return any(exchange in other.begun for other in self._callee.connections if other is not self)

    def frame_received(self, frame: bytes) -> None:
        if not self._proven:
            self._prove(frame)
            return
        calls = _calls.decode(frame)
        if len(self._tasks) + len(calls) > MAX_WAITING:  # our own caller never has so many: this one is broken into
            self.drop()
            return
        if self._leaving:  # the caller has been told, and asks elsewhere
            return
        for call in calls:
            self._last_id = call.id
            task = self._loop.create_task(self._answer(call.id, call.verb, msgspec.Raw(bytes(call.body))))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _prove(self, frame: bytes) -> None:
        shown, nonce, ends = frame[:PROOF], frame[PROOF : PROOF + NONCE], frame[PROOF + NONCE :]
        genuine = hmac.compare_digest(shown, proof(self._callee.secret, "caller", self._nonce, ends))
        if len(ends) != _ENDS.size or not genuine or not ends_agree(ends, self._socket()):
            _log.warning("a peer without the link's secret was refused")
            self.drop()
            return
        self._proven = True
        self._send_raw(proof(self._callee.secret, "callee", nonce, ends))

    @property
    def proven(self) -> bool:
        return self._proven

    async def leave(self) -> None:
        """Say goodbye, answer what was taken up, and close when all of it is written."""
        self._leaving = True
        self.gather(Answer(self._last_id, "goodbye", _NOTHING))
        while self._tasks:
            await asyncio.wait(self._tasks)
        await asyncio.sleep(0)  # what was gathered in this turn is sent in the next
        if self.transport is not None:
            self.transport.close()

    async def _answer(self, id: int, verb: str, body: msgspec.Raw) -> None:
        try:
            handler = self._callee.verbs[verb]
            answer = Answer(id, "ok", msgspec.Raw(_encode(await handler(self, body))))
        except Refused as refused:
            answer = Answer(id, "refused", _NOTHING, refused.reason, refused.retry_after)
        except SessionEnded:
            answer = Answer(id, "session-ended", _NOTHING)
        except Unavailable as unavailable:
            answer = Answer(id, "unavailable", _NOTHING, unavailable.reason)
        except Exception as error:  # the edge of a process: whatever it was, the caller must get an error and not hang
            # Only the place is logged: the text of an unforeseen exception may hold the value that caused it.
            _log.error("verb %s failed: %s at %s", verb, type(error).__name__, place_of(error))
            answer = Answer(id, "unavailable", _NOTHING, "internal")
        self.gather(answer)

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self._callee.forget(self)
        if self.begun and not self._leaving:  # else the peer lives on, and with it what it began
            self._callee.lost(self)


def place_of(error: BaseException) -> str:
    """Where an exception was raised, as file:line and nothing of its text: the text may contain the value that caused it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


@dataclass
class Callee:
    """The answering side of a socket. ``lost`` is called when a peer that had ``begun`` something goes away."""

    secret: bytes
    verbs: Mapping[str, Handler]
    lost: Callable[[Connection], None] = lambda connection: None

    def __post_init__(self) -> None:
        self.connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._empty = asyncio.Event()

    def forget(self, connection: Connection) -> None:
        self.connections.discard(connection)
        if not any(other.proven for other in self.connections):
            self._empty.set()

    async def listen(self, path: Path) -> None:
        """Bind ``path`` with mode 0600; what an ended predecessor left there is replaced."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: Connection(self, loop), sock=_bound(path))

    async def drain(self, seconds: float) -> None:
        """Take up nothing more, answer what was asked before, and close. Whatever is left after ``seconds`` is dropped."""
        if self._server is not None:
            self._server.close()
        end = time.monotonic() + seconds
        self._empty.clear()
        leaving = [asyncio.ensure_future(connection.leave()) for connection in self.connections if connection.proven]
        if leaving:
            await asyncio.wait(leaving, timeout=seconds)
        for task in leaving:
            task.cancel()
        if any(connection.proven for connection in self.connections):  # what was written is on its way out
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), end - time.monotonic())
        await self.close()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.drop()
        if self._server is not None:
            await self._server.wait_closed()


def _bound(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        with short_path(path) as short:
            sock.bind(short)
    finally:
        os.umask(before)
    sock.listen(128)
    return sock


@contextlib.contextmanager
def short_path(path: Path) -> Iterator[str]:
    """``path`` by way of its folder's descriptor: an AF_UNIX address holds 107 bytes, and state folders may lie deep."""
    if len(os.fsencode(path)) <= 100:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
