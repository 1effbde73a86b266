"""The account page over real sockets and processes: no spelling of it reaches the suite, and no password typed there stays anywhere."""

import base64
import json
from urllib.parse import quote_plus

import pytest

from gateway.demo.story import OTHER

SPELLINGS = [
    "/.gateway",
    "/.gateway/account",
    "/.gateway/account/",
    "/.gateway/account/users",
    "/.gateway/account?x=1",
    "/.gateway/account;x=1",
    "/.gateway/../orders",
    "/.gateway/..%2forders",
    "/.gateway/orders",
    "/.GATEWAY/account",
    "/.Gateway/orders/1",
    "/%2egateway/account",
    "/%2E%67ateway/orders",
    "/.gateway%2faccount",
    "/.gateway%00/account",
    "//.gateway/account",
    "/./.gateway/account",
    "/%EF%BC%8Egateway/account",
    "https://localhost/.gateway/account",
]
PLANTED = "Plantagenet, Lancaster & York"


@pytest.mark.trap("T-A4", "Nothing below /.gateway/ reaches an application, in any spelling and with any method.")
@pytest.mark.parametrize("target", SPELLINGS)
def test_t_a4_nothing_of_it_reaches_the_suite(attacker, suite, target):
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"):
        reply = attacker.ask(attacker.head(f"{method} {target} HTTP/1.1".encode()))
        shown = method in ("GET", "HEAD") and target == "/.gateway/account"
        assert reply.status in ((200,) if shown else (400, 404, 405))
    reply = attacker.ask(attacker.post({"household": {"name": "Max Mustermann"}}, first=f"POST {target} HTTP/1.1".encode()))
    assert reply.status in (400, 404)
    assert suite.seen == []


def bodies(current, new):
    form = f"current_password={quote_plus(current)}&how=own&new_password={quote_plus(new)}&new_password_again={quote_plus(new)}"
    return {
        b"Content-Type: application/x-www-form-urlencoded": form.encode(),
        b"Content-Type: application/json": json.dumps({"current_password": current, "new_password": new}).encode(),
    }


@pytest.mark.trap(
    "T-A3", "What is typed on the account page is in no log, no record, no file of state and no answer, whatever became of it."
)
def test_t_a3_typed_passwords_stay_nowhere(attacker, suite, environment, eventually):
    """One that is wrong, one that is refused, one that is malformed, one from another site: and what it was meant to become."""
    current = environment.customers[OTHER].passwords["jens"]
    replies = []
    for typed in (PLANTED, current):
        for media, body in bodies(typed, PLANTED if typed == PLANTED else "Plantagenet").items():
            for headers in ((), (b"Origin: https://evil.example",), (b"Content-Encoding: compress",)):
                replies.append(attacker.ask(attacker.post(body, *headers, first=b"POST /.gateway/account HTTP/1.1", media=media)))
            replies.append(attacker.ask(attacker.post(body[:-1] + b"\xff", first=b"POST /.gateway/account/users HTTP/1.1", media=media)))
    assert {reply.status for reply in replies} == {400, 403, 415}
    since = environment.config.audit_dir
    eventually(lambda: sum(file.read_bytes().count(b'"route":"/.gateway/account') for file in since.glob("*.jsonl")) >= len(replies))
    secrets = [b"Plantagenet", quote_plus(PLANTED).encode(), current.encode(), base64.b64encode(f"jens:{current}".encode())]
    files = [*environment.logs.rglob("*.log"), *(path for path in environment.config.state.rglob("*") if path.is_file())]
    texts = {str(file): file.read_bytes() for file in files} | {f"answer {n}": reply.body for n, reply in enumerate(replies)}
    assert not [name for name, text in texts.items() for secret in secrets if secret in text]
    assert suite.seen == []


FOREIGN = [
    b"Origin: https://evil.example",
    b"Origin: null",
    b"Origin: http://localhost",
    b"Sec-Fetch-Site: cross-site",
    b"Sec-Fetch-Site: same-site",
]
HEADERS = {
    "cache-control": "no-store",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.mark.trap("T-A4", "The account page is not kept, not framed, runs nothing, and takes no form of another site.")
def test_t_a4_the_page_is_nobodys_elses(attacker, suite, environment):
    reply = attacker.ask(attacker.head(b"GET /.gateway/account HTTP/1.1"))
    assert {name: reply.values(name) for name in HEADERS} == {name: [value] for name, value in HEADERS.items()}
    (policy,) = reply.values("content-security-policy")
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "script-src" not in policy and "unsafe" not in policy
    assert reply.values("access-control-allow-origin") == reply.values("set-cookie") == []
    current = environment.customers[OTHER].passwords["jens"]
    for media, body in bodies(current, "Grafschaft Glatz & Ölmütz").items():
        for header in FOREIGN:
            assert attacker.ask(attacker.post(body, header, first=b"POST /.gateway/account HTTP/1.1", media=media)).status == 403
    assert attacker.ask(attacker.head(b"GET /.gateway/account HTTP/1.1")).status == 200  # the password is the old one
