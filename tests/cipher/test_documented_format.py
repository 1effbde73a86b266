"""``docs/cryptography.md`` read as a specification: files and values are opened here by what it says, with no code of the gateway.

If this fails, either the format changed without a new version byte, or the document is wrong.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.cipher.credentials import password, recovery
from gateway.cipher.customers import CustomerKeys
from gateway.cipher.data_keys import KeyList
from gateway.cipher.interface import ToSeal
from gateway.cipher.values import ClassKeys

CUSTOMER, SECRET = b"stadtwerke_musterstadt", "Käthe-und-Möhre-42"


def lp(*fields: bytes) -> bytes:
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)


def hkdf(key: bytes, info: bytes, salt: bytes = b"") -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(key)


def mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def gcm(key: bytes, wrapped: bytes, associated: bytes) -> bytes:
    return AESGCM(key).decrypt(wrapped[:12], wrapped[12:], associated)


def argon2id(secret: bytes, salt: bytes, cost: bytes) -> bytes:
    memory, passes, lanes = (int.from_bytes(each, "big") for each in (cost[:4], cost[4:8], cost[8:]))
    return Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory).derive(secret)


class Bytes:
    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def take(self, size: int) -> bytes:
        self.at += size
        return self.content[self.at - size : self.at]

    def field(self) -> bytes:
        return self.take(int.from_bytes(self.take(4), "big"))


def operator_key(path: Path, passphrase: bytes) -> bytes:
    content = path.read_bytes()
    assert content[:8] == b"GWOPKEY\x01"
    body = gcm(argon2id(passphrase, content[17:33], content[8:17]), content[33:], content[:33])
    assert body[:4] == b"\0\1\0\1"
    return body[4:]


def envelope(path: Path, magic: bytes, purpose: bytes, operator: bytes, share: bytes) -> bytes:
    content = path.read_bytes()
    start = 8 + 2 + 4 + len(CUSTOMER)
    assert content[:start] == magic + b"\0\1" + lp(CUSTOMER)
    part = mac(operator, lp(b"pii-gateway operator part", purpose, CUSTOMER, b"\0\1"))
    return gcm(hkdf(part, lp(b"pii-gateway outer", purpose, CUSTOMER, b"\0\1"), share), content[start:], content[:start])


def without_ends(body: bytes, token: bytes) -> bytes:
    """The same list as format 1 has it."""
    reader, plain = Bytes(body), body[:10]
    reader.take(10)
    for _ in range(int.from_bytes(body[8:10], "big")):
        fixed, user, rest = reader.take(17), reader.field(), reader.take(57)
        plain += fixed + lp(user) + rest + lp(reader.field(), reader.field())
        assert reader.take(8) == bytes(8)
    return plain + mac(hkdf(token, lp(b"pii-gateway list", b"keyslots", CUSTOMER)), plain)


def closed(path: Path, magic: bytes, body: bytes, operator: bytes, share: bytes) -> None:
    head = magic + b"\0\1" + lp(CUSTOMER)
    part = mac(operator, lp(b"pii-gateway operator part", b"keyslots", CUSTOMER, b"\0\1"))
    key = hkdf(part, lp(b"pii-gateway outer", b"keyslots", CUSTOMER, b"\0\1"), share)
    path.write_bytes(head + b"n" * 12 + AESGCM(key).encrypt(b"n" * 12, body, head))


def customer_token(body: bytes, generation: int = 1, slots: int = 3) -> bytes:
    reader = Bytes(body)
    assert reader.take(10) == generation.to_bytes(8, "big") + slots.to_bytes(2, "big")
    kind, slot_id, user, cost, salt, public = (
        reader.take(1),
        reader.take(16),
        reader.field(),
        reader.take(9),
        reader.take(16),
        reader.take(32),
    )
    private, sealed, _ends = reader.field(), reader.field(), reader.take(8)
    assert (kind, user, len(private), len(sealed)) == (b"\1", b"maria", 60, 80)
    binding = lp(b"pii-gateway keyslot 1", CUSTOMER, kind, slot_id, user, cost, salt, public)
    key = X25519PrivateKey.from_private_bytes(gcm(argon2id(SECRET.encode(), salt, cost), private, binding))
    token = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM).decrypt(sealed, key, binding)
    assert body[-32:] == mac(hkdf(token, lp(b"pii-gateway list", b"keyslots 2", CUSTOMER)), body[:-32])
    return token


def data_keys(body: bytes, token: bytes) -> dict[bytes, bytes]:
    assert body[-32:] == mac(hkdf(token, lp(b"pii-gateway list", b"data-keys", CUSTOMER)), body[:-32])
    reader, keys = Bytes(body), {}
    assert reader.take(8) == (1).to_bytes(8, "big")
    for _ in range(int.from_bytes(reader.take(2), "big")):
        data_class, kind, version, wrapped = reader.field(), reader.field(), reader.take(2), reader.field()
        name = lp(b"pii-gateway data key 1", CUSTOMER, data_class, kind, version)
        assert (data_class, version) == (b"name", b"\0\1")
        keys[kind] = gcm(hkdf(token, name), wrapped, name)
    return keys


def sealed_value(place: bytes, sealed: bytes, key: bytes) -> str:
    mode, version, rest = sealed[:1], sealed[1:3], sealed[3:]
    associated = lp(b"pii-gateway value 1", place, mode, CUSTOMER, b"name", version)
    if mode == b"\2":
        return AESSIV(key).decrypt(rest, [associated]).decode()
    return AESSIV(key).decrypt(rest[16:], [associated, rest[:16]]).decode()


def base32hex(text: str) -> bytes:
    bits = "".join(f"{int(c, 32):05b}" for c in text)
    return int(bits[: len(bits) // 8 * 8], 2).to_bytes(len(bits) // 8, "big")


def test_files_and_values_open_by_the_document_alone(stadtwerke: tuple[CustomerKeys, str], tmp_path: Path) -> None:
    keys, _ = stadtwerke
    listed: KeyList = keys.draw_data_keys({"name"}, keys.open(password("maria", SECRET)))
    seal: Callable[[ToSeal], object] = ClassKeys(keys.customer, "name", listed.keys, keys.open(password("maria", SECRET))).seal
    stored, carried, fresh = (
        seal(ToSeal("name", "Max Mustermann", method, repeat, opaque=True))  # type: ignore[arg-type]
        for method, repeat in (("vault", "same"), ("sealed", "same"), ("sealed", "fresh"))
    )

    operator = operator_key(tmp_path / "certs" / "operator.key", b"Tresor im Keller")
    share = keys.files.share.read_bytes()
    assert (share[:8], len(share)) == (b"GWSHARE\x01", 40)
    token = customer_token(envelope(keys.files.keyslots, b"GWSLOTS\x02", b"keyslots", operator, share[8:]))
    opened = data_keys(envelope(keys.files.data_keys, b"GWDKEYS\x01", b"data-keys", operator, share[8:]), token)

    assert {kind: len(key) for kind, key in opened.items()} == {b"value": 64, b"fingerprint": 32, b"token": 32}
    assert sealed_value(b"vault", stored.sealed, opened[b"value"]) == "Max Mustermann"  # type: ignore[attr-defined]
    for each in (carried, fresh):
        assert sealed_value(b"token", base32hex(each.token[4:]), opened[b"value"]) == "Max Mustermann"  # type: ignore[attr-defined]
    assert stored.fingerprint == mac(opened[b"fingerprint"], b"Max Mustermann")  # type: ignore[attr-defined]
    raw = int(stored.token[4:], 36).to_bytes(23, "big")  # type: ignore[attr-defined]
    assert raw == raw[:13] + mac(opened[b"token"], lp(b"pii-gateway opaque token", CUSTOMER, b"name") + raw[:13])[:10]
    assert raw[:1] == b"\1"


def test_a_list_of_format_1_as_documented_still_opens(stadtwerke: tuple[CustomerKeys, str], tmp_path: Path) -> None:
    keys, code = stadtwerke
    operator, share = operator_key(tmp_path / "certs" / "operator.key", b"Tresor im Keller"), keys.files.share.read_bytes()[8:]
    body = envelope(keys.files.keyslots, b"GWSLOTS\x02", b"keyslots", operator, share)
    token = customer_token(body)
    closed(keys.files.keyslots, b"GWSLOTS\x01", without_ends(body, token), operator, share)
    assert keys.open(password("maria", SECRET)) == keys.open(recovery(code)) == token


def test_an_old_password_beside_the_new_one_as_documented(stadtwerke: tuple[CustomerKeys, str], tmp_path: Path) -> None:
    keys, _ = stadtwerke
    then = replace(keys, clock=lambda: 1_790_000_000.9)
    then.set_password("maria", "Lauch, Möhre, Kohl", authorised_by=password("maria", SECRET), overlap=60)
    operator, share = operator_key(tmp_path / "certs" / "operator.key", b"Tresor im Keller"), keys.files.share.read_bytes()[8:]
    body = envelope(keys.files.keyslots, b"GWSLOTS\x02", b"keyslots", operator, share)
    reader, seen = Bytes(body), []
    assert reader.take(10) == (2).to_bytes(8, "big") + b"\0\4"
    for _ in range(4):
        kind, _, user, cost_and_salt, _ = reader.take(1), reader.take(16), reader.field(), reader.take(25), reader.take(32)
        _, _, ends = reader.field(), reader.field(), int.from_bytes(reader.take(8), "big")
        seen.append((kind, user, ends, cost_and_salt))
    assert [each[:3] for each in seen] == [
        (b"\1", b"import_job", 0), (b"\2", b"", 0), (b"\1", b"maria", 1_790_000_060), (b"\1", b"maria", 0)
    ]  # fmt: skip
    assert seen[2][3] == seen[3][3]


def test_the_tombstone_is_as_documented(stadtwerke: tuple[CustomerKeys, str], tmp_path: Path) -> None:
    keys, _ = stadtwerke
    keys.shred()
    content = keys.files.tombstone.read_bytes()
    operator = operator_key(tmp_path / "certs" / "operator.key", b"Tresor im Keller")
    assert content[:-40] == b"GWTOMBS\x01\0\1" + lp(CUSTOMER)
    assert content[-32:] == mac(mac(operator, lp(b"pii-gateway operator part", b"tombstone", CUSTOMER, b"\0\1")), content[:-32])
