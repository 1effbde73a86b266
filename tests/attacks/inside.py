"""A whole worker in this process, driven below its sockets: every byte reaches it in the segments that a test chooses.

What belongs here: a transport in memory in the place of TLS's, and an upstream that logs bytes. Never may: a shortcut past certificate,
network or password; the transport shows the peer that TLS would show. The kernel joins segments as it likes, so over real sockets no test
could choose them.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import socket
import ssl

from gateway.proxy.access import Peer
from tests.cli.conftest import CUSTOMER
from tests.proxy.crossing import HOST, crossing

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"id": 1}'
_FIRST = re.compile("-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----")
_CHANGING = re.compile(rb"(Date: |urn:uuid:|X-Request-Id: )[^\r\"]*")


class Memory(asyncio.Transport):
    """The server's side of a connection. ``sent``: all that it wrote; ``brought``: bytes that it took; ``ended``: it has closed."""

    def __init__(self, protocol, peer):
        super().__init__({"peername": (peer.address, 1), "peer": peer})
        self.sent, self.protocol, self.reading, self.brought = b"", protocol, True, 0
        self.ended = asyncio.get_running_loop().create_future()
        protocol.connection_made(self)

    def write(self, data):
        self.sent += bytes(data)

    def writelines(self, pieces):
        self.sent += b"".join(map(bytes, pieces))

    def is_closing(self):
        return self.ended.done()

    def close(self):
        if not self.ended.done():
            self.ended.set_result(None)
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    abort = close

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True

    def is_reading(self):
        return self.reading

    def get_write_buffer_size(self):
        return 0

    async def feed(self, segments):
        """As a loop does: nothing while the server does not read, nothing after it has closed. The loop turns between two segments."""
        for segment in segments:
            async with asyncio.timeout(20):
                while not self.reading and not self.ended.done():
                    await asyncio.sleep(0)
            if self.ended.done():
                return
            self.brought += len(segment)
            self.protocol.data_received(segment)
            await asyncio.sleep(0)

    async def bring(self, segments):
        """All of them, and all that is answered until the server closes."""
        await self.feed(segments)
        async with asyncio.timeout(20):
            await self.ended
        return _CHANGING.sub(rb"\1", self.sent)


class ByteLog:
    """An upstream that keeps every request byte for byte, and answers each of them alike."""

    def __init__(self):
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.seen = []

    async def serve(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"\r\nContent-Length: (\d+)\r\n", head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                self.seen.append(_CHANGING.sub(rb"\1", head + body))
                writer.write(ANSWER if not head.startswith(b"HEAD") else ANSWER.partition(b"{")[0])
        writer.close()


class Inside:
    """``connect()``: a connection of the customer, whose certificate, network and password are right."""

    def __init__(self, here, log):
        self.log, self.server = log, here.worker.server
        [bundle] = (here.folder.path / "out").glob("*import.pem")
        self._peer = Peer("127.0.0.1", ssl.PEM_cert_to_DER_cert(_FIRST.search(bundle.read_text())[0]), HOST)
        self._authorization = b"Authorization: Basic " + base64.b64encode(f"maria:{here.folder.passwords['maria']}".encode())

    def connect(self):
        return Memory(self.server(), self._peer)

    def head(self, first, *headers):
        return b"\r\n".join([first, b"Host: " + HOST.encode(), self._authorization, *headers, b"", b""])


@contextlib.asynccontextmanager
async def inside(folder):
    log = ByteLog()
    policy = folder.policy(CUSTOMER)
    policy.write_text(policy.read_text().replace("http://127.0.0.1:9/", f"http://127.0.0.1:{log.port}/"))
    upstream = await asyncio.start_server(log.serve, sock=log.sock)
    async with crossing(folder) as here:
        yield Inside(here, log)
    upstream.close()
