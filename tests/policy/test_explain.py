"""Why an address counts as what it counts: in the words of the policy, and always what the listener does."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.explain import explain_address
from gateway.policy.model import PolicySet
from tests.policy.conftest import CONFIG, CUSTOMER, Folder

NORD = CUSTOMER.replace("networks: [198.51.100.0/25]", 'networks:\n  - 198.51.100.0/25\n  - 10.1.0.0/16\n  - "2001:db8:7::/48"')
MUSTER = CUSTOMER.replace("energie_nord", "stadtwerke_musterstadt").replace("/nord", "/muster").replace("198.51.100.0/25", "192.0.2.0/24")
BALANCERS = "proxy_protocol: [203.0.113.0/28]\n"


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, PolicySet]:
    folder = Folder(tmp_path_factory.mktemp("explain"))
    files = {
        "config.yaml": CONFIG + BALANCERS,
        "policies/customers/energie_nord.yaml": NORD,
        "policies/customers/stadtwerke_musterstadt.yaml": MUSTER,
    }
    policies = folder.load(files)
    return folder.config, policies


def told(known: tuple[Any, PolicySet], address: str) -> tuple[str, str, list[str], list[str]]:
    found = explain_address(*known, address)
    return found.address, found.outcome, [one.customer for one in found.customers if one.inside], list(found.reading)


@pytest.mark.parametrize(
    ("address", "counts_as", "outcome", "inside"),
    [
        ("192.0.2.7", "192.0.2.7", "tls", ["stadtwerke_musterstadt"]),
        ("198.51.100.1", "198.51.100.1", "tls", ["energie_nord"]),
        ("198.51.100.128", "198.51.100.128", "closed", []),
        ("::ffff:192.0.2.7", "192.0.2.7", "tls", ["stadtwerke_musterstadt"]),
        ("::ffff:c000:207", "192.0.2.7", "tls", ["stadtwerke_musterstadt"]),
        ("::192.0.2.7", "::c000:207", "closed", []),
        ("64:ff9b::192.0.2.7", "64:ff9b::c000:207", "closed", []),
        ("2002:c000:0207::1", "2002:c000:207::1", "closed", []),
        ("2001:0:4136:e378:8000:63bf:3fff:fdf8", "2001:0:4136:e378:8000:63bf:3fff:fdf8", "closed", []),
        ("2001:DB8:7::1", "2001:db8:7::1", "tls", ["energie_nord"]),
        ("2001:db8:7::1%eth0", "2001:db8:7::1", "tls", ["energie_nord"]),
        ("203.0.113.5", "203.0.113.5", "proxy", []),
        ("::ffff:203.0.113.5", "203.0.113.5", "proxy", []),
    ],
)
def test_t_i1_what_an_address_counts_as(known: Any, address: str, counts_as: str, outcome: str, inside: list[str]) -> None:
    assert told(known, address)[:3] == (counts_as, outcome, inside)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("192.0.2.7", ""),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.7 is how an IPv6 socket writes IPv4: read as 192.0.2.7"),
        ("::192.0.2.7", "an IPv4-compatible address, which carries 192.0.2.7; it is not read as that: that form is deprecated"),
        ("64:ff9b::192.0.2.7", "a NAT64 address, which carries 192.0.2.7; it is not read as that: "),
        ("2002:c000:207::1", "a 6to4 address, which carries 192.0.2.7; it is not read as that: any relay"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdf8", "a Teredo address, which carries 192.0.2.7; it is not read as that: it names a NAT"),
        ("2001:DB8:7::1%eth0", "the zone 'eth0' is this machine's name for an interface"),
        ("2001:0db8:7::1", "written shorter: 2001:db8:7::1"),
    ],
)
def test_t_i1_how_it_was_read(known: Any, address: str, said: str) -> None:
    reading = " ".join(told(known, address)[3])
    assert bool(reading) == bool(said)
    assert re.sub("::ffff:c000:207", "::ffff:192.0.2.7", reading).startswith(said)


STANDINGS = [
    ("198.51.100.1", "energie_nord", "energie_nord.yaml:5", "198.51.100.1 lies in 198.51.100.0/25"),
    ("10.1.2.3", "energie_nord", "energie_nord.yaml:6", "10.1.2.3 lies in 10.1.0.0/16"),
    ("2001:db8:7::1", "energie_nord", "energie_nord.yaml:7", "2001:db8:7::1 lies in 2001:db8:7::/48"),
    ("198.51.100.128", "energie_nord", "energie_nord.yaml:5", "in none of its networks; the nearest one is 198.51.100.0/25"),
    ("10.2.0.1", "energie_nord", "energie_nord.yaml:6", "in none of its networks; the nearest one is 10.1.0.0/16"),
    ("2001:db8:8::1", "energie_nord", "energie_nord.yaml:7", "in none of its networks; the nearest one is 2001:db8:7::/48"),
    ("2001:db8:7::1", "stadtwerke_musterstadt", "stadtwerke_musterstadt.yaml", "all its networks are IPv4"),
    (
        "64:ff9b::192.0.2.7",
        "stadtwerke_musterstadt",
        "stadtwerke_musterstadt.yaml",
        "all its networks are IPv4. 192.0.2.7, which the address carries, would lie in 192.0.2.0/24, but does not count",
    ),
]


@pytest.mark.parametrize(("address", "customer", "place", "why"), STANDINGS)
def test_by_which_entry_and_why_not(known: Any, address: str, customer: str, place: str, why: str) -> None:
    found = next(one for one in explain_address(*known, address).customers if one.customer == customer)
    assert (found.place.rpartition("/")[2], found.why) == (place, why)


def test_a_load_balancer_is_told_that_its_header_counts(known: Any) -> None:
    found = explain_address(*known, "203.0.113.5")
    assert "it lies in 203.0.113.0/28 of 'proxy_protocol'" in found.sentence
    assert not found.admits()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("192.0.2.0/24", "'192.0.2.0/24' is a network; ask for one address of it"),
        ("suite.internal", "'suite.internal' is not an address: names are not looked up; write addresses"),
        ("010.0.0.1", "'010.0.0.1' is not an address: zeros in front mean octal to some programs; write 10.0.0.1"),
        ("10.1", "'10.1' is not an address: write all four numbers of the address, in decimal"),
        ("0x7f.1", "'0x7f.1' is not an address: write all four numbers of the address, in decimal"),
        (" 192.0.2.7", "' 192.0.2.7' is not an address"),
        ("", "'' is not an address"),
        ("%eth0", "'%eth0' is not an address"),
    ],
)
def test_what_is_no_address_is_told_so(known: Any, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        explain_address(*known, text)


NEAR = st.sampled_from([0xC0000200, 0xC6336400, 0x0A010000, 0xCB007100]).flatmap(lambda start: st.integers(start - 2, start + 300))
V4 = st.builds(IPv4Address, st.integers(0, (1 << 32) - 1) | NEAR)
V6 = st.builds(IPv6Address, st.integers(0, (1 << 128) - 1)) | st.builds(
    IPv6Address, st.integers(0, 1 << 16).map(lambda n: (0x20010DB80007 << 80) + n)
)


@given(V4 | V6 | V4.map(lambda address: IPv6Address(f"::ffff:{address}")))
def test_what_is_told_is_what_is_done(known: Any, address: Any) -> None:
    """The listener asks ``anyone``, each request ``customer_has``; balancers are asked for first."""
    found = explain_address(*known, str(address))
    networks = known[1].networks
    assert {one.customer: one.inside for one in found.customers} == {
        customer: networks.customer_has(customer, str(address)) for customer in known[1].customers
    }
    if found.outcome != "proxy":
        assert (found.outcome == "tls") == networks.anyone(str(address)) == found.admits()
    for customer in known[1].customers:
        assert found.admits(customer) == (found.outcome == "tls" and networks.customer_has(customer, str(address)))
