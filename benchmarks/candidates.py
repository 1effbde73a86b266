"""Who is measured: each is started, says where it listens and which processes are its own, and is stopped.

Belongs here: one class per candidate, with the method ``start``. Never may: a measurement.
"""

from __future__ import annotations

import base64
import http.client
import io
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from rich.console import Console

from benchmarks.backend import PAGE_LENGTH
from benchmarks.cost import descendants
from benchmarks.load import Place
from benchmarks.orders import CLEAR
from gateway.demo.environment import Environment

CUSTOMER, USER = "stadtwerke_musterstadt", "maria"


@dataclass(frozen=True, slots=True)
class Target:
    """``roles``: what this candidate's processes are called → their pids at this moment."""

    name: str
    place: Place
    path: str
    headers: bytes
    roles: Callable[[], Mapping[str, list[int]]]


class Candidate(Protocol):
    def start(self) -> Target:
        """Returns when it serves."""

    def stop(self) -> None: ...


class _Surroundings(Environment):
    """The demo's own environment, with the backend of the benchmark in the place of the suite."""

    backend = 0  # its port

    def _start_suite(self) -> int:
        self.backend = int(self._launch("backend", [sys.executable, "-m", "benchmarks.backend"])["port"])
        return self.backend

    def supervisor(self) -> int:
        return self._running[-1].pid


class GatewayCandidate:
    """The full job: client certificate, network, password, tokens durable before the request goes on, values restored, audited."""

    def __init__(self, folder: Path, workers: int) -> None:
        built = _Surroundings.build(folder, Console(file=io.StringIO()), workers=workers)
        assert isinstance(built, _Surroundings)  # ``build`` makes its own class
        self.around = built
        self.backend = self.around.backend

    def start(self) -> Target:
        self.around.start()
        port = urlsplit(self.around.url).port or 0
        credentials = base64.b64encode(f"{USER}:{self.around.customers[CUSTOMER].passwords[USER]}".encode())
        headers = b"Host: localhost:%d\r\nAuthorization: Basic %b\r\n" % (port, credentials)
        return Target("gateway, full job", Place("localhost", port, self.tls()), "/orders", headers, self._roles)

    def stop(self) -> None:
        self.around.stop()

    def tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.around.authority))
        access = self.around.customers[CUSTOMER]
        context.load_cert_chain(access.certificate, access.private_key)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _roles(self) -> Mapping[str, list[int]]:
        named = {pid: role for role, pids in self.around.pids.items() for pid in pids}
        roles: dict[str, list[int]] = {}
        for pid in descendants(self.around.supervisor()):
            roles.setdefault(named.get(pid, "others"), []).append(pid)
        return roles

    def keeps_its_promise(self) -> bool:
        """What is measured is the job: the backend holds no name, and the client sees them all."""
        seen = self.around.client(CUSTOMER, USER).send("GET", "/orders").body.decode()
        prefix = urlsplit(self.around.customers[CUSTOMER].upstream).path
        with closing(http.client.HTTPConnection("127.0.0.1", self.backend, timeout=10)) as connection:
            connection.request("GET", f"{prefix}/orders")
            held = connection.getresponse().read().decode()
        return seen.count(CLEAR) == PAGE_LENGTH and CLEAR not in held and len(held) > len(CLEAR)


NGINX = """\
daemon off; worker_processes {workers}; pid {folder}/nginx.pid; error_log {folder}/nginx.log; {user}
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 100000000; tcp_nodelay on; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    upstream backend {{ server 127.0.0.1:{backend}; keepalive 128; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port} ssl; ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets off; ssl_session_cache off;
        ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_client_certificate {authority}; ssl_verify_client on;
        allow 127.0.0.0/8; deny all;
        location / {{
            proxy_pass http://backend/plain/; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host suite;
        }}
    }}
}}
"""


class NginxCandidate:
    """nginx with the same certificates and the same backend: it checks network and client certificate; no password, no tokens."""

    def __init__(self, folder: Path, beside: GatewayCandidate, workers: int) -> None:
        self._folder, self._beside, self._workers = folder, beside, workers
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def program() -> str | None:
        return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")

    def start(self) -> Target:
        port = _free_port()
        self._folder.mkdir()
        (self._folder / "nginx.conf").write_text(self._configuration(port))
        options = {"-p": self._folder, "-c": self._folder / "nginx.conf", "-e": self._folder / "nginx.log"}
        command = [str(self.program()), *(str(word) for option in options.items() for word in option)]
        self._process = process = subprocess.Popen(command)
        _wait_for(port, process)
        place = Place("localhost", port, self._beside.tls())
        return Target("nginx, no tokens", place, "/orders", b"Host: localhost:%d\r\n" % port, lambda: {"nginx": descendants(process.pid)})

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)

    def _configuration(self, port: int) -> str:
        config = self._beside.around.config
        return NGINX.format(
            workers=self._workers,
            folder=self._folder,
            user="user root;" if os.getuid() == 0 else "",  # the folder belongs to whoever runs the benchmark
            backend=self._beside.backend,
            port=port,
            certificate=config.certificate,
            key=config.private_key,
            authority=config.authority_dir(CUSTOMER) / "ca.pem",
        )


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes], seconds: float = 10) -> None:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit and process.poll() is None:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("nginx does not listen; its error log says why")
