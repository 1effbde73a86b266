"""One spelling per address, whatever kind of socket it came from."""

import pytest

from gateway.proxy.peer import address_of


@pytest.mark.parametrize(
    ("peername", "address"),
    [
        (("192.0.2.1", 5000), "192.0.2.1"),
        (("::ffff:192.0.2.1", 5000, 0, 0), "192.0.2.1"),  # T-I1
        (("::FFFF:C000:0201", 5000, 0, 0), "192.0.2.1"),
        (("2001:db8:0:0::1", 5000, 0, 0), "2001:db8::1"),
        (("fe80::1%eth0", 5000, 0, 2), "fe80::1"),
        (("::192.0.2.1", 5000, 0, 0), "::c000:201"),  # a deprecated spelling of nobody's IPv4
        ("", ""),
        (None, ""),
    ],
)
def test_ti1_addresses(peername, address):
    assert address_of(peername) == address
