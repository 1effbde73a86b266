"""T-M2: an answer that takes hours ends when its client's certificate is revoked, and not when it pleases the client."""

import ssl

import pytest
from cryptography import x509

from gateway.ca.authority import LEDGER_FILE
from gateway.ca.ledger import record_revocation
from gateway.demo.story import OTHER
from gateway.runtime import setup
from gateway.runtime.keys import open_operator_key

BEGUN = b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: 1000000\r\n\r\n" + b"%PDF" * 250


def is_let_in(attacker, context):
    line = attacker.connect(context=context)
    line.send(attacker.head())
    return line.reply().status == 200


def wait_for(line, data):
    heard = b""
    while data not in heard:
        piece = line.sock.recv(65536)
        assert piece
        heard += piece


@pytest.mark.trap(
    "T-M2", "A download that is on its way is broken off when its certificate is revoked; that of another certificate goes on."
)
def test_t_m2_a_revocation_ends_what_is_under_way(attacker, suite, environment, tmp_path, eventually):
    operator = open_operator_key(environment.config, environment.passphrase_file.read_text().strip().encode())
    bundle = setup.issue_certificate(environment.config, operator, OTHER, "download", tmp_path)
    serial = f"{x509.load_pem_x509_certificate(bundle.certificate.read_bytes()).serial_number:x}"
    context = attacker.context(certificate=False)
    context.load_cert_chain(str(bundle.certificate), str(bundle.private_key))
    eventually(lambda: is_let_in(attacker, context))
    suite.answer, suite.keep = BEGUN, True
    lines = [attacker.connect(context=context), attacker.connect(OTHER)]
    for line in lines:
        line.send(attacker.head(b"GET /orders/1/documents HTTP/1.1"))
        wait_for(line, BEGUN[-1000:])
    record_revocation(environment.config.authority_dir(OTHER) / LEDGER_FILE, serial)
    lines[0].sock.suppress_ragged_eofs = False  # Python takes a cut connection for an end that was meant
    with pytest.raises((ConnectionError, ssl.SSLEOFError)):  # a reset: what came counts as no whole answer to anybody
        while lines[0].sock.recv(65536):
            pass
        raise AssertionError("it ended as if it were whole")
    lines[1].sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        lines[1].sock.recv(1)
