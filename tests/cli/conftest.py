"""A folder as ``gateway init`` and ``customer add`` leave it, and the command line called as the shell calls it."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gateway.cipher.primitives import Argon2Parameters
from gateway.cipher.providers import FileOperatorKey
from gateway.cli import main
from gateway.config import Config, load_config
from gateway.runtime import setup
from gateway.runtime.keys import open_operator_key

CHEAP = Argon2Parameters(memory=8, iterations=1, lanes=1)
PASSPHRASE = "Tresor im Keller, zweimal abschließen"
CUSTOMER = "stadtwerke_musterstadt"


@dataclass(frozen=True)
class Folder:
    path: Path
    passwords: dict[str, str]
    recovery_code: str

    @property
    def config_file(self) -> Path:
        return self.path / "config.yaml"

    @property
    def config(self) -> Config:
        return load_config(self.config_file)

    @property
    def passphrase_file(self) -> Path:
        return self.path / "passphrase"

    def policy(self, customer: str = CUSTOMER) -> Path:
        return self.path / "policies" / "customers" / f"{customer}.yaml"


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Folder:
    """Made once, because Argon2 is meant to be slow; copied for each test."""
    path = tmp_path_factory.mktemp("made") / "gateway"
    setup.init(path, ["gateway.example", "127.0.0.1"], PASSPHRASE)
    # Tests run beside each other, and all of them may serve.
    (path / "config.yaml").write_text((path / "config.yaml").read_text().replace("127.0.0.1:9443", "127.0.0.1:0"))
    # The same kind of file, at a cost that a hundred commands can pay; the real cost is paid in tests/e2e.
    (path / "certs" / "operator.key").unlink()
    FileOperatorKey.create(path / "certs" / "operator.key", PASSPHRASE, CHEAP)
    config = load_config(path / "config.yaml")
    operator = open_operator_key(config, PASSPHRASE.encode())
    new = setup.add_customer(config, operator, CUSTOMER, api="planning_suite", upstream="http://127.0.0.1:9/musterstadt", ca=None,
                             networks=["192.0.2.0/24"], users={"import_job": "importer", "maria": "dispatcher"})  # fmt: skip
    folder = Folder(path, dict(new.passwords), new.recovery_code)
    folder.passphrase_file.write_text(PASSPHRASE + "\n")
    return folder


@pytest.fixture
def folder(made: Folder, tmp_path: Path) -> Folder:
    return replace(made, path=Path(shutil.copytree(made.path, tmp_path / "gateway")))


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch, capsys) -> Callable[..., Ran]:
    """``run(*words, stdin="")``: the entry point itself, with its exit code."""

    def ran(*words: object, stdin: str = "") -> Ran:
        monkeypatch.setattr(sys, "argv", ["gateway", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        try:
            main()
            code: object = 0
        except SystemExit as ended:
            code = ended.code or 0
        said = capsys.readouterr()
        assert isinstance(code, int)
        return Ran(code, said.out, said.err)

    return ran


@pytest.fixture
def on(run, folder) -> Callable[..., Ran]:
    """``run`` on the folder, with the operator's passphrase where a command takes it."""
    config = ("--config", folder.config_file)

    def ran(*words: object, operator: bool = False, stdin: str = "") -> Ran:
        passphrase = ("--passphrase-file", folder.passphrase_file) if operator else ()
        return run(*words, *config, *passphrase, stdin=stdin)

    return ran
