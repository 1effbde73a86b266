"""systemd's protocol over real sockets: what it hears, what it hands over, and that none of it reaches a child."""

import contextlib
import os
import re
import socket

import pytest

from gateway.runtime import systemd
from gateway.runtime.systemd import NAMES, NotUsable, Systemd, from_environment


@pytest.fixture(params=["file", "abstract"])
def manager(request, tmp_path):
    """A datagram socket as systemd has it: the variable that names it, and what arrives."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        name = str(tmp_path / "notify") if request.param == "file" else f"@gateway-{os.getpid()}"
        sock.bind(name.replace("@", "\0"))
        sock.settimeout(10)
        yield name, lambda: sock.recv(4096).decode().splitlines()


def test_what_it_hears(manager):
    name, heard = manager
    told = from_environment({"NOTIFY_SOCKET": name}, 7)
    told.ready("serving, 4 workers")
    assert heard() == ["READY=1", "STATUS=serving, 4 workers"]
    told.reloading("reading the files again")
    reloading, clock, status = heard()
    assert (reloading, status) == ("RELOADING=1", "STATUS=reading the files again")
    assert re.fullmatch(r"MONOTONIC_USEC=\d+", clock)
    told.alive()
    assert heard() == ["WATCHDOG=1"]
    told.stopping()
    assert heard() == ["STOPPING=1", "STATUS=draining"]


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "relative", "@", "vsock:2:1"])
def test_where_nobody_listens_nothing_happens(address):
    from_environment({"NOTIFY_SOCKET": address}, 7).ready("serving")


def test_a_manager_that_reads_nothing_holds_nobody_up(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        for _ in range(5_000):
            Systemd(str(tmp_path / "notify")).alive()


@pytest.mark.parametrize(
    ("microseconds", "whose", "seconds"),
    [("30000000", "7", 30.0), ("30000000", "", 30.0), ("30000000", "8", None), ("", "", None), ("0", "7", None), ("soon", "7", None)],
)
def test_how_often_it_wants_to_hear_from_us(microseconds, whose, seconds):
    environment = {"WATCHDOG_USEC": microseconds, "WATCHDOG_PID": whose}
    assert from_environment(environment, 7).watchdog == seconds
    assert environment == {}


@pytest.fixture
def handed_over(monkeypatch):
    """``handed_over(sockets, names)``: an environment that announces them, from the first one's number on."""
    opened = contextlib.ExitStack()

    def hand_over(sockets, names, pid=7):
        first = max(os.dup(sock.fileno()) for sock in sockets) + 50
        for place, sock in enumerate(sockets):
            os.dup2(sock.fileno(), first + place, inheritable=True)
            opened.callback(_close, first + place)
            opened.enter_context(sock)
        monkeypatch.setattr(systemd, "FIRST_DESCRIPTOR", first)
        return {"LISTEN_PID": str(pid), "LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": names, "HOME": "/"}

    with opened:
        yield hand_over


def _close(number):
    with contextlib.suppress(OSError):
        os.close(number)


def server(address="127.0.0.1"):
    return socket.create_server((address, 0))


def test_sockets_by_name(handed_over):
    public, admin = server("0.0.0.0"), server()
    environment = handed_over([admin, public], "admin:pii-gateway.socket")
    found = from_environment(environment, 7).sockets
    assert environment == {"HOME": "/"}
    assert {name: sock.getsockname() for name, sock in found.items()} == {"admin": admin.getsockname(), "public": public.getsockname()}
    assert not any(sock.getblocking() or sock.get_inheritable() for sock in found.values())
    for sock in found.values():
        sock.close()


def test_sockets_for_another_process_are_not_ours(handed_over):
    environment = handed_over([server()], "public", pid=8)
    assert from_environment(environment, 7).sockets == {}
    assert not environment.keys() & set(NAMES)


def udp():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return sock


def connected():
    with server() as listening:
        return socket.create_connection(listening.getsockname())


@pytest.mark.parametrize(
    ("sockets", "names", "said"),
    [
        ([server, server], "a:b", "more than one public socket"),
        ([server, server], "admin:admin", "more than one admin socket"),
        ([server, server], "admin", "does not name every socket"),
        ([udp], "", "does not listen on a TCP port"),
        ([connected], "", "does not listen on a TCP port"),
        ([lambda: socket.socket(socket.AF_UNIX)], "", "does not listen on a TCP port"),
        ([lambda: server("0.0.0.0")], "admin", "for loopback addresses only"),
    ],
)
def test_what_cannot_be_listened_on_is_said(handed_over, sockets, names, said):
    with pytest.raises(NotUsable, match=said):
        from_environment(handed_over([make() for make in sockets], names), 7)


def test_a_descriptor_that_is_not_there(monkeypatch):
    monkeypatch.setattr(systemd, "FIRST_DESCRIPTOR", 900)
    with pytest.raises(NotUsable, match="announced and is not there"):
        from_environment({"LISTEN_PID": "7", "LISTEN_FDS": "1"}, 7)
