"""Records of TLS 1.3 made by hand (RFC 8446 sections 5.2 and 7.3), from the secret that OpenSSL writes into a key log.

No client library sends a KeyUpdate ten thousand times; an attacker does.
"""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

HANDSHAKE, APPLICATION = 22, 23
KEY_UPDATE = b"\x18\x00\x00\x01"


class Writer:
    """The client's writing half after the handshake. ``cipher``: the suite's name; ``secret``: CLIENT_TRAFFIC_SECRET_0."""

    def __init__(self, cipher, secret):
        self._hash = hashes.SHA384() if cipher.endswith("SHA384") else hashes.SHA256()
        self._aead, self._size = (ChaCha20Poly1305, 32) if "CHACHA" in cipher else (AESGCM, 32 if "256_GCM" in cipher else 16)
        self._install(secret)

    def key_update(self, answer=False):
        """One KeyUpdate; ``answer``: the other side has to send one too."""
        record = self.record(HANDSHAKE, KEY_UPDATE + bytes([answer]))
        self._install(self._expand(b"traffic upd", self._hash.digest_size))
        return record

    def record(self, kind, content):
        header = b"\x17\x03\x03" + (len(content) + 17).to_bytes(2)
        nonce = (int.from_bytes(self._iv) ^ self._number).to_bytes(12)
        self._number += 1
        return header + self._aead(self._key).encrypt(nonce, content + bytes([kind]), header)

    def _install(self, secret):
        self._secret, self._number = secret, 0
        self._key, self._iv = self._expand(b"key", self._size), self._expand(b"iv", 12)

    def _expand(self, label, length):
        label = b"tls13 " + label
        return HKDFExpand(self._hash, length, length.to_bytes(2) + bytes([len(label)]) + label + b"\x00").derive(self._secret)


def writer_of(connection, key_log):
    """For a client's SSLObject or SSLSocket whose context has this file as its ``keylog_filename``."""
    lines = [line.split() for line in key_log.read_text().splitlines() if line.startswith("CLIENT_TRAFFIC_SECRET_0")]
    return Writer(connection.cipher()[0], bytes.fromhex(lines[-1][2]))
