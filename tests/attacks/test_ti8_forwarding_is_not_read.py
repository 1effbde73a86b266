"""The address is the socket's: what forwarding headers say changes no verdict, no record and nothing upstream."""

import json
import ssl

import pytest

from gateway.demo.story import OTHER, OURS
from tests.attacks.forged import NAMES, values

ADDRESSES = ["127.0.0.1", "127.0.0.1, 127.0.0.2", "127.0.0.2, 127.0.0.1", "::1", "for=127.0.0.1", "unknown", "127.0.0.1:443", ""]


def addresses(environment):
    lines = [line for file in sorted(environment.config.audit_dir.rglob("*")) if file.is_file() for line in file.read_bytes().splitlines()]
    return [record.get("address") for record in map(json.loads, filter(lambda line: line.startswith(b"{"), lines))]


@pytest.mark.trap("T-I8", "A right certificate from a wrong address stays out, whatever the forwarding headers say of it.")
@pytest.mark.parametrize("address", ADDRESSES, ids=repr)
def test_ti8_forged_addresses_let_nobody_in(attacker, suite, environment, address):
    forged = [f"{name}: {address}".encode() for name in NAMES]
    line = attacker.connect(OURS, source="127.0.0.2")  # the other customer's network
    line.send(attacker.head(b"GET /orders HTTP/1.1", *forged, customer=OURS, user="maria"))
    assert line.reply().status == 403
    assert suite.seen == []


@pytest.mark.trap("T-I8", "A right address stays right, and is the one that the suite and the audit log are told.")
def test_ti8_forged_addresses_keep_nobody_out_and_are_told_to_nobody(attacker, suite, environment, eventually):
    before = len(addresses(environment))
    forged = [f"{name}: 198.51.100.66".encode() for name in NAMES]
    line = attacker.connect(OTHER, source="127.0.0.2")
    line.send(attacker.head(b"GET /orders HTTP/1.1", *forged))
    assert line.reply().status == 200
    [request] = suite.seen
    assert values(request, b"X-Forwarded-For") == [b"127.0.0.2"] and b"198.51.100.66" not in request
    eventually(lambda: "127.0.0.2" in addresses(environment)[before:])
    assert "198.51.100.66" not in addresses(environment)


@pytest.mark.trap("T-I8", "An address in nobody's networks gets no handshake: no header is read that could speak for it.")
def test_ti8_before_tls_there_is_no_header(attacker):
    with pytest.raises((ConnectionError, ssl.SSLError)):
        attacker.connect(source="127.0.0.9")
