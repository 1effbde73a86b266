"""``python -O`` takes every ``assert`` away. None of ours may be a check, and the walls stand without them (T-D4)."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "gateway").rglob("*.py"))


def narrows(test):
    """``x is not None`` and ``isinstance``: said to the type checker. Without them the next line fails on None by itself."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return all(map(narrows, test.values))
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return narrows(test.operand)
    if isinstance(test, ast.Compare):
        return isinstance(test.ops[0], ast.IsNot) and ast.unparse(test.comparators[0]) == "None"
    return isinstance(test, ast.Call) and ast.unparse(test.func) == "isinstance"


@pytest.mark.trap("T-D4", "No assert of the gateway is a check: each only tells the type checker what is so.")
def test_td4_no_assert_is_a_check():
    found = [(file, node) for file in FILES for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Assert)]
    assert [f"{file.relative_to(ROOT)}:{node.lineno}" for file, node in found if not narrows(node.test)] == []


PROGRAM = """
import sys
sys.argv = ["pytest"]
assert False, "asserts are gone"
import pytest
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore::pytest.PytestConfigWarning", *{files!r}]))
"""
#: What refuses: framing, paths, headers, bodies, answers and chains. pytest's own rewriting keeps the asserts of tests alive.
WALLS = [
    "tests/proxy/test_framing.py",
    "tests/proxy/test_upstream_parser.py",
    "tests/policy/test_path.py",
    "tests/policy/test_decide.py",
    "tests/body/test_json_scan.py",
    "tests/ca/test_trust.py",
]


@pytest.mark.trap("T-D4", "Framing, paths, decisions, bodies, answers and chains are refused as ever under python -O.")
def test_td4_the_walls_stand_under_python_o():
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-O", "-P", "-c", PROGRAM.format(files=WALLS)]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-500:]
    assert " passed" in ran.stdout
