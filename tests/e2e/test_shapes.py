"""The other two ways to run it: everything in one process (trials), and each role started by hand (a host for each)."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from gateway.demo.environment import Environment
from gateway.demo.story import ORDERS, OURS, found_in, sent_values

ROOT = Path(__file__).parents[2]


def eventually(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def status(client):
    try:
        return client.send("GET", "/orders").status
    except OSError:
        return 0


def the_main_job(environment):
    created = environment.client(OURS, "import_job").send("POST", "/orders", ORDERS[0])
    assert created.status == 201
    assert not any(value in created.body.decode() for value in sent_values())
    seen = environment.client(OURS, "maria").send("GET", f"/orders/{created.json()['id']}").json()
    assert seen["household"] == ORDERS[0]["household"]
    assert not found_in([environment.customers[OURS].suite_database], sent_values())


@pytest.fixture
def in_one(tmp_path):
    environment = Environment.build(tmp_path / "run", Console(file=io.StringIO()), processes="one")
    try:
        environment.start()
        yield environment
    finally:
        environment.stop()


def test_processes_one_does_the_main_job_reloads_and_ends(in_one):
    the_main_job(in_one)
    assert list(in_one.pids) == ["one"]
    maria, auditor = in_one.client(OURS, "maria"), in_one.client(OURS, "pruefer")
    assert status(replace(maria, password="wrong wrong wrong")) == 401

    # A good edit is live in all three parts: the route is the worker's, what is seen is the vault's.
    policy = in_one.config_file.parent / "policies" / "planning_suite.yaml"
    good = policy.read_text()
    policy.write_text(good.replace("masked: [name]", "clear: [name]"))
    eventually(lambda: auditor.send("GET", "/orders").json()["items"][0]["household"]["name"] == "Max Mustermann")

    # What the worker must refuse (its own trust) changes nothing in the vault either.
    policy.write_text(good)
    customer = in_one.config_file.parent / "policies" / "customers" / f"{OURS}.yaml"
    customer.write_text(customer.read_text().replace("{authority: gateway}", "{file: certs/nowhere.pem}"))
    eventually(lambda: "not reloaded" in (in_one.logs / "gateway.log").read_text())
    assert auditor.send("GET", "/orders").json()["items"][0]["household"]["name"] == "Max Mustermann"

    gateway = in_one._running[-1]
    gateway.send_signal(signal.SIGTERM)
    assert gateway.wait(60) == 0


@pytest.mark.parametrize("spoilt", ["", "listen: [", "listen: nowhere\n"])
def test_y03_a_mistake_in_config_yaml_ends_nobody(own_gateway, spoilt):
    """An editor's half-written file must not become an outage: it is one more file that does not load."""
    good = own_gateway.config_file.read_text()
    maria, log = own_gateway.client(OURS, "maria"), own_gateway.logs / "gateway.log"
    own_gateway.config_file.write_text(spoilt)
    eventually(lambda: log.read_text().count("not reloaded") >= 3)
    assert status(maria) == 200
    own_gateway.config_file.write_text(good + "\n# mended\n")
    eventually(lambda: log.read_text().count("reloaded, revision") >= 3)
    assert status(maria) == 200
    assert "started again" not in log.read_text()


def start_role(environment, role, logs):
    words = [sys.executable, "-m", "gateway", "serve", "--config", str(environment.config_file), "--role", role]
    if role == "cipher":
        words += ["--passphrase-file", str(environment.passphrase_file)]
    with (logs / f"{role}.log").open("w") as log:
        return subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)})


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def test_roles_started_by_hand_at_the_same_moment(tmp_path):
    environment = Environment.build(tmp_path / "run", Console(file=io.StringIO()), workers=1)
    port = free_port()
    environment.config_file.write_text(environment.config_file.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
    environment.url = f"https://localhost:{port}"
    roles = {}
    try:
        roles = {role: start_role(environment, role, tmp_path) for role in ("proxy", "vault", "cipher")}
        maria = environment.client(OURS, "maria")
        eventually(lambda: status(maria) == 200)
        the_main_job(environment)

        # A role that ends by itself is the operator's to start again; meanwhile it is a 503, and afterwards as before.
        roles["cipher"].kill()
        roles["cipher"].wait()
        eventually(lambda: status(maria) == 503)
        roles["cipher"] = start_role(environment, "cipher", tmp_path)
        eventually(lambda: status(maria) == 200)
        the_main_job(environment)
        for role in ("proxy", "vault", "cipher"):
            roles[role].terminate()
            assert roles[role].wait(60) == 0, (tmp_path / f"{role}.log").read_text()
    finally:
        for process in roles.values():
            process.kill()
            process.wait()
        environment.stop()
    records = [json.loads(line) for file in environment.config.audit_dir.glob("*.jsonl") for line in file.read_text().splitlines()]
    assert {"begin", "reveal", "end"} <= {record["kind"] for record in records}
