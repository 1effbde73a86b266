"""Four servers that nobody here wrote, each on a port of its own, which say what they read in a request target.

What belongs here: their configuration, as they come (no option that makes one stricter than its default), and asking them. Never may: a
judgement about what they say.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import threading
import time
from base64 import b64decode
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from aiohttp import web

from tests.attacks.conftest import Line


class Reading(NamedTuple):
    """The resource as the server looks for it, decoded, and its query as it stood."""

    path: bytes
    query: bytes


class Server:
    """``reads(target)``: the reading, or None where the server refuses the target or hangs up."""

    def __init__(self, port, reading):
        self._port, self._reading, self._line = port, reading, None

    def reads(self, target):
        line = self._line or Line(socket.create_connection(("127.0.0.1", self._port), 20))
        self._line = None
        try:
            line.send(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            reply = line.reply()
            if reply is not None and reply.status == 200:
                self._line = line
                return self._reading({name: value for name, value in reply.headers if name.startswith("x-")})
        except (ConnectionError, AssertionError, UnicodeDecodeError):  # an answer that shows a control character, or in HTTP/0.9
            pass
        finally:
            if self._line is None:
                line.close()
        return None

    def close(self):
        if self._line is not None:
            self._line.close()


def _encoded(headers):
    return Reading(b64decode(headers["x-path"]), b64decode(headers["x-query"]))


def _as_written(headers):
    """Decoded text in a header: what would end one is no answer at all, and counts as a refusal."""
    return Reading(headers["x-path"].encode(), headers.get("x-query", "").encode())


def _normalised(headers):
    """HAProxy normalises escapes in path and query, and a server behind it decodes them. Of ``*`` it knows no path."""
    return Reading(unquote_to_bytes(headers.get("x-path", "")), unquote_to_bytes(headers.get("x-query", "")))


NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 64; }}
http {{
  access_log off; keepalive_requests 100000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; scgi_temp_path {folder}; uwsgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port};
    location / {{ add_header X-Path $uri; add_header X-Query $args; return 200 ""; }}
  }}
}}
"""

#: Debian's modules. mod_rewrite answers after the target was read and before a file is looked for, as every handler does.
APACHE = """
ServerRoot {folder}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {folder}/apache.pid
ErrorLog {folder}/apache.log
Mutex file:{folder} default
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule headers_module {modules}/mod_headers.so
LoadModule rewrite_module {modules}/mod_rewrite.so
User www-data
Group www-data
ServerLimit 1
StartServers 1
ThreadsPerChild 4
MaxRequestWorkers 4
MinSpareThreads 1
MaxSpareThreads 4
MaxKeepAliveRequests 0
DocumentRoot {folder}
Header always set X-Path expr=%{{base64:%{{REQUEST_URI}}}}
Header always set X-Query expr=%{{base64:%{{QUERY_STRING}}}}
RewriteEngine On
RewriteRule ^ - [R=200]
"""

HAPROXY = """
global
  expose-experimental-directives
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend door
  bind 127.0.0.1:{port}
  http-request normalize-uri percent-decode-unreserved
  http-request normalize-uri percent-to-uppercase
  http-request normalize-uri path-strip-dot
  http-request normalize-uri path-strip-dotdot full
  http-request normalize-uri path-merge-slashes
  http-request normalize-uri fragment-strip
  http-request return status 200 hdr X-Path "%[path]" hdr X-Query "%[query]"
"""


@contextlib.contextmanager
def programs(neighbour, folder):
    """nginx, Apache and HAProxy side by side: they start at once, and are waited for together."""
    modules = Path("/usr/lib/apache2/modules")
    commands = {
        "nginx": (NGINX, [neighbour("nginx"), "-e", "stderr", "-p", folder, "-c"], _as_written),
        "apache": (APACHE, [neighbour("apache2"), "-D", "FOREGROUND", "-f"], _encoded),
        "haproxy": (HAPROXY, [neighbour("haproxy"), "-db", "-q", "-f"], _normalised),
    }
    running, servers = [], {}
    folder.chmod(0o755)
    try:
        for name, (text, command, reading) in commands.items():
            file, port = folder / f"{name}.conf", _free_port()
            file.write_text(text.format(folder=folder, port=port, modules=modules))
            with (folder / f"{name}.out").open("wb") as out:
                running.append(subprocess.Popen([*command, file], stdout=out, stderr=out))
            servers[name] = Server(port, reading)
        for server in servers.values():
            _wait_for(server)
        yield servers
    finally:
        for server in servers.values():
            server.close()
        for process in running:
            process.terminate()
        for process in running:
            process.wait(20)


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def _wait_for(server):
    end = time.monotonic() + 20
    while True:
        try:
            assert server.reads(b"/ready") == Reading(b"/ready", b"")
        except ConnectionRefusedError:
            assert time.monotonic() < end, "a neighbour did not start"
            time.sleep(0.02)
        else:
            return


@contextlib.contextmanager
def aiohttp_server():
    """In a thread of its own. It routes by the decoded path; ``query`` is what an application is given, put together again."""

    async def answer(request):
        pairs = b"\n".join(f"{name}\t{value}".encode() for name, value in request.query.items())
        return web.Response(headers={"X-Path": request.path.encode().hex(), "X-Query": pairs.hex()})

    def reading(headers):
        return Reading(bytes.fromhex(headers["x-path"]), bytes.fromhex(headers["x-query"]))

    loop, listening = asyncio.new_event_loop(), socket.create_server(("127.0.0.1", 0))

    async def serve():
        server = web.Server(answer)
        await loop.create_server(server, sock=listening)
        await ended.wait()
        await server.shutdown(0)

    ended = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    server = Server(listening.getsockname()[1], reading)
    try:
        yield server
    finally:
        server.close()
        loop.call_soon_threadsafe(ended.set)
        thread.join(20)
        loop.close()
        listening.close()


def like_tomcat(target):
    """Servlet containers read a path in an order of their own: parameters first, then decoding, then dots. Told here, for want of one."""
    path, _, query = target.partition(b"?")
    decoded = unquote_to_bytes(b"/".join(segment.partition(b";")[0] for segment in path.split(b"/"))).replace(b"\\", b"/")
    segments = []
    for segment in decoded.split(b"/"):
        if segment == b"..":
            del segments[-1:]
        elif segment not in (b"", b"."):
            segments.append(segment)
    hanging = b"/" if decoded.endswith((b"/", b"/.", b"/..")) and segments else b""
    return Reading(b"/" + b"/".join(segments) + hanging, query)
