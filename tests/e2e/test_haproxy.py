"""A real HAProxy in front, in TCP mode: the client that it saw is the one that is judged, told and recorded (T-I9).

Belongs here: what HAProxy itself sends, versions 1 and 2. Never may: a header written by a test, those are in ``tests/attacks``.
The client with an address of its own is at 127.0.0.2; HAProxy reaches the gateway from 127.0.0.1, which is declared.
"""

import contextlib
import io
import json
import re
import socket
import subprocess
import time
from dataclasses import dataclass, field, replace

import pytest
from rich.console import Console

from gateway.audit import read
from gateway.demo.environment import Environment
from gateway.demo.story import OTHER
from tests.attacks.conftest import ScriptedSuite, customer_policy, json_answer

CLIENT, STRANGER = "127.0.0.2", "127.0.0.9"
#: A door of HAProxy → how it speaks to the gateway. The last three are mistakes that somebody may make.
DOORS = {
    "v1": "send-proxy",
    "v2": "send-proxy-v2",
    "v2-extended": "send-proxy-v2 proxy-v2-options crc32c,unique-id",
    "no-header": "",
    "undeclared-v1": f"send-proxy source {CLIENT}",
    "undeclared-v2": f"send-proxy-v2 source {CLIENT}",
}
HEADED = ["v1", "v2", "v2-extended"]
CONFIGURATION = """
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
"""
DOOR = """
listen {name}
  bind fd@{descriptor}
  unique-id-format %[uuid]
  server gateway 127.0.0.1:{port} {speech}
"""


@dataclass
class Front:
    environment: Environment
    suite: ScriptedSuite
    ports: dict[str, int]
    closed: set[tuple[str, str]] = field(default_factory=set)  # (address, reason) that the audit log must hold at the end

    def client(self, door, source=CLIENT):
        url = f"https://localhost:{self.ports[door]}" if door else self.environment.url
        return replace(self.environment.client(OTHER, "jens"), url=url, source=source)

    def exchange(self, number):
        found = re.search(rb"\r\nX-Request-Id: ([^\r]+)", self.suite.seen[number])
        return found[1].decode()

    def ended(self, exchange):
        """The last record of an exchange; it is written while its client reads."""
        end = time.monotonic() + 15
        while not (records := [record for record in self.records("end") if record["exchange"] == exchange]):
            assert time.monotonic() < end, "the exchange never ended"
            time.sleep(0.05)
        return records[-1]

    def records(self, kind):
        return [record for record in read(self.environment.config.audit_dir) if record["kind"] == kind]


@pytest.fixture(scope="module")
def front(neighbour, tmp_path_factory):
    folder = tmp_path_factory.mktemp("haproxy")
    environment = Environment.build(folder / "run", Console(file=io.StringIO()), workers=1)
    suite = ScriptedSuite()
    try:
        policy = customer_policy(environment, OTHER)
        policy.write_text(re.sub(r"http://127\.0\.0\.1:\d+/", f"http://127.0.0.1:{suite.port}/", policy.read_text()))
        text = environment.config_file.read_text()
        environment.config_file.write_text(text.replace("proxy_protocol: []", "proxy_protocol: [127.0.0.1/32]"))
        environment.start()
        with haproxy(neighbour("haproxy"), folder, environment.url.rpartition(":")[2]) as ports:
            front = Front(environment, suite, ports)
            yield front
    finally:
        environment.stop()
        suite.close()
    written = {(record["address"], record["reason"]) for record in front.records("closed")}  # once a minute, and at the end
    assert front.closed <= written


@contextlib.contextmanager
def haproxy(program, folder, port):
    """Its doors' ports. They are open before it starts, so nothing has to be waited for, and no port is taken in between."""
    doors = {name: socket.create_server(("127.0.0.1", 0)) for name in DOORS}
    sections = [DOOR.format(name=name, descriptor=sock.fileno(), port=port, speech=DOORS[name]) for name, sock in doors.items()]
    file = folder / "haproxy.cfg"
    file.write_text(CONFIGURATION + "".join(sections))
    process = subprocess.Popen([program, "-db", "-f", str(file)], pass_fds=[sock.fileno() for sock in doors.values()])
    try:
        yield {name: sock.getsockname()[1] for name, sock in doors.items()}
        assert process.poll() is None, "HAProxy did not last"
    finally:
        process.terminate()
        process.wait(15)
        for sock in doors.values():
            sock.close()


@pytest.fixture(autouse=True)
def suite(front):
    front.suite.reset()
    return front.suite


@pytest.mark.parametrize("door", HEADED)
def test_the_client_is_the_one_that_haproxy_saw(front, neighbour, suite, door):
    access = front.environment.customers[OTHER]
    suite.answer = json_answer({"id": 7})
    options = [
        "-sS",
        "--interface",
        CLIENT,
        "--cacert",
        front.environment.authority,
        "--cert",
        access.certificate,
        "--key",
        access.private_key,
    ]
    options += ["-u", f"jens:{access.passwords['jens']}", "-H", "X-Forwarded-For: 192.0.2.66"]
    ran = subprocess.run([neighbour("curl"), *options, f"https://localhost:{front.ports[door]}/orders/7"], capture_output=True, timeout=60)
    assert json.loads(ran.stdout) == {"id": 7}, ran.stderr
    told = re.findall(rb"(?i)\r\n((?:x-)?forwarded(?:-for)?): ([^\r]+)", suite.seen[0])
    assert dict(told)[b"X-Forwarded-For"] == CLIENT.encode()
    assert dict(told)[b"Forwarded"].startswith(b"for=" + CLIENT.encode())
    assert b"192.0.2.66" not in suite.seen[0]
    assert front.ended(front.exchange(0))["address"] == CLIENT


@pytest.mark.parametrize("door", HEADED)
def test_a_client_behind_haproxy_that_nobody_listed_gets_no_tls(front, suite, door):
    front.closed.add((STRANGER, "network-unknown"))
    with pytest.raises(OSError, match=r".*"):
        front.client(door, STRANGER).send("GET", "/orders/7")
    assert suite.seen == []


@pytest.mark.parametrize("door", ["no-header", ""])
def test_the_declared_network_without_a_header_is_closed(front, suite, door):
    """HAProxy without its option, and somebody on that machine who goes around it. With certificate and password."""
    front.closed.add(("127.0.0.1", "proxy-header-missing"))
    with pytest.raises(OSError, match=r".*"):
        front.client(door, source="127.0.0.1").send("GET", "/orders/7")
    assert suite.seen == []


@pytest.mark.parametrize("door", ["undeclared-v1", "undeclared-v2"])
def test_a_header_from_elsewhere_is_refused(front, suite, door):
    """From an address that may come in itself: it would only have to say so in the header to be anybody else."""
    front.closed.add((CLIENT, "not-tls"))
    with pytest.raises(OSError, match=r".*"):
        front.client(door, source="127.0.0.1").send("GET", "/orders/7")
    assert suite.seen == []
    assert front.client("", CLIENT).send("GET", "/orders").status == 200
