"""Names, paths and headers that would like to be a query, a second line or another user: plain refusals, and one record each."""

import base64
import contextlib
import json
import ssl

import pytest

from gateway.demo.story import OTHER
from tests.attacks.forger import Forger, show
from tests.attacks.plain_tls import Stranger

NAMES = {
    "wildcard": "*",
    "LDAP": "jens)(uid=*",
    "NUL": "jens\0",
    "CR LF": "jens\r\nGateway-User: maria",
    "LF": 'jens\n{"kind":"reveal"}',
    "bidi": "jens\u202enej",
    "zero width": "je\u200bns",
    "line separator": "jens\u2028maria",
    "ANSI": "\x1b[2Jjens",
    "C1": "jens\x85",
    "blank": " jens",
    "case": "Jens",
    "full width": "\uff4aens",
    "quotes": 'jens","user":"maria',
    "SQL": "jens' OR '1'='1",
    "path": "../../energie_nord/jens",
    "customer": "stadtwerke_musterstadt/maria",
    "empty": "",
    "long": "j" * 5_000,
    "percent": "%6Aens",
    "format": "%s%n{0}",
    "markup": "<script>jens</script>",
    "unassigned": "jens\U000e0001",
}


def basic(user, password="x" * 20):
    return b"Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode("utf-8", "surrogatepass")) + b"\r\n"


def get(authorization):
    return b"GET /orders HTTP/1.1\r\nHost: localhost\r\n" + authorization + b"\r\n"


@pytest.mark.trap("T-A5", "Names that would like to be a query, a second line or another user get a plain 401.")
@pytest.mark.parametrize("case", NAMES)
def test_ta5_names(attacker, suite, environment, case):
    password = environment.customers[OTHER].passwords["jens"]
    reply = attacker.ask(get(basic(NAMES[case], password)))
    assert reply.status in (401, 429), case
    assert reply.body.count(b"\n") == 0 and b"jens" not in reply.body.lower()
    assert suite.seen == []


@pytest.mark.trap("T-A5", "A name of a megabyte is refused at its head's limit, and one beyond 256 characters is a plain 401.")
@pytest.mark.parametrize(
    ("length", "statuses"), [(256, (401, 429)), (257, (401,)), (6_000, (401,)), (8_000, (400,)), (1_000_000, (400, None))]
)
def test_ta5_long_names(attacker, suite, length, statuses):
    line = attacker.connect()
    with contextlib.suppress(ConnectionError, ssl.SSLError):  # the answer comes before all of it was read
        line.send(get(basic("j" * length)))
    reply = line.reply()
    assert (reply and reply.status) in statuses
    assert suite.seen == [] and attacker.ask(attacker.head()).status == 200


CREDENTIALS = {
    "none": b"",
    "empty": b"Authorization:\r\n",
    "scheme alone": b"Authorization: Basic\r\n",
    "Bearer": b"Authorization: Bearer eA==\r\n",
    "Negotiate": b"Authorization: Negotiate YII=\r\n",
    "no colon": b"Authorization: Basic " + base64.b64encode(b"jens") + b"\r\n",
    "no padding": b"Authorization: Basic amVuczp4eQ\r\n",
    "URL alphabet": b"Authorization: Basic amVuczp4_-8=\r\n",
    "inner blank": b"Authorization: Basic amVu czp4\r\n",
    "not UTF-8": b"Authorization: Basic " + base64.b64encode(b"jens:\xff") + b"\r\n",
    "surrogate": basic("jens", "\ud800"),
    "listed": b"Authorization: Basic eDp5, Basic eDp5\r\n",
    "one more byte": b"Authorization: Basic eDp5eDp\r\n",
    "in the proxy's header": b"Proxy-Authorization: Basic eDp5\r\n",
    "in a cookie": b"Cookie: Authorization=Basic eDp5\r\n",
}


@pytest.mark.trap("T-A5", "Credentials that are malformed, listed, or somewhere else get a plain 401.")
@pytest.mark.parametrize("case", CREDENTIALS)
def test_ta5_credentials(attacker, suite, case):
    reply = attacker.ask(get(CREDENTIALS[case]))
    assert reply.status == 401
    assert reply.values("www-authenticate") == ['Basic realm="gateway", charset="UTF-8"']
    assert suite.seen == []


@pytest.mark.trap("T-A6", "No User-Agent and no path of a health check gets past the password.")
@pytest.mark.parametrize("agent", ["GoogleHC/1.0", "kube-probe/1.30", "ELB-HealthChecker/2.0", "Prometheus/2.0"])
def test_ta6_no_agent_is_let_past(attacker, suite, agent):
    for path in ("/orders", "/health", "/healthz", "/ping", "/metrics", "/.well-known/x", "/.gateway/health"):
        reply = attacker.ask(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {agent}\r\n\r\n".encode())
        assert reply.status == 401
    assert suite.seen == []


PLANTED = "Plantagenet"


@pytest.mark.trap("T-A7", "A refused request is one line of the audit log, and nothing of what it said is in any log.")
@pytest.mark.trap("O-01", "Nothing of a refused request stands in any log or file of state.")
def test_ta7_o01_what_clients_say_stays_out_of_all_logs(attacker, suite, environment, eventually):
    """Each refusal is one line of JSON in the audit log, and nothing of what was said is in it or in any other log."""
    before = len(audited(environment))
    # fmt: off
    requests = [
        attacker.head(f"GET /orders/{PLANTED}/{PLANTED} HTTP/1.1".encode()),
        attacker.head(f"GET /orders?{PLANTED}={PLANTED} HTTP/1.1".encode()),
        attacker.head(f"GET /{PLANTED}%0d%0a HTTP/1.1".encode()),
        attacker.head(b"GET /orders HTTP/1.1", f"X-Suite: {PLANTED}\x1b[2J".encode()),
        attacker.head(b"GET /orders HTTP/1.1", host=f"{PLANTED}.example".encode()),
        attacker.post({PLANTED: PLANTED}),
        attacker.post({"household": {"name": [PLANTED]}}),
        attacker.post(f"{{'{PLANTED}'".encode()),
        get(basic(PLANTED, PLANTED)),
        get(basic(f'x"\n{PLANTED}', PLANTED)),
    ]
    # fmt: on
    statuses = [attacker.ask(request).status for request in requests]
    assert set(statuses) <= {400, 401, 404, 421, 429}
    eventually(
        lambda: len(audited(environment)) >= before + len(requests) - 1
    )  # the escape is refused by the parser: counted, and written once a minute
    for file in [*environment.logs.rglob("*.log"), *(path for path in environment.config.state.rglob("*") if path.is_file())]:
        assert PLANTED.encode() not in file.read_bytes(), file.name


@pytest.mark.trap(
    "T-A7", "Server names, subjects and agents with line ends, quotes, escapes or no text at all stand in no log and add no line."
)
def test_ta7_names_of_handshakes(attacker, suite, environment, opened, tmp_path, eventually):
    """What a handshake says: a server name of any bytes, and the subject of a certificate that our own authority signed."""
    line_of_log = f'\n{{"kind":"reveal","customer":"{PLANTED}"}}\r\x1b[2J\u202e\u2028"'
    before = len(audited(environment))
    for name in (line_of_log.encode(), PLANTED.encode(), b"\xff" + PLANTED.encode(), PLANTED.encode() + b"\0.localhost"):
        stranger = Stranger(environment, name)
        stranger.flight()
        stranger.close()
        connection = opened(name, refused=True) if b"\0" not in name else None
        if connection is not None:
            line = attacker.line(connection)
            line.send(attacker.head(b"GET /orders HTTP/1.1", f"User-Agent: {PLANTED}".encode()))
            assert (reply := line.reply()) is None or reply.status == 421
    forger = Forger(environment, tmp_path)
    file = forger.files(*forger.sign(subject=f'\n{{"kind":"reveal"}}{PLANTED}\r\x1b[2J\u202e"'), forger.authority.certificate)
    eventually(lambda: show(attacker, file) == 200)
    eventually(lambda: len(audited(environment)) > before)
    kinds = {record["kind"] for record in audited(environment)[before:]}
    assert "reveal" not in kinds
    for file in [*environment.logs.rglob("*.log"), *(path for path in environment.config.audit_dir.rglob("*") if path.is_file())]:
        assert PLANTED.encode() not in file.read_bytes(), file.name


def audited(environment):
    lines = [line for file in sorted(environment.config.audit_dir.rglob("*")) if file.is_file() for line in file.read_bytes().splitlines()]
    return [json.loads(line) for line in lines if line.startswith(b"{")]


@pytest.mark.trap("H-04", "Bytes that are no request are quoted in no answer and no log.")
def test_h04_bytes_that_are_no_request_leave_no_trace(attacker, environment, eventually):
    for garbage in (PLANTED.encode() * 3 + b"\r\n\r\n", b"GET / HTTP/1.1\r\n" + PLANTED.encode() + b"\r\n\r\n", b"\0" + PLANTED.encode()):
        line = attacker.connect()
        line.send(garbage + b"\r\n\r\n")
        reply = line.reply()
        assert reply is None or (reply.status == 400 and PLANTED.encode() not in reply.body)
        assert reply is None or reply.values("server") in ([], ["gateway"])
    for file in environment.logs.rglob("*.log"):
        assert PLANTED.encode() not in file.read_bytes()
