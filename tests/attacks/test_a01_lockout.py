"""A-01: checking a password is dear, and locking somebody out is a weapon. Neither lies in the hands of an outsider."""

import asyncio
import base64
import random
import ssl
import sys
import threading
import time

import pytest

from gateway.audit import read
from gateway.cipher import service as service_module
from gateway.cipher.guessable import is_guessable
from gateway.cipher.service import WAITING
from gateway.demo.story import OTHER, OURS
from gateway.vault.throttle import FREE
from tests.cli.conftest import folder, made  # noqa: F401 - fixtures
from tests.proxy.crossing import crossing

TRIES = 3 * FREE


def request(user, password):
    told = base64.b64encode(f"{user}:{password}".encode()).decode()
    return f"GET /.gateway/account HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {told}\r\n\r\n".encode()


def answers(attacker, user, password, count, **connection):
    """Of ``count`` requests on one connection."""
    line = attacker.connect(**connection)
    replies = []
    for _ in range(count):
        line.send(request(user, password))
        replies.append(line.reply())
    return replies


def of(attacker, customer, user):
    return attacker.environment.customers[customer].passwords[user]


def reasons(environment, count, eventually, since):
    """Why the last ``count`` requests were refused, by the audit log."""
    found = []

    def written():
        found[:] = [record["reason"] for record in list(read(environment.config.audit_dir))[since:] if record["kind"] == "refused"]
        return len(found) >= count

    eventually(written)
    return found


OUTSIDERS = {
    "without a certificate": (lambda attacker: {"context": attacker.context(certificate=False)}, "certificate-missing"),
    "from another customer's network": (lambda attacker: {"customer": OURS, "source": "127.0.0.2"}, "network-foreign"),
}


@pytest.mark.trap("A-01", "Who has the wrong certificate or network never reaches a password: nothing is checked, counted or slowed down.")
@pytest.mark.parametrize("case", OUTSIDERS)
def test_a_01_an_outsider_locks_nobody_out(attacker, environment, eventually, case):
    connection, reason = OUTSIDERS[case]
    customer, user = (OURS, "maria") if "network" in case else (OTHER, "jens")
    since = len(list(read(environment.config.audit_dir)))
    replies = answers(attacker, user, "geraten und wieder geraten", TRIES, **connection(attacker))
    assert {reply.status for reply in replies} == {403}
    assert not [reply for reply in replies if reply.values("retry-after")]
    assert set(reasons(environment, TRIES, eventually, since)) == {reason}
    (inside,) = answers(attacker, user, of(attacker, customer, user), 1, customer=customer)
    assert inside.status == 200


@pytest.mark.trap("A-01", "An address off every list is closed before TLS, however often it tries.")
def test_a_01_an_address_off_every_list_gets_no_answer(attacker):
    for _ in range(TRIES):
        with pytest.raises((ConnectionError, ssl.SSLError)):
            attacker.connect(source="127.0.0.9")
    (inside,) = answers(attacker, "jens", of(attacker, OTHER, "jens"), 1)
    assert inside.status == 200


@pytest.mark.trap("A-01", "A customer that guesses another's users slows down its own names, and nobody of the other.")
def test_a_01_a_customer_that_guesses_slows_itself_down(attacker):
    replies = answers(attacker, "jens", of(attacker, OTHER, "jens"), TRIES, customer=OURS)
    assert {reply.status for reply in replies} in ({401, 429}, {429})  # others of this run may have guessed from here before
    (jens,) = answers(attacker, "jens", of(attacker, OTHER, "jens"), 1)
    (maria,) = answers(attacker, "maria", of(attacker, OURS, "maria"), 1, customer=OURS)
    assert (jens.status, maria.status) == (200, 200)


@pytest.mark.trap("A-01", "Retry-After tells the wait: who waits that long comes in. Who works beside a guesser does not wait.")
def test_a_01_retry_after_tells_the_wait(attacker):
    secret = of(attacker, OTHER, "import_job")
    end = time.monotonic() + 30
    while True:  # a password that came in within the last five seconds is let in once more, whoever guesses: then again
        line = attacker.connect()  # all of them at once: on a busy machine the wait of a second would be over before the next handshake
        line.send(request("import_job", "geraten und wieder geraten") * FREE + request("import_job", secret))
        *wrong, slowed = [line.reply() for _ in range(FREE + 1)]
        assert {reply.status for reply in wrong} <= {401, 429}
        if slowed.status != 200:
            break
        assert time.monotonic() < end
    (beside,) = answers(attacker, "jens", of(attacker, OTHER, "jens"), 1)
    assert (slowed.status, beside.status) == (429, 200)
    (wait,) = slowed.values("retry-after")
    assert 1 <= int(wait) <= 16
    time.sleep(int(wait))  # what was promised is tried out; it is no wait for luck
    (again,) = answers(attacker, "import_job", secret, 1)
    assert again.status == 200


@pytest.mark.trap("A-01", "At most 16 passwords of a customer wait to be checked; what comes on top is 429 with a Retry-After, at once.")
async def test_a_01_the_queue_is_bounded(folder, monkeypatch):  # noqa: F811
    gate, real = threading.Event(), service_module._open

    def held(*arguments):
        gate.wait(20)
        return real(*arguments)

    monkeypatch.setattr(service_module, "_open", held)
    async with crossing(folder) as here:
        on_top = 4
        asked = [asyncio.create_task(here.ask("GET", "/.gateway/account", password=f"geraten {n}")) for n in range(WAITING + on_top)]
        waiting = set(asked)
        refused = []
        while len(refused) < on_top:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=20)
            assert done
            refused += [each.result() for each in done]
        assert [(each.status, each.headers["retry-after"]) for each in refused] == [(429, "1")] * on_top
        gate.set()
        assert {(await each).status for each in waiting} == {401}


def work(function, limit):
    """Calls that ``function`` makes; it is broken off at ``limit``. A clock would measure the machine."""
    count = 0

    def called(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")
        if count > limit:
            sys.setprofile(None)
            raise AssertionError(f"more than {limit} calls")

    sys.setprofile(called)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


NEW_PASSWORDS = {
    "drawn letters": "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=1024)),
    "one letter": "z" * 1024,
    "the same again and again": "kwzuf" * 204,
    "ligatures that fold into eighteen": "\ufdfa" * 341,
}


@pytest.mark.trap(
    "A-01", "Judging a new password takes milliseconds, whatever is typed: no user keeps the process with everybody's keys busy."
)
@pytest.mark.parametrize("case", NEW_PASSWORDS)
def test_a_01_a_new_password_is_judged_in_no_time(case):
    """It was 18 seconds for the ligatures, beyond which the vault gives the link to the cipher up, for all customers."""
    is_guessable("warm")  # the list is read once
    assert work(lambda: is_guessable(NEW_PASSWORDS[case], ("maria", "energie_nord")), 300_000)
