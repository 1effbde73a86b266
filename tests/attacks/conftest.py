"""A gateway with real processes, a suite that does whatever a test wants, and a client that says whatever a test wants.

Belongs here: bytes on sockets, in both directions. Never may: a shortcut past TLS, certificate, network or password.
"""

import base64
import contextlib
import io
import json
import re
import socket
import ssl
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from OpenSSL import SSL
from rich.console import Console

from gateway.demo.environment import Environment
from gateway.demo.story import OTHER, OURS
from tests.attacks.matrix import Recorder
from tests.attacks.own_authority import OwnAuthority


def pytest_addoption(parser):
    parser.addoption("--matrix", metavar="FILE", help="write what is claimed of every trap, and whether it held, to this file")


def pytest_configure(config):
    file = config.getoption("--matrix", default=None)  # no such option where only other folders are run
    if file is not None:
        config.pluginmanager.register(Recorder(Path(file)), "matrix")


class ScriptedSuite:
    """An upstream of bare sockets. ``seen``: every request, byte for byte. ``answer``: bytes, or a function from request to bytes.

    After an answer the connection lives on when ``keep`` says so.
    """

    def __init__(self):
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.reset()
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self):
        self.seen, self.answer, self.keep = [], json_answer({}), False

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            connection.settimeout(20)
            while (request := self._request(connection)) is not None:
                answer = self.answer(request) if callable(self.answer) else self.answer
                connection.sendall(answer)
                if not self.keep:
                    return

    def _request(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return None
            data += piece
        length = re.search(rb"\r\ncontent-length: *(\d+)", data, re.IGNORECASE)
        missing = data.index(b"\r\n\r\n") + 4 + int(length[1] if length else 0) - len(data)
        while missing > 0:
            piece = connection.recv(65536)
            if not piece:
                return None
            data, missing = data + piece, missing - len(piece)
        self.seen.append(data)
        return data

    def close(self):
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


def json_answer(body, *headers, status="200 OK", media="application/json"):
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {media}", f"Content-Length: {len(raw)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def values(self, name):
        return [value for found, value in self.headers if found == name]

    def json(self):
        return json.loads(self.body)


class Line:
    """One TLS connection of a client: whatever bytes go out, and answers as a strict reader finds them."""

    def __init__(self, sock):
        self.sock, self._data = sock, b""

    def send(self, data):
        self.sock.sendall(data)

    def status(self, request):
        """The status of the answer; None where the connection ends, or has ended, without one."""
        try:
            self.send(request)
        except (ConnectionError, ssl.SSLError):
            return None
        reply = self.reply()
        return reply and reply.status

    def _more(self):
        try:
            piece = self.sock.recv(65536)
        except (ConnectionError, ssl.SSLError):
            piece = b""
        self._data += piece
        return bool(piece)

    def reply(self, method="GET"):
        """The next final answer, None when the connection ends without one."""
        while True:
            while b"\r\n\r\n" not in self._data:
                if not self._more():
                    return None
            head, self._data = self._data.split(b"\r\n\r\n", 1)
            first, *lines = head.decode().split("\r\n")
            assert re.fullmatch(r"HTTP/1\.[01] \d{3} .*", first), first
            headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
            reply = Reply(int(first[9:12]), headers, b"")
            if reply.status >= 200:
                break
        reply.body = self._body(reply, method)
        return reply

    def _body(self, reply, method):
        if method == "HEAD" or reply.status in (204, 304):
            return b""
        if reply.values("transfer-encoding"):
            assert reply.values("transfer-encoding") == ["chunked"] and not reply.values("content-length")
            return self._chunks()
        if reply.values("content-length"):
            return self._exactly(int(reply.values("content-length")[0]))
        while self._more():
            pass
        body, self._data = self._data, b""
        return body

    def _exactly(self, size):
        while len(self._data) < size:
            if not self._more():
                raise EOFError("cut off")
        body, self._data = self._data[:size], self._data[size:]
        return body

    def _chunks(self):
        body = b""
        while True:
            while b"\r\n" not in self._data:
                if not self._more():
                    raise EOFError("cut off")
            size, self._data = self._data.split(b"\r\n", 1)
            chunk = self._exactly(int(size, 16))
            assert self._exactly(2) == b"\r\n"
            if not chunk:
                return body
            body += chunk

    def closed(self):
        """True when the gateway ends the connection without another answer."""
        while self._more():
            pass
        return not self._data

    def close(self):
        self.sock.close()


class Attacker:
    """Someone who holds everything that a customer holds: certificate, network, passwords. And tries."""

    def __init__(self, environment):
        self.environment = environment
        self.lines = []

    def context(self, customer=OTHER, *, certificate=True, version=None):
        context = ssl.create_default_context(cafile=str(self.environment.authority))
        context.check_hostname = False
        if certificate:
            access = self.environment.customers[customer]
            context.load_cert_chain(str(access.certificate), str(access.private_key))
        if version is not None:
            context.minimum_version = context.maximum_version = version
        return context

    def connect(self, customer=OTHER, *, context=None, name="localhost", source="127.0.0.1", session=None):
        raw = socket.create_connection(("127.0.0.1", urlsplit(self.environment.url).port), 20, source_address=(source, 0))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or each request waits 40 ms for the handshake's last acknowledgement
        context = context or self.context(customer)
        line = Line(context.wrap_socket(raw, server_hostname=name, session=session))
        self.lines.append(line)
        return line

    def line(self, connection):
        """Over a connection that was opened in some other way."""
        self.lines.append(Line(connection))
        return self.lines[-1]

    def authorization(self, customer=OTHER, user="jens"):
        password = self.environment.customers[customer].passwords[user]
        return b"Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()) + b"\r\n"

    def head(self, first=b"GET /orders HTTP/1.1", *headers, customer=OTHER, user="jens", host=b"localhost"):
        named = [b"Host: " + host] if host is not None else []
        return b"\r\n".join([first, *named, *headers]) + b"\r\n" + self.authorization(customer, user) + b"\r\n"

    def post(self, body, *headers, customer=OTHER, user="jens", first=b"POST /orders HTTP/1.1", media=b"Content-Type: application/json"):
        raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        given = [header for header in (media, *headers) if header]
        return self.head(first, b"Content-Length: %d" % len(raw), *given, customer=customer, user=user) + raw

    def ask(self, data, customer=OTHER):
        """One request on a connection of its own."""
        line = self.connect(customer)
        line.send(data)
        return line.reply(data.split(b" ", 1)[0].decode("latin-1"))

    def close(self):
        for line in self.lines:
            line.close()
        self.lines.clear()


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """As in production; ``OURS`` has the real suite behind it, ``OTHER`` the scripted one."""
    built = Environment.build(Path(tmp_path_factory.mktemp("attacks")) / "run", Console(file=io.StringIO()), workers=1)
    suite = ScriptedSuite()
    try:
        policy = customer_policy(built, OTHER)
        policy.write_text(re.sub(r"http://127\.0\.0\.1:\d+/", f"http://127.0.0.1:{suite.port}/", policy.read_text()))
        built.start()
        built.scripted = suite
        yield built
    finally:
        built.stop()
        suite.close()


def customer_policy(environment, customer):
    return environment.config_file.parent / "policies" / "customers" / f"{customer}.yaml"


@pytest.fixture
def suite(environment):
    environment.scripted.reset()
    yield environment.scripted
    environment.scripted.reset()


@pytest.fixture
def attacker(environment):
    someone = Attacker(environment)
    yield someone
    someone.close()


class Opened:
    """OpenSSL's own client, as bare as it comes: any bytes as a server name. Reads like a socket."""

    def __init__(self, context, port, name):
        raw = socket.create_connection(("127.0.0.1", port), 20)
        raw.settimeout(None)  # pyOpenSSL takes blocking sockets only
        self._connection = SSL.Connection(context, raw)
        self._connection.set_connect_state()
        if name is not None:
            self._connection.set_tlsext_host_name(name)
        self._raw = raw

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def recv(self, size):
        try:
            return self._connection.recv(size)
        except (SSL.ZeroReturnError, SSL.SysCallError, SSL.Error):
            return b""

    def close(self):
        self._raw.close()


@pytest.fixture
def opened(environment):
    """Open a connection of ``customer``, or of nobody. ``refused``: a handshake that fails is an answer too, None."""
    made = []

    def open_one(name=b"localhost", *, version=None, customer=OTHER, refused=False, scruples=True, protocols=()):
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        if customer is not None:
            access = environment.customers[customer]
            context.use_certificate_chain_file(str(access.certificate))
            context.use_privatekey_file(str(access.private_key))
        if not scruples:
            context.set_cipher_list(b"ALL:@SECLEVEL=0")
        if protocols:
            context.set_alpn_protos(protocols)
        if version is not None:
            context.set_min_proto_version(version)
            context.set_max_proto_version(version)
        made.append(Opened(context, urlsplit(environment.url).port, name))
        try:
            made[-1].do_handshake()
        except (SSL.Error, SSL.SysCallError):
            if not refused:
                raise
            return None
        return made[-1]

    yield open_one
    for connection in made:
        connection.close()


@pytest.fixture
def answer_of():
    return json_answer


@pytest.fixture
def eventually():
    def wait(condition, seconds=15):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not come about"
            time.sleep(0.02)

    return wait


@pytest.fixture
def ours():
    return OURS


@pytest.fixture
def own(environment, attacker, suite, eventually, tmp_path):
    """``OTHER`` with an authority of its own, until the end of the test."""
    customer = OwnAuthority(environment, attacker, tmp_path, eventually)
    try:
        yield customer
    finally:
        customer.restore()
