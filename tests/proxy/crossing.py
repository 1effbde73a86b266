"""A whole worker in this process: real TLS, a real vault and cipher on real files, and a real upstream over plain loopback.

Only two things are put in between: faults in front of the vault, and what the upstream answers.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
import ssl
from dataclasses import dataclass, field

from aiohttp import web

from gateway.audit import read
from gateway.runtime import setup
from gateway.runtime.cipher_process import CipherRole
from gateway.runtime.keys import open_operator_key
from gateway.runtime.snapshot import build_snapshot
from gateway.runtime.vault_process import VaultRole
from gateway.runtime.worker import Worker
from tests.cli.conftest import CUSTOMER, PASSPHRASE

HOST = "gateway.example"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    complete: bool

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def exchange(self):
        return self.json["instance"].removeprefix("urn:uuid:")


class Faults:
    """In front of a vault: ``raising["tokenize"]`` is a list of exceptions, one for each of the next calls."""

    def __init__(self, vault):
        self._vault = vault
        self.raising = {}
        self.calls = []

    def __getattr__(self, verb):
        async def call(*arguments):
            self.calls.append(verb)
            if self.raising.get(verb):
                raise self.raising[verb].pop(0)
            return await getattr(self._vault, verb)(*arguments)

        return call


@dataclass
class Crossing:
    folder: object
    worker: Worker
    vault: Faults
    port: int
    context: ssl.SSLContext
    anonymous: ssl.SSLContext
    received: list = field(default_factory=list)
    answer: object = None  # async def answer(request) of the upstream; None answers as the suite does

    async def upstream(self, request):
        body = await request.read() if self.answer is None else b""
        self.received.append((request.method, request.path_qs, request.headers.copy(), body))
        if self.answer is not None:
            return await self.answer(request)
        status = 201 if request.method == "POST" else 200
        return web.Response(status=status, body=body or b'{"id": 1}', content_type="application/json")

    def head(self, method, target, user, password, headers):
        lines = {"Host": HOST, "Connection": "close", **headers}
        if user is not None:
            told = f"{user}:{self.folder.passwords[user] if password is None else password}"
            lines = {"Authorization": f"Basic {base64.b64encode(told.encode()).decode()}", **lines}
        return "".join(
            [f"{method} {target} HTTP/1.1\r\n", *(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None), "\r\n"]
        )

    async def connect(self, *, certificate=True, server_name=HOST):
        context = self.context if certificate else self.anonymous
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=context, server_hostname=server_name)

    async def ask(self, method="POST", target="/orders", body=None, *, user="maria", password=None, headers=(), certificate=True) -> Answer:
        """One request on a connection of its own, read to its end."""
        payload = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        lines = {"Content-Type": "application/json", "Content-Length": str(len(payload))} if body is not None else {}
        reader, writer = await self.connect(certificate=certificate)
        writer.write(self.head(method, target, user, password, {**lines, **dict(headers)}).encode() + payload)
        got, clean = b"", False
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            async with asyncio.timeout(30):
                while piece := await reader.read(65536):
                    got += piece
                clean = True
        writer.transport.abort()
        return parsed(got, clean)

    def events(self, *kinds):
        return [record for record in read(self.folder.config.audit_dir) if record["kind"] in kinds]

    async def ended(self, count=1):
        """The events that end exchanges, once there are ``count``; and not one more after all was written."""
        async with asyncio.timeout(30):
            while len(self.events("end", "refused")) < count:
                await asyncio.sleep(0.01)
        await self.worker.gateway.drained()
        assert len(self.events("end", "refused")) == count
        return self.events("end", "refused")


def parsed(got, clean):
    head, _, body = got.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    if "chunked" in headers.get("transfer-encoding", ""):
        return Answer(int(first.split()[1]), headers, body, clean and body.endswith(b"\r\n0\r\n\r\n"))
    status = int(first.split()[1]) if first else 0
    return Answer(status, headers, body, clean and len(body) == int(headers.get("content-length", len(body))))


@contextlib.asynccontextmanager
async def crossing(folder, serve=None):
    """``serve(reader, writer)``: an upstream of bare sockets instead, for each of its connections."""
    upstream = web.Server(lambda request: here.upstream(request))
    if serve is None:
        listening = await asyncio.get_running_loop().create_server(upstream, "127.0.0.1", 0)
    else:
        listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    policy = folder.policy().read_text().replace("192.0.2.0/24", "127.0.0.1/32").replace("http://127.0.0.1:9/", f"http://127.0.0.1:{port}/")
    folder.policy().write_text(policy)
    bundle = setup.issue_certificate(
        folder.config, open_operator_key(folder.config, PASSPHRASE.encode()), CUSTOMER, "import", folder.path / "out"
    )
    cipher = CipherRole(folder.config, folder.config_file, PASSPHRASE.encode())
    vault = VaultRole(folder.config, folder.config_file, cipher.service)
    faults = Faults(vault.vault)
    worker = Worker(folder.config_file, build_snapshot(folder.config), faults)
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    listener = worker.listener(sock)
    contexts = [ssl.create_default_context(cafile=folder.path / "certs" / "server-ca.pem") for _ in range(2)]
    contexts[0].load_cert_chain(bundle.certificate, bundle.private_key)
    here = Crossing(folder, worker, faults, sock.getsockname()[1], *contexts)
    await listener.start()
    try:
        yield here
    finally:
        await listener.stop()
        await worker.server.shutdown(1.0)
        await listener.end()
        await worker.gateway.drained()
        worker.upstreams.close()
        await vault.close()
        cipher.service.close()
        listening.close()
        await upstream.shutdown(1.0)
        await listening.wait_closed()
