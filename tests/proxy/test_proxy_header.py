"""PROXY headers: those that HAProxy, AWS and others send, and the corpus of malformed and forged ones (T-I9)."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.proxy.peer import canonical
from gateway.proxy.proxy_header import LONGEST_V1, LONGEST_V2, crc32c, read_header

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
HELLO = b"\x16\x03\x01\x02\x00\x01"


def v2(source="192.0.2.7", target="192.0.2.1", *, command=0x21, family=None, tail=b"", length=None, ports=b"\x9c\x40\x01\xbb"):
    one, other = (ipaddress.ip_address(each) for each in (source, target))
    family = family if family is not None else (0x11 if one.version == 4 else 0x21)
    block = one.packed + other.packed + ports + tail
    return SIGNATURE + bytes([command, family]) + struct.pack("!H", len(block) if length is None else length) + block


def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


def with_checksum(header, wrong=0):
    """The header with a CRC32c extension, computed as the specification says: with zeros in its own place."""
    block = header[16:] + tlv(0x03, bytes(4))
    blank = header[:14] + struct.pack("!H", len(block)) + block
    return blank[:-4] + struct.pack("!I", crc32c(blank) ^ wrong)


GOOD = {
    "v1 IPv4": (b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 443\r\n", "192.0.2.7"),
    "v1 IPv6": (b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 443\r\n", "2001:db8::7"),
    "v1 the longest": (
        b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ),
    "v1 capitals": (b"PROXY TCP6 2001:DB8::7 ::1 1 2\r\n", "2001:db8::7"),
    "v2 IPv4": (v2(), "192.0.2.7"),
    "v2 IPv6": (v2("2001:db8::7", "2001:db8::1"), "2001:db8::7"),
    "v2 mapped": (v2("::ffff:192.0.2.7", "::1"), "192.0.2.7"),  # T-I1
    "v2 extensions": (v2(tail=tlv(0x01, b"http/1.1") + tlv(0xEA, b"\x01vpce-08d2bf15fac5001c9") + tlv(0x04, bytes(40))), "192.0.2.7"),
    "v2 checksum": (with_checksum(v2(tail=tlv(0x02, b"gateway.example"))), "192.0.2.7"),
    "v2 as long as may be": (v2(tail=tlv(0xE0, bytes(4096 - 12 - 3))), "192.0.2.7"),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_header_ends_where_the_client_begins(name):
    header, address = GOOD[name]
    read = read_header(header + HELLO)
    assert (read.address, read.length) == (address, len(header))


@pytest.mark.parametrize("name", GOOD)
def test_however_it_is_cut(name):
    header, address = GOOD[name]
    for length in range(len(header)):
        assert read_header(header[:length]) is None
    assert read_header(header).address == address


MISSING = {
    "a hello": HELLO,
    "HTTP": b"GET / HTTP/1.1\r\n",
    "almost v1": b"PROXX TCP4 192.0.2.7 192.0.2.1 1 2\r\n",
    "small letters": b"proxy TCP4 192.0.2.7 192.0.2.1 1 2\r\n",
    "almost v2": SIGNATURE[:-1] + b"\x00" + v2()[12:],
    "a tab": b"PROXY\tTCP4 192.0.2.7 192.0.2.1 1 2\r\n",
    "a blank first": b" PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n",
}
MALFORMED = {
    "UNKNOWN says nothing": b"PROXY UNKNOWN\r\n",
    "UNKNOWN with addresses": b"PROXY UNKNOWN 192.0.2.7 192.0.2.1 1 2\r\n",
    "a family of the wrong kind": b"PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n",
    "the other way round": b"PROXY TCP6 192.0.2.7 192.0.2.1 1 2\r\n",
    "UDP": b"PROXY UDP4 192.0.2.7 192.0.2.1 1 2\r\n",
    "two blanks": b"PROXY  TCP4 192.0.2.7 192.0.2.1 1 2\r\n",
    "a blank at the end": b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2 \r\n",
    "a fifth": b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2 3\r\n",
    "no ports": b"PROXY TCP4 192.0.2.7 192.0.2.1\r\n",
    "a port too high": b"PROXY TCP4 192.0.2.7 192.0.2.1 65536 2\r\n",
    "a port with a zero in front": b"PROXY TCP4 192.0.2.7 192.0.2.1 01 2\r\n",
    "a sign": b"PROXY TCP4 192.0.2.7 192.0.2.1 +1 2\r\n",
    "octets with zeros in front": b"PROXY TCP4 192.000.002.007 192.0.2.1 1 2\r\n",
    "an octet too high": b"PROXY TCP4 192.0.2.256 192.0.2.1 1 2\r\n",
    "three octets": b"PROXY TCP4 192.0.2 192.0.2.1 1 2\r\n",
    "hexadecimal": b"PROXY TCP4 0xc0000207 192.0.2.1 1 2\r\n",
    "a zone": b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
    "two double colons": b"PROXY TCP6 1::2::3 ::1 1 2\r\n",
    "a target that is none": b"PROXY TCP4 192.0.2.7 x 1 2\r\n",
    "a name": b"PROXY TCP4 localhost 192.0.2.1 1 2\r\n",
    "bare LF": b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\n" + b"x" * 80 + b"\r\n",
    "CR in the middle": b"PROXY TCP4 192.0.2.7\r192.0.2.1 1 2\r\n",
    "NUL": b"PROXY TCP4 192.0.2.7\x00 192.0.2.1 1 2\r\n",
    "digits that are none": "PROXY TCP4 192.0.2.7 192.0.2.1 ² 2\r\n".encode(),
    "no end": b"PROXY TCP4 " + b"1" * LONGEST_V1,
    "v2 LOCAL": v2(command=0x20),
    "v2 LOCAL without an address": SIGNATURE + b"\x20\x00\x00\x00",
    "v2 an unknown command": v2(command=0x22),
    "v2 version 1": v2(command=0x11),
    "v2 version 3": v2(command=0x31),
    "v2 UDP": v2(family=0x12),
    "v2 UNIX": SIGNATURE + b"\x21\x31" + struct.pack("!H", 216) + bytes(216),
    "v2 no family": v2(family=0x00),
    "v2 IPv4 in an IPv6 family": v2(family=0x21),
    "v2 too short": v2(length=11),
    "v2 nothing": v2(length=0),
    "v2 64 kB": v2(length=65535),
    "v2 one too long": v2(length=LONGEST_V2 - 16 + 1),
    "v2 half an extension": v2(tail=b"\x01\x00"),
    "v2 an extension beyond the end": v2(tail=struct.pack("!BH", 1, 9) + b"http/1.1"),
    "v2 a wrong checksum": with_checksum(v2(), wrong=1),
    "v2 a short checksum": v2(tail=tlv(0x03, bytes(3))),
}


@pytest.mark.parametrize("name", MISSING)
def test_ti9_missing(name):
    with pytest.raises(Refused) as refused:
        read_header(MISSING[name])
    assert refused.value.reason == "proxy-header-missing"


@pytest.mark.parametrize("name", MALFORMED)
def test_ti9_malformed(name):
    with pytest.raises(Refused) as refused:
        read_header(MALFORMED[name])
    assert refused.value.reason == "proxy-header-malformed"


@pytest.mark.parametrize("name", MALFORMED)
def test_ti9_malformed_is_never_taken_when_it_comes_in_pieces(name):
    """Up to some length it may still become a header; at no length is it one."""
    for length in range(len(MALFORMED[name]) + 1):
        try:
            assert read_header(MALFORMED[name][:length]) is None
        except Refused:
            return
    raise AssertionError("it was never refused")


@given(st.binary(max_size=300), st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11"]))
def test_whatever_comes_is_a_header_or_none(noise, beginning):
    data = beginning + noise
    try:
        read = read_header(data)
    except Refused as refused:
        assert refused.reason in ("proxy-header-missing", "proxy-header-malformed")
        return
    if read is not None:
        assert 0 < read.length <= min(len(data), LONGEST_V2)
        assert canonical(read.address) == read.address


@given(st.ip_addresses(), st.integers(0, 65535), st.binary(max_size=40))
def test_v1_and_v2_say_the_same(address, port, rest):
    kind = "TCP4" if address.version == 4 else "TCP6"
    other = "192.0.2.1" if address.version == 4 else "2001:db8::1"
    line = f"PROXY {kind} {address} {other} {port} 443\r\n".encode()
    binary = v2(str(address), other, ports=struct.pack("!HH", port, 443))
    assert read_header(line + rest).address == read_header(binary + rest).address == canonical(str(address))


def test_one_checksum_is_enough(monkeypatch):
    """Each is a pass over the header, and hundreds that all fit can be computed."""
    monkeypatch.setattr("gateway.proxy.proxy_header.crc32c", lambda data: 0)
    assert read_header(v2(tail=tlv(0x03, bytes(4)))).address == "192.0.2.7"
    with pytest.raises(Refused, match="proxy-header-malformed"):
        read_header(v2(tail=tlv(0x03, bytes(4)) * 2))


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E)],
)
def test_crc32c_as_in_rfc_3720(data, expected):
    """Appendix B.4 of RFC 3720, and the check value of the polynomial."""
    assert crc32c(data) == expected
