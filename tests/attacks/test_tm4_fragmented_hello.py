"""T-M4: a ClientHello that comes in crumbs is never treated as if no certificate were needed."""

import socket
import ssl
import time
from urllib.parse import urlsplit

import pytest

from gateway.demo.story import OTHER
from tests.attacks.conftest import Line

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


class Crumbs:
    """A socket under OpenSSL's memory BIOs that sends every byte of the handshake by itself."""

    def __init__(self, environment, context, size, pause=0.0):
        self.raw = socket.create_connection(("127.0.0.1", urlsplit(environment.url).port), 20)
        self.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_hostname="localhost")
        self._size, self._pause = size, pause
        self._until(self.tls.do_handshake)

    def _until(self, step):
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self._send()
                self._in.write(self.raw.recv(65536))
            finally:
                self._send()

    def _send(self):
        data = self._out.read()
        for at in range(0, len(data), self._size):
            self.raw.sendall(data[at : at + self._size])
            time.sleep(self._pause)

    def sendall(self, data):
        self.tls.write(data)
        self._send()

    def recv(self, size):
        return self._until(lambda: self.tls.read(size))

    def close(self):
        self.raw.close()


@pytest.mark.trap("T-M4", "A hello in crumbs of one byte, or slowly, gets the verdict of one in one piece, with and without a certificate.")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("size", "pause"), [(1, 0), (40, 0.005), (5, 0)], ids=["1 byte", "40 bytes, slowly", "a record's head"])
@pytest.mark.parametrize("certificate", [True, False])
def test_t_m4_the_verdict_is_that_of_a_hello_in_one_piece(attacker, suite, version, size, pause, certificate):
    line = Line(Crumbs(attacker.environment, attacker.context(OTHER, certificate=certificate, version=version), size, pause))
    line.send(attacker.head())
    assert line.reply().status == (200 if certificate else 403)
    assert len(suite.seen) == certificate
    line.close()
