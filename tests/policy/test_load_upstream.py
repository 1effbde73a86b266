"""``upstream:`` with several servers, UNIX sockets, a certificate of our own and health checks; the rest is in test_load_customers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.policy.load_upstream import LONGEST_SOCKET, MOST_SERVERS
from gateway.policy.model import HealthCheck, OwnCertificate, Server, Upstream

FILE = "policies/customers/energie_nord.yaml"


def text(upstream: str, customer: str = "energie_nord") -> str:
    return (
        f"customer: {customer}\napi: planning_suite\nupstream: {{{upstream}}}\nnetworks: [198.51.100.0/25]\n"
        "certificates: {authority: gateway}\nusers: {jens: dispatcher}\n"
    )


def read(folder: Any, upstream: str) -> Upstream:
    found = folder.load({FILE: text(upstream)}).customers["energie_nord"].upstream
    assert isinstance(found, Upstream)
    return found


SERVERS = [
    ('url: "https://suite.internal/nord"', (Server("suite.internal", 443),)),
    ('url: "https://suite.internal:444", servers: [a.internal]', (Server("a.internal", 444),)),
    ('url: "https://suite.internal", servers: [a.internal, "B.internal.:8443"]', (Server("a.internal", 443), Server("b.internal", 8443))),
    (
        'url: "https://suite.internal", servers: ["192.0.2.7:8443", "[2001:db8::7]:8443"]',
        (Server("192.0.2.7", 8443), Server("2001:db8::7", 8443)),
    ),
    (
        'url: "http://suite.internal", servers: ["unix:/run/a.sock", "unix:/run/b.sock"]',
        (Server("", 0, "/run/a.sock"), Server("", 0, "/run/b.sock")),
    ),
    ('url: "http://suite.internal", servers: ["127.0.0.1:8000", "localhost:8001"]', (Server("127.0.0.1", 8000), Server("localhost", 8001))),
    ('url: "https://suite.internal", servers: ["unix:/run/a.sock"]', (Server("", 0, "/run/a.sock"),)),
    ('url: "unix:/run/suite.sock"', (Server("", 0, "/run/suite.sock"),)),
    ('url: "unix:/run/suite.sock:/nord/"', (Server("", 0, "/run/suite.sock"),)),
]


@pytest.mark.parametrize(("written", "expected"), SERVERS)
def test_where_an_upstream_is_reached(folder: Any, written: str, expected: tuple[Server, ...]) -> None:
    assert read(folder, written).reached == expected


NAMES = [
    ('url: "https://suite.internal/nord", servers: [a.internal]', ("https", "suite.internal", 443, "/nord"), "suite.internal"),
    ('url: "https://suite.internal:444"', ("https", "suite.internal", 444, ""), "suite.internal:444"),
    ('url: "https://[2001:db8::7]:444"', ("https", "2001:db8::7", 444, ""), "[2001:db8::7]:444"),
    ('url: "unix:/run/suite.sock"', ("http", "localhost", 80, ""), "localhost"),
    ('url: "unix:/run/suite.sock:/nord/"', ("http", "localhost", 80, "/nord"), "localhost"),
]


@pytest.mark.parametrize(("written", "expected", "host"), NAMES)
def test_the_name_that_it_goes_by(folder: Any, written: str, expected: tuple[str, str, int, str], host: str) -> None:
    upstream = read(folder, written)
    assert (upstream.scheme, upstream.host, upstream.port, upstream.base_path) == expected
    assert upstream.authority == host


def test_files_and_health(folder: Any) -> None:
    upstream = read(
        folder,
        f'{SUITE}, own_certificate: {{certificate: certs/us.pem, private_key: certs/us.key}}, health: {{path: "/healthz?a=b", every: 3s}}',
    )
    assert upstream.own_certificate == OwnCertificate(folder.path / "certs/us.pem", folder.path / "certs/us.key")
    assert upstream.health == HealthCheck("/healthz?a=b", 3)
    assert read(folder, 'url: "https://suite.internal", health: {path: /}').health == HealthCheck("/", 10)
    assert read(folder, 'url: "https://suite.internal"').health is None


SERVER = "expected HOST, HOST:PORT or unix:/PATH, such as suite-a.internal:8443"
SOCKET = f"expected an absolute path of at most {LONGEST_SOCKET} bytes, without : and .., such as unix:/run/suite.sock"
UNIX = "expected unix:/PATH or unix:/PATH:/BASE, such as unix:/run/suite.sock:/musterstadt"
SUITE = 'url: "https://suite.internal"'
BROKEN = [
    (f"{SUITE}, servers: []", f"expected 1 to {MOST_SERVERS} servers"),
    (f"{SUITE}, servers: [{', '.join(f'a{n}' for n in range(MOST_SERVERS + 1))}]", f"expected 1 to {MOST_SERVERS} servers"),
    (f"{SUITE}, servers: a.internal", "expected a list, found a text"),
    (f"{SUITE}, servers: [a.internal, a.internal]", "stands here twice (first in line 3)"),
    (f'{SUITE}, servers: [a.internal, "A.internal:443"]', "stands here twice (first in line 3)"),
    (f'{SUITE}, servers: ["https://a.internal"]', f"{SERVER}: scheme and path are those of 'url', for all servers"),
    (f'{SUITE}, servers: ["a.internal/nord"]', f"{SERVER}: scheme and path are those of 'url', for all servers"),
    (f'{SUITE}, servers: ["max@a.internal"]', SERVER),
    (f'{SUITE}, servers: ["a.internal:"]', SERVER),
    (f'{SUITE}, servers: ["a.internal:0"]', SERVER),
    (f'{SUITE}, servers: ["a.internal:99999"]', SERVER),
    (f'{SUITE}, servers: ["a.internal:x"]', SERVER),
    (f'{SUITE}, servers: ["a.internal?"]', SERVER),
    (f'{SUITE}, servers: [""]', SERVER),
    (f'{SUITE}, servers: ["127.1:8443"]', SERVER),  # T-A4
    (f'{SUITE}, servers: ["2130706433"]', SERVER),
    (f'{SUITE}, servers: ["unix:run/a.sock"]', SOCKET),
    (f'{SUITE}, servers: ["unix:/run/../a.sock"]', SOCKET),
    (f'{SUITE}, servers: ["unix:/run//a.sock"]', SOCKET),
    (f'{SUITE}, servers: ["unix:/run/a.sock/"]', SOCKET),
    (f'{SUITE}, servers: ["unix:/run/a:b"]', SOCKET),
    (f'{SUITE}, servers: ["unix:@abstract"]', SOCKET),
    (f'{SUITE}, servers: ["unix:\\0abstract"]', SOCKET),
    (f'{SUITE}, servers: ["unix:/{"x" * LONGEST_SOCKET}"]', SOCKET),
    ('url: "unix:run/suite.sock"', UNIX),
    ('url: "unix:/run/./suite.sock"', UNIX),
    ('url: "unix:/run/suite.sock:nord"', UNIX),
    ('url: "unix:/run/suite.sock:/a/../b"', UNIX),
    ('url: "unix:/run/suite.sock?x"', None),
    ('url: "unix:///run/suite.sock"', UNIX),
    (
        'url: "unix:/run/a.sock", servers: [localhost]',
        "with 'servers' the URL is the name that they go by: write http://localhost/… there and unix:/… here",
    ),
    ('url: "unix:/run/a.sock", ca: ca.pem', "an authority has no meaning for http://"),
    (
        'url: "http://suite.internal", servers: [localhost, a.internal]',
        "with http:// every server must be on this machine; across a network it must be https://",
    ),
    ('url: "http://localhost", own_certificate: {certificate: a, private_key: b}', "a certificate of our own has no meaning for http://"),
    (f"{SUITE}, own_certificate: {{certificate: a}}", "'private_key' is missing"),
    (f"{SUITE}, own_certificate: {{certificate: a, private_key: b, password: c}}", "unknown key 'password'"),
    (f"{SUITE}, own_certificate: certs/us.pem", "expected a mapping, found a text"),
    (f"{SUITE}, health: {{}}", "'path' is missing"),
    (f"{SUITE}, health: {{path: healthz}}", "expected a path such as /healthz, in ASCII and percent-encoded, without a fragment"),
    (f'{SUITE}, health: {{path: "/a b"}}', "expected a path such as /healthz, in ASCII and percent-encoded, without a fragment"),
    (f'{SUITE}, health: {{path: "/a#b"}}', "expected a path such as /healthz, in ASCII and percent-encoded, without a fragment"),
    (f'{SUITE}, health: {{path: "/a\\r\\nX: y"}}', "expected a path such as /healthz, in ASCII and percent-encoded, without a fragment"),
    (f"{SUITE}, health: {{path: /, every: 10}}", "expected a duration such as 15m, 12h or 30s"),
]


@pytest.mark.parametrize(("written", "expected"), BROKEN, ids=[str(number) for number in range(len(BROKEN))])
def test_a_mistake_says_where_it_is_and_what_to_write(folder: Any, written: str, expected: str | None) -> None:
    if expected is None:  # a file may be called so
        assert read(folder, written).servers
    else:
        assert f"energie_nord.yaml:3: {expected}" in folder.mistakes({FILE: text(written)})


def test_a_password_in_a_server_is_not_told(folder: Any) -> None:
    assert "geheim" not in "".join(folder.mistakes({FILE: text(f'{SUITE}, servers: ["max:geheim@a.internal"]')}))


TWO = [
    (f"{SUITE}, servers: [a.internal, b.internal]", f"{SUITE}, servers: [b.internal, c.internal]", "shared"),
    (f"{SUITE}, servers: [a.internal, b.internal]", 'url: "https://b.internal/nord"', "shared"),
    (f"{SUITE}, servers: [a.internal]", f"{SUITE}, servers: [b.internal]", "apart"),  # one name, two machines
    ('url: "unix:/run/suite.sock"', 'url: "unix:/run/suite.sock:/nord"', "shared"),
    ('url: "unix:/run/suite.sock"', 'url: "http://x.internal", servers: ["unix:/run/suite.sock"]', "shared"),
    ('url: "unix:/run/suite.sock:/nord"', 'url: "unix:/run/suite.sock:/west"', "apart"),
    ('url: "unix:/run/a.sock"', 'url: "unix:/run/b.sock"', "apart"),
]


@pytest.mark.parametrize(("one", "two", "verdict"), TWO)
def test_no_server_is_two_customers_unless_both_say_so(folder: Any, one: str, two: str, verdict: str) -> None:
    other = "policies/customers/stadtwerke_musterstadt.yaml"

    def files(said: str) -> dict[str, str]:
        return {FILE: text(one + said), other: text(two + said, "stadtwerke_musterstadt")}

    assert len(folder.load(files(", shared: true")).customers) == 2
    if verdict == "apart":
        assert len(folder.load(files("")).customers) == 2
    else:
        (mistake,) = folder.mistakes(files(""))  # said once, however many servers
        assert "the upstream is also that of " in mistake


def test_two_sockets_behind_one_link_are_one(folder: Any, tmp_path: Path) -> None:
    (tmp_path / "link.sock").symlink_to(tmp_path / "suite.sock")
    one, two = (text(f'url: "unix:{tmp_path}/{name}.sock"', name) for name in ("link", "suite"))
    files = {FILE: None, "policies/customers/link.yaml": one, "policies/customers/suite.yaml": two}
    assert "the upstream is also that of " in "".join(folder.mistakes(files))


OWN = [
    (f'{SUITE}, servers: [a.internal, "127.0.0.1:9443"]', True),
    (f'{SUITE}, servers: ["[::1]:8443", "127.0.0.1:9443"]', True),
    (f'{SUITE}, servers: ["gateway.example:8443"]', True),
    ('url: "unix:STATE/run/vault.sock"', True),
    (f'{SUITE}, servers: ["unix:STATE/run/cipher.sock"]', True),
    ('url: "https://localhost:8443", servers: [a.internal]', False),  # a name, and nothing goes there
]


@pytest.mark.parametrize(("written", "ours"), OWN)
def test_ta4_no_server_is_one_of_our_own_doors(folder: Any, written: str, ours: bool) -> None:
    files = {FILE: text(written.replace("STATE", str(folder.path / "state")))}
    if ours:
        assert folder.mistakes(files) == ["energie_nord.yaml:3: the upstream is the gateway itself"]
    else:
        assert folder.load(files).customers
