"""A PKCS#11 token in software, for the tests of one module."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pkcs11
import pytest

from gateway.pkcs11_uri import TokenUri

MODULES = [Path("/usr/lib/softhsm/libsofthsm2.so"), *Path("/usr/lib").glob("*/softhsm/libsofthsm2.so")]
PIN = "0815-4711"


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory, neighbour: Callable[[str], str]) -> Iterator[TokenUri]:
    softhsm = neighbour("softhsm2-util")
    module = next((module for module in MODULES if module.exists()), None)
    if module is None:
        pytest.skip("softhsm2-util is installed, and its PKCS#11 module is not")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
    (folder / "pin").touch(mode=0o600)
    (folder / "pin").write_text(PIN + "\n")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
        command = [softhsm, "--init-token", "--free", "--label", "Tresor im Keller", "--pin", PIN, "--so-pin", "0815-4712"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        yield TokenUri("Tresor im Keller", module, folder / "pin")
        pkcs11.lib(str(module)).finalize()  # it reads its configuration, and so its folder of tokens, when it is initialised
