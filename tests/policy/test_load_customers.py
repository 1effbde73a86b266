"""A customer's file: what each key may say, and whose upstream is whose."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from gateway.policy.model import Certificates, Customer, CustomerKey, Upstream

FILE = "policies/customers/energie_nord.yaml"
GOOD = {
    "customer": "energie_nord",
    "api": "planning_suite",
    "upstream": '{url: "https://suite.internal/nord"}',
    "networks": "[198.51.100.0/25]",
    "certificates": "{authority: gateway}",
    "users": "{import_job: importer, jens: dispatcher}",
}


def text(**changed: str | None) -> str:
    return "".join(f"{key}: {value}\n" for key, value in (GOOD | changed).items() if value is not None)


def other(**changed: str) -> str:
    return text(**({"customer": "stadtwerke_musterstadt", "upstream": '{url: "https://suite.internal/musterstadt"}'} | changed))


def test_the_least_file_and_its_defaults(folder: Any) -> None:
    """The password goes nowhere, and the customer's token is forgotten soon, unless the file says otherwise."""
    assert folder.load({FILE: text()}).customers["energie_nord"] == Customer(
        name="energie_nord",
        api="planning_suite",
        upstream=Upstream("https", "suite.internal", 443, "/nord", None, "drop"),
        networks=(ip_network("198.51.100.0/25"),),
        certificates=Certificates(None, None, ()),
        key=CustomerKey(idle=900, longest=43200),
        users={"import_job": "importer", "jens": "dispatcher"},
        file=folder.path / FILE,
    )


@pytest.mark.parametrize(("written", "told"), [("", False), (", client_cert: false", False), (", client_cert: true", True)])
def test_an_upstream_is_told_the_certificate_only_on_request(folder: Any, written: str, told: bool) -> None:
    loaded = folder.load({FILE: text(upstream=f'{{url: "https://suite.internal"{written}}}')})
    assert loaded.customers["energie_nord"].upstream.client_cert is told


URLS = [
    ("https://suite.internal/nord", ("https", "suite.internal", 443, "/nord")),
    ("https://suite.internal", ("https", "suite.internal", 443, "")),
    ("https://suite.internal/", ("https", "suite.internal", 443, "")),
    ("https://SUITE.internal.:8443/a/b/", ("https", "suite.internal", 8443, "/a/b")),
    ("HTTPS://suite/x.y~z", ("https", "suite", 443, "/x.y~z")),
    ("https://192.0.2.7:444", ("https", "192.0.2.7", 444, "")),
    ("https://[2001:db8::7]/nord", ("https", "2001:db8::7", 443, "/nord")),
    ("http://127.0.0.1:8000/nord", ("http", "127.0.0.1", 8000, "/nord")),
    ("http://localhost", ("http", "localhost", 80, "")),
    ("http://[::1]:8000", ("http", "::1", 8000, "")),
]


@pytest.mark.parametrize(("url", "expected"), URLS)
def test_an_upstream_is_read(url: str, expected: tuple[str, str, int, str], folder: Any) -> None:
    upstream = folder.load({FILE: text(upstream=f'{{url: "{url}"}}')}).customers["energie_nord"].upstream
    assert (upstream.scheme, upstream.host, upstream.port, upstream.base_path) == expected


def test_files_count_from_the_configuration(folder: Any) -> None:
    (folder.path / "suite.auth").write_text("Basic c3VpdGU6eA==")
    policies = folder.load(
        {
            FILE: text(
                upstream='{url: "https://suite.internal", ca: certs/suite-ca.pem, authorization: "file:suite.auth"}',
                certificates="{file: certs/nord-ca.pem, crl: certs/nord.crl, only: [{dns: import.example}, {subject: CN=A, uri: 'urn:x'}]}",
                key="{held_by: customer, idle: 30m, longest: 8h}",
            )
        }
    )
    customer = policies.customers["energie_nord"]
    assert customer.upstream.ca == folder.path / "certs/suite-ca.pem"
    assert customer.upstream.authorization == folder.path / "suite.auth"
    assert customer.certificates == Certificates(
        folder.path / "certs/nord-ca.pem",
        folder.path / "certs/nord.crl",
        ({"dns": "import.example"}, {"subject": "CN=A", "uri": "urn:x"}),
    )
    assert customer.key == CustomerKey(idle=1800, longest=28800)


@pytest.mark.parametrize(("written", "expected"), [("forward", "forward"), ("drop", "drop")])
def test_where_the_password_goes(written: str, expected: str, folder: Any) -> None:
    upstream = f'{{url: "https://suite.internal", authorization: {written}}}'
    assert folder.load({FILE: text(upstream=upstream)}).customers["energie_nord"].upstream.authorization == expected


def test_networks_of_both_kinds_and_whoever_is_in_them(folder: Any) -> None:
    policies = folder.load({FILE: text(networks='[192.0.2.0/24, "2001:db8:7::/48"]')})
    assert policies.customers["energie_nord"].networks == (ip_network("192.0.2.0/24"), ip_network("2001:db8:7::/48"))
    assert policies.networks.customer_has("energie_nord", "::ffff:192.0.2.9")  # T-I1
    assert not policies.networks.customer_has("energie_nord", "192.0.3.1")


URL = "expected a URL such as https://suite.internal/musterstadt, without user, query or fragment"
NOT_LOOPBACK = "http:// is for upstreams on this machine only; across a network it must be https://"
BROKEN_URLS = [
    ("", URL),
    ("suite.internal/nord", URL),
    ("//suite.internal/nord", URL),
    ("ftp://suite.internal", URL),
    ("https://", URL),
    ("https:///nord", URL),
    ("https://suite.internal:0", URL),
    ("https://suite.internal:99999", URL),
    ("https://suite.internal:x", URL),
    ("https://max@suite.internal", URL),
    ("https://:geheim@suite.internal", URL),
    ("https://@suite.internal", URL),
    ("https://suite.internal/?", URL),
    ("https://suite.internal/?a=b", URL),
    ("https://suite.internal/#", URL),
    ("https://suite.internal/a//b", URL),
    ("https://suite.internal/a/../b", URL),
    ("https://suite.internal/a;b", URL),
    ("https://suite.internal/a%2fb", URL),
    ("https://suite.internal/a b", URL),
    ("https://suite.inter\\tnal/", URL),
    ("https://suite..internal/", URL),
    ("https://süite.internal/", URL),
    ("https://*.internal/", URL),
    ("https://[fe80::1%25eth0]/", URL),
    ("https://[::1/", URL),
    ("https://127.1/", URL),  # T-A4: this machine, to the resolver
    ("https://2130706433/", URL),
    ("https://0x7f000001/", URL),
    ("https://0177.0.0.1/", URL),
    ("https://suite.0x7f/", URL),
    ("http://suite.internal/nord", NOT_LOOPBACK),
    ("http://192.0.2.7/nord", NOT_LOOPBACK),
    ("http://127.0.0.1.nip.example/", NOT_LOOPBACK),
    ("http://0.0.0.0:8000/", NOT_LOOPBACK),
]


@pytest.mark.parametrize(("url", "expected"), BROKEN_URLS)
def test_what_is_no_upstream_is_refused(url: str, expected: str, folder: Any) -> None:
    assert folder.mistakes({FILE: text(upstream=f'{{url: "{url}"}}')}) == [f"energie_nord.yaml:3: {expected}"]


BROKEN = [
    ("customer", "Energie Nord", "'Energie Nord' is not a name for a customer"),
    ("customer", "../energie_nord", "'../energie_nord' is not a name for a customer"),
    ("customer", '"energie_nord\\n"', "'energie_nord\\n' is not a name for a customer"),
    ("customer", "a" * 64, f"'{'a' * 64}' is not a name for a customer"),
    ("api", "planing_suite", "there is no API 'planing_suite'; did you mean 'planning_suite'?"),
    ("upstream", "https://suite.internal", "expected a mapping, found a text"),
    ("upstream", "{}", "'url' is missing"),
    ("upstream", '{url: "https://suite.internal", cert: a}', "unknown key 'cert'"),
    ("upstream", '{url: "https://suite.internal", ca: ""}', "expected a path"),
    ("upstream", '{url: "http://localhost:8000", ca: ca.pem}', "an authority has no meaning for http://"),
    ("upstream", '{url: "https://suite.internal", shared: yes}', "expected true or false"),
    ("upstream", '{url: "https://suite.internal", client_cert: always}', "expected true or false"),
    ("upstream", '{url: "https://suite.internal", authorization: keep}', "expected forward, drop or file:PATH"),
    ("upstream", '{url: "https://suite.internal", authorization: "file:absent"}', "there is no such file"),
    ("upstream", '{url: "https://suite.internal", authorization: "file:"}', "there is no such file"),
    ("upstream", '{url: "https://suite.internal", authorization: }', "expected a text, found nothing"),
    ("networks", "[]", "at least one network is needed: nobody can connect from nowhere"),
    ("networks", "192.0.2.0/24", "expected a list, found a text"),
    ("networks", "", "expected a list, found nothing"),
    ("networks", "[192.0.2.1]", "'192.0.2.1' has no prefix length: write 192.0.2.1/32"),
    ("networks", "[10.0.0.1/8]", "'10.0.0.1/8' has bits set behind its prefix: write 10.0.0.0/8"),
    ("networks", '["::ffff:192.0.2.0/120"]', "'::ffff:192.0.2.0/120' is IPv4 written as IPv6: write 192.0.2.0/24"),
    ("networks", "[suite.internal]", "'suite.internal' is not a network"),
    ("certificates", "{}", "give either 'authority: gateway' or 'file:' with your own authority"),
    ("certificates", "{authority: gateway, file: ca.pem}", "give either 'authority: gateway' or 'file:'"),
    ("certificates", "{authority: any}", "expected one of gateway"),
    ("certificates", "{authority: gateway, crl: ca.crl}", "'crl' belongs to an authority of your own; ours has its ledger"),
    ("certificates", "{authority: gateway, only: [{dns: a}]}", "'only' belongs to an authority of your own"),
    ("certificates", '{file: ""}', "expected a path"),
    ("certificates", "{file: ca.pem, only: []}", "an empty list would let in every certificate of the authority"),
    ("certificates", "{file: ca.pem, only: [{}]}", "expected at least one of dns, uri, email, sha256, spki, subject"),
    ("certificates", '{file: ca.pem, only: [{dns: ""}]}', "expected a DNS name"),
    ("certificates", "{file: ca.pem, only: [{cn: import}]}", "unknown key 'cn'"),
    ("certificates", "{file: ca.pem, only: {dns: a}}", "expected a list, found a mapping"),
    ("certificates", "gateway", "expected a mapping, found a text"),
    ("users", "[jens]", "expected a mapping, found a list"),
    ("users", "{jens: dispatchr}", "there is no role 'dispatchr'; did you mean 'dispatcher'?"),
    ("users", "{jens: }", "expected a text, found nothing"),
    ("users", '{"je ns": dispatcher}', "'je ns' is not a user name"),
    ("users", '{"jens:x": dispatcher}', "'jens:x' is not a user name"),
    ("users", '{"": dispatcher}', "'' is not a user name"),
    ("users", '{"jens\\0": dispatcher}', "'jens\\x00' is not a user name"),
    ("users", '{"je\\u200bns": dispatcher}', "'je\\u200bns' is not a user name"),
    ("users", f"{{{'j' * 65}: dispatcher}}", f"'{'j' * 65}' is not a user name"),
    ("key", "{held_by: operator}", "this version starts no jobs of its own"),
    ("key", "{held_by: nobody}", "expected one of customer, operator"),
    ("key", "{idle: 15}", "expected a duration such as 15m, 12h or 30s"),
    ("key", "{idle: 13h}", "'idle' is longer than 'longest' (12h unless written)"),
    ("key", "{idle: 10m, longest: 5m}", "'idle' is longer than 'longest'"),
    ("key", "{password: geheim}", "unknown key 'password'"),
    ("password", "geheim", "unknown key 'password'"),
]


@pytest.mark.parametrize(("key", "value", "expected"), BROKEN, ids=[f"{key}-{number}" for number, (key, _, _) in enumerate(BROKEN)])
def test_a_mistake_is_found_where_it_stands(key: str, value: str, expected: str, folder: Any) -> None:
    line = [*GOOD, *({key: ""} if key not in GOOD else {})].index(key) + 1
    found = folder.mistakes({FILE: text(**{key: value})})
    assert any(mistake.startswith(f"energie_nord.yaml:{line}: {expected}") for mistake in found), found


@pytest.mark.parametrize("key", GOOD)
def test_a_missing_key_has_no_default(key: str, folder: Any) -> None:
    assert folder.mistakes({FILE: text(**{key: None})}) == [f"energie_nord.yaml:1: {key!r} is missing"]


def test_no_mistake_tells_a_secret(folder: Any) -> None:
    """A password that somebody wrote into a policy must not reach a log."""
    found = folder.mistakes({FILE: text(password="geheim", upstream='{url: "https://max:geheim@suite.internal"}')})
    assert "geheim" not in "".join(found)


SHARED = "the upstream is also that of "
UPSTREAMS = [
    ("https://suite.internal/nord", "https://suite.internal/nord", False),
    ("https://suite.internal/nord", "https://suite.internal/nord/", False),
    ("https://suite.internal/nord", "https://SUITE.internal/nord", False),
    ("https://suite.internal/nord", "https://suite.internal./nord", False),
    ("https://suite.internal/nord", "https://suite.internal:443/nord", False),
    ("https://suite.internal", "https://suite.internal/nord", False),  # /{a}/orders of the upper one reaches the lower one
    ("https://suite.internal/a/b/c", "https://suite.internal/a", False),
    ("http://localhost:8000/a", "http://127.0.0.1:8000/a", False),
    ("https://[2001:db8::7]/a", "https://[2001:0db8:0::7]/a", False),
    ("https://[::ffff:192.0.2.7]/a", "https://192.0.2.7/a", False),
    ("https://suite.internal/nord", "https://suite.internal/nordwest", True),
    ("https://suite.internal/nord", "https://suite.internal/Nord", True),
    ("https://suite.internal/nord", "https://suite.internal/west", True),
    ("https://suite.internal:444/nord", "https://suite.internal/nord", True),
    ("https://nord.internal", "https://west.internal", True),
]


@pytest.mark.parametrize(("one", "two", "apart"), UPSTREAMS)
def test_two_customers_share_no_upstream_unless_both_say_so(one: str, two: str, apart: bool, folder: Any) -> None:
    """T-A4: behind us their rows would lie in one database, and one could ask for the other's."""

    def files(first: str, second: str) -> dict[str, str]:
        mine = text(upstream=f'{{url: "{one}", shared: {first}}}')
        theirs = other(upstream=f'{{url: "{two}", shared: {second}}}')
        return {FILE: mine, "policies/customers/stadtwerke_musterstadt.yaml": theirs}

    assert len(folder.load(files("true", "true")).customers) == 2
    for first, second in (("true", "false"), ("false", "true"), ("false", "false")):
        if apart:
            assert len(folder.load(files(first, second)).customers) == 2
        else:
            (mistake,) = folder.mistakes(files(first, second))
            assert SHARED in mistake


OWN_DOORS = [
    ("https://127.0.0.1:8443", "0.0.0.0:8443", True),
    ("https://localhost:8443/nord", "0.0.0.0:8443", True),
    ("https://[::1]:8443", "0.0.0.0:8443", True),
    ("https://127.0.0.2:8443", "0.0.0.0:8443", True),
    ("https://0.0.0.0:8443", "192.0.2.1:8443", True),
    ("https://[::]:9443", "192.0.2.1:8443", True),
    ("https://[::ffff:127.0.0.1]:9443", "192.0.2.1:8443", True),
    ("https://192.0.2.1:8443", "192.0.2.1:8443", True),
    ("https://gateway.example:8443", "0.0.0.0:8443", True),
    ("https://GATEWAY.example.:8443", "0.0.0.0:8443", True),
    ("http://127.0.0.1:9443", "0.0.0.0:8443", True),  # the operators' listener
    ("https://suite.localhost:9443", "0.0.0.0:8443", True),
    ("http://127.0.0.1:8000", "0.0.0.0:8443", False),
    ("https://suite.internal:8443", "0.0.0.0:8443", False),
    ("https://192.0.2.2:8443", "192.0.2.1:8443", False),
]


@pytest.mark.parametrize(("url", "listen", "ours"), OWN_DOORS)
def test_an_upstream_is_not_one_of_our_own_doors(url: str, listen: str, ours: bool, folder: Any) -> None:
    """T-A4: a customer's request would come out at the operators' listener, from loopback."""
    folder.write({FILE: text(upstream=f'{{url: "{url}"}}')})
    config = (folder.path / "config.yaml").read_text().replace("0.0.0.0:8443", listen)
    files = {FILE: text(upstream=f'{{url: "{url}"}}'), "config.yaml": config}
    if ours:
        assert folder.mistakes(files) == ["energie_nord.yaml:3: the upstream is the gateway itself"]
    else:
        assert folder.load(files).customers["energie_nord"].file == Path(folder.path / FILE)
