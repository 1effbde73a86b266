"""T-I9: a PROXY header counts from a declared load balancer, must come from it, and is nothing from anybody else.

127.0.0.5 and 127.0.0.6 are declared; 127.0.0.1 and 127.0.0.2 are the customer's, as everywhere in these tests.
"""

import socket
import ssl
import struct
from urllib.parse import urlsplit

import pytest

from gateway.demo.story import OTHER
from tests.attacks.conftest import Line

BALANCER, UNDECLARED = "127.0.0.5", "127.0.0.1"
INSIDE, OUTSIDE = "127.0.0.2", "192.0.2.66"


def v1(address):
    return f"PROXY TCP4 {address} 127.0.0.1 40000 443\r\n".encode()


def v2(address, command=0x21, tail=b""):
    block = socket.inet_aton(address) + socket.inet_aton("127.0.0.1") + struct.pack("!HH", 40000, 443) + tail
    return b"\r\n\r\n\x00\r\nQUIT\n" + bytes([command, 0x11]) + struct.pack("!H", len(block)) + block


@pytest.fixture(scope="module")
def declared(environment):
    """The gateway with two load balancers, by an ordinary reload; afterwards as before."""
    import time

    file = environment.config_file
    text = file.read_text()
    changed = text.replace("proxy_protocol: []", f"proxy_protocol: [{BALANCER}/32, 127.0.0.6/32]")
    assert changed != text
    try:
        file.write_text(changed)
        end = time.monotonic() + 15
        while not is_open(environment, v1(INSIDE)):
            assert time.monotonic() < end, "the load balancer is not taken for one"
            time.sleep(0.05)
        yield environment
    finally:
        file.write_text(text)


def raw_line(environment, source):
    port = urlsplit(environment.url).port
    raw = socket.create_connection(("127.0.0.1", port), 20, source_address=(source, 0))
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return raw


def open_line(environment, header, source=BALANCER, pieces=1):
    """A TLS connection behind ``header``; None when the gateway hangs up instead."""
    raw = raw_line(environment, source)
    access = environment.customers[OTHER]
    context = ssl.create_default_context(cafile=str(environment.authority))
    context.load_cert_chain(str(access.certificate), str(access.private_key))
    try:
        size = max(1, -(-len(header) // pieces))
        for at in range(0, len(header), size):
            raw.sendall(header[at : at + size])
        raw = context.wrap_socket(raw, server_hostname="localhost")
        raw.do_handshake()  # on a connection that is cut already, wrapping alone says nothing
        return Line(raw)
    except OSError:
        raw.close()
        return None


def is_open(*arguments, **options):
    line = open_line(*arguments, **options)
    if line is not None:
        line.close()
    return line is not None


GOOD = {"v1": v1, "v2": v2, "v2 with extensions": lambda address: v2(address, tail=b"\x01\x00\x08http/1.1\xea\x00\x03vpc")}


@pytest.mark.trap(
    "T-I9",
    "The address in a declared load balancer's header is judged and told to the upstream, in version 1 and 2, in however many pieces.",
)
@pytest.mark.parametrize("version", GOOD)
@pytest.mark.parametrize("pieces", [1, 1000])
def test_t_i9_the_address_of_the_header_is_judged_and_told(attacker, suite, declared, version, pieces):
    line = open_line(declared, GOOD[version](INSIDE), pieces=pieces)
    line.send(attacker.head(first=b"GET /orders HTTP/1.1", host=b"localhost"))
    assert line.reply().status == 200
    assert b"\r\nX-Forwarded-For: " + INSIDE.encode() + b"\r\n" in suite.seen[0]
    line.close()


@pytest.mark.trap("T-I9", "An address off the lists gets no TLS behind a load balancer either.")
def test_t_i9_an_address_that_nobody_listed_gets_no_tls_also_behind_a_balancer(declared):
    for header in GOOD.values():
        assert not is_open(declared, header(OUTSIDE))


@pytest.mark.trap("T-I9", "A load balancer that speaks for itself is let in by no header.")
def test_t_i9_a_balancers_own_address_is_no_pass(declared):
    """It is in no customer's networks; nor does it help to speak for oneself."""
    assert not is_open(declared, v1(BALANCER))


MISSING = {
    "none": b"",
    "a forwarding header instead": b"X-Forwarded-For: 127.0.0.2\r\n",
    "LOCAL": v2(INSIDE, 0x20),
    "UNKNOWN": b"PROXY UNKNOWN\r\n",
    "two headers": v1(INSIDE) + v1(INSIDE),
    "64 kB of extensions": v2(INSIDE)[:14] + b"\xff\xff" + bytes(65535),
    "cut": v2(INSIDE)[:20],
}


@pytest.mark.trap("T-I9", "From a declared load balancer, a header that is missing, cut, LOCAL, UNKNOWN, doubled or 64 kB long is closed.")
@pytest.mark.parametrize("case", MISSING)
def test_t_i9_from_a_declared_balancer_anything_else_is_closed(declared, case):
    if case == "cut":
        with raw_line(declared, BALANCER) as raw:
            raw.sendall(MISSING[case])
            raw.shutdown(socket.SHUT_WR)
            assert raw.recv(100) == b""  # and not a ServerHello
        return
    assert not is_open(declared, MISSING[case])


@pytest.mark.trap("T-I9", "From everybody else a header is no TLS, and closed.")
@pytest.mark.parametrize("version", GOOD)
def test_t_i9_from_everybody_else_a_header_is_no_tls(declared, version):
    assert not is_open(declared, GOOD[version](INSIDE), source=UNDECLARED)
    assert is_open(declared, b"", source=UNDECLARED)
