"""From a load balancer's header to the client's TLS, as transcripts: what came in, what was said, what goes on."""

import asyncio

import pytest

from gateway.proxy.arrival import Arrival

HEADER = b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 443\r\n"


class Raw(asyncio.Transport):
    """The socket's transport, as far as it is asked for."""

    aborted = False
    protocol = None

    def abort(self):
        self.aborted = True

    def set_protocol(self, protocol):
        self.protocol = protocol


class Next(asyncio.Protocol):
    def __init__(self):
        self.told = []

    def connection_made(self, transport):
        self.told.append("made")

    def data_received(self, data):
        self.told.append(data)


class Scene:
    def __init__(self, welcome=True, seconds=60):
        self.next, self.asked, self.told, self.raw = Next() if welcome else None, [], [], Raw()
        self.arrival = Arrival(seconds, self._admit, self.told.append, lambda: self.told.append("lost"))
        self.arrival.connection_made(self.raw)

    def _admit(self, address):
        self.asked.append(address)
        return self.next


@pytest.mark.parametrize(
    ("pieces", "rest"),
    [([HEADER], []), ([HEADER + b"hello"], [b"hello"]), ([HEADER[:5], HEADER[5:] + b"he"], [b"he"]), ([bytes([b]) for b in HEADER], [])],
)
async def test_what_follows_the_header_goes_on_untouched(pieces, rest):
    scene = Scene()
    for piece in pieces:
        scene.arrival.data_received(piece)
    assert scene.asked == ["192.0.2.7"]
    assert scene.raw.protocol is scene.next and scene.next.told == ["made", *rest]
    assert scene.told == [] and not scene.raw.aborted


async def test_who_is_not_let_in_is_cut_off():
    scene = Scene(welcome=False)
    scene.arrival.data_received(HEADER + b"hello")
    assert (scene.asked, scene.raw.aborted, scene.raw.protocol) == (["192.0.2.7"], True, None)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"\x16\x03\x01", "proxy-header-missing"),
        (b"GET / HTTP/1.1\r\n", "proxy-header-missing"),
        (b"PROXY UNKNOWN\r\n", "proxy-header-malformed"),
    ],
)
async def test_ti9_anything_else_is_cut_off_once(said, reason):
    scene = Scene()
    scene.arrival.data_received(said)
    scene.arrival.data_received(HEADER)
    assert (scene.told, scene.raw.aborted, scene.asked) == ([reason], True, [])
    scene.arrival.connection_lost(None)
    assert scene.told == [reason, "lost"]


async def test_ti9_a_slow_header_has_a_deadline():
    scene = Scene(seconds=0)
    scene.arrival.data_received(HEADER[:-1])
    while not scene.told:
        await asyncio.sleep(0)
    assert (scene.told, scene.raw.aborted) == (["proxy-header-missing"], True)


async def test_gone_before_it_said_for_whom():
    scene = Scene()
    scene.arrival.connection_lost(None)
    assert scene.told == ["client-gone", "lost"]


async def test_abort_ends_the_transport():
    scene = Scene()
    scene.arrival.abort()
    assert scene.raw.aborted
