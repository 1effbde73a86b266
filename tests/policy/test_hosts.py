"""What is a host, and what only a resolver would take for one."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from gateway.policy.hosts import address_in, is_host, is_loopback, is_own_door


@pytest.mark.parametrize(
    ("host", "known", "loopback"),
    [
        ("suite.internal", True, False),
        ("suite_1.internal", True, False),
        ("192.0.2.7", True, False),
        ("2001:db8::7", True, False),
        ("localhost", True, True),
        ("a.localhost", True, True),
        ("127.0.0.2", True, True),
        ("::1", True, True),
        ("::ffff:127.0.0.1", True, True),
        ("127.1", False, False),
        ("2130706433", False, False),
        ("0x7f000001", False, False),
        ("0177.0.0.1", False, False),
        ("fe80::1%eth0", False, False),
        ("a..b", False, False),
        ("-a", False, False),
        ("", False, False),
    ],
)
def test_t_a4_hosts(host: str, known: bool, loopback: bool) -> None:
    assert (is_host(host), is_loopback(host)) == (known, loopback)


def test_t_i1_an_address_is_one_however_it_is_written() -> None:
    assert address_in("::ffff:192.0.2.7") == ip_address("192.0.2.7")
    assert address_in("suite.internal") is None


DOORS = [("0.0.0.0", 8443), ("127.0.0.1", 9443)]
OWN = [
    ("127.0.0.1", 8443, True),
    ("127.9.9.9", 9443, True),
    ("localhost", 9443, True),
    ("suite.localhost", 8443, True),
    ("::1", 8443, True),
    ("::", 9443, True),
    ("::ffff:127.0.0.1", 9443, True),
    ("127.0.0.1", 8000, False),
    ("192.0.2.7", 8443, False),  # this machine's, perhaps: the kernel knows when the connection is there
    ("suite.internal", 8443, False),
]


@pytest.mark.parametrize(("host", "port", "ours"), OWN)
def test_ta4_our_own_doors(host: str, port: int, ours: bool) -> None:
    assert is_own_door(host, port, DOORS) is ours


def test_ta4_a_listener_at_one_address() -> None:
    assert is_own_door("192.0.2.7", 8443, [("192.0.2.7", 8443)])
    assert is_own_door("::ffff:192.0.2.7", 8443, [("192.0.2.7", 8443)])
    assert not is_own_door("192.0.2.7", 8443, ())
