"""Sessions, by every mechanism that TLS has for taking one up again: none carries a customer to another, or past a revocation.

Each test first takes a session as a client may, and then offers it with everything that somebody else holds.
"""

import contextlib
import socket
import ssl
import threading
from itertools import permutations

import pytest

from gateway.ca.ledger import record_revocation, serial_of
from gateway.demo.story import OTHER, OURS
from tests.attacks.forger import Forger

USERS = {OURS: "maria", OTHER: "jens"}
MECHANISMS = {
    "1.2 ticket": (ssl.TLSVersion.TLSv1_2, ssl.Options(0)),
    "1.2 session id": (ssl.TLSVersion.TLSv1_2, ssl.OP_NO_TICKET),
    "1.3 PSK": (ssl.TLSVersion.TLSv1_3, ssl.Options(0)),
}
FIRST = ["alive", "closed"]
every_mechanism = pytest.mark.parametrize("mechanism", MECHANISMS)
every_first = pytest.mark.parametrize("first", FIRST)


def context_of(attacker, mechanism, customer=None, file=None):
    version, options = MECHANISMS[mechanism]
    context = attacker.context(customer, certificate=customer is not None, version=version)
    context.options |= options
    if file is not None:
        context.load_cert_chain(str(file))
    return context


def hold(context, attacker, customer):
    """The certificate that this context shows from now on; its sessions stay usable: they are bound to it, not to a certificate."""
    access = attacker.environment.customers[customer]
    context.load_cert_chain(str(access.certificate), str(access.private_key))


def status(attacker, line, customer):
    return line.status(attacker.head(customer=customer, user=USERS[customer]))


def taken(attacker, line, first):
    """The session of a connection that has been read from, which then lives on or was closed with all courtesy."""
    session = line.sock.session
    if first == "closed":
        with contextlib.suppress(ssl.SSLError, OSError):
            line.sock.unwrap()
        line.close()
    return session


@pytest.fixture
def careless(environment, attacker):
    """A server as Python makes one, with tickets and a cache, on the same certificate; says how often it was resumed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(environment.config.certificate, environment.config.private_key)
    listening = socket.create_server(("127.0.0.1", 0))

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

    def serve(raw):
        with contextlib.suppress(OSError), context.wrap_socket(raw, server_side=True) as sock:
            sock.sendall(b"x")
            if sock.recv(1) == b"":
                sock.unwrap()

    threading.Thread(target=accept, daemon=True).start()

    def connect(context, session=None):
        sock = context.wrap_socket(socket.create_connection(listening.getsockname(), 20), server_hostname="localhost", session=session)
        assert sock.recv(1) == b"x"
        return attacker.line(sock)

    yield connect
    with contextlib.suppress(OSError):
        listening.shutdown(socket.SHUT_RDWR)
    listening.close()


@every_mechanism
@every_first
def test_the_attack_works_on_a_careless_server(attacker, careless, mechanism, first):
    context = context_of(attacker, mechanism)
    session = taken(attacker, careless(context), first)
    assert careless(context, session).sock.session_reused


@pytest.mark.trap(
    "T-M1",
    "No ordered pair of customers, by ticket, session id or PSK, first connection alive or closed: the one's session is never the other's.",
)
@pytest.mark.trap("C-01", "Whatever the cache still holds, a request is judged by the certificate of its session, in TLS 1.2 and 1.3.")
@every_mechanism
@every_first
@pytest.mark.parametrize("pair", list(permutations((OURS, OTHER))), ids="-to-".join)
def test_tm1_c01_a_session_of_one_customer_opens_nothing_of_another(attacker, suite, mechanism, first, pair):
    one, other = pair
    context = context_of(attacker, mechanism, one)
    line = attacker.connect(context=context)
    assert status(attacker, line, one) == 200
    session = taken(attacker, line, first)
    hold(context, attacker, other)
    again = attacker.connect(context=context, session=session)
    welcome, stranger = (one, other) if again.sock.session_reused else (other, one)
    assert status(attacker, again, welcome) == 200
    suite.reset()
    assert status(attacker, again, stranger) in (401, 429)  # the certificate of one, the password of the other
    assert suite.seen == []
    if first == "alive":
        assert status(attacker, line, one) == 200


@pytest.mark.trap(
    "C-01", "The server's cache is off: no session is resumed by anybody, and none is kept with the chain that its client sent."
)
@every_mechanism
@every_first
def test_c01_no_session_is_kept(attacker, suite, mechanism, first):
    context = context_of(attacker, mechanism, OTHER)
    line = attacker.connect(context=context)
    assert status(attacker, line, OTHER) == 200
    again = attacker.connect(context=context, session=taken(attacker, line, first))
    assert not again.sock.session_reused
    assert status(attacker, again, OTHER) == 200


@pytest.mark.trap("C-01", "No ticket is handed out: not in TLS 1.2, and not after the handshake in 1.3.")
@every_mechanism
def test_c01_no_ticket(attacker, suite, mechanism):
    line = attacker.connect(context=context_of(attacker, mechanism, OTHER))
    assert status(attacker, line, OTHER) == 200
    assert line.sock.session is None or not line.sock.session.has_ticket


@pytest.mark.trap("T-M1", "A session without a certificate stays without one, also when it is offered beside a certificate.")
@every_mechanism
@every_first
def test_tm1_a_session_of_nobody(attacker, suite, mechanism, first):
    context = context_of(attacker, mechanism)
    line = attacker.connect(context=context)
    assert status(attacker, line, OTHER) == 403
    session = taken(attacker, line, first)
    hold(context, attacker, OTHER)
    again = attacker.connect(context=context, session=session)
    assert status(attacker, again, OTHER) == (403 if again.sock.session_reused else 200)


@pytest.mark.trap(
    "T-M2", "A session from before a revocation is refused after it, whether it is resumed or not, and so is the connection that made it."
)
@pytest.mark.trap("C-07", "A resumed session is judged from its leaf alone: issuer, ledger and revocation are found by ourselves.")
@every_first
def test_tm2_c07_a_session_from_before_the_revocation(attacker, suite, environment, tmp_path, eventually, first):
    forger = Forger(environment, tmp_path)
    certificate, key = forger.sign()
    file = forger.files(certificate, key, forger.authority.certificate)
    contexts = [context_of(attacker, mechanism, file=file) for mechanism in MECHANISMS]
    eventually(lambda: status(attacker, attacker.connect(context=contexts[0]), OTHER) == 200)
    lines = [attacker.connect(context=context) for context in contexts]
    assert [status(attacker, line, OTHER) for line in lines] == [200, 200, 200]
    sessions = [taken(attacker, line, first) for line in lines]
    record_revocation(forger.authority.ledger_path, serial_of(certificate))
    eventually(lambda: status(attacker, attacker.connect(context=contexts[0]), OTHER) == 403, 5)
    for context, session in zip(contexts, sessions, strict=True):
        assert status(attacker, attacker.connect(context=context, session=session), OTHER) == 403
    if first == "alive":
        assert {status(attacker, line, OTHER) for line in lines} <= {403, None}
