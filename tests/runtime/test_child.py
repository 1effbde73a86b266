"""What the supervisor starts: only what it was told to be, only with what was handed over, and without what it does not need."""

import subprocess
import sys

import pytest

from gateway.runtime.child import ROLES
from gateway.runtime.startup import ENVIRONMENT, Startup

#: What a role has no use for, and would only wait for when it starts.
NEEDLESS = {
    "vault": {"aiohttp", "click", "rich", "cryptography"},
    "cipher": {"aiohttp", "click", "rich", "sqlite3"},
    "proxy": {"click", "rich"},
}


@pytest.mark.parametrize("role", NEEDLESS)
def test_a_role_imports_what_it_needs_and_no_more(role):
    listed = f"import sys, importlib; importlib.import_module({ROLES[role]!r}); print(*sys.modules)"
    found = subprocess.run([sys.executable, "-P", "-c", listed], capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert not NEEDLESS[role] & set(found)


WRONG = {
    "another verb": (["init", "--config", "x", "--role", "vault"], True),
    "an option more": (["serve", "--config", "x", "--role", "vault", "--json"], True),
    "an unknown role": (["serve", "--config", "x", "--role", "backup"], True),
    "nothing handed over": (["serve", "--config", "x", "--role", "vault"], False),
}


@pytest.mark.parametrize("case", WRONG)
def test_nothing_starts_in_another_way(case, tmp_path):
    words, handed_over = WRONG[case]
    program = "import sys; from gateway.runtime.child import main; main(sys.argv[1:])"
    descriptor = Startup().descriptor() if handed_over else -1
    told = {"pass_fds": [descriptor], "env": {ENVIRONMENT: str(descriptor)}} if handed_over else {"env": {}}
    ended = subprocess.run([sys.executable, "-P", "-c", program, *words], capture_output=True, timeout=60, cwd=tmp_path, **told)
    assert ended.returncode == 1


@pytest.mark.parametrize("role", ROLES)
def test_a_mistake_in_a_file_is_told_with_its_place(role, tmp_path):
    (tmp_path / "config.yaml").write_text("listen: nowhere\n")
    descriptor = Startup().descriptor()
    words = ["serve", "--config", str(tmp_path / "config.yaml"), "--role", role]
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "gateway", *words],
        capture_output=True,
        text=True,
        timeout=60,
        pass_fds=[descriptor],
        env={ENVIRONMENT: str(descriptor)},
    )
    assert ended.returncode == 78
    assert "config.yaml:1" in ended.stderr
