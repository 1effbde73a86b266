"""Signing requests with every wish that a customer, or somebody who poses as one, could write into them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.ca.pki import name


def request(
    *extensions: x509.ExtensionType,
    key: Any = None,
    subject: str | x509.Name = "import",
    algorithm: Any = hashes.SHA256(),
    critical: bool = False,
    encoding: Encoding = Encoding.PEM,
) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(name(subject) if isinstance(subject, str) else subject)
    for extension in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(key or ec.generate_private_key(ec.SECP256R1()), algorithm).public_bytes(encoding)


def der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    length = len(content)
    size = bytes([length]) if length < 128 else bytes([0x82]) + length.to_bytes(2, "big") if length > 255 else bytes([0x81, length])
    return bytes([tag]) + size + content


def handmade(*attributes: bytes, key: Any = None, algorithm: Any = hashes.SHA256()) -> bytes:
    """What no builder makes: any attributes, a weak hash, or (``key``: a public one) a key that the signature is not by."""
    signer = ec.generate_private_key(ec.SECP256R1())
    spki = (key or signer.public_key()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    asked = der(0x30, b"\x02\x01\x00", name("import").public_bytes(), spki, der(0xA0, *attributes))
    oid = bytes.fromhex("2a8648ce3d0401" if algorithm.name == "sha1" else "2a8648ce3d040302")
    signature = signer.sign(asked, ec.ECDSA(algorithm))
    return der(0x30, asked, der(0x30, der(0x06, oid)), der(0x03, b"\x00", signature))


def extensions_asked(*extensions: bytes) -> bytes:
    """An attribute that asks for extensions, which are given as DER."""
    return der(0x30, bytes.fromhex("06092a864886f70d01090e"), der(0x31, der(0x30, *extensions)))


def basic_constraints(ca: bool) -> bytes:
    value = der(0x30, b"\x01\x01\xff") if ca else der(0x30)
    return der(0x30, bytes.fromhex("0603551d13"), der(0x04, value))


def write(folder: Path, content: bytes) -> Path:
    file = folder / "request.csr"
    file.write_bytes(content)
    return file
