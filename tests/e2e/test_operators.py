"""What operators see of a running gateway: ready or not, processes and certificates as metrics, and what doctor says."""

import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.demo.story import OTHER, OURS


@pytest.fixture
def ask(gateway):
    """``ask(path)``: status and body, with the operators' token."""
    context = ssl.create_default_context(cafile=gateway.authority)
    bearer = {"Authorization": f"Bearer {gateway.config.admin_token.read_text().strip()}"}

    def asked(path):
        try:
            with urllib.request.urlopen(
                urllib.request.Request(gateway.admin_url + path, headers=bearer), context=context, timeout=20
            ) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    return asked


def test_ready_and_not_ready(gateway, ask):
    status, text = ask("/readyz")
    assert (status, json.loads(text)) == (
        200,
        {"ready": True, "checks": {"vault": "answers", "cipher": "answers", "workers": "1 of 1 serve"}},
    )
    (vault,) = gateway.pids["vault"]
    os.kill(vault, signal.SIGSTOP)
    try:
        status, text = ask("/readyz")
        assert (status, json.loads(text)["checks"]["vault"]) == (503, "silent")
        assert ask("/healthz")[0] == 200
    finally:
        os.kill(vault, signal.SIGCONT)
    assert ask("/readyz")[0] == 200


def test_metrics_of_everything_that_runs(gateway, ask):
    status, text = ask("/metrics")
    assert status == 200
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    assert {labels["role"]: value for labels, value in found["gateway_process_up"]} == {"admin": 1, "cipher": 1, "proxy": 1, "vault": 1}
    assert {labels["customer"] for labels, _ in found["gateway_certificate_expiry_seconds"]} == {OURS, OTHER}
    assert {labels["label"] for labels, _ in found["gateway_certificate_expiry_seconds"]} >= {"import"}
    assert found["gateway_policy_info"][0][0]["revision"]


def test_the_published_list_is_the_authoritys(gateway, ask, neighbour):
    """Made by the cipher process, handed out by the operators'."""
    openssl, file = neighbour("openssl"), gateway.folder / "fetched.crl"
    end = time.monotonic() + 30
    while (answer := ask(f"/crl/{OURS}.crl"))[0] != 200:
        assert time.monotonic() < end, "the cipher process makes it within seconds"
        time.sleep(0.1)
    file.write_bytes(answer[1])
    authority = gateway.config.authority_dir(OURS) / "ca.pem"
    checked = subprocess.run(
        [openssl, "crl", "-inform", "DER", "-in", file, "-CAfile", authority, "-noout"], capture_output=True, text=True
    )
    assert "verify OK" in checked.stderr


def test_doctor_finds_all_processes_at_work(gateway):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "gateway", "doctor", "--json", "--config", gateway.config_file]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    told = json.loads(ended.stdout)
    assert (ended.returncode, told["ok"], [f for f in told["findings"] if f["outcome"] == "wrong"]) == (0, True, [])
    (processes,) = [finding["found"] for finding in told["findings"] if finding["check"] == "processes"]
    assert all(f"{role} {gateway.pids[role][0]}, " in processes for role in ("cipher", "vault", "proxy", "admin"))
