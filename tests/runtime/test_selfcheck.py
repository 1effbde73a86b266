"""What the program must be is tried out by taking it away: parser, libraries, OpenSSL, descriptors."""

import os
import resource
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.runtime import selfcheck
from gateway.runtime.selfcheck import SUPPORTED, Finding, judge, numbers, program, require_program, runs_on, surroundings

ROOT = Path(__file__).parents[2]


def named(findings, check):
    (found,) = [finding for finding in findings if finding.check == check]
    return found


def test_this_program_may_serve():
    assert [finding for finding in program() if finding.outcome != "fine"] == []
    require_program()


def test_the_ranges_are_those_of_the_project():
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    written = {}
    for text in required["dependencies"]:
        text, _, condition = text.partition(";")
        if condition and sys.version_info >= (3, 14):
            continue
        name, _, bounds = text.partition(">=")
        least, _, below = bounds.partition(",<")
        written[name] = numbers(least), numbers(below) or None
    assert written == SUPPORTED
    assert required["requires-python"] == ">=" + ".".join(map(str, selfcheck.PYTHON))


@pytest.mark.parametrize(
    "code", ["from gateway.runtime.selfcheck import require_program as r; r()", "import gateway.__main__ as m; m.main()"]
)
def test_o04_without_its_c_parser_nothing_starts(code, tmp_path):
    """aiohttp would go on silently, with a parser of other rules."""
    environment = {**os.environ, "AIOHTTP_NO_EXTENSIONS": "1", "PYTHONPATH": str(ROOT)}
    (tmp_path / "config.yaml").write_text((ROOT / "config.yaml").read_text())
    command = [sys.executable, "-c", f"import sys; sys.argv[1:] = ['serve']\n{code}"]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=60)
    assert ended.returncode in (1, 78)
    assert "HTTP parser: AIOHTTP_NO_EXTENSIONS is set" in ended.stderr


def test_o04_nor_with_a_build_that_has_none(monkeypatch):
    class PythonParser:
        pass

    monkeypatch.setattr(selfcheck, "HttpRequestParser", PythonParser)
    with pytest.raises(ConfigurationError, match="its C parser is missing"):
        require_program()


@pytest.mark.parametrize(
    ("version", "said"),
    [("3.14.4", "aiohttp 3.14.4 is not 3.14.5 or newer, below 4"), ("4.0.0", "aiohttp 4.0.0 is not"), (None, "aiohttp is missing")],
)
def test_a_library_outside_of_its_range(monkeypatch, version, said):
    real = selfcheck.metadata.version

    def pretend(name):
        if name != "aiohttp":
            return real(name)
        if version is None:
            raise selfcheck.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(selfcheck.metadata, "version", pretend)
    assert said in named(program(), "libraries").found
    with pytest.raises(ConfigurationError, match="--require-hashes"):
        require_program()


@pytest.mark.parametrize(
    ("function", "check"), [("tls_openssl", "OpenSSL for TLS"), ("openssl_version", "OpenSSL for keys and certificates")]
)
def test_c12_each_of_the_two_openssls_is_looked_at(monkeypatch, function, check):
    monkeypatch.setattr(selfcheck, function, lambda: "1.1.1w")
    assert named(program(), check) == Finding(check, "wrong", "1.1.1w", "use a build with OpenSSL 3 or newer")
    assert "1.1.1w" in runs_on()


def test_an_old_interpreter(monkeypatch):
    monkeypatch.setattr(selfcheck.sys, "version_info", (3, 10, 9))
    assert named(program(), "Python").outcome == "wrong"


@pytest.mark.parametrize(
    ("version", "expected"),
    [("3.0.22", (3, 0, 22)), ("1.1.1w", (1, 1, 1)), ("4.0.0rc1", (4, 0, 0)), ("26.4", (26, 4)), ("", ()), ("x", ())],
)
def test_versions_as_numbers(version, expected):
    assert numbers(version) == expected


def test_what_the_machine_grants_keeps_nothing_from_starting():
    found = list(surroundings())
    assert {finding.check for finding in found} >= {"event loop", "ptrace_scope", "open files", "user"}
    assert named(found, "hardening: no-core-files").outcome == named(found, "hardening: not-dumpable").outcome == "fine"
    assert all(finding.remedy for finding in found if finding.outcome != "fine")
    assert not any(finding.remedy for finding in found if finding.outcome == "fine")


@pytest.mark.parametrize(("hard", "outcome"), [(1024, "mind"), (16384, "fine"), (resource.RLIM_INFINITY, "fine")])
def test_descriptors(monkeypatch, hard, outcome):
    monkeypatch.setattr(selfcheck.resource, "getrlimit", lambda _: (hard, hard))
    assert named(surroundings(), "open files").outcome == outcome


def test_without_uvloop_it_runs_and_somebody_should_know(monkeypatch):
    monkeypatch.setattr(selfcheck.util, "find_spec", lambda _: None)
    assert named(surroundings(), "event loop").outcome == "mind"


def test_hardening_that_cannot_be_tried_is_not_taken_for_granted(monkeypatch):
    monkeypatch.setattr(selfcheck.sys, "executable", "/nowhere/python")
    assert named(surroundings(), "hardening").outcome == "wrong"


@pytest.mark.parametrize(("fault", "grave", "outcome"), [(False, True, "fine"), (True, True, "wrong"), (True, False, "mind")])
def test_outcomes(fault, grave, outcome):
    assert judge("a", fault, "b", "c", grave=grave) == Finding("a", outcome, "b", "c" if fault else "")
