"""What is shown to a stranger before it has shown anything: one flight, the same for everybody, without a customer in it."""

import pytest
from cryptography import x509
from OpenSSL import SSL

from gateway.demo.story import OTHER, OURS
from tests.attacks.plain_tls import CERTIFICATE, CERTIFICATE_REQUEST, SERVER_HELLO, Stranger

NAMES = [
    b"localhost", b"LOCALHOST", b"LocalHost", b"127.0.0.1", b"sub.localhost", b"*.localhost", b"evil.example",
    b"stadtwerke_musterstadt", b"stadtwerke_musterstadt.localhost", b"energie_nord.localhost", b"xn--lcalhost-54a",
    b"localhost.evil.example", b"a" * 63 + b".localhost",
    None,
]  # fmt: skip
KINDS = [SERVER_HELLO, CERTIFICATE, 12, CERTIFICATE_REQUEST, 14]


def authority_names(request):
    """RFC 5246 section 7.4.4: types, signature algorithms, and then the list of names."""
    types = request[0]
    algorithms = int.from_bytes(request[1 + types : 3 + types])
    at = 3 + types + algorithms
    return request[at + 2 : at + 2 + int.from_bytes(request[at : at + 2])]


@pytest.mark.trap(
    "C-11", "The request for a certificate names no authority, whatever server name is asked for, in TLS 1.2 as read from the wire."
)
@pytest.mark.trap("C-02", "Every client is asked for a certificate: whatever server name it sends, and when it sends none.")
@pytest.mark.trap("T-M6", "Every spelling of a server name gets the same certificate, the same request for one, and the same parameters.")
@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_one_flight_for_everybody(environment, name):
    first, other = Stranger(environment), Stranger(environment, name)
    flights = [first.flight(), other.flight()]
    for flight in flights:
        assert [kind for kind, _ in flight] == KINDS
        bodies = dict(flight)
        assert authority_names(bodies[CERTIFICATE_REQUEST]) == b""
        for customer in (OURS, OTHER):
            assert not any(customer.encode() in body for body in bodies.values())
    chosen = [(dict(flight)[CERTIFICATE], dict(flight)[CERTIFICATE_REQUEST], dict(flight)[SERVER_HELLO][:2]) for flight in flights]
    assert chosen[0] == chosen[1]
    first.close()
    other.close()


@pytest.mark.trap("C-11", "No client is told the name of an authority, in TLS 1.2 and 1.3 as OpenSSL's own client reads it.")
@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION], ids=["1.2", "1.3"])
@pytest.mark.parametrize("name", [b"localhost", b"stadtwerke_musterstadt", None], ids=repr)
def test_openssl_is_told_no_authority(attacker, opened, version, name):
    connection = opened(name, version=version)
    assert connection.get_client_ca_list() == []


@pytest.mark.trap("C-11", "An authority's subject holds random digits and no customer's name.")
def test_authorities_are_called_by_random_names(environment):
    for customer in (OURS, OTHER):
        subject = x509.load_pem_x509_certificate((environment.config.authority_dir(customer) / "ca.pem").read_bytes()).subject
        assert customer not in subject.rfc4514_string() and customer.replace("_", " ") not in subject.rfc4514_string().lower()
