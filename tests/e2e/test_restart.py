"""Nobody notices: requests in a closed loop, over connections that are kept and over new ones, while all processes are exchanged.

Belongs here: what clients see of reloads, restarts and kills. Never may: how the supervisor does it.
"""

import base64
import http.client
import json
import os
import signal
import ssl
import threading
import time
from urllib.parse import urlsplit

import pytest

from gateway import audit
from gateway.demo.story import ORDERS, OURS
from gateway.runtime import roster

ORDER = json.dumps(ORDERS[0], ensure_ascii=False).encode()


def until(condition, seconds=60):
    """Polled, because the outside world tells nobody; bounded."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)
    return found


class Customer(threading.Thread):
    """Asks again as soon as it was answered. ``kept``: over one connection, as long as the gateway lets it."""

    def __init__(self, gateway, user, path, kept):
        super().__init__()
        self._parts = urlsplit(gateway.url)
        access = gateway.customers[OURS]
        self._context = ssl.create_default_context(cafile=gateway.authority)
        self._context.load_cert_chain(access.certificate, access.private_key)
        credentials = base64.b64encode(f"{user}:{access.passwords[user]}".encode()).decode()
        self._headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
        self._kept = kept
        self._request = ("POST", "/orders", ORDER) if user == "import_job" else ("GET", path, None)
        self._over = threading.Event()
        self.statuses, self.broken = [], []

    def run(self):
        connection = self._connection()
        while not self._over.is_set():
            try:
                connection.request(*self._request, self._headers)
                answer = connection.getresponse()
                answer.read()
                self.statuses.append(answer.status)
            except (OSError, http.client.HTTPException) as error:
                self.broken.append(type(error).__name__)
                connection.close()
                continue
            if not self._kept:
                connection.close()
        connection.close()

    def _connection(self):
        return http.client.HTTPSConnection(self._parts.hostname, self._parts.port, context=self._context, timeout=30)

    def stop(self):
        self._over.set()
        self.join(60)


@pytest.fixture
def customers(own_gateway):
    order = own_gateway.client(OURS, "import_job").send("POST", "/orders", ORDERS[0]).json()["id"]
    running = [Customer(own_gateway, user, f"/orders/{order}", kept) for user in ("maria", "import_job") for kept in (True, False)]
    for customer in running:
        customer.start()
    yield running
    for customer in running:
        customer.stop()


def pids(gateway):
    found = roster.read(gateway.config.run_dir)
    return {process.pid for process in found.processes if process.serving} if found and found.phase == "serving" else set()


def everybody_was_answered(customers):
    """Each a few times more, by whoever serves now."""
    before = [len(customer.statuses) + 3 for customer in customers]
    until(lambda: all(len(customer.statuses) >= count for customer, count in zip(customers, before, strict=True)))


def failed(customers):
    return [status for customer in customers for status in customer.statuses if status >= 300] + [
        error for customer in customers for error in customer.broken
    ]


def restart(gateway):
    before = until(lambda: pids(gateway))
    os.kill(gateway.pids["supervisor"][0], signal.SIGUSR2)
    until(lambda: len(now := pids(gateway)) == len(before) and not now & before)


def test_reloads_restarts_and_a_killed_worker_under_load(own_gateway, customers):
    everybody_was_answered(customers)
    os.kill(own_gateway.pids["supervisor"][0], signal.SIGHUP)
    everybody_was_answered(customers)
    restart(own_gateway)
    everybody_was_answered(customers)
    assert failed(customers) == []

    worker = next(process.pid for process in roster.read(own_gateway.config.run_dir).processes if process.role == "proxy")
    os.kill(worker, signal.SIGKILL)
    everybody_was_answered(customers)
    # What the dead one had in hand is what HTTP cannot save: one request of each, at most; and no new connection was refused.
    assert all(len(customer.broken) <= 1 for customer in customers)
    assert {status for customer in customers for status in customer.statuses} == {200, 201}
    assert "ConnectionRefusedError" not in failed(customers)

    for customer in customers:
        customer.stop()
    own_gateway.stop()
    records = list(audit.read(own_gateway.config.audit_dir))
    assert audit.verify(own_gateway.config.audit_dir).ok
    began, ended = ({record["exchange"] for record in records if record["kind"] == kind} for kind in ("begin", "end"))
    assert began == ended
