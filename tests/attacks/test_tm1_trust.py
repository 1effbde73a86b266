"""Certificates, networks and TLS: judged on every request, whatever an older connection or a resumed session was allowed."""

import socket
import ssl
from urllib.parse import urlsplit

import pytest
from cryptography import x509

from gateway.ca.authority import LEDGER_FILE
from gateway.ca.ledger import record_revocation
from gateway.demo.story import OTHER, OURS
from gateway.runtime import setup
from gateway.runtime.keys import open_operator_key

USERS = {OURS: "maria", OTHER: "jens"}
OUT = (403, None)  # what a connection is in the middle of is broken off when its peer is not welcome any more
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def status(attacker, line, customer, user=None):
    return line.status(attacker.head(customer=customer, user=user or USERS[customer]))


def anew(attacker, **options):
    """The status over a connection of its own; None where the address gets none."""
    try:
        return status(attacker, attacker.connect(OTHER, **options), OTHER)
    except (ConnectionError, ssl.SSLError):
        return None


@pytest.mark.trap("T-M1", "Without a certificate every request of a connection is refused.")
@pytest.mark.parametrize("version", VERSIONS)
def test_no_certificate_stays_out_also_on_a_connection_that_lives(attacker, suite, version):
    line = attacker.connect(context=attacker.context(certificate=False, version=version))
    assert [status(attacker, line, OTHER) for _ in range(3)] == [403, 403, 403]
    assert suite.seen == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions(attacker, version):
    context = attacker.context(version=version)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        attacker.connect(context=context)


@pytest.mark.trap("T-D8", "HTTP/2 is never agreed on, and its preface is refused.")
def test_td8_no_other_protocol_is_agreed_on(attacker):
    context = attacker.context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    assert attacker.connect(context=context).sock.selected_alpn_protocol() == "http/1.1"
    context.set_alpn_protocols(["h2"])
    try:
        line = attacker.connect(context=context)
    except (ssl.SSLError, ConnectionError):
        return
    assert line.sock.selected_alpn_protocol() is None
    line.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    reply = line.reply()
    assert reply is None or reply.status == 400


def test_plain_http_is_nothing_here(attacker):
    raw = socket.create_connection(("127.0.0.1", urlsplit(attacker.environment.url).port), 20)
    with raw:
        raw.sendall(b"GET /orders HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            answer = raw.recv(4096)
        except ConnectionError:
            answer = b""
        assert b"HTTP" not in answer


@pytest.mark.parametrize("first", [b"", b"\x16\x03\x01\x00\x05", b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", b"GET / HTTP/1.0\r\n\r\n"])
def test_an_address_that_nobody_listed_gets_no_byte(attacker, first):
    raw = socket.create_connection(("127.0.0.1", urlsplit(attacker.environment.url).port), 20, source_address=("127.0.0.9", 0))
    with raw:
        try:
            raw.sendall(first)
            answer = raw.recv(4096)
        except ConnectionError:
            answer = b""
    assert answer == b""


def test_network_and_certificate_are_one_lock(attacker, suite):
    """127.0.0.2 is the other customer's: admitted to TLS, and to nothing of this one, on every request."""
    line = attacker.connect(OURS, source="127.0.0.2")
    assert [status(attacker, line, OURS) for _ in range(2)] == [403, 403]
    assert status(attacker, attacker.connect(OTHER, source="127.0.0.2"), OTHER) == 200


def test_networks_are_judged_again_on_a_connection_that_lives(attacker, suite, environment, eventually):
    policy = environment.config_file.parent / "policies" / "customers" / f"{OTHER}.yaml"
    text = policy.read_text()
    line = attacker.connect(OTHER, source="127.0.0.2")
    assert status(attacker, line, OTHER) == 200
    try:
        policy.write_text(text.replace("127.0.0.2/32", "127.0.0.3/32"))
        eventually(lambda: status(attacker, line, OTHER) in OUT)
    finally:
        policy.write_text(text)
    eventually(lambda: anew(attacker, source="127.0.0.2") == 200)


@pytest.fixture
def second_certificate(environment, tmp_path):
    """One more certificate of the customer, and what revokes it."""
    operator = open_operator_key(environment.config, environment.passphrase_file.read_text().strip().encode())
    bundle = setup.issue_certificate(environment.config, operator, OTHER, "laptop", tmp_path)
    serial = x509.load_pem_x509_certificate(bundle.certificate.read_bytes()).serial_number
    ledger = environment.config.authority_dir(OTHER) / LEDGER_FILE
    return bundle, lambda: record_revocation(ledger, f"{serial:x}")


@pytest.mark.trap("T-M2", "A revoked certificate is out within seconds, also on a connection that lives, and while files have mistakes.")
@pytest.mark.parametrize("edited", ["", "policies/planning_suite.yaml", "config.yaml"])
def test_tm2_a_revoked_certificate_is_out_also_on_a_connection_that_lives(
    attacker, suite, environment, edited, eventually, second_certificate
):
    """Also while a file has a mistake in it: whoever keeps a reload from working must not keep a thief in."""
    bundle, revoke = second_certificate
    context = attacker.context(certificate=False)
    context.load_cert_chain(str(bundle.certificate), str(bundle.private_key))
    eventually(lambda: status(attacker, attacker.connect(context=context), OTHER) == 200)
    line = attacker.connect(context=context)
    assert status(attacker, line, OTHER) == 200
    file = environment.config_file.parent / (edited or "config.yaml")
    text = file.read_text()
    try:
        if edited:
            seen = (environment.logs / "gateway.log").read_text().count("not reloaded")
            file.write_text(text + "\n  : half a line")
            eventually(lambda: (environment.logs / "gateway.log").read_text().count("not reloaded") >= seen + 3)
        revoke()
        eventually(lambda: status(attacker, line, OTHER) in OUT, 5)
        assert status(attacker, attacker.connect(context=context), OTHER) == 403
        assert status(attacker, attacker.connect(), OTHER) == 200  # the other one of this customer goes on
    finally:
        file.write_text(text)
