"""A customer's password opens that customer's keys: it reaches neither the suite, nor an error, nor a log, nor a file."""

import base64

import pytest

from gateway.demo.story import OTHER
from tests.attacks.forged import values

REQUESTS = {
    "let in": ([], b"GET /orders HTTP/1.1", 200),
    "no such route": ([], b"GET /nowhere HTTP/1.1", 404),
    "refused by its role's route": ([], b"DELETE /orders HTTP/1.1", 405),
    "refused by its query": ([], b"GET /orders?debug=1 HTTP/1.1", 400),
    "another site's page": ([b"Origin: https://evil.example"], b"PUT /orders/1 HTTP/1.1", 403),
    "named by Connection": ([b"Connection: authorization"], b"GET /orders HTTP/1.1", 200),
    "asked for": ([b"X-Forwarded-Authorization: 1", b"Proxy-Authorization: Basic eDp5"], b"GET /orders HTTP/1.1", 200),
}


@pytest.mark.trap(
    "T-A3", "The password is in no request to the suite, no answer, no log and no file of state, whatever became of the request."
)
@pytest.mark.parametrize("case", REQUESTS)
@pytest.mark.parametrize("broken", [False, True], ids=["suite works", "suite broken"])
def test_ta3_credentials_go_nowhere(attacker, suite, environment, case, broken):
    headers, first, status = REQUESTS[case]
    password = environment.customers[OTHER].passwords["jens"]
    secrets = [password.encode(), base64.b64encode(f"jens:{password}".encode())]
    if broken:
        suite.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"
    reply = attacker.ask(attacker.head(first, *headers))
    assert reply.status == (502 if broken and status == 200 else status)
    files = [*environment.logs.rglob("*.log"), *(path for path in environment.config.state.rglob("*") if path.is_file())]
    said = [*suite.seen, reply.body, str(reply.headers).encode(), *(file.read_bytes() for file in files)]
    assert not [secret for secret in secrets if any(secret in text for text in said)]
    assert all(values(request, b"Authorization") == values(request, b"Proxy-Authorization") == [] for request in suite.seen)


@pytest.mark.trap("T-A3", "A wrong password is in no log either.")
def test_ta3_wrong_passwords_stay_out_of_logs(attacker, suite, environment):
    wrong = "Plantagenet-7-Plantagenet"
    told = base64.b64encode(f"jens:{wrong}".encode())
    reply = attacker.ask(b"GET /orders HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic " + told + b"\r\n\r\n")
    assert reply.status in (401, 429)
    files = [*environment.logs.rglob("*.log"), *(path for path in environment.config.state.rglob("*") if path.is_file())]
    for text in [reply.body, str(reply.headers).encode(), *(file.read_bytes() for file in files)]:
        assert wrong.encode() not in text and told not in text
