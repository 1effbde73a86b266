"""A wall that is gone is a 503, never a clear value; and no token that the suite has stored is ever lost."""

import os
import signal
import sqlite3
import threading
import time
from contextlib import closing

import pytest

from gateway.demo.story import ORDERS, OURS

KILLS = 50
ROLES = ("proxy", "vault", "cipher", "admin")
MAX = ORDERS[0]


def pids_of(environment, role):
    """The live processes of a role, from /proc: a restarted one has a new number."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    words = file.read().split(b"\0")
            except OSError:
                continue
            if str(environment.config_file).encode() in words and b"--role" in words and role.encode() in words:
                found.append(int(entry))
    return found


def kill(environment, role):
    """How many were killed."""
    killed = 0
    for pid in pids_of(environment, role):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        killed += 1
    return killed


def stored(environment):
    with closing(sqlite3.connect(environment.customers[OURS].suite_database, timeout=30)) as database:
        return database.execute("SELECT id, name, street, phone, email FROM orders").fetchall()


def eventually(send, *, seconds=30):
    """Ask until it is not a 503: a restart takes about a second. Bounded, and polled because only the outside can tell."""
    end = time.monotonic() + seconds
    while True:
        answer = send()
        if answer.status != 503 or time.monotonic() > end:
            return answer


@pytest.mark.parametrize("role", ["vault", "cipher"])
def test_a_killed_process_is_a_503_and_comes_back(own_gateway, role):
    importer, maria = own_gateway.client(OURS, "import_job"), own_gateway.client(OURS, "maria")
    created = importer.send("POST", "/orders", MAX).json()
    os.kill(pids_of(own_gateway, role)[0], signal.SIGSTOP)  # stopped: certain to be gone, and not yet started again
    before = len(stored(own_gateway))
    kill(own_gateway, role)
    answer = maria.send("GET", f"/orders/{created['id']}")
    assert answer.status in (200, 503)
    if answer.status == 503:
        assert "Retry-After".lower() in answer.headers
    assert eventually(lambda: maria.send("GET", f"/orders/{created['id']}")).json()["household"] == MAX["household"]
    assert eventually(lambda: importer.send("POST", "/orders", MAX)).status == 201
    assert len(stored(own_gateway)) == before + 1


def test_customers_do_not_notice_that_the_operators_process_is_gone(own_gateway):
    (pid,) = pids_of(own_gateway, "admin")
    os.kill(pid, signal.SIGSTOP)
    maria = own_gateway.client(OURS, "maria")
    assert maria.send("GET", "/orders").status == 200
    kill(own_gateway, "admin")
    assert maria.send("GET", "/orders").status == 200
    end = time.monotonic() + 30
    while not set(pids_of(own_gateway, "admin")) - {pid}:
        assert time.monotonic() < end, "it was not started again"
        time.sleep(0.05)


def test_a_killed_supervisor_takes_its_children_along(own_gateway):
    children = [pid for role in ROLES for pid in pids_of(own_gateway, role)]
    assert len(children) == 4
    os.kill(own_gateway.pids["supervisor"][0], signal.SIGKILL)
    end = time.monotonic() + 20
    while any(pids_of(own_gateway, role) for role in ROLES):
        assert time.monotonic() < end, "children outlived their supervisor"
        time.sleep(0.05)
    with pytest.raises(OSError, match=r".*"):
        own_gateway.client(OURS, "maria").send("GET", "/orders")


def test_fifty_kills_under_load_lose_no_token(own_gateway):
    stop = threading.Event()
    answers = []

    def load(number):
        importer = own_gateway.client(OURS, "import_job")
        count = 0
        while not stop.is_set():
            count += 1
            values = {"name": f"Max Mustermann {number} {count}", "email": f"max{number}.{count}@example.org"}
            try:
                answer = importer.send("POST", "/orders", {**MAX, "household": {**MAX["household"], **values}})
            except OSError:
                continue
            answers.append((answer.status, values, answer.json().get("id")))

    threads = [threading.Thread(target=load, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(KILLS):
            # Every other time as soon as orders are stored again, so that it is in their midst; else while all is coming back.
            at_least = len(answers) + 3 if number % 4 < 2 else 0
            stored_before = sum(status == 201 for status, _, _ in list(answers))
            end = time.monotonic() + 30
            while len(answers) < at_least or (at_least and sum(s == 201 for s, _, _ in list(answers)) < stored_before + 3):
                assert time.monotonic() < end, "it never came back"
                time.sleep(0.01)  # waits for answers to arrive, not for luck
            while not kill(own_gateway, ("vault", "cipher")[number % 2]):
                assert time.monotonic() < end, "it never came back"
                time.sleep(0.01)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    statuses = {status for status, _, _ in answers}
    assert statuses <= {201, 503}, statuses
    assert 201 in statuses
    maria = own_gateway.client(OURS, "maria")
    rows = stored(own_gateway)
    sent = {order_id: values for status, values, order_id in answers if status == 201}
    assert len(rows) >= len(sent)
    for order_id, name, _, _, email in rows:
        assert "Mustermann" not in name
        assert "example" not in email
        seen = eventually(lambda order_id=order_id: maria.send("GET", f"/orders/{order_id}")).json()["household"]
        assert seen["name"].startswith("Max Mustermann "), "a stored token did not open"
        assert (seen["street"], seen["phone"]) == (MAX["household"]["street"], MAX["household"]["phone"])
        if order_id in sent:
            assert (seen["name"], seen["email"]) == (sent[order_id]["name"], sent[order_id]["email"])
