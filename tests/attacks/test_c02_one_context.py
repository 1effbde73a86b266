"""No server name chooses weaker options: mode, bounds and protocols are one context's, and so are those of a reload."""

import ssl

import pytest
from OpenSSL import SSL

NAMES = [b"localhost", b"LOCALHOST", b"127.0.0.1", b"evil.example", b"a.localhost", b"*.localhost", b"energie_nord", None]


@pytest.mark.trap("C-02", "Without a certificate every server name gets 403 or 421, in TLS 1.2 and 1.3, and nothing reaches the suite.")
@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION], ids=["1.2", "1.3"])
@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_c02_no_certificate_under_any_name(attacker, suite, opened, name, version):
    line = attacker.line(opened(name, version=version, customer=None))
    line.send(attacker.head())
    assert line.reply().status in (403, 421)
    assert suite.seen == []


@pytest.mark.trap("C-02", "TLS 1.0 and 1.1 are refused under every server name.")
@pytest.mark.parametrize("version", [SSL.TLS1_VERSION, SSL.TLS1_1_VERSION], ids=["1.0", "1.1"])
@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_c02_old_versions_under_any_name(opened, name, version):
    assert opened(name, version=version, refused=True, scruples=False) is None


@pytest.mark.trap("C-02", "The same suites, key exchange and protocol are agreed on under every server name.")
@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION], ids=["1.2", "1.3"])
def test_c02_one_choice(opened, version):
    agreed = set()
    for name in NAMES:
        connection = opened(name, version=version, protocols=[b"h2", b"http/1.1"])
        agreed.add((connection.get_cipher_name(), connection.get_protocol_version_name(), connection.get_alpn_proto_negotiated()))
    assert len(agreed) == 1
    assert all(alpn == b"http/1.1" for _, _, alpn in agreed)


WEAK = ["AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA256", "DHE-RSA-AES128-GCM-SHA256", "NULL-SHA256", "aNULL"]


@pytest.mark.trap("C-02", "Suites without forward secrecy or authenticated encryption are refused.")
@pytest.mark.parametrize("suites", WEAK)
def test_c02_weak_suites(attacker, suites):
    context = attacker.context(version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(f"{suites}:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        attacker.connect(context=context)
