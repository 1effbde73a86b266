"""Certificates that crash or delay whoever verifies them, sent before anybody is known: refused, and everybody else is served.

Bounded are sizes: of a chain by OpenSSL (100 kB), of a leaf by us (16 kB), of a key (8192 bits). What is sent here needs no private key:
TLS 1.2 shows a certificate before its proof, and so does an attacker.
"""

import functools

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding

from tests.attacks.forger import Forger, show
from tests.attacks.plain_tls import CERTIFICATE, HANDSHAKE, Stranger, certificates, claimed_proof, key_exchange, record
from tests.ca.pki import Pki, make_pki

MERSENNE = [2**4253 - 1, 2**4423 - 1, 2**9689 - 1]  # primes of these sizes take minutes to find; these are known since 1961 to 1963


def huge(bits_of, exponent=65537):
    """The public half of an RSA key with a modulus of about that many bits."""
    return rsa.RSAPublicNumbers(exponent, functools.reduce(lambda a, b: a * b, bits_of)).public_key()


def der(certificate):
    return certificate.public_bytes(Encoding.DER)


def many_names(count):
    return [x509.DNSName(f"h{number}.example") for number in range(count)]


def constrained(count):
    return [(x509.NameConstraints([x509.DNSName(f"c{number}.example") for number in range(count)], None), True)]


def tower(height, **changes):
    """A chain of that many intermediates that nobody trusts, leaf first."""
    pki, chain = make_pki("Tower"), []
    for level in range(height):
        key = ec.generate_private_key(ec.SECP256R1())
        lower = Pki(pki.sign(key=key, ca=True, usages=None, subject=f"Level {level}", **changes), key)
        chain.insert(0, pki.certificate)
        pki = lower
    return [der(pki.sign(subject="import", names=many_names(900))), der(pki.certificate), *map(der, chain)]


def circle():
    """Two authorities that certify each other, and no end."""
    one, two = make_pki("One"), make_pki("Two")
    below = one.sign(subject="import")
    return [der(below), der(two.sign(key=one.key, ca=True, usages=None, subject="One")), der(one.sign(key=two.key, ca=True, subject="Two"))]


def unknown_key(forger):
    """A key of a kind that nobody knows, in an otherwise good certificate: the identifier of P-256's algorithm changed in place."""
    good = der(forger.sign()[0])
    kind = bytes.fromhex("06072a8648ce3d0201")
    assert kind in good
    return [good.replace(kind, bytes.fromhex("06072a8648ce3d0263"))]


#: Signed by the customer's authority, with its name, and in its ledger: only key, size or shape speak against them.
SIGNED = {
    "DSA": lambda forger: [der(forger.sign(key=dsa.generate_private_key(1024))[0])],
    "RSA of 1024 bits": lambda forger: [der(forger.sign(key=rsa.generate_private_key(65537, 1024))[0])],
    "RSA of 8676 bits": lambda forger: [der(forger.sign(key=huge(MERSENNE[:2]))[0])],
    "RSA of 14112 bits": lambda forger: [der(forger.sign(key=huge(MERSENNE[1:]))[0])],
    "RSA of 32000 bits": lambda forger: [der(forger.sign(key=rsa.RSAPublicNumbers(65537, 2**32000 - 1).public_key())[0])],
    "RSA with a long exponent": lambda forger: [der(forger.sign(key=huge([2**1279 - 1, 2**1277 + 1], 2**2047 + 1))[0])],
    "RSA with exponent 3": lambda forger: [der(forger.sign(key=huge(MERSENNE[:2], 3))[0])],
    "X25519": lambda forger: [der(forger.sign(key=x25519.X25519PrivateKey.generate())[0])],
    "Ed25519": lambda forger: [der(forger.sign(key=ed25519.Ed25519PrivateKey.generate())[0])],
    "Ed448": lambda forger: [der(forger.sign(key=ed448.Ed448PrivateKey.generate())[0])],
    "secp256k1": lambda forger: [der(forger.sign(key=ec.generate_private_key(ec.SECP256K1()))[0])],
    "an unknown kind of key": unknown_key,
    "3,000 names": lambda forger: [der(forger.sign(names=many_names(3000))[0])],
    "an extension of 60 kB": lambda forger: [
        der(forger.sign(extra=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes(60_000)), False)])[0])
    ],
}
#: Of strangers.
UNKNOWN = {
    "nothing": lambda: [b""],
    "no certificate": lambda: [b"\x30\x03\x02\x01\x05"],
    "noise": lambda: [bytes(range(256)) * 40],
    "lengths without end": lambda: [b"\x30\x84\xff\xff\xff\xff" + bytes(1000)],
    "10,000 nested sequences": lambda: [b"\x30\x80" * 10_000],
    "indefinite lengths": lambda: [b"\x30\x80" + bytes(2000)],
    "40 intermediates": lambda: tower(40),
    "90 intermediates": lambda: tower(90),
    "constraints times names": lambda: tower(2, extra=constrained(900)),
    "a circle": circle,
    "one certificate 100 times": lambda: [der(make_pki().certificate)] * 100,
    "an end in the middle": lambda: [der(make_pki().certificate)[:200], der(make_pki().certificate)],
}


@pytest.fixture(scope="module")
def forger(environment, tmp_path_factory):
    return Forger(environment, tmp_path_factory.mktemp("costly"))


def still_serves(attacker):
    reply = attacker.ask(attacker.head())
    return reply.status == 200


def sent(environment, chain):
    """The chain, a valid key exchange, and a proof that is none."""
    stranger = Stranger(environment)
    assert [kind for kind, _ in stranger.flight()][1] == CERTIFICATE
    for message in (certificates(*chain), key_exchange(), claimed_proof()):
        stranger.send(record(HANDSHAKE, message))
    refused = stranger.is_refused()
    stranger.close()
    return refused


@pytest.mark.trap(
    "T-M12",
    "Keys that are huge, weak or of unknown kinds, and leaves beyond 16 kB, are refused, though the customer's authority signed them.",
)
@pytest.mark.parametrize("case", SIGNED)
def test_tm12_signed_by_the_customers_authority(attacker, suite, environment, forger, case):
    chain = SIGNED[case](forger)
    for authorities in ([], [der(forger.authority.certificate)]):
        assert sent(environment, chain + authorities)
    assert still_serves(attacker)
    assert len(suite.seen) == 1


@pytest.mark.trap("T-M12", "Chains that nobody trusts are refused: garbage, towers, circles, and constraints times names.")
@pytest.mark.parametrize("case", UNKNOWN)
def test_tm12_of_strangers(attacker, suite, environment, case):
    assert sent(environment, UNKNOWN[case]())
    assert still_serves(attacker)
    assert len(suite.seen) == 1


@pytest.mark.trap("T-M12", "A certificate message of more than 100 kB is refused at its head: what it announces is never waited for.")
@pytest.mark.parametrize("announced", [150_000, 2**24 - 1])
def test_tm12_a_message_beyond_the_limit(attacker, suite, environment, announced):
    stranger = Stranger(environment)
    stranger.flight()
    stranger.send(record(HANDSHAKE, bytes([CERTIFICATE]) + announced.to_bytes(3) + bytes(200)))
    assert stranger.is_refused()
    stranger.close()
    assert still_serves(attacker)


@pytest.mark.trap(
    "T-M12", "Whoever holds the private key of such a certificate gets 403 or no handshake, on every request of a connection."
)
@pytest.mark.parametrize("case", ["RSA of 8676 bits", "3,000 names", "Ed448", "secp256k1"])
def test_tm12_with_the_private_key(attacker, suite, environment, forger, case, eventually):
    p, q = MERSENNE[:2]
    e, phi = 65537, (p - 1) * (q - 1)
    d = pow(e, -1, phi)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(e, p * q))
    made = {
        "RSA of 8676 bits": lambda: forger.sign(key=numbers.private_key(unsafe_skip_rsa_key_validation=True)),
        "3,000 names": lambda: forger.sign(names=many_names(3000)),
        "Ed448": lambda: forger.sign(key=ed448.Ed448PrivateKey.generate()),
        "secp256k1": lambda: forger.sign(key=ec.generate_private_key(ec.SECP256K1())),
    }
    expected = (200,) if case == "Ed448" else (403, None)
    file = forger.files(*made[case](), forger.authority.certificate)
    after = forger.files(*forger.sign(), forger.authority.certificate)
    eventually(lambda: show(attacker, after) == 200)
    suite.reset()
    assert show(attacker, file) in expected
    assert len(suite.seen) == (case == "Ed448")
