"""O-04, C-12: what would be taken in silence stops the start, and what runs is said by both of its OpenSSLs."""

import json
import os
import re
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def command(environment, *words, **variables):
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    told = [sys.executable, "-m", "gateway", *words, "--config", str(environment.config_file)]
    return subprocess.run(told, capture_output=True, text=True, env=variables, timeout=60)


@pytest.mark.trap("O-04", "Without the C parser nothing starts, neither the whole nor one role.")
@pytest.mark.parametrize("role", [(), ("--role", "proxy"), ("--role", "admin")])
def test_o04_without_the_c_parser_nothing_starts(environment, role):
    refused = command(environment, "serve", *role, "--passphrase-file", str(environment.passphrase_file), AIOHTTP_NO_EXTENSIONS="1")
    assert refused.returncode == 78, refused.stderr
    assert "HTTP parser: AIOHTTP_NO_EXTENSIONS is set" in refused.stderr
    told = json.loads(command(environment, "doctor", "--json", AIOHTTP_NO_EXTENSIONS="1").stdout)
    assert "HTTP parser" in {finding["check"] for finding in told["findings"] if finding["outcome"] == "wrong"}


@pytest.mark.trap("C-12", "Both OpenSSLs are named in the log of every process at its start.")
def test_c12_every_process_names_both_openssls(environment):
    lines = [json.loads(line) for line in (environment.logs / "gateway.log").read_text().splitlines()]
    said = {line["role"]: line["message"] for line in lines if line["message"].startswith("Python ")}
    assert set(said) == {"supervisor", "cipher", "vault", "proxy", "admin"}
    for message in said.values():
        tls, keys = re.fullmatch(
            r"Python \S+, aiohttp \S+, OpenSSL (\S+) for TLS, OpenSSL (\S+) for keys and certificates", message
        ).groups()
        assert tls == ssl.OPENSSL_VERSION.split()[1]
        assert int(keys.split(".")[0]) >= 3
