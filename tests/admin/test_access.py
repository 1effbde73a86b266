"""Who may ask the operators' listener for what, as a table."""

import pytest
from multidict import CIMultiDict

from gateway.admin.access import Ask, own_hosts, refusal

TOKEN = "0123456789abcdef" * 4
HOSTS = own_hosts("127.0.0.1", ["Gateway.example"])
BEARER = {"Authorization": f"Bearer {TOKEN}"}
HERE = {"Host": "127.0.0.1:9443"}


@pytest.fixture
def token(tmp_path):
    file = tmp_path / "admin.token"
    file.write_text(TOKEN)
    file.chmod(0o600)
    return file


CASES = [
    ("GET", "/metrics", HERE | BEARER, None),
    ("HEAD", "/metrics", HERE | BEARER, None),
    ("GET", "/nothing", HERE | BEARER, None),  # which path there is, is not asked here
    # without a token: health and revocation lists, and nothing else
    ("GET", "/healthz", HERE, None),
    ("GET", "/readyz", HERE, None),
    ("GET", "/crl/energie_nord.crl", HERE, None),
    ("GET", "/metrics", HERE, "token-wrong"),
    ("GET", "/nothing", HERE, "token-wrong"),
    ("GET", "/", HERE, "token-wrong"),
    ("GET", "/metrics", HERE | {"Authorization": "Bearer x"}, "token-wrong"),
    ("GET", "/healthz/../metrics", HERE, "token-wrong"),
    ("GET", "/healthz?a=/metrics", HERE, "token-wrong"),
    ("GET", "/HEALTHZ", HERE, "token-wrong"),
    ("GET", "/metrics#/healthz", HERE, "token-wrong"),
    ("GET", "//healthz", HERE, "token-wrong"),
    # T-A6: no header makes a health check of something else
    ("GET", "/metrics", HERE | {"User-Agent": "GoogleHC/1.0"}, "token-wrong"),
    ("GET", "/metrics", HERE | {"User-Agent": "kube-probe/1.30"}, "token-wrong"),
    ("GET", "/metrics", HERE | {"X-Original-URL": "/healthz"}, "token-wrong"),
    ("GET", "/metrics", HERE | {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1"}, "token-wrong"),
    # T-A4: a name that was rebound to 127.0.0.1
    ("GET", "/healthz", {"Host": "localhost:9443"}, None),
    ("GET", "/healthz", {"Host": "LOCALHOST"}, None),
    ("GET", "/healthz", {"Host": "gateway.example"}, None),
    ("GET", "/metrics", {"Host": "evil.example:9443"} | BEARER, "host-foreign"),
    ("GET", "/healthz", {"Host": "evil.example"}, "host-foreign"),
    ("GET", "/healthz", {"Host": "localhost.evil.example"}, "host-foreign"),
    ("GET", "/healthz", {"Host": "localhost."}, "host-foreign"),
    ("GET", "/healthz", {"Host": "127.0.0.2"}, "host-foreign"),
    ("GET", "/healthz", {"Host": "2130706433"}, "host-foreign"),
    ("GET", "/healthz", {"Host": "localhost:evil"}, "host-foreign"),
    ("GET", "/healthz", {"Host": "localhost:٨"}, "host-foreign"),
    ("GET", "/healthz", {"Host": "evil@localhost"}, "host-foreign"),
    ("GET", "/healthz", {"Host": ""}, "host-foreign"),
    ("GET", "/healthz", {}, "host-foreign"),
    # T-A4: a page of whatever site, this one included
    ("GET", "/metrics", HERE | BEARER | {"Origin": "https://evil.example"}, "origin-foreign"),
    ("GET", "/metrics", HERE | BEARER | {"Origin": "https://127.0.0.1:9443"}, "origin-foreign"),
    ("GET", "/metrics", HERE | BEARER | {"Origin": "null"}, "origin-foreign"),
    ("GET", "/healthz", HERE | {"Sec-Fetch-Site": "cross-site"}, "origin-foreign"),
    ("GET", "/healthz", HERE | {"Sec-Fetch-Site": "same-site"}, "origin-foreign"),
    ("GET", "/healthz", HERE | {"Sec-Fetch-Site": "something"}, "origin-foreign"),
    ("GET", "/healthz", HERE | {"Sec-Fetch-Site": "none"}, None),
    ("GET", "/healthz", HERE | {"Sec-Fetch-Site": "same-origin"}, None),
    # read only
    *(
        (method, "/metrics", HERE | BEARER, "method-unknown")
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT")
    ),
]


@pytest.mark.parametrize(("method", "path", "headers", "reason"), CASES)
def test_who_may_ask_for_what(token, method, path, headers, reason):
    assert refusal(Ask(method, path, CIMultiDict(headers)), HOSTS, token) == reason


def test_a_body_is_refused(token):
    assert refusal(Ask("GET", "/healthz", CIMultiDict(HERE), has_body=True), HOSTS, token) == "body-not-declared"


@pytest.mark.parametrize(
    ("address", "host", "ours"), [("::1", "[::1]:9443", True), ("::1", "[::1]", True), ("::1", "::1", False), ("::1", "127.0.0.1", False)]
)
def test_hosts_over_ipv6(token, address, host, ours):
    answer = refusal(Ask("GET", "/healthz", CIMultiDict({"Host": host})), own_hosts(address, []), token)
    assert answer == (None if ours else "host-foreign")
