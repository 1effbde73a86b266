"""The PROXY header of a load balancer, versions 1 and 2: whose connection this is, said before the first byte of TLS.

Pure: bytes in, an address and the number of bytes that were the header out; what follows belongs to TLS and is never looked at
here. Strict where HAProxy's specification ("The PROXY protocol", 2.8) leaves room: a header that says nothing of an address
(LOCAL, UNKNOWN, a family that we do not speak) is as good as none, and whoever sends it is closed (T-I9). What never may come in:
an answer to the peer, or a header of HTTP.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from dataclasses import dataclass

from gateway.errors import Refused
from gateway.proxy.peer import canonical

#: Bytes that no header may exceed. Version 1: the specification's own bound. Version 2: AWS and HAProxy send less than 1 kB of
#: extensions, also with a client's certificate name in them; the 64 kB that the length field allows serve nobody but a flooder.
LONGEST_V1 = 107
LONGEST_V2 = 16 + 4096

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_LINE = re.compile(rb"PROXY TCP(4|6) ([0-9A-Fa-f:.]{2,39}) ([0-9A-Fa-f:.]{2,39}) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})\r\n")
_PROXY_STREAM = {0x11: 4, 0x21: 16}  # address family and protocol: TCP over IPv4 and IPv6 → bytes of one address
_CRC32C = 0x03


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """``address``: of the client, as the balancer saw it, in its one spelling (T-I1). ``length``: in bytes; the client's begin there."""

    address: str
    length: int


def read_header(data: bytes) -> ProxyHeader | None:
    """The header at the beginning of ``data``; None while it may still be coming.

    Raises Refused('proxy-header-missing' | 'proxy-header-malformed').
    """
    if _SIGNATURE.startswith(data[:12]):
        return _version_2(data) if len(data) >= 16 else None
    if data[:6] == b"PROXY "[: len(data)]:
        return _version_1(data)
    raise Refused("proxy-header-missing")


def _version_1(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, LONGEST_V1)
    if end < 0:
        if len(data) >= LONGEST_V1:
            raise Refused("proxy-header-malformed")
        return None
    line = _LINE.fullmatch(data[: end + 2])
    if line is None or max(int(line[4]), int(line[5])) > 65535:
        raise Refused("proxy-header-malformed")
    kind = ipaddress.IPv4Address if line[1] == b"4" else ipaddress.IPv6Address
    try:
        source, _ = kind(line[2].decode()), kind(line[3].decode())
    except ValueError:
        raise Refused("proxy-header-malformed") from None
    return ProxyHeader(canonical(str(source)), end + 2)


def _version_2(data: bytes) -> ProxyHeader | None:
    command, family, length = data[12], data[13], int.from_bytes(data[14:16])
    size = _PROXY_STREAM.get(family)
    if command != 0x21 or size is None or not 2 * size + 4 <= length <= LONGEST_V2 - 16:
        raise Refused("proxy-header-malformed")
    if len(data) < 16 + length:
        return None
    _check_extensions(data[: 16 + length], 16 + 2 * size + 4)
    return ProxyHeader(canonical(str(ipaddress.ip_address(data[16 : 16 + size]))), 16 + length)


def _check_extensions(header: bytes, at: int) -> None:
    """Type, length, value, one after another up to the very end; the checksum, where there is one, is right.

    There is one: each costs a pass over the whole header, and 500 that all fit can be computed (they are linear).
    """
    checked = False
    while at < len(header):
        if at + 3 > len(header):
            raise Refused("proxy-header-malformed")
        kind, length = struct.unpack_from("!BH", header, at)
        value = at + 3
        at = value + length
        if at > len(header):
            raise Refused("proxy-header-malformed")
        if kind == _CRC32C:
            blank = header[:value] + bytes(length) + header[at:]  # computed over the header with zeros in this place
            if checked or length != 4 or crc32c(blank).to_bytes(4) != header[value:at]:
                raise Refused("proxy-header-malformed")
            checked = True


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), RFC 3720 appendix B.4: the standard library has other polynomials only."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _table_entry(index: int) -> int:
    for _ in range(8):
        index = (index >> 1) ^ (0x82F63B78 if index & 1 else 0)
    return index


_TABLE = tuple(_table_entry(index) for index in range(256))
