"""T-M13: ten thousand KeyUpdates on one connection: it is cut, and everybody else is served."""

import socket
import ssl

import pytest

from gateway.demo.story import OTHER
from tests.proxy.records import writer_of


@pytest.mark.trap("T-M13", "Of ten thousand KeyUpdates no more than 64 kB are worked on: the connection is cut, and others are served.")
@pytest.mark.parametrize("answer", [False, True], ids=["without an answer", "each wants an answer"])
def test_t_m13_a_flood_of_key_updates_is_cut(attacker, suite, tmp_path, answer):
    context = attacker.context(OTHER, version=ssl.TLSVersion.TLSv1_3)
    context.keylog_filename = str(tmp_path / "keys.log")
    line = attacker.connect(context=context)
    line.send(attacker.head())
    assert line.reply().status == 200
    flooder = writer_of(line.sock, tmp_path / "keys.log")
    # OpenSSL has written one record under this secret already: the request.
    flooder.record(23, b"")
    with socket.socket(fileno=line.sock.detach()) as raw:  # bytes that its OpenSSL would never send
        raw.settimeout(20)
        with pytest.raises(OSError):
            for _ in range(100):
                raw.sendall(b"".join(flooder.key_update(answer) for _ in range(100)))
            while raw.recv(65536):
                pass
            raise ConnectionResetError
    good = attacker.connect()
    good.send(attacker.head())
    assert good.reply().status == 200
