"""H-06: what a connection to the upstream loses is sent again only where that changes nothing, a bounded number of times, and said.

Belongs here: what a byte-logging suite sees, and what the audit log says of it. Never may: the pool's own decisions (tests/proxy).
"""

import pytest

from gateway.audit import read

NAME = {"household": {"name": "Max Mustermann"}}


@pytest.fixture
def losing(suite, attacker, answer_of, eventually):
    """A suite that hangs up on every request. Afterwards it answers again, so that its circuit is closed for who comes next."""
    suite.answer = b""
    yield suite
    suite.answer = answer_of({"id": 1})
    eventually(lambda: attacker.ask(attacker.head(b"GET /orders/1 HTTP/1.1")).status == 200)


@pytest.mark.trap("H-06", "A request that may change something leaves once, whatever becomes of its connection.")
@pytest.mark.parametrize("first", [b"POST /orders HTTP/1.1", b"PUT /orders/1 HTTP/1.1"])
def test_h06_what_changes_something_is_sent_once(attacker, losing, first):
    assert attacker.ask(attacker.post(NAME, first=first)).status == 502
    assert len(losing.seen) == 1


@pytest.mark.trap("H-06", "DELETE has no body, and is not sent again either.")
def test_h06_delete_is_sent_once(attacker, losing):
    assert attacker.ask(attacker.head(b"DELETE /orders/1 HTTP/1.1")).status == 502
    assert len(losing.seen) == 1


@pytest.mark.trap("H-06", "A GET leaves at most twice, both times alike, and the audit log says so also where no answer came.")
def test_h06_a_get_is_sent_twice_at_most_and_that_is_recorded(attacker, losing, environment, eventually):
    reply = attacker.ask(attacker.head(b"GET /orders/1 HTTP/1.1"))
    assert reply.status == 502
    assert len(losing.seen) == 2 and losing.seen[0] == losing.seen[1]
    exchange = reply.json()["instance"].removeprefix("urn:uuid:")

    def ends():
        return [event for event in read(environment.config.audit_dir) if event.get("exchange") == exchange and event["kind"] == "end"]

    eventually(lambda: len(ends()) == 1)
    assert [(event["reason"], event["replayed"]) for event in ends()] == [("upstream-unreachable", True)]


@pytest.mark.trap("H-06", "A GET with a body is not sent again.")
def test_h06_a_get_with_a_body_is_sent_at_most_once(attacker, losing):
    attacker.ask(attacker.post({}, first=b"GET /orders/1 HTTP/1.1"))
    assert len(losing.seen) <= 1


@pytest.mark.trap("H-06", "A suite that is down is left alone after five failures, and found again when it is back.")
def test_h06_a_suite_that_is_down_is_not_hammered(attacker, losing):
    statuses = {attacker.ask(attacker.head(b"GET /orders/1 HTTP/1.1")).status for _ in range(20)}
    assert statuses == {502}
    assert len(losing.seen) <= 10  # five, and a probe for each second that this takes
