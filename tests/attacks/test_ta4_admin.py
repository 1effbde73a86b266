"""T-A4, T-A6, T-A7, H-07: the operators' listener from outside, from a page in an operator's browser, and through the gateway itself."""

import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.config import load_config
from gateway.demo.story import OTHER
from gateway.errors import ConfigurationError
from gateway.policy.load import load_policies

HERE = b"Host: 127.0.0.1"


@pytest.fixture
def ask(environment):
    """``ask(first line, *headers)``: the whole answer of the operators' listener, bytes as they come."""
    context = ssl.create_default_context(cafile=environment.authority)

    def asked(first, *headers):
        port = urlsplit(environment.admin_url).port
        with socket.create_connection(("127.0.0.1", port), 20) as raw, context.wrap_socket(raw, server_hostname="localhost") as sock:
            sock.sendall(b"\r\n".join([first, *headers, b"Connection: close", b"", b""]))
            answer = b""
            while piece := sock.recv(65536):
                answer += piece
        return answer

    return asked


@pytest.fixture
def bearer(environment):
    return b"Authorization: Bearer " + environment.config.admin_token.read_bytes().strip()


def status(answer):
    return int(answer.split(b" ", 2)[1])


@pytest.mark.trap("H-07", "The operators' listener names neither its software nor its faults.")
def test_t_a4_it_is_there_for_who_holds_the_token_and_says_nothing_of_itself(ask, bearer):
    assert status(ask(b"GET /metrics HTTP/1.1", HERE, bearer)) == 200
    for answer in (ask(b"GET /healthz HTTP/1.1", HERE), ask(b"GET /metrics HTTP/1.1", HERE), ask(b"GET / HTTP/9.9", HERE)):
        assert b"\r\nServer: gateway\r\n" in answer
        assert not [word for word in (b"aiohttp", b"Python", b"Traceback") if word in answer]


@pytest.mark.trap("T-A4", "A name that was rebound to our address is no name of the operators' listener.")
@pytest.mark.parametrize(
    "host", [b"Host: evil.example", b"Host: evil.example:9443", b"Host: 127.0.0.1.evil.example", b"Host: localhost.", b"X: y"]
)
def test_t_a4_a_name_that_was_rebound_to_us(ask, bearer, host):
    assert status(ask(b"GET /metrics HTTP/1.1", host, bearer)) in (400, 421)


def test_t_a4_two_hosts(ask, bearer):
    assert status(ask(b"GET /metrics HTTP/1.1", HERE, b"Host: evil.example", bearer)) == 400


@pytest.mark.trap("T-A4", "No page in an operator's browser reads the operators' listener, even with the token.")
@pytest.mark.parametrize("header", [b"Origin: https://evil.example", b"Origin: null", b"Sec-Fetch-Site: cross-site"])
def test_t_a4_a_page_in_an_operators_browser(ask, bearer, header):
    answer = ask(b"GET /metrics HTTP/1.1", HERE, bearer, header)
    assert status(answer) == 403
    assert b"access-control-allow" not in answer.lower()


@pytest.mark.trap("T-A4", "Nothing can be changed through the operators' listener.")
@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS"])
def test_t_a4_nothing_can_be_changed(ask, bearer, method):
    assert status(ask(method + b" /metrics HTTP/1.1", HERE, bearer)) == 405


@pytest.mark.trap("H-07", "Without the operators' token only health and revocation lists answer, also on loopback.")
@pytest.mark.parametrize(
    "path", [b"/metrics", b"/", b"/debug/pprof/", b"/.gateway/account", b"/config", b"/orders", b"/healthz/../metrics", b"//metrics"]
)
def test_h07_without_the_token_only_health_and_revocation_lists_answer(ask, path):
    assert status(ask(b"GET " + path + b" HTTP/1.1", HERE)) == 401


@pytest.mark.trap("T-A6", "No header makes a health check of another request to the operators' listener.")
@pytest.mark.parametrize(
    "header",
    [
        b"User-Agent: GoogleHC/1.0",
        b"User-Agent: kube-probe/1.30",
        b"X-Forwarded-For: 127.0.0.1",
        b"X-Original-URL: /healthz",
        b"X-Rewrite-URL: /healthz",
    ],
)
def test_t_a6_no_header_makes_a_health_check_of_something_else(ask, header):
    assert status(ask(b"GET /metrics HTTP/1.1", HERE, header)) == 401


@pytest.mark.trap("T-A6", "Health, metrics and revocation lists are not on the customers' side at all.")
@pytest.mark.parametrize("agent", [b"GoogleHC/1.0", b"kube-probe/1.30"])
def test_t_a6_nor_is_there_a_health_check_on_the_customers_side(environment, attacker, agent):
    """Whoever asks there needs certificate, network and password like everybody else; then there is no such route."""
    for path in (b"/healthz", b"/readyz", b"/metrics", b"/crl/energie_nord.crl"):
        assert attacker.ask(attacker.head(b"GET " + path + b" HTTP/1.1", b"User-Agent: " + agent)).status == 404
        line = attacker.connect(context=ssl.create_default_context(cafile=environment.authority))
        line.send(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nUser-Agent: " + agent + b"\r\n\r\n")
        assert line.reply().status == 403


@pytest.mark.trap("T-A4", "No path of a revocation list leads to another file.")
@pytest.mark.parametrize(
    "path",
    [
        b"/crl/../../admin.token",
        b"/crl/../energie_nord/ca/crl.der.crl",
        b"/crl/%2e%2e%2fadmin.token.crl",
        b"/crl/energie_nord/../../x.crl",
        b"/crl/\xc3\xa4.crl",
    ],
)
def test_t_a4_no_path_leads_out_of_the_lists(ask, path):
    answer = ask(b"GET " + path + b" HTTP/1.1", HERE)
    assert status(answer) in (400, 404)


@pytest.mark.trap("T-A4", "The operators' listener is bound to loopback only.")
def test_t_a4_it_listens_on_loopback_only(environment):
    port = f":{urlsplit(environment.admin_url).port:04X}"
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    assert {line[1] for line in lines if line[1].endswith(port) and line[3] == "0A"} == {f"0100007F{port}"}


@pytest.mark.trap("T-A4", "An upstream that is the operators' listener, by any spelling, is a mistake at load.")
@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:{port}", "https://localhost:{port}/x", "https://[::1]:{port}", "https://127.0.0.2:{port}"]
)
def test_t_a4_an_upstream_that_is_the_operators_listener_is_refused(tmp_path, environment, url):
    """Read as the gateway reads its files, with the port that it has."""
    port = urlsplit(environment.admin_url).port
    for name in ("data_classes.yaml", "planning_suite.yaml"):
        (tmp_path / "policies" / "customers").mkdir(parents=True, exist_ok=True)
        (tmp_path / "policies" / name).write_bytes((environment.config.policies / name).read_bytes())
    text = environment.config_file.read_text().replace("{listen: 127.0.0.1:0}", f"{{listen: 127.0.0.1:{port}}}")
    (tmp_path / "config.yaml").write_text(text)
    policy = (environment.config.policies / "customers" / f"{OTHER}.yaml").read_text()
    upstream = f'upstream: {{url: "{url.format(port=port)}"}}'
    lines = [upstream if line.startswith("upstream:") else line for line in policy.splitlines()]
    (tmp_path / "policies" / "customers" / f"{OTHER}.yaml").write_text("\n".join(lines) + "\n")
    with pytest.raises(ConfigurationError, match="the upstream is the gateway itself"):
        load_policies(load_config(tmp_path / "config.yaml"))


@pytest.mark.trap("T-A7", "What was sent to the operators' listener stands in no log and no metric.")
def test_t_a7_what_was_sent_reaches_no_log_and_no_metric(environment, ask, bearer):
    planted = [b"Mustermann\x1b[31m", b'Mustermann"} 1\r\ngateway_forged 1', b"Mustermann%0a%0dx"]
    for word in planted:
        safe = word.replace(b"\r\n", b"%0d%0a").replace(b" ", b"%20")
        ask(b"GET /" + safe + b" HTTP/1.1", HERE, bearer)
        ask(b"GET /metrics HTTP/1.1", b"Host: " + safe, bearer)
        ask(b"GET /metrics HTTP/1.1", HERE, b"Authorization: Bearer " + safe)
        ask(safe + b" / HTTP/1.1", HERE)
    assert b"Mustermann" not in ask(b"GET /metrics HTTP/1.1", HERE, bearer)
    assert "Mustermann" not in (environment.logs / "gateway.log").read_text()


def test_t_a4_without_the_token_nobody_finds_it_in_proc(environment):
    token = environment.config.admin_token.read_bytes().strip()
    for pid in environment.pids["admin"]:
        for name in ("cmdline", "environ"):
            assert token not in Path(f"/proc/{pid}/{name}").read_bytes()


def test_t_d6_connections_that_say_nothing_take_only_their_own_places(environment):
    """A program of this machine may keep operators out for a while, and nobody else."""
    port = urlsplit(environment.admin_url).port
    held = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(80)]
    try:
        assert environment.client(OTHER, "jens").send("GET", "/orders").status == 200
    finally:
        for sock in held:
            sock.close()
