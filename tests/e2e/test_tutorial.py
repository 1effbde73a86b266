"""docs/tutorial.md is run as it stands: what a first reader types works."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")


def free_ports(count):
    """Held together, so that they differ."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in held]
    for sock in held:
        sock.close()
    return ports


@pytest.fixture
def ran(tmp_path, neighbour):
    """Every block but the installation, in one shell that ends at the first failure, on ports that are free."""
    for program in ("bash", "curl"):
        neighbour(program)
    (tmp_path / "bin").mkdir()
    for name, words in (("gateway", '-m gateway "$@"'), ("python", '"$@"')):
        command = tmp_path / "bin" / name
        command.write_text(f"#!/bin/sh\nexec {sys.executable} {words}\n")
        command.chmod(0o755)
    blocks = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.M | re.S)
    script = "".join(f"printf '\\n--- {number}\\n'\n{block}" for number, block in enumerate(blocks))
    for usual, free in zip(("8443", "8080"), free_ports(2), strict=True):
        script = script.replace(f":{usual}", f":{free}")
    # `init` writes the usual ports, and `sed` looks for the public one.
    script = re.sub(r"'s/0\.0\.0\.0:[0-9]+/", "'s/127.0.0.1:9443/127.0.0.1:0/;s/0.0.0.0:8443/", script)
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    opening = "set -e\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
    ended = subprocess.run(["bash", "-c", opening + script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180)
    log = tmp_path / "gateway.log"
    assert ended.returncode in (0, 143), ended.stdout + ended.stderr + (log.read_text() if log.exists() else "")
    return re.split(r"^--- [0-9]+\n", ended.stdout, flags=re.M)[1:], tmp_path


def test_the_tutorial_works_as_it_stands(ran):
    said, folder = ran
    everything = "".join(said)
    assert "fine: revision" in everything
    order, database, dispatcher = said[7:10]
    for text in (order, database):
        assert "meter_number" in text or "(" in text
        assert "Mustermann" not in text
    assert dispatcher.count("Max Mustermann") == 2
    assert "certificate-missing" in everything
    assert "credentials-missing" in everything
    assert "whole: " in everything
    assert '"old_password_valid_until":"20' in everything
    assert (folder / "tutorial" / "customer.json").stat().st_mode & 0o777 == 0o600
