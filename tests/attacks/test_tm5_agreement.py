"""Server name and Host, each in every spelling, agree or the answer is 421; both are judged per request."""

import itertools
from types import SimpleNamespace

import pytest

from gateway.errors import Refused
from gateway.proxy.access import check_host

#: Bytes of a server name → the host name it means here, None where it is none of ours.
SERVER_NAMES = {
    None: "any",
    b"localhost": "localhost",
    b"LOCALHOST": "localhost",
    b"LocalHost": "localhost",
    b"localhost.": None,
    b"127.0.0.1": "127.0.0.1",  # RFC 6066 forbids it, some clients send it
    b"evil.example": None,
    b"*.localhost": None,
    b"a.localhost": None,
    b"xn--lcalhost-54a": None,
    b"energie_nord": None,
}
HOSTS = {
    b"localhost": "localhost",
    b"LocalHost:8443": "localhost",
    b"127.0.0.1": "127.0.0.1",
    b"127.0.0.1:1": "127.0.0.1",
    b"localhost.": None,
    b"evil.example": None,
    b"*.localhost": 400,
    b"a.localhost": None,
    b"xn--lcalhost-54a": None,
    b"[::1]": None,
    b"energie_nord": 400,
}


def expected(name, host):
    meant, asked = SERVER_NAMES[name], HOSTS[host]
    if asked == 400:
        return 400
    return 200 if asked is not None and meant in ("any", asked) else 421


@pytest.mark.trap("T-M5", "Of all pairs of server name and Host only those of one name of ours are let in; the others are 421 or 400.")
@pytest.mark.parametrize("name", SERVER_NAMES, ids=repr)
def test_tm5_every_pair(attacker, suite, opened, name):
    line = attacker.line(opened(name))
    let_in = 0
    for host in (host for host, asked in HOSTS.items() if asked != 400):
        line.send(attacker.head(host=host))
        assert line.reply().status == expected(name, host), host
        let_in += expected(name, host) == 200
    assert len(suite.seen) == let_in
    line.send(attacker.head(host=b"*.localhost"))
    assert line.reply().status == 400  # and the connection ends


@pytest.mark.trap("T-M5", "A server name that is empty, has other bytes than a name, or is 255 bytes long lets nobody in.")
@pytest.mark.parametrize(
    "name", [b"localhost\r\nX: y", b"\xff\xfe", b"localhost:8443", b"localhost,evil.example", b"a" * 255, b"\x1b[2J", b'"'], ids=repr
)
def test_tm5_server_names_that_are_none(attacker, suite, opened, name):
    connection = opened(name, refused=True)
    if connection is not None:
        line = attacker.line(connection)
        line.send(attacker.head())
        reply = line.reply()
        assert reply is None or reply.status == 421
    assert suite.seen == []


@pytest.mark.trap("T-M7", "With 150 host names and their case variants the verdict is that of one name compared whole.")
def test_tm7_many_hosts():
    names = [f"h{number}.gateway.example" for number in range(150)]
    snapshot = SimpleNamespace(hostnames=frozenset(names))
    for name, other in itertools.pairwise([*names, names[0]]):
        for spelled in (name, name.upper(), name.title(), f"{name.swapcase()}:8443"):
            check_host(snapshot, spelled, name.title())
            check_host(snapshot, spelled, None)
        for host, server_name in (
            (other, name),
            (name, other),
            (name + ".", name),
            (name, name + "."),
            (name[1:], None),
            ("x" + name, None),
        ):
            with pytest.raises(Refused, match="host-foreign"):
                check_host(snapshot, host, server_name)


@pytest.mark.trap(
    "T-M7", "Percent-encoded letters of a declared path are that path, in either case of the digits; other letters are another path."
)
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/orders", 200),
        ("/%6frders", 200),
        ("/%6Frders", 200),
        ("/%6f%72%64%65%72%73", 200),
        ("/%4frders", 404),
        ("/%4Frders", 404),
        ("/ORDERS", 404),
    ],
)
def test_tm7_paths(attacker, suite, path, status):
    assert attacker.ask(attacker.head(f"GET {path} HTTP/1.1".encode())).status == status
    assert len(suite.seen) == (status == 200)
