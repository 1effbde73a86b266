"""The server's certificate as clients will judge it: each thing that is wrong is one sentence, and nothing else is said."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.ca.server import create_server_certificate
from gateway.ca.server_chain import covers, ends, faults, read_chain
from gateway.errors import ConfigurationError
from tests.ca.pki import DAY, NOW, Pki, make_pki

HOSTS = ["gateway.example", "192.0.2.7"]
NAMES = [x509.DNSName("gateway.example"), x509.IPAddress(ipaddress.ip_address("192.0.2.7"))]
SERVER = (ExtendedKeyUsageOID.SERVER_AUTH,)

Chain = Callable[[Pki], list[x509.Certificate]]


def server(signer: Pki, **changes: object) -> x509.Certificate:
    return signer.sign(**{"names": NAMES, "usages": SERVER, **changes})  # type: ignore[arg-type]


def found(chain: list[x509.Certificate]) -> list[str]:
    return list(faults(tuple(chain), HOSTS, NOW.timestamp()))


GOOD: dict[str, Chain] = {
    "leaf alone": lambda root: [server(root)],
    "leaf and root": lambda root: [server(root), root.certificate],
    "intermediate": lambda root: [server(between := root.intermediate("between")), between.certificate, root.certificate],
    "any purpose": lambda root: [server(root, usages=None)],
    "no constraints": lambda root: [server(root, constraints=False)],
}


@pytest.mark.parametrize("chain", GOOD.values(), ids=GOOD)
def test_nothing_to_say(chain: Chain) -> None:
    assert found(chain(make_pki())) == []


BAD: dict[str, tuple[Chain, str]] = {
    "expired": (lambda root: [server(root, begin=NOW - 9 * DAY, end=NOW - DAY)], "certificate 1 of the chain has expired"),
    "from the future": (lambda root: [server(root, begin=NOW + DAY, end=NOW + 2 * DAY)], "certificate 1 of the chain is from the future"),
    "an authority's": (lambda root: [server(root, ca=True)], "it is an authority's"),
    "for clients": (lambda root: [server(root, usages=(ExtendedKeyUsageOID.CLIENT_AUTH,))], "it is not for servers"),
    "other name": (lambda root: [server(root, names=[x509.DNSName("other.example"), NAMES[1]])], "it does not name gateway.example"),
    "address as a name": (
        lambda root: [server(root, names=[NAMES[0], x509.DNSName("192.0.2.7")])],
        "it does not name 192.0.2.7",
    ),
    "no names": (lambda root: [server(root, names=())], "it does not name gateway.example, 192.0.2.7"),
    "root first": (lambda root: [server(root), make_pki("another").certificate], "certificate 2 of the chain did not issue certificate 1"),
    "wrong order": (
        lambda root: [server(between := root.intermediate("between")), root.certificate, between.certificate],
        "certificate 2 of the chain did not issue certificate 1",
    ),
    "same name, other key": (lambda root: [server(root), make_pki().certificate], "certificate 2 of the chain did not issue certificate 1"),
}


@pytest.mark.parametrize(("chain", "fault"), BAD.values(), ids=BAD)
def test_what_clients_would_refuse(chain: Chain, fault: str) -> None:
    assert [said for said in found(chain(make_pki())) if fault in said]


@pytest.mark.parametrize(
    ("name", "hostname", "answer"),
    [
        ("gateway.example", "Gateway.Example", True),
        ("*.example", "gateway.example", True),
        ("*.example", "a.gateway.example", False),
        ("*.gateway.example", "gateway.example", False),
        ("g*.example", "gateway.example", False),
        ("example", "gateway.example", False),
    ],
)
def test_names_as_clients_compare_them(name: str, hostname: str, answer: bool) -> None:
    assert covers(make_pki().sign(names=[x509.DNSName(name)]), hostname) is answer


def test_the_first_end_counts(tmp_path: Path) -> None:
    root = make_pki()
    between = root.intermediate("between")
    chain = (server(between, end=NOW + 5 * DAY), between.certificate, root.certificate)
    assert ends(chain) == (NOW + 2 * DAY).timestamp()
    (tmp_path / "server.pem").write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in chain))
    assert read_chain(tmp_path / "server.pem") == chain


def test_our_own_has_no_fault(tmp_path: Path) -> None:
    files = create_server_certificate(tmp_path, HOSTS)
    assert list(faults(read_chain(files.certificate), HOSTS, NOW.timestamp() + 1)) == []


@pytest.mark.parametrize("content", [None, b"", b"none", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_file_that_holds_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "server.pem").write_bytes(content)
    with pytest.raises(ConfigurationError):
        read_chain(tmp_path / "server.pem")
