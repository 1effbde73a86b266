"""``init`` and ``serve`` as a service manager sees them: exit codes, one line when it serves, nothing left when it ends."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.config import load_config
from gateway.runtime.keys import open_operator_key

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.fixture
def passphrase(tmp_path):
    (tmp_path / "passphrase").write_text("Tresor im Keller\n")
    return ("--passphrase-file", tmp_path / "passphrase")


def files(folder):
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_init_makes_a_folder_that_can_be_checked(run, tmp_path, passphrase):
    made = run("init", tmp_path / "new", "--hostname", "gateway.example", "--hostname", "192.0.2.1", *passphrase, "--json")
    told = json.loads(made.out)
    assert made.code == 0
    assert ssl.create_default_context(cafile=told["authority"]).get_ca_certs()
    config = load_config(Path(told["config"]))
    assert config.hostnames == ("gateway.example", "192.0.2.1")
    assert open_operator_key(config, b"Tresor im Keller").current == 1
    assert {name: (tmp_path / "new" / "certs" / name).stat().st_mode & 0o777 for name in ("", "server.key", "operator.key")} == {
        "": 0o700,
        "server.key": 0o600,
        "operator.key": 0o600,
    }
    assert run("check", "--config", told["config"]).code == 0
    assert b"Tresor" not in b"".join(files(tmp_path / "new").values())


def test_init_says_what_comes_next(run, tmp_path, passphrase):
    assert "gateway customer add" in run("init", tmp_path / "new", "--hostname", "gateway.example", *passphrase).out


@pytest.mark.parametrize(
    "there", ["config.yaml", "policies", "certs/operator.key", "certs/server.key", "certs/server.pem", "certs/server-ca.pem"]
)
def test_init_never_overwrites_and_leaves_nothing_behind(run, tmp_path, passphrase, there):
    path = tmp_path / "new" / there
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    refused = run("init", tmp_path / "new", "--hostname", "gateway.example", *passphrase)
    assert refused.code == 78
    assert f"{path}: exists already" in refused.err
    assert files(tmp_path / "new") == {path: b"mine"}


@pytest.mark.parametrize(
    "hostname", ["https://gateway.example", "gateway.example:443", "*.example", "bad host", 'a"]\nb: c', "a_b", "-a", ""]
)
def test_a_bad_host_name_is_said_and_init_can_be_repeated(run, tmp_path, passphrase, hostname):
    refused = run("init", tmp_path / "new", "--hostname", hostname, *passphrase)
    assert (refused.code, "Traceback" in refused.err) == (78, False)
    assert files(tmp_path / "new") == {}
    assert run("init", tmp_path / "new", "--hostname", "gateway.example", *passphrase).code == 0


def test_init_where_nothing_may_be_written(run, tmp_path, passphrase):
    (tmp_path / "file").write_text("")
    refused = run("init", tmp_path / "file" / "new", "--hostname", "gateway.example", *passphrase)
    assert refused.code == 1
    assert refused.err.startswith("gateway: ")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--version",), 0),
        (("--help",), 0),
        (("serve", "--help"), 0),
        ((), 2),
        (("seve",), 2),
        (("init",), 2),
        (("serve", "--role", "backup"), 2),
        (("serve", "--config", "missing.yaml"), 78),
        (("check", "--config", "missing.yaml"), 78),
    ],
)
def test_exit_codes(tmp_path, words, code):
    ended = subprocess.run([sys.executable, "-m", "gateway", *words], capture_output=True, text=True, cwd=tmp_path, env=ENVIRONMENT)
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.fixture
def ready_to_serve(folder):
    text = folder.config_file.read_text().replace("0.0.0.0:8443", "127.0.0.1:0").replace("workers: auto", "workers: 1")
    folder.config_file.write_text(text)
    return folder


def serve(folder, *words):
    command = [
        sys.executable,
        "-m",
        "gateway",
        "serve",
        "--config",
        folder.config_file,
        "--passphrase-file",
        folder.passphrase_file,
        *words,
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=ENVIRONMENT, text=True)


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        (lambda folder: folder.passphrase_file.write_text("wrong"), 78, "does not open this operator key"),
        (lambda folder: (folder.path / "certs" / "server.key").unlink(), 78, "server.key"),
        (lambda folder: folder.policy().write_text("customer: 1"), 78, "stadtwerke_musterstadt.yaml:"),
        (lambda folder: folder.config_file.write_text(folder.config_file.read_text() + "more: 1\n"), 78, "config.yaml:"),
    ],
)
@pytest.mark.parametrize("processes", ["separate", "one"])
def test_serve_refuses_before_it_listens(ready_to_serve, spoil, code, said, processes):
    text = ready_to_serve.config_file.read_text().replace("processes: separate", f"processes: {processes}")
    ready_to_serve.config_file.write_text(text)
    spoil(ready_to_serve)
    out, err = (process := serve(ready_to_serve)).communicate(timeout=60)
    assert (process.returncode, out) == (code, ""), err
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize("processes", ["separate", "one"])
def test_a_port_that_is_taken_is_named(ready_to_serve, processes):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        text = (
            ready_to_serve.config_file.read_text().replace("127.0.0.1:0", taken).replace("processes: separate", f"processes: {processes}")
        )
        ready_to_serve.config_file.write_text(text)
        out, err = (process := serve(ready_to_serve)).communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert f"gateway: {taken}: Address already in use" in err


@pytest.mark.parametrize("processes", ["separate", "one"])
def test_ready_is_one_line_and_sigterm_ends_it(ready_to_serve, processes):
    text = ready_to_serve.config_file.read_text().replace("processes: separate", f"processes: {processes}")
    ready_to_serve.config_file.write_text(text)
    process = serve(ready_to_serve)
    try:
        ready = json.loads(process.stdout.readline())
        assert ready["event"] == "ready"
        assert set(ready["pids"]) == ({"supervisor", "cipher", "vault", "proxy", "admin"} if processes == "separate" else {"one"})
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, out) == (0, ""), err
    assert "error" not in {json.loads(line)["level"] for line in err.splitlines()}
    for pids in ready["pids"].values():
        assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}")]


def test_roles_belong_to_separate_processes(run, ready_to_serve):
    ready_to_serve.config_file.write_text(ready_to_serve.config_file.read_text().replace("processes: separate", "processes: one"))
    refused = run("serve", "--role", "vault", "--config", ready_to_serve.config_file)
    assert refused.code == 2
    assert "processes: separate" in refused.err
