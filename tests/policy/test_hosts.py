"""What is a host, and what only a resolver would take for one."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from gateway.policy.hosts import address_in, is_host, is_loopback


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
