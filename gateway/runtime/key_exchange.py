"""Which key exchange TLS really agrees on here: a handshake with ourselves in memory, and what the server's hello says.

Not a list of what should be there: whether OpenSSL has hybrid post-quantum groups, and offers and prefers them, depends on its version,
its build and the system's own configuration of it. What never may come in: a socket.
"""

from __future__ import annotations

import ssl

#: IANA's registry of TLS supported groups; hybrids of ML-KEM have both halves in their name.
GROUPS = {
    23: "secp256r1",
    24: "secp384r1",
    25: "secp521r1",
    29: "x25519",
    30: "x448",
    0x11EB: "SecP256r1MLKEM768",
    0x11EC: "X25519MLKEM768",
    0x11ED: "SecP384r1MLKEM1024",
}
HYBRID = frozenset({0x11EB, 0x11EC, 0x11ED})

_HANDSHAKE, _SERVER_HELLO, _KEY_SHARE = 22, 2, 51  # RFC 8446: sections 5.1, 4, 4.2


def agreed(server: ssl.SSLContext) -> tuple[str, int | None]:
    """TLS version and group of a handshake with a client of this very OpenSSL. Raises ssl.SSLError when there is none."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE  # it is the key exchange that is looked at
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client_copy := ssl.MemoryBIO(), to_server)
    said = b""
    for _ in range(8):  # with a retry it takes three turns
        for side in (theirs, ours):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
        said += (piece := to_client.read())
        to_client_copy.write(piece)
    return theirs.version() or "none", group_in(said)


def group_in(said: bytes) -> int | None:
    """The group in the last ServerHello among the records that a server sent; None before TLS 1.3, or when it is none."""
    found = None
    messages = b"".join(_handshake_records(said))
    while len(messages) >= 4:
        end = 4 + int.from_bytes(messages[1:4], "big")
        if messages[0] == _SERVER_HELLO:
            found = _key_share(messages[4:end])
        messages = messages[end:]
    return found


def _handshake_records(said: bytes) -> list[bytes]:
    """What is still in the clear: after its hello a server of TLS 1.3 sends records of another type."""
    found = []
    while len(said) >= 5:
        end = 5 + int.from_bytes(said[3:5], "big")
        if said[0] == _HANDSHAKE:
            found.append(said[5:end])
        said = said[end:]
    return found


def _key_share(hello: bytes) -> int | None:
    """Version (2), random (32), session id, cipher suite (2), compression (1), extensions (RFC 8446, 4.1.3)."""
    place = 34
    place += 1 + hello[place] + 3
    extensions = hello[place + 2 : place + 2 + int.from_bytes(hello[place : place + 2], "big")]
    while len(extensions) >= 4:
        kind, length = int.from_bytes(extensions[:2], "big"), int.from_bytes(extensions[2:4], "big")
        if kind == _KEY_SHARE:
            return int.from_bytes(extensions[4:6], "big")
        extensions = extensions[4 + length :]
    return None
