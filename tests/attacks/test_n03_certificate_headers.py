"""``Client-Cert`` (RFC 9440): said by us on request, and never by anybody else, to us or to the suite."""

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.demo.story import OTHER, OURS
from tests.attacks.conftest import customer_policy
from tests.attacks.forged import headers_of, says_only_ours, squeezed, values

CERTIFICATE_HEADERS = """
    Client-Cert Client-Cert-Chain client_cert CLIENT-CERT Client.Cert X-Client-Cert X-Forwarded-Client-Cert X-Forwarded-Tls-Client-Cert
    X-SSL-Client-Cert X-SSL-Client-Verify SSL-Client-Cert SSL-Client-Verify X-ARR-ClientCert X-Amzn-Mtls-Clientcert
    Cf-Client-Cert-Der-Base64 Cf-Cert-Verified Cf-Cert-Presented X-Client-Cert-Chain-Verified
""".split()  # noqa: SIM905  (one line each would be a page of quotes)


def der_of(environment, customer):
    return x509.load_pem_x509_certificate(environment.customers[customer].certificate.read_bytes()).public_bytes(Encoding.DER)


@pytest.fixture
def told(environment, attacker, suite, eventually):
    """While the suite of this customer is told the certificate."""
    policy = customer_policy(environment, OTHER)
    text = policy.read_text()

    def is_told():
        assert attacker.ask(attacker.head()).status == 200
        return values(suite.seen[-1], b"Client-Cert") != []

    policy.write_text(text.replace("authorization: drop", "authorization: drop, client_cert: true"))
    eventually(is_told)
    suite.reset()
    yield
    policy.write_text(text)
    eventually(lambda: not is_told())


def certificates_in(request):
    return [(name, value) for name, value in headers_of(request) if b"cert" in squeezed(name)]


@pytest.mark.trap("N-03", "A certificate in a header lets nobody in: without one in the handshake the answer is 403.")
@pytest.mark.parametrize("value", ["der", "SUCCESS", "true", "1"])
def test_n03_a_header_is_no_certificate(attacker, suite, environment, value):
    given = f":{base64.b64encode(der_of(environment, OTHER)).decode()}:" if value == "der" else value
    line = attacker.connect(context=attacker.context(certificate=False))
    line.send(attacker.head(b"GET /orders HTTP/1.1", *(f"{name}: {given}".encode() for name in CERTIFICATE_HEADERS)))
    assert line.reply().status == 403
    assert suite.seen == []


@pytest.mark.trap("N-03", "Another customer's certificate in a header changes neither who it is nor what the suite is told.")
def test_n03_anothers_certificate_in_a_header(attacker, suite, environment):
    theirs = base64.b64encode(der_of(environment, OURS))
    assert (
        attacker.ask(
            attacker.head(b"GET /orders HTTP/1.1", *(f"{name}: :".encode() + theirs + b":" for name in CERTIFICATE_HEADERS))
        ).status
        == 200
    )
    [request] = suite.seen
    says_only_ours(request)
    assert certificates_in(request) == [] and theirs not in request


@pytest.mark.trap("N-03", "On request the suite is told the certificate of the handshake, once, and no copy of a client's.")
def test_n03_the_suite_is_told_the_certificate_of_the_handshake(attacker, suite, environment, told):
    forged = [f"{name}: :Zm9yZ2Vk:".encode() for name in CERTIFICATE_HEADERS]
    named = b"Connection: client-cert, Client-Cert-Chain"
    for request in (attacker.head(b"GET /orders HTTP/1.1", *forged, named), attacker.post({}, named, *forged), attacker.head()):
        assert attacker.ask(request).status == 200
        expected = b":" + base64.b64encode(der_of(environment, OTHER)) + b":"
        assert certificates_in(suite.seen[-1]) == [(b"Client-Cert", expected)]
        says_only_ours(suite.seen[-1])
