"""Host and server name: ours, and the same; in every spelling that some server somewhere reads as another (T-M5, T-M6)."""

import pytest

HOSTS = {
    b"localhost": 200,
    b"LOCALHOST": 200,
    b"localhost:8443": 200,
    b"localhost:99999": 400,
    b"localhost.": 421,
    b"localhost.:443": 421,
    b"evil.example": 421,
    b"localhost.evil.example": 421,
    b"*": 400,
    b"*.localhost": 400,
    b"127.0.0.1": 421,  # ours, but not the name of this handshake
    b"[::1]": 421,
    b"[::1": 400,
    b"xn--localhost-": 400,
    b"xn--lcalhost-54a": 421,
    "lоcalhost".encode(): 400,  # a Cyrillic letter
    b"localhost,evil.example": 400,
    b"localhost evil.example": 400,
    b"user@localhost": 400,
    b"localhost/": 400,
    b"localhost:": 400,
    b"localhost:0x50": 400,
    b"http://localhost": 400,
    b"": 400,
    b"localhost\t": 200,
    b"local%68ost": 400,
    b"2130706433": 421,
    b"0x7f.1": 421,
}


@pytest.mark.trap("T-M5", "A Host that is not ours is 421, one that can be read in two ways is 400, in every spelling.")
@pytest.mark.parametrize("host", HOSTS, ids=repr)
def test_hosts(attacker, suite, host):
    line = attacker.connect()
    line.send(attacker.head(host=host))
    assert line.reply().status == HOSTS[host]
    assert len(suite.seen) == (HOSTS[host] == 200)


@pytest.mark.trap("T-M5", "Two Hosts are 400, also when they are the same.")
@pytest.mark.parametrize("extra", [b"Host: localhost", b"Host: evil.example", b"host: localhost", b"HOST:"])
def test_two_hosts(attacker, suite, extra):
    assert attacker.ask(attacker.head(b"GET /orders HTTP/1.1", extra)).status == 400
    assert suite.seen == []


@pytest.mark.trap("H-03", "Without a Host a request is 400, also in HTTP/1.0.")
@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
def test_h03_no_host(attacker, suite, version):
    assert attacker.ask(attacker.head(b"GET /orders " + version, host=None)).status == 400
    assert suite.seen == []


NAMES = {
    ("localhost", b"localhost"): 200,
    ("LocalHost", b"localhost"): 200,
    (None, b"localhost"): 200,
    (None, b"127.0.0.1"): 200,
    (None, b"evil.example"): 421,
    ("evil.example", b"localhost"): 421,
    ("evil.example", b"evil.example"): 421,
    ("localhost.evil.example", b"localhost"): 421,
    ("stadtwerke_musterstadt", b"localhost"): 421,
    ("energie-nord.localhost", b"localhost"): 421,
}


@pytest.mark.trap("T-M5", "A server name that is not the Host's is 421.")
@pytest.mark.parametrize("named", NAMES, ids=repr)
def test_server_names(attacker, suite, named):
    name, host = named
    line = attacker.connect(name=name)
    line.send(attacker.head(host=host))
    assert line.reply().status == NAMES[named]


@pytest.mark.trap("T-M6", "No server name chooses a customer: the certificate does.")
def test_a_server_name_never_chooses_the_customer(attacker, suite, environment, ours):
    """Whatever is named, the certificate decides: the passwords of another customer open nothing."""
    for name in ("localhost", ours, None):
        line = attacker.connect(name=name)
        line.send(attacker.head(customer=ours, user="maria"))
        assert line.reply().status in (401, 421, 429)
    assert suite.seen == []


@pytest.mark.trap("C-04", "The name of the handshake is compared with the Host of every request.")
def test_the_host_is_judged_again_on_a_connection_that_lives(attacker, suite):
    line = attacker.connect()
    statuses = []
    for host in (b"localhost", b"evil.example", b"localhost"):
        line.send(attacker.head(host=host))
        statuses.append(line.reply().status)
    assert statuses == [200, 421, 200]
