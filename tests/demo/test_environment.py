"""What the demo, the end-to-end tests and the benchmark start from: built by the command line's own code, and ended without a rest."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from gateway.demo import environment as module
from gateway.demo import run_demo
from gateway.demo.environment import Environment
from gateway.demo.story import OURS

ROOT = Path(__file__).parents[2]


def test_what_it_says_of_itself(shown):
    facts = shown[0].facts()
    assert set(facts) >= {
        "gateway_url",
        "ca_file",
        "config_file",
        "policy_folder",
        "state_folder",
        "passphrase_file",
        "logs",
        "pids",
        "customers",
    }
    ours = facts["customers"][OURS]
    assert {name: entry["role"] for name, entry in ours["users"].items()} == {
        "import_job": "importer",
        "maria": "dispatcher",
        "pruefer": "auditor",
    }
    for path in (facts["ca_file"], facts["config_file"], ours["certificate"], ours["private_key"], ours["pkcs12"], ours["suite_database"]):
        assert Path(path).is_file()
    assert json.loads(json.dumps(facts)) == facts
    assert shown[0].passphrase_file.stat().st_mode & 0o777 == 0o600


def test_secrets_are_in_no_representation(shown):
    access = shown[0].customers[OURS]
    secrets = [*access.passwords.values(), access.recovery_code, access.pkcs12_password]
    assert not [secret for secret in secrets if secret in repr(access)]


def test_what_fails_while_it_is_built_leaves_no_process(tmp_path, monkeypatch):
    started = []
    launch = Environment._launch

    def noted(self, name, command):
        ready = launch(self, name, command)
        started.append(self._running[-1])
        return ready

    def fails(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Environment, "_launch", noted)
    monkeypatch.setattr(module.setup, "init", fails)
    with pytest.raises(KeyboardInterrupt):
        Environment.build(tmp_path / "run", Console(file=io.StringIO()))
    assert [process.returncode for process in started] == [0]


def test_what_does_not_start_is_said_without_a_traceback(tmp_path, monkeypatch, capsys):
    """A checkout without its example, say: the demo ends with what the process said, and with 1."""

    def broken(self):
        return self._launch("suite", [sys.executable, "-c", "raise SystemExit('the suite is not here')"])

    monkeypatch.setattr(Environment, "_start_suite", broken)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert run_demo(stay=False, folder=tmp_path / "run") == 1
    assert "the suite is not here" in capsys.readouterr().out


def test_a_folder_that_is_in_use_is_refused(tmp_path):
    (tmp_path / "run" / "logs").mkdir(parents=True)
    command = [sys.executable, "-m", "gateway", "demo", "--folder", tmp_path / "run"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stay_says_where_everything_is_and_ends_without_a_rest(tmp_path, number):
    command = [sys.executable, "-m", "gateway", "demo", "--stay", "--folder", "run"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}
    ) as demo:
        try:
            file, end = tmp_path / "demo.json", time.monotonic() + 120
            while not (file.exists() and file.read_text().endswith("}\n")):
                assert demo.poll() is None, demo.stdout.read().decode()
                assert time.monotonic() < end
                time.sleep(0.05)
            assert file.stat().st_mode & 0o777 == 0o600
            pids = [pid for pids in json.loads(file.read_text())["pids"].values() for pid in pids]
            demo.send_signal(number)
            demo.communicate(timeout=60)
        finally:
            demo.kill()
    assert not file.exists()
    assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}")]
