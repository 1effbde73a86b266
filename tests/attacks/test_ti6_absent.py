"""Where we have nothing to say, nobody says it: a header of ours that is absent is not filled in by the client."""

import pytest

from tests.attacks.forged import OURS, says_only_ours, values

NEVER_SET = [b"Client-Cert", b"Client-Cert-Chain", b"Gateway-Groups", b"Remote-User", b"X-Forwarded-Client-Cert", b"X-SSL-Client-Verify"]


@pytest.mark.trap("T-I6", "A header that we own and do not set on this request is absent at the suite, whatever the client sends.")
@pytest.mark.parametrize("name", NEVER_SET)
@pytest.mark.parametrize("value", [b":Zm9yZ2Vk:", b"", b"SUCCESS"], ids=repr)
def test_ti6_what_we_do_not_say_is_not_said(attacker, suite, name, value):
    assert attacker.ask(attacker.head(b"GET /orders HTTP/1.1", name + b": " + value, name.lower() + b":" + value)).status == 200
    [request] = suite.seen
    assert values(request, name) == []
    says_only_ours(request)


@pytest.mark.trap("T-I6", "Without a certificate or a user nothing is forwarded, so no header of ours is ever without its value.")
@pytest.mark.parametrize("certificate", [True, False])
def test_ti6_nobody_is_nobody_to_the_suite(attacker, suite, certificate):
    line = attacker.connect(context=attacker.context(certificate=certificate))
    forged = [name + b": forged" for name in OURS if name != b"host"]
    line.send(b"\r\n".join([b"GET /orders HTTP/1.1", b"Host: localhost", *forged, b"", b""]))
    assert line.reply().status == (401 if certificate else 403)
    assert suite.seen == []
