"""The group is read from real hellos: of the interpreter's OpenSSL, and of the newer one that ``cryptography`` carries."""

import ssl

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from gateway.ca.server import create_server_certificate
from gateway.runtime.key_exchange import GROUPS, HYBRID, agreed, group_in


@pytest.fixture
def context(tmp_path):
    files = create_server_certificate(tmp_path, ["gateway.example"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.private_key)
    return context


def test_it_is_agreed_with_this_openssl(context):
    version, group = agreed(context)
    assert version == "TLSv1.3"
    assert group in GROUPS
    assert (group in HYBRID) <= (ssl.OPENSSL_VERSION_INFO >= (3, 5))


@pytest.mark.parametrize(("curve", "group"), [("prime256v1", 23), ("secp384r1", 24)])
def test_a_server_that_wants_another_group_than_the_client_offers_first(context, curve, group):
    """A HelloRetryRequest comes first, with a group of its own; the last hello counts."""
    context.set_ecdh_curve(curve)
    assert agreed(context) == ("TLSv1.3", group)


def test_before_tls_1_3_there_is_no_key_share(context):
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert agreed(context) == ("TLSv1.2", None)


def test_no_handshake_is_an_error(context):
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")  # with a key that is none of RSA's
    with pytest.raises(ssl.SSLError):
        agreed(context)


def test_a_hybrid_group_is_recognised_in_a_real_hello(tmp_path):
    """``cryptography``'s OpenSSL offers one by itself, so that the look for it is not tried on invented bytes only."""
    files = create_server_certificate(tmp_path, ["gateway.example"])
    server = SSL.Context(SSL.TLS_SERVER_METHOD)
    server.use_certificate_chain_file(str(files.certificate))
    server.use_privatekey(serialization.load_pem_private_key(files.private_key.read_bytes(), None))
    ours, theirs = SSL.Connection(server), SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD))
    ours.set_accept_state()
    theirs.set_connect_state()
    with pytest.raises(SSL.WantReadError):
        theirs.do_handshake()
    ours.bio_write(theirs.bio_read(65536))
    with pytest.raises(SSL.WantReadError):
        ours.do_handshake()
    assert GROUPS[group_in(ours.bio_read(65536))] == "X25519MLKEM768"


@given(st.binary(max_size=200))
def test_what_is_no_hello_is_none_or_a_number(said):
    """Never an endless loop. The bytes come from our own OpenSSL, so that cut ones may raise, but only what cut bytes raise."""
    try:
        assert group_in(said) is None or isinstance(group_in(said), int)
    except IndexError:
        assert said
