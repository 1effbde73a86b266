"""Clients that nobody here wrote: curl with PEM and with the .p12 file, openssl's own handshake."""

import json
import shutil
import subprocess

import pytest

from gateway.demo.story import ORDERS, OURS

curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, timeout=60, **options)


@curl
@pytest.mark.parametrize("kind", ["pem", "p12"])
def test_curl_sends_and_reads(gateway, kind, tmp_path):
    access = gateway.customers[OURS]
    certificate = {
        "pem": ("--cert", access.certificate, "--key", access.private_key),
        "p12": ("--cert-type", "P12", "--cert", f"{access.pkcs12}:{access.pkcs12_password}"),
    }[kind]
    common = ("curl", "-sS", "--cacert", gateway.authority, *certificate)
    body = tmp_path / "order.json"
    body.write_text(json.dumps(ORDERS[2], ensure_ascii=False))
    user = f"import_job:{access.passwords['import_job']}"
    posted = run(*common, "-u", user, "-H", "Content-Type: application/json", "-d", f"@{body}", f"{gateway.url}/orders")
    assert posted.returncode == 0, posted.stderr
    created = json.loads(posted.stdout)
    assert created["household"]["name"] != "Jürgen Groß"
    read = run(*common, "-u", f"maria:{access.passwords['maria']}", f"{gateway.url}/orders/{created['id']}")
    assert json.loads(read.stdout)["household"] == ORDERS[2]["household"]


@curl
def test_curl_with_expect_100_continue_is_invited_after_the_decision(gateway, tmp_path):
    access = gateway.customers[OURS]
    body = tmp_path / "order.json"
    body.write_text(json.dumps(ORDERS[2]))
    common = ("curl", "-sSv", "--cacert", gateway.authority, "--cert", access.certificate, "--key", access.private_key)
    common += ("-H", "Expect: 100-continue", "-H", "Content-Type: application/json", "--data-binary", f"@{body}", f"{gateway.url}/orders")
    invited = run(*common, "-u", f"import_job:{access.passwords['import_job']}")
    assert b"HTTP/1.1 100 Continue" in invited.stderr
    assert b"HTTP/1.1 201" in invited.stderr
    refused = run(*common, "-u", "import_job:wrong")
    assert b"100 Continue" not in refused.stderr
    assert b"HTTP/1.1 401" in refused.stderr


@curl
def test_curl_without_certificate_gets_a_problem_document(gateway):
    answer = run("curl", "-sS", "--cacert", gateway.authority, f"{gateway.url}/orders")
    assert json.loads(answer.stdout)["type"] == "urn:pii-gateway:problem:denied"


@curl
def test_plain_http_gets_nothing(gateway):
    answer = run("curl", "-sS", gateway.url.replace("https", "http"))
    assert answer.returncode != 0
    assert answer.stdout == b""


@openssl
@pytest.mark.parametrize(("version", "works"), [("-tls1_3", True), ("-tls1_2", True), ("-tls1_1", False)])
def test_openssl_negotiates_only_modern_versions(gateway, version, works):
    port = gateway.url.rpartition(":")[2]
    probe = run(
        "openssl",
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
