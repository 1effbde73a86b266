"""A policy edit is live within seconds in all processes; a bad one changes nothing and says why."""

import subprocess
import sys
import time

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
    import os
    from pathlib import Path

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
    import json
    from dataclasses import replace

    config = ("--config", str(own_gateway.config_file))
    passphrase = ("--passphrase-file", str(own_gateway.passphrase_file))
    access = own_gateway.customers[OURS]
    credential = tmp_path / "credential"

    # A user, allowed by another user of that customer.
    credential.write_text(access.passwords["maria"] + "\n")
    added = cli(
        own_gateway,
        "user",
        "add",
        OURS,
        "lena",
        "--role",
        "dispatcher",
        "--authorised-by",
        "maria",
        "--credential-file",
        str(credential),
        *config,
        *passphrase,
        "--json",
    )
    assert added.returncode == 0, added.stderr
    lena = replace(own_gateway.client(OURS, "maria"), user="lena", password=json.loads(added.stdout)["password"])
    eventually(lambda: lena.send("GET", "/orders").status == 200)

    # Removed, allowed by the recovery code.
    credential.write_text(access.recovery_code)
    removed = cli(own_gateway, "user", "remove", OURS, "lena", "--recovery", "--credential-file", str(credential), *config, *passphrase)
    assert removed.returncode == 0, removed.stderr
    eventually(lambda: lena.send("GET", "/orders").status == 401)

    # A wrong credential writes nothing.
    credential.write_text("wrong wrong wrong")
    refused = cli(
        own_gateway,
        "user",
        "add",
        OURS,
        "eve",
        "--role",
        "dispatcher",
        "--authorised-by",
        "maria",
        "--credential-file",
        str(credential),
        *config,
        *passphrase,
    )
    assert refused.returncode == 1
    assert "eve" not in (own_gateway.config_file.parent / "policies" / "customers" / f"{OURS}.yaml").read_text()

    # A second certificate works, and stops working within two seconds of its revocation, on a live gateway.
    issued = cli(own_gateway, "cert", "issue", OURS, "laptop", "--out", str(tmp_path), *config, *passphrase, "--json")
    files = json.loads(issued.stdout)
    laptop = replace(own_gateway.client(OURS, "maria"), certificate=(files["certificate"], files["private_key"]))
    eventually(lambda: laptop.send("GET", "/orders").status == 200)
    listed = json.loads(cli(own_gateway, "cert", "list", OURS, *config, "--json").stdout)
    serial = next(row["serial"] for row in listed if row["label"] == "laptop")
    assert cli(own_gateway, "cert", "revoke", OURS, serial, *config).returncode == 0
    eventually(lambda: laptop.send("GET", "/orders").status == 403)
    assert own_gateway.client(OURS, "maria").send("GET", "/orders").status == 200

    # A whole customer.
    new = cli(
        own_gateway,
        "customer",
        "add",
        "neukunde",
        "--upstream",
        access.upstream.replace("musterstadt", "neukunde"),
        "--network",
        "127.0.0.3/32",
        "--user",
        "eva:dispatcher",
        *config,
        *passphrase,
        "--json",
    )
    assert new.returncode == 0, new.stderr
    assert len(json.loads(new.stdout)["recovery_code"]) > 20

    # All of it stands in the audit log, which is whole.
    done = {"user-added", "user-removed", "certificate-issued", "certificate-revoked", "customer-added"}

    def noted():
        shown = json.loads(cli(own_gateway, "audit", "show", "--kind", "operator", *config, "--json").stdout)
        return {record["reason"] for record in shown}

    eventually(lambda: done <= noted())
    assert cli(own_gateway, "audit", "verify", *config).returncode == 0
