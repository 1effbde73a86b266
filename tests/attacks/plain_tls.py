"""The first flights of TLS 1.2, which are not encrypted yet: what a stranger can send, byte for byte, and what it is shown.

What belongs here: records and handshake messages of RFC 5246. Never may: a cipher; whoever needs one is no stranger any more.
"""

import os
import socket
import struct
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ALERT, HANDSHAKE = 21, 22
SERVER_HELLO, CERTIFICATE, CERTIFICATE_REQUEST, CERTIFICATE_VERIFY, CLIENT_KEY_EXCHANGE = 2, 11, 13, 15, 16


def record(kind, body):
    return b"".join(bytes([kind]) + b"\x03\x03" + struct.pack("!H", len(part)) + part for part in _parts(body))


def _parts(body, size=16384):
    return [body[at : at + size] for at in range(0, len(body), size)]


def message(kind, body):
    return bytes([kind]) + len(body).to_bytes(3) + body


def client_hello(name):
    """``name``: bytes of the server name, or None for none."""

    def extension(number, data):
        return struct.pack("!HH", number, len(data)) + data

    listed = b"" if name is None else b"\0" + struct.pack("!H", len(name)) + name
    extensions = b"" if name is None else extension(0, struct.pack("!H", len(listed)) + listed)
    extensions += extension(10, b"\0\x02\0\x17") + extension(11, b"\x01\0")  # P-256, uncompressed
    extensions += extension(13, b"\0\x0a\x04\x03\x05\x03\x06\x03\x04\x01\x08\x04") + extension(16, b"\0\x09\x08http/1.1")
    body = b"\x03\x03" + os.urandom(32) + b"\0" + b"\0\x04\xc0\x2b\xc0\x2f" + b"\x01\0"
    return record(HANDSHAKE, message(1, body + struct.pack("!H", len(extensions)) + extensions))


def certificates(*ders):
    listed = b"".join(len(der).to_bytes(3) + der for der in ders)
    return message(CERTIFICATE, len(listed).to_bytes(3) + listed)


def key_exchange():
    """A valid one: what is refused is refused for what comes before or after it."""
    point = ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return message(CLIENT_KEY_EXCHANGE, bytes([len(point)]) + point)


def claimed_proof(scheme=b"\x04\x03", size=70):
    return message(CERTIFICATE_VERIFY, scheme + struct.pack("!H", size) + b"\x5a" * size)


class Stranger:
    """Whoever has reached the port and has nothing else."""

    def __init__(self, environment, name=b"localhost"):
        self.sock = socket.create_connection(("127.0.0.1", urlsplit(environment.url).port), 20)
        self.data = b""
        self.sock.sendall(client_hello(name))

    def flight(self):
        """The server's messages as (type, body) up to ServerHelloDone; what there is of them when it hangs up before."""
        messages, pending = [], b""
        while not messages or messages[-1][0] != 14:
            kind, body = self.record()
            if kind != HANDSHAKE:
                return messages
            pending += body
            while len(pending) >= 4 and len(pending) >= 4 + int.from_bytes(pending[1:4]):
                end = 4 + int.from_bytes(pending[1:4])
                messages.append((pending[0], pending[4:end]))
                pending = pending[end:]
        return messages

    def record(self):
        """One record as (type, body); type None at the end of the connection."""
        while len(self.data) < 5 or len(self.data) < 5 + int.from_bytes(self.data[3:5]):
            try:
                piece = self.sock.recv(65536)
            except ConnectionError:
                piece = b""
            if not piece:
                return None, b""
            self.data += piece
        end = 5 + int.from_bytes(self.data[3:5])
        kind, body, self.data = self.data[0], self.data[5:end], self.data[end:]
        return kind, body

    def send(self, data):
        """False when the server has hung up already."""
        try:
            self.sock.sendall(data)
        except ConnectionError:
            return False
        return True

    def is_refused(self):
        """Nothing comes any more but an alert, and the connection ends."""
        while True:
            kind, _ = self.record()
            if kind is None:
                return True
            if kind != ALERT:
                return False

    def close(self):
        self.sock.close()
