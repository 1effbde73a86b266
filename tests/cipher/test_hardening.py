"""What the cipher process does to itself, seen from outside: tried in a process of its own, because there is no way back."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cipher.hardening import FREED_MEMORY

ASK = """
import ctypes, json, resource
from gateway.cipher.hardening import harden
granted = dict(harden())
print(json.dumps([granted, ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE)]))
"""


def test_the_process_cannot_be_dumped_or_traced() -> None:
    answer = subprocess.run([sys.executable, "-c", ASK], capture_output=True, check=True, text=True).stdout
    granted, dumpable, core = json.loads(answer)
    assert list(granted) == ["no-core-files", "not-dumpable", "no-new-privileges", "memory-locked"]
    assert granted["no-core-files"]
    assert core == [0, 0]
    assert granted["not-dumpable"] is (dumpable == 0)


def test_harden_reports_and_never_raises() -> None:
    code = (
        "from gateway.cipher.hardening import harden; import resource; resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0)); print(harden())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0


LEAVE_SECRETS = """
import hashlib, sys
def use():
    return [hashlib.sha256(b"secret %d" % n).digest() for n in range(300)]
secrets = use()
del secrets
spans = [line.split()[0] for line in open("/proc/self/maps") if " rw" in line and "[v" not in line]
with open("/proc/self/mem", "rb", 0) as memory, open(sys.argv[1], "wb") as dump:
    for span in spans:
        start, end = (int(each, 16) for each in span.split("-"))
        memory.seek(start)
        while start < end:
            piece = memory.read(end - start)
            dump.write(piece)
            start += len(piece)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/mem; the tunable is glibc's")
def test_freed_memory_is_overwritten_with_the_recommended_environment(tmp_path: Path) -> None:
    """300 secrets made and deleted, then looked for in the process's memory; without the environment they are still there."""
    found = {}
    for name, environment in (("plain", {}), ("recommended", FREED_MEMORY)):
        dump = tmp_path / name
        subprocess.run([sys.executable, "-c", LEAVE_SECRETS, str(dump)], env={**os.environ, **environment}, check=True)
        memory = dump.read_bytes()
        found[name] = sum(hashlib.sha256(b"secret %d" % n).digest() in memory for n in range(300))
    assert found["plain"] > 0, "the probe finds nothing, so it proves nothing"
    assert found["recommended"] == 0
