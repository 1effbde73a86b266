"""The walls inside the program: import-linter's contracts hold, and each of them is able to fail.

Belongs here: who may import whom. Never may: what a module does with it.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
#: Parts of ``cryptography`` that need a key of a customer or of the operator: seen by the cipher alone (design section 9).
KEYED = ("ciphers", "kdf", "hmac", "hpke", "keywrap", "cmac", "poly1305", "padding")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-P",
        "-c",
        "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as c; c()",
    ]
    return subprocess.run([*command, "--no-cache"], cwd=folder, capture_output=True, text=True, timeout=120)


def test_every_contract_holds() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which a wall may be broken."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "gateway", folder / "gateway", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


BREACHES = {
    "gateway/nowhere.py": ("", "imports point down only"),
    "gateway/tokens/upwards.py": ("import gateway.proxy", "imports point down only"),
    "gateway/body/waits.py": ("import asyncio", "pure packages"),
    "gateway/policy/reads.py": ("import sqlite3", "pure packages"),
    "gateway/proxy/keys.py": ("import gateway.cipher.interface", "workers reach no key"),
    "gateway/cipher/stores.py": ("import sqlite3", "the cipher holds no database"),
    "gateway/vault/opens.py": ("import gateway.cipher.primitives", "the vault holds no key"),
    "gateway/vault/seals.py": ("import cryptography", "cryptography is"),
}


@pytest.fixture(scope="module")
def broken(checkout: Path) -> str:
    """What the linter says when every wall is broken at once (one run instead of eight: each reads the whole tree)."""
    for file, (line, _) in BREACHES.items():
        (checkout / file).write_text(f"{line}\n", encoding="utf-8")
    result = lint(checkout)
    assert result.returncode == 1
    return " ".join(result.stdout.split())


@pytest.mark.parametrize(("file", "contract"), [(file, contract) for file, (_, contract) in BREACHES.items()])
def test_a_breach_is_found(broken: str, file: str, contract: str) -> None:
    module = file.removesuffix(".py").replace("/", ".")
    assert module in broken or module.removeprefix("gateway.") in broken
    assert any(
        contract in line and "BROKEN" in line for line in broken.replace("KEPT", "KEPT\n").replace("BROKEN", "BROKEN\n").splitlines()
    )


def imports(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("file", sorted((ROOT / "gateway").rglob("*.py")), ids=lambda file: str(file.relative_to(ROOT)))
def test_only_the_cipher_uses_keyed_primitives(file: Path) -> None:
    """import-linter sees an outside package as one name, so the line inside ``cryptography`` is drawn here."""
    if (ROOT / "gateway/cipher") in file.parents:
        return
    prefix = "cryptography.hazmat.primitives."
    keyed = {name for name in imports(file) if name.startswith(prefix) and name.removeprefix(prefix).split(".")[0] in KEYED}
    assert not keyed


@pytest.mark.parametrize("package", ["policy", "body", "tokens"])
def test_pure_packages_use_the_pure_half_of_urllib(package: str) -> None:
    """As above: of ``urllib`` only ``parse`` does no input or output."""
    found = {name for file in (ROOT / "gateway" / package).rglob("*.py") for name in imports(file) if name.split(".")[0] == "urllib"}
    assert all(name.startswith("urllib.parse") for name in found)


def test_relative_imports_are_not_used() -> None:
    """A relative import would slip past the check above."""
    for file in (ROOT / "gateway").rglob("*.py"):
        assert not [n for n in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(n, ast.ImportFrom) and n.level], file
