"""What a client says of itself never reaches the suite as if we had said it."""

import pytest

from tests.attacks.forged import NAMES, says_only_ours

EACH = 90  # of at most 100 headers in a request


@pytest.mark.trap("T-I3", "Every known forwarding or identity header of a client is dropped, and ours say what we know.")
@pytest.mark.parametrize("value", [b"forged", b"127.0.0.1, forged", b"for=forged", b""], ids=repr)
def test_ti3_forged(attacker, suite, value):
    forged = [name.encode() + b": " + value for name in NAMES]
    assert len(forged) < EACH
    assert attacker.ask(attacker.head(b"GET /orders HTTP/1.1", *forged)).status == 200
    [request] = suite.seen
    says_only_ours(request)


@pytest.mark.trap("T-I3", "Forged headers are dropped on requests with a body, on streamed routes, and on every request of a connection.")
def test_ti3_on_every_request_of_a_connection(attacker, suite):
    forged = [name.encode() + b": forged" for name in NAMES]
    line = attacker.connect()
    for request in (
        attacker.post({}, *forged),
        attacker.head(b"GET /orders/1/documents HTTP/1.1", *forged),
        attacker.head(b"GET /orders HTTP/1.1", *forged),
    ):
        line.send(request)
        assert line.reply().status == 200
    assert len(suite.seen) == 3
    for request in suite.seen:
        says_only_ours(request)
