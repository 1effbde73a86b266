"""Policies that would work or grow without end, or whose settings contradict one another, are mistakes (T-D10, P-02)."""

import shutil
import subprocess
import sys

import pytest

from gateway.demo.story import OTHER

BOMBS = {
    "brackets": "networks: " + "[" * 10_000,
    "many brackets": "networks: " + "[" * 100_000,
    "braces": "upstream: " + "{a: " * 20_000,
    "aliases": "a: &a [x,x]\n" + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)},*{chr(97 + n)}]\n" for n in range(20)),
    "an alias of itself": "a: &a [*a]",
    "large": "# " + "x" * 5_000_000,
    "keys": "".join(f"k{number}: 1\n" for number in range(100_000)),
    "a long number": "idle: " + "9" * 100_000,
    "anchors": "".join(f"k{number}: &a{number} x\n" for number in range(50_000)),
}


def checked(environment, folder, change):
    """``gateway check`` on a copy of the whole installation's policies."""
    source = environment.config_file.parent
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.sock", "run", "*.db*", "log*"), dirs_exist_ok=True)
    change(folder)
    command = [sys.executable, "-P", "-m", "gateway", "check", "--config", str(folder / environment.config_file.name)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.trap("T-D10", "A policy that is deep, wide, large, or refers to itself is a mistake with its place.")
@pytest.mark.parametrize("case", BOMBS)
def test_td10_a_bomb_is_a_mistake(environment, tmp_path, case):
    def change(folder):
        file = folder / "policies" / "customers" / f"{OTHER}.yaml"
        file.write_text(BOMBS[case])

    ran = checked(environment, tmp_path / "copy", change)
    assert ran.returncode == 78 and f"{OTHER}.yaml" in ran.stderr + ran.stdout
    assert "Traceback" not in ran.stderr and len(ran.stderr + ran.stdout) < 100_000


CONTRADICTIONS = {
    "two routes of one path": ("routes:\n", "routes:\n  GET /orders/{number}: {roles: [auditor], response: order}\n"),
    "a key twice": ("limits: {", "limits: {body: 2 MiB}\nlimits: {"),
    "a role that is none": ("roles: [importer, dispatcher]", "roles: [importer, everybody]"),
    "a field that is clear and of a class": ("clear:  [id,", "clear:  [household.name, id,"),
}


@pytest.mark.trap("P-02", "Overlapping routes and settings that contradict one another are mistakes with their lines: none wins.")
@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_p02_no_setting_wins_in_silence(environment, tmp_path, case):
    def change(folder):
        [file] = (folder / "policies").glob("planning_suite.yaml")
        text, (old, new) = file.read_text(), CONTRADICTIONS[case]
        assert old in text
        file.write_text(text.replace(old, new, 1))

    ran = checked(environment, tmp_path / "copy", change)
    assert ran.returncode == 78
    assert "planning_suite.yaml:" in ran.stderr + ran.stdout
