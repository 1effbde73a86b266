"""What curl and openssl see on the wire: invitations, protocols and versions. Orders of real clients are in ``test_clients.py``."""

import json
import subprocess

import pytest

from gateway.demo.story import ORDERS, OURS


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, timeout=60, **options)


def test_curl_with_expect_100_continue_is_invited_after_the_decision(gateway, neighbour, tmp_path):
    access = gateway.customers[OURS]
    body = tmp_path / "order.json"
    body.write_text(json.dumps(ORDERS[2]))
    common = (neighbour("curl"), "-sSv", "--cacert", gateway.authority, "--cert", access.certificate, "--key", access.private_key)
    common += ("-H", "Expect: 100-continue", "-H", "Content-Type: application/json", "--data-binary", f"@{body}", f"{gateway.url}/orders")
    invited = run(*common, "-u", f"import_job:{access.passwords['import_job']}")
    assert b"HTTP/1.1 100 Continue" in invited.stderr
    assert b"HTTP/1.1 201" in invited.stderr
    refused = run(*common, "-u", "import_job:wrong")
    assert b"100 Continue" not in refused.stderr
    assert b"HTTP/1.1 401" in refused.stderr


def test_plain_http_gets_nothing(gateway, neighbour):
    answer = run(neighbour("curl"), "-sS", gateway.url.replace("https", "http"))
    assert answer.returncode != 0
    assert answer.stdout == b""


@pytest.mark.parametrize(("version", "works"), [("-tls1_3", True), ("-tls1_2", True), ("-tls1_1", False)])
def test_openssl_negotiates_only_modern_versions(gateway, neighbour, version, works):
    port = gateway.url.rpartition(":")[2]
    probe = run(
        neighbour("openssl"),
        "s_client",
        version,
        "-cipher",
        "DEFAULT@SECLEVEL=0",
        "-connect",
        f"127.0.0.1:{port}",
        "-CAfile",
        gateway.authority,
        input=b"",
    )
    assert (b"Cipher is (NONE)" not in probe.stdout) is works
    assert not works or (b"Verify return code: 0 (ok)" in probe.stdout and b"Compression: NONE" in probe.stdout)
