"""A policy edit is live within seconds in all processes; a bad one changes nothing and says why."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from gateway.ca.crl import read
from gateway.config import load_config
from gateway.demo.story import ORDERS, OURS


def eventually(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def cli(gateway, *words):
    return subprocess.run(
        [sys.executable, "-m", "gateway", *words], capture_output=True, text=True, timeout=60, cwd=gateway.folder, env=env()
    )


def env():
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def test_an_edit_is_live_and_a_bad_one_changes_nothing(own_gateway):
    maria, auditor = own_gateway.client(OURS, "maria"), own_gateway.client(OURS, "pruefer")
    own_gateway.client(OURS, "import_job").send("POST", "/orders", ORDERS[0])
    policy = own_gateway.config_file.parent / "policies" / "planning_suite.yaml"
    good = policy.read_text()
    assert auditor.send("GET", "/orders").json()["items"][0]["household"]["name"] == "M*** M***"

    policy.write_text(good.replace("masked: [name]", "clear: [name]"))
    eventually(lambda: auditor.send("GET", "/orders").json()["items"][0]["household"]["name"] == "Max Mustermann")

    policy.write_text(good.replace("masked: [name]", "masked: [nam]").replace("roles: [dispatcher, auditor]", "roles: [dispatcher]"))
    log = own_gateway.logs / "gateway.log"
    eventually(lambda: log.read_text().count("not reloaded") >= 3)  # cipher, vault and worker
    assert "planning_suite.yaml:" in log.read_text()
    assert auditor.send("GET", "/orders").status == 200
    checked = cli(own_gateway, "check", "--config", str(own_gateway.config_file))
    assert checked.returncode == 78
    assert "planning_suite.yaml:" in checked.stderr

    policy.write_text(good.replace("roles: [dispatcher, auditor]", "roles: [dispatcher]"))
    eventually(lambda: auditor.send("GET", "/orders").status == 403)
    assert maria.send("GET", "/orders").status == 200


def test_customers_users_and_certificates_on_a_running_gateway(own_gateway, tmp_path):
    users_come_and_go(own_gateway, tmp_path / "credential")
    a_certificate_works_until_it_is_revoked(own_gateway, tmp_path)
    a_whole_customer_is_added(own_gateway)
    done = {"user-added", "user-removed", "certificate-issued", "certificate-revoked", "customer-added"}

    def noted():
        shown = json.loads(cli(own_gateway, "audit", "show", "--kind", "operator", *config_of(own_gateway), "--json").stdout)
        return {record["reason"] for record in shown}

    eventually(lambda: done <= noted())
    assert cli(own_gateway, "audit", "verify", *config_of(own_gateway)).returncode == 0


def config_of(gateway):
    return ("--config", str(gateway.config_file))


def as_operator(gateway):
    return (*config_of(gateway), "--passphrase-file", str(gateway.passphrase_file))


def users_come_and_go(gateway, credential):
    """A user of the customer, or its recovery code, allows it; a wrong credential writes nothing."""
    access, maria = gateway.customers[OURS], gateway.client(OURS, "maria")
    by_maria = ("--role", "dispatcher", "--authorised-by", "maria", "--credential-file", str(credential))
    credential.write_text(access.passwords["maria"] + "\n")
    added = cli(gateway, "user", "add", OURS, "lena", *by_maria, *as_operator(gateway), "--json")
    assert added.returncode == 0, added.stderr
    lena = replace(maria, user="lena", password=json.loads(added.stdout)["password"])
    eventually(lambda: lena.send("GET", "/orders").status == 200)

    credential.write_text(access.recovery_code)
    by_recovery = ("--recovery", "--credential-file", str(credential))
    removed = cli(gateway, "user", "remove", OURS, "lena", *by_recovery, *as_operator(gateway))
    assert removed.returncode == 0, removed.stderr
    eventually(lambda: lena.send("GET", "/orders").status == 401)

    credential.write_text("wrong wrong wrong")
    refused = cli(gateway, "user", "add", OURS, "eve", *by_maria, *as_operator(gateway))
    assert refused.returncode == 1
    assert "eve" not in (gateway.config_file.parent / "policies" / "customers" / f"{OURS}.yaml").read_text()


def a_certificate_works_until_it_is_revoked(gateway, folder):
    maria = gateway.client(OURS, "maria")
    issued = cli(gateway, "cert", "issue", OURS, "laptop", "--out", str(folder), *as_operator(gateway), "--json")
    files = json.loads(issued.stdout)
    laptop = replace(maria, certificate=(files["certificate"], files["private_key"]))
    eventually(lambda: laptop.send("GET", "/orders").status == 200)
    listed = json.loads(cli(gateway, "cert", "list", OURS, *config_of(gateway), "--json").stdout)
    serial = next(row["serial"] for row in listed if row["label"] == "laptop")
    renewed = json.loads(cli(gateway, "cert", "renew", OURS, serial, "--out", str(folder / "next"), *as_operator(gateway), "--json").stdout)
    successor = replace(maria, certificate=(renewed["certificate"], renewed["private_key"]))
    eventually(lambda: successor.send("GET", "/orders").status == 200)
    assert laptop.send("GET", "/orders").status == 200  # both, so that machines are changed one after the other
    assert cli(gateway, "cert", "revoke", OURS, serial, *config_of(gateway)).returncode == 0
    eventually(lambda: laptop.send("GET", "/orders").status == 403)
    assert [client.send("GET", "/orders").status for client in (maria, successor)] == [200, 200]
    authority = load_config(gateway.config_file).authority_dir(OURS)
    eventually(lambda: [f"{entry.serial_number:x}" for entry in read(authority) or ()] == [serial])


def a_whole_customer_is_added(gateway):
    upstream = gateway.customers[OURS].upstream.replace("musterstadt", "neukunde")
    words = ("--upstream", upstream, "--network", "127.0.0.3/32", "--user", "eva:dispatcher")
    new = cli(gateway, "customer", "add", "neukunde", *words, *as_operator(gateway), "--json")
    assert new.returncode == 0, new.stderr
    assert len(json.loads(new.stdout)["recovery_code"]) > 20
