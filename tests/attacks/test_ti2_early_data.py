"""T-I2: nothing is ever taken before the handshake has ended: no ticket is given out, so no early data can be sent with one."""

import ssl
import subprocess
from urllib.parse import urlsplit

import pytest

from gateway.demo.story import OTHER


@pytest.mark.trap("T-I2", "No ticket is given out, and no session of TLS 1.3 is resumed.")
def test_t_i2_no_session_that_could_carry_early_data(attacker):
    context = attacker.context(OTHER, version=ssl.TLSVersion.TLSv1_3)
    line = attacker.connect(context=context)
    line.send(attacker.head())
    assert line.reply().status == 200
    session = line.sock.session
    assert session is None or not session.has_ticket
    again = attacker.connect(context=context, session=session)
    assert not again.sock.session_reused


@pytest.mark.trap("T-I2", "A client that wants to send early data has nothing to send it with.")
def test_t_i2_openssl_has_nothing_to_send_it_with(attacker, neighbour, tmp_path):
    access = attacker.environment.customers[OTHER]
    command = [neighbour("openssl"), "s_client", "-connect", f"127.0.0.1:{urlsplit(attacker.environment.url).port}", "-tls1_3"]
    command += ["-CAfile", str(attacker.environment.authority), "-cert", str(access.certificate), "-key", str(access.private_key)]
    kept = tmp_path / "session.pem"
    said = subprocess.run([*command, "-sess_out", str(kept)], input="Q\n", capture_output=True, text=True, timeout=30)
    assert "Early data was not sent" in said.stdout and not kept.exists()
    assert "TLS session ticket" not in said.stdout
