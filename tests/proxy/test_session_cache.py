"""OpenSSL's cache of sessions is off, as its own counters and a client that would like to resume see it."""

import ssl
import sys
from types import ModuleType

import pytest

from gateway.proxy.session_cache import switch_off
from gateway.proxy.tls import server_context


def shake_hands(server, client, session=None):
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = server.wrap_bio(to_server, to_client, server_side=True)
    other = client.wrap_bio(to_client, to_server, server_hostname="localhost", session=session)
    left = [other, one]
    while left:
        for end in list(left):
            try:
                end.do_handshake()
                left.remove(end)
            except ssl.SSLWantReadError:
                pass
    with pytest.raises(ssl.SSLWantReadError):
        other.unwrap()
    one.unwrap()  # both have said goodbye: a session that was cut is never kept
    return other


@pytest.fixture
def parties(new_authority):
    own, customer = new_authority("gateway"), new_authority("customer")
    issued = own.issue("server", names=["localhost"], server=True)
    client = own.client_context(customer.issue("import"), ssl.TLSVersion.TLSv1_2)
    return server_context(issued.certificate, issued.key, customer.pem), client


def test_c01_no_session_is_kept_and_none_is_resumed(parties):
    server, client = parties
    first = shake_hands(server, client)
    again = shake_hands(server, client, session=first.session)
    assert not again.session_reused
    assert server.session_stats()["number"] == server.session_stats()["hits"] == 0


def test_without_it_they_are(parties, monkeypatch, new_authority):
    """The day that Python or OpenSSL keeps none by itself, this module can go."""
    monkeypatch.setattr("gateway.proxy.tls.switch_off", lambda context: True)
    own = new_authority("other")
    issued = own.issue("server", names=["localhost"], server=True)
    server, client = server_context(issued.certificate, issued.key, ""), own.client_context(None, ssl.TLSVersion.TLSv1_2)
    first = shake_hands(server, client)
    assert shake_hands(server, client, session=first.session).session_reused


@pytest.mark.parametrize("hidden", [ModuleType("_ssl"), None])
def test_a_python_that_hides_its_openssl_is_left_alone(monkeypatch, hidden):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if hidden is None:
        monkeypatch.delitem(sys.modules, "_ssl")
    else:
        monkeypatch.setitem(sys.modules, "_ssl", hidden)
    assert not switch_off(context)
