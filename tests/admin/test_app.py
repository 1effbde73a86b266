"""What the operators' listener answers, over a socket: its few paths, and refusals that say nothing of themselves."""

import pytest
from yarl import URL

from gateway.admin.app import LARGEST_CRL, Operators, Ready, Sources

TOKEN = "0123456789abcdef" * 4
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def lists(tmp_path):
    """customer → its folder; what a customer would have of us lies in state/customers/NAME/ca."""
    folder = tmp_path / "customers"
    for customer in ("energie_nord", "empty"):
        (folder / customer / "ca").mkdir(parents=True)
    (folder / "energie_nord" / "ca" / "crl.der").write_bytes(b"\x30\x03list")
    (folder / "empty" / "ca" / "crl.der").write_bytes(b"")
    (tmp_path / "crl.der").write_bytes(b"elsewhere")
    return folder


@pytest.fixture
def operators(tmp_path, lists):
    token = tmp_path / "admin.token"
    token.write_text(TOKEN)
    token.chmod(0o600)

    async def ready():
        return operators.state

    async def metrics():
        return b"gateway_build_info 1.0\n"

    operators = Operators(Sources(lambda: frozenset({"127.0.0.1"}), token, lambda name: lists / name / "ca" / "crl.der", ready, metrics))
    operators.state = Ready(True, {"vault": "answers"})
    return operators


@pytest.fixture
async def client(operators, aiohttp_raw_server, aiohttp_client):
    return await aiohttp_client(await aiohttp_raw_server(operators.handle))


async def test_it_lives(client):
    answer = await client.get("/healthz")
    assert (answer.status, await answer.text()) == (200, "alive\n")


@pytest.mark.parametrize(("ready", "status"), [(True, 200), (False, 503)])
async def test_whether_it_can_serve(client, operators, ready, status):
    operators.state = Ready(ready, {"vault": "silent"})
    answer = await client.get("/readyz")
    assert (answer.status, await answer.json()) == (status, {"ready": ready, "checks": {"vault": "silent"}})


async def test_metrics_are_text_that_prometheus_reads(client):
    answer = await client.get("/metrics", headers=BEARER)
    assert (answer.status, await answer.read()) == (200, b"gateway_build_info 1.0\n")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_a_head_request_gets_the_head_only(client):
    answer = await client.head("/metrics", headers=BEARER)
    assert (answer.status, answer.headers["Content-Length"], await answer.read()) == (200, "23", b"")


async def test_every_answer_is_kept_by_nobody_and_runs_nothing(client):
    for path, headers in (("/healthz", {}), ("/metrics", BEARER), ("/metrics", {}), ("/nothing", BEARER)):
        answer = await client.get(path, headers=headers)
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/crl/energie_nord.crl", 200),
        ("/crl/unknown.crl", 404),
        ("/crl/empty.crl", 404),
        ("/crl/energie_nord", 404),
        ("/crl/energie_nord.pem", 404),
        ("/crl/energie_nord.crl.crl", 404),
        ("/crl/energie_nord.crl?x=1", 404),
        ("/crl/ENERGIE_NORD.crl", 404),
        ("/crl/.crl", 404),
        ("/crl/", 404),
        ("/crl/...crl", 404),
        ("/crl/%2e%2e%2f%2e%2e%2fcrl.crl", 404),
        ("/crl/energie_nord%00.crl", 404),
        ("/crl/energie_nord/energie_nord.crl", 404),
        ("/crl/" + "a" * 64 + ".crl", 404),
    ],
)
async def test_a_revocation_list_is_found_by_a_customers_name_only(client, path, status):
    """The name is checked before it becomes a path."""
    answer = await client.get(URL(path, encoded=True))
    assert answer.status == status
    if status == 200:
        assert (await answer.read(), answer.headers["Content-Type"]) == (b"\x30\x03list", "application/pkix-crl")


async def test_a_list_that_nobody_would_read_is_not_sent(client, lists):
    with (lists / "energie_nord" / "ca" / "crl.der").open("wb") as file:
        file.truncate(LARGEST_CRL + 1)
    assert (await client.get("/crl/energie_nord.crl")).status == 404


@pytest.mark.parametrize(
    ("request_", "status", "problem", "header"),
    [
        (("GET", "/metrics", {}), 401, "token-required", ("WWW-Authenticate", 'Bearer realm="gateway operators"')),
        (("POST", "/metrics", BEARER), 405, "method-not-allowed", ("Allow", "GET, HEAD")),
        (("GET", "/metrics", {"Host": "Mustermann.example"}), 421, "misdirected", None),
        (("GET", "/healthz", {"Origin": "https://Mustermann.example"}), 403, "denied", None),
        (("GET", "/Mustermann", BEARER), 404, "no-such-route", None),
    ],
)
async def test_refusals_are_problem_documents_that_repeat_nothing(client, operators, request_, status, problem, header):
    method, path, headers = request_
    answer = await client.request(method, path, headers=headers)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    told = await answer.json()
    assert (told["type"], told["status"]) == (f"urn:pii-gateway:problem:{problem}", status)
    assert set(told) == {"type", "title", "status", "instance"}
    assert "Mustermann" not in await answer.text() + str(answer.headers)
    assert header is None or answer.headers[header[0]] == header[1]
    assert sum(operators.refused.values()) == 1


def test_words_that_are_no_reasons_become_one(operators):
    """Labels of metrics are a closed list (O-01)."""
    for word in ("Max Mustermann", "handshake-failed", "x" * 100):
        operators.count(word)
    assert dict(operators.refused) == {"request-malformed": 2, "handshake-failed": 1}
