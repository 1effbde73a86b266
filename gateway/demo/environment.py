"""Everything the demo runs: the planning suite, a gateway as in production, two customers. Made with the command line's own code.

Also what the end-to-end tests and the benchmark start from, so that they run what users run.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from rich.console import Console

from gateway.config import Config, load_config
from gateway.demo.client import PlainClient
from gateway.runtime import setup
from gateway.runtime.keys import open_operator_key

#: customer → (path prefix in the suite, networks, users and roles)
CUSTOMERS: dict[str, tuple[str, tuple[str, ...], dict[str, str]]] = {
    "stadtwerke_musterstadt": ("musterstadt", ("127.0.0.1/32",), {"import_job": "importer", "maria": "dispatcher", "pruefer": "auditor"}),
    "energie_nord": ("nord", ("127.0.0.1/32", "127.0.0.2/32"), {"import_job": "importer", "jens": "dispatcher"}),
}


@dataclass(frozen=True, slots=True)
class Access:
    """What one customer was handed."""

    name: str
    certificate: Path
    private_key: Path
    pkcs12: Path
    pkcs12_password: str = field(repr=False)
    users: dict[str, str]
    passwords: dict[str, str] = field(repr=False)
    recovery_code: str = field(repr=False)
    upstream: str
    suite_database: Path


class DidNotStart(Exception):
    """One of the processes; the text is what it said."""


class Environment:
    """Built in an empty folder, started, used, stopped."""

    def __init__(self, folder: Path, console: Console) -> None:
        self.folder = folder
        self.console = console
        self.config_file = folder / "gateway" / "config.yaml"
        self.suite_data = folder / "suite"
        self.logs = folder / "logs"
        self.passphrase_file = folder / "operator-passphrase"
        self.customers: dict[str, Access] = {}
        self.url = self.admin_url = ""
        self.pids: dict[str, list[int]] = {}
        self._running: list[subprocess.Popen[str]] = []

    @classmethod
    def build(cls, folder: Path, console: Console, *, processes: str = "separate", workers: int | None = None) -> Environment:
        """Configuration, keys, certificates, customers and the suite's databases; nothing of the gateway runs yet."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        environment = cls(folder.absolute(), console)
        environment.logs.mkdir()
        port = environment._start_suite()
        try:
            environment._init(processes, workers)
            for name in CUSTOMERS:
                environment._add(name, port)
        except BaseException:  # also Ctrl-C: the suite that was just started must not be left behind
            environment.stop()
            raise
        return environment

    @property
    def config(self) -> Config:
        return load_config(self.config_file)

    @property
    def authority(self) -> Path:
        return self.config_file.parent / "certs" / "server-ca.pem"

    def client(self, customer: str, user: str, *, source: str = "127.0.0.1") -> PlainClient:
        access = self.customers[customer]
        certificate = (access.certificate, access.private_key)
        return PlainClient(self.url, self.authority, certificate, user, access.passwords[user], source)

    def _start_suite(self) -> int:
        command = [sys.executable, "-m", "examples.planning_suite", "--listen", "127.0.0.1:0", "--data", str(self.suite_data)]
        for prefix, _, _ in CUSTOMERS.values():
            command += ["--customer", prefix]
        return int(self._launch("suite", command)["port"])

    def _init(self, processes: str, workers: int | None) -> None:
        passphrase = secrets.token_urlsafe(24)
        self.passphrase_file.touch(mode=0o600)
        self.passphrase_file.write_text(passphrase + "\n")
        setup.init(self.config_file.parent, ["localhost", "127.0.0.1"], passphrase)
        text = self.config_file.read_text().replace("0.0.0.0:8443", "127.0.0.1:0").replace("127.0.0.1:9443", "127.0.0.1:0")
        text = text.replace("processes: separate", f"processes: {processes}")
        if workers is not None:
            text = text.replace("workers: auto", f"workers: {workers}")
        self.config_file.write_text(text)

    def _add(self, name: str, port: int) -> None:
        prefix, networks, users = CUSTOMERS[name]
        operator = open_operator_key(self.config, self.passphrase_file.read_text().strip().encode())
        upstream = f"http://127.0.0.1:{port}/{prefix}"
        new = setup.add_customer(
            self.config, operator, name, api="planning_suite", upstream=upstream, ca=None, networks=networks, users=users
        )
        bundle = setup.issue_certificate(self.config, operator, name, "import", self.folder / "customers" / name)
        assert bundle.private_key is not None
        assert bundle.pkcs12 is not None
        self.customers[name] = Access(
            name=name,
            certificate=bundle.certificate,
            private_key=bundle.private_key,
            pkcs12=bundle.pkcs12,
            pkcs12_password=bundle.password,
            users=users,
            passwords=dict(new.passwords),
            recovery_code=new.recovery_code,
            upstream=upstream,
            suite_database=self.suite_data / f"{prefix}.db",
        )

    def start(self) -> None:
        """Start the gateway as in production and wait until it serves."""
        command = [sys.executable, "-m", "gateway", "serve", "--config", str(self.config_file)]
        ready = self._launch("gateway", [*command, "--passphrase-file", str(self.passphrase_file)])
        self.url = f"https://localhost:{ready['port']}"
        self.admin_url = f"https://{ready['admin']}"
        self.pids = ready["pids"]

    def _launch(self, name: str, command: list[str]) -> dict[str, Any]:
        """Run ``command``; its first line on standard output says that it is ready. The rest of what it says goes to a log."""
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        log = self.logs / f"{name}.log"
        with log.open("a") as errors:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL, env=environment, text=True)
        self._running.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            process.wait()
            process.stdout.close()
            self._running.remove(process)
            raise DidNotStart(f"{name} did not start; this is what it says:\n{log.read_text()}")
        return dict(json.loads(line))

    def stop(self) -> None:
        """End everything: the gateway before the suite."""
        for process in reversed(self._running):
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _close(process.stdout)
        self._running.clear()

    def leave_running(self, file: Path, console: Console) -> None:
        """Write ``demo.json`` and wait for Ctrl-C."""
        file.unlink(missing_ok=True)  # one that is there may be open to others, and passwords follow
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as facts:
            facts.write(json.dumps(self.facts(), indent=2) + "\n")
        console.print(f"\nAll of it keeps running until Ctrl-C. {file.absolute()} says where everything is. Try:")
        for access in self.customers.values():
            user = next(user for user, role in access.users.items() if role == "dispatcher")
            console.print(
                f"  curl --cacert {self.authority} --cert {access.certificate} --key {access.private_key} "
                f"-u {user}:{access.passwords[user]} {self.url}/orders",
                soft_wrap=True,
                highlight=False,
                markup=False,
            )
        try:
            while self._running[-1].poll() is None:
                time.sleep(0.5)
        except KeyboardInterrupt:
            console.print("ending")
        finally:
            file.unlink(missing_ok=True)

    def facts(self) -> dict[str, Any]:
        """What ``demo.json`` holds."""
        return {
            "gateway_url": self.url,
            "admin_url": self.admin_url,
            "admin_token_file": str(self.config.admin_token),
            "ca_file": str(self.authority),
            "config_file": str(self.config_file),
            "policy_folder": str(self.config_file.parent / "policies"),
            "state_folder": str(self.config.state),
            "passphrase_file": str(self.passphrase_file),
            "logs": {path.stem: str(path) for path in sorted(self.logs.glob("*.log"))},
            "pids": self.pids,
            "customers": {
                access.name: {
                    "certificate": str(access.certificate),
                    "private_key": str(access.private_key),
                    "pkcs12": str(access.pkcs12),
                    "pkcs12_password": access.pkcs12_password,
                    "users": {user: {"role": role, "password": access.passwords[user]} for user, role in access.users.items()},
                    "recovery_code": access.recovery_code,
                    "upstream_url": access.upstream,
                    "suite_database": str(access.suite_database),
                }
                for access in self.customers.values()
            },
        }


def _close(stream: IO[str] | None) -> None:
    if stream is not None:
        stream.close()
