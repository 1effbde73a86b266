"""Is this program what it must be: interpreter, libraries, parser, both OpenSSLs, and what the kernel grants (O-04, C-12)?

A fallback is silent: without its C extension aiohttp parses in Python, slower and by other rules. So ``serve`` refuses to start on
what is wrong here, and ``doctor`` shows it. What never may come in: a check that changes something, or that guesses what it could try.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Literal

import aiohttp
from aiohttp.http_parser import HttpRequestParser

from gateway.cipher.primitives import openssl_version
from gateway.errors import ConfigurationError, Mistake

Version = tuple[int, ...]

PYTHON: Version = (3, 11)
OPENSSL: Version = (3,)  # 1.1.1 gets no corrections any more
#: Distribution → from, and below which version it was tried. The ranges of pyproject.toml; a test compares them.
SUPPORTED: dict[str, tuple[Version, Version | None]] = {
    "aiohttp": ((3, 14, 5), (4,)),
    "cryptography": ((50,), (51,)),
    "pyopenssl": ((26, 4), None),
    "httptools": ((0, 9), None),
    "netaddr": ((1, 3), None),
    "pyyaml": ((6, 0, 3), None),
    "msgspec": ((0, 22), None),
    "python-jsonpath": ((2, 2, 2), None),
    "click": ((8, 5), None),
    "rich": ((15,), None),
    "prometheus-client": ((0, 26), None),
    "brotli": ((1, 2), None),
    "backports.zstd": ((1, 8), None),
}
if sys.version_info >= (3, 14):  # it is in the standard library from there on
    del SUPPORTED["backports.zstd"]
C_PARSER = "aiohttp._http_parser"
#: Descriptors of a busy worker: 8,192 connections of customers (``proxy/listener.py``), and one to the upstream for each.
DESCRIPTORS = 16384

_REINSTALL = "install exactly what is locked: pip install --require-hashes -r requirements/runtime.txt"


@dataclass(frozen=True, slots=True)
class Finding:
    """``mind``: it works, and somebody should know."""

    check: str
    outcome: Literal["fine", "mind", "wrong"]
    found: str
    remedy: str = ""


def judge(check: str, fault: bool, found: str, remedy: str, *, grave: bool = True) -> Finding:
    """Fine without a remedy, or what is to be done."""
    if not fault:
        return Finding(check, "fine", found)
    return Finding(check, "wrong" if grave else "mind", found, remedy)


def require_program() -> None:
    """Raises ConfigurationError when the program must not serve: nothing that it decides could be relied on."""
    wrong = [finding for finding in program() if finding.outcome == "wrong"]
    if wrong:
        place = Path(sys.executable)
        raise ConfigurationError([Mistake(place, 0, f"{finding.check}: {finding.found}; {finding.remedy}") for finding in wrong])


def runs_on() -> str:
    """One line for the log at the start."""
    return (
        f"Python {platform.python_version()}, aiohttp {aiohttp.__version__}, "
        f"OpenSSL {tls_openssl()} for TLS, OpenSSL {openssl_version()} for keys and certificates"
    )


def tls_openssl() -> str:
    return ssl.OPENSSL_VERSION.split()[1]


def program() -> Iterator[Finding]:
    """What is wrong here is a reason not to start."""
    yield judge("Python", sys.version_info < PYTHON, platform.python_version(), f"use Python {_dotted(PYTHON)} or newer")
    yield _parser()
    yield _libraries()
    for name, version in (("OpenSSL for TLS", tls_openssl()), ("OpenSSL for keys and certificates", openssl_version())):
        yield judge(name, numbers(version) < OPENSSL, version, f"use a build with OpenSSL {_dotted(OPENSSL)} or newer")


def surroundings() -> Iterator[Finding]:
    """What the machine grants. Nothing here keeps the gateway from serving."""
    yield _event_loop()
    yield from _hardening()
    yield _tracing()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    least = hard != resource.RLIM_INFINITY and hard < DESCRIPTORS
    remedy = f"a busy worker needs {DESCRIPTORS}: LimitNOFILE=65536 in the unit, or ulimit -Hn"
    yield judge("open files", least, "unlimited" if hard == resource.RLIM_INFINITY else f"{hard} for a process", remedy, grave=False)
    root = os.geteuid() == 0
    yield judge(
        "user", root, "root" if root else f"uid {os.geteuid()}", "run it as a user of its own: root may trace all processes", grave=False
    )


def numbers(version: str) -> Version:
    """``3.0.22`` → (3, 0, 22); what is no number ends it."""
    found: list[int] = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        found.append(int(digits))
    return tuple(found)


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))


def _parser() -> Finding:
    """O-04. The variable is looked at too: it would take the parser away from the processes that are started later."""
    module = HttpRequestParser.__module__
    if os.environ.get("AIOHTTP_NO_EXTENSIONS"):
        return Finding(
            "HTTP parser", "wrong", "AIOHTTP_NO_EXTENSIONS is set", "unset it: the parser in Python is slow, and reads by other rules"
        )
    return judge("HTTP parser", module != C_PARSER, f"aiohttp {aiohttp.__version__}, {module}", f"its C parser is missing; {_REINSTALL}")


def _libraries() -> Finding:
    faults = list(_library_faults())
    return judge("libraries", bool(faults), "; ".join(faults) or f"{len(SUPPORTED)} in their ranges", _REINSTALL)


def _library_faults() -> Iterator[str]:
    for name, (least, below) in SUPPORTED.items():
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield f"{name} is missing"
            continue
        if numbers(version) < least or (below is not None and numbers(version) >= below):
            yield f"{name} {version} is not {_dotted(least)} or newer{f', below {_dotted(below)}' if below else ''}"


def _event_loop() -> Finding:
    missing = util.find_spec("uvloop") is None
    return judge(
        "event loop", missing, "asyncio" if missing else "uvloop", "pip install 'pii-gateway[fast]': less CPU per request", grave=False
    )


_HARDEN = "import json; from gateway.cipher.hardening import harden; print(json.dumps(harden()))"
_HARDENING_REMEDIES = {
    "memory-locked": "keys may reach the swap space: LimitMEMLOCK=infinity in the unit, or no swap",
    "no-new-privileges": "the kernel refuses prctl(PR_SET_NO_NEW_PRIVS); look at the container's seccomp profile",
}


def _hardening() -> Iterator[Finding]:
    """Tried in a process of its own: there is no way back from it."""
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]))
    try:
        ended = subprocess.run(
            [sys.executable, "-c", _HARDEN], capture_output=True, check=True, timeout=60, env={**os.environ, "PYTHONPATH": path}
        )
        granted = json.loads(ended.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        yield Finding("hardening", "wrong", f"could not be tried ({type(error).__name__})", "run it where processes may be started")
        return
    for name, done in granted:
        remedy = _HARDENING_REMEDIES.get(name, "the system refuses it; see docs/threat-model.md, processes of one host")
        yield judge(
            f"hardening: {name}", not done, "granted" if done else "refused", remedy, grave=name in ("no-core-files", "not-dumpable")
        )


def _tracing() -> Finding:
    remedy = "sysctl kernel.yama.ptrace_scope=1: a worker that was broken into could trace a process that is just starting"
    try:
        scope = Path("/proc/sys/kernel/yama/ptrace_scope").read_text(encoding="ascii").strip()
    except OSError:
        return Finding("ptrace_scope", "mind", "not there", remedy)
    return judge("ptrace_scope", scope == "0", scope, remedy, grave=False)
