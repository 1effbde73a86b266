"""The tree is the table of contents: where things stand, what they are called, how long they may get.

Belongs here: rules that hold for every file of a kind, read from the files as they are. Never may: what one of them does.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(file for top in ("gateway", "examples", "benchmarks") for file in (ROOT / top).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
#: Words that say nothing about what a thing is (design section 12).
EMPTY_WORDS = frozenset({"util", "utils", "common", "helper", "helpers", "manager", "managers", "base", "info", "obj"})
#: X.509's own word for the CN, and the method that every transport of asyncio has.
FIELD_WORDS = frozenset({"common_name", "get_extra_info"})
LONGEST_MODULE, LONGEST_FUNCTION = 450, 70

each_module = pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(ROOT)))
each_file = pytest.mark.parametrize("file", [*MODULES, *TESTS], ids=lambda file: str(file.relative_to(ROOT)))


def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def says_only_shapes(tree: ast.Module) -> bool:
    """An interface: protocols, structs, exceptions and constants. Nothing runs in it that a test could call."""
    return all(isinstance(part, ast.Expr) for function in functions(tree) for part in function.body)


def words(name: str) -> list[str]:
    """``UserInfo`` and ``user_info`` are the same two words."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)]


def names(file: Path) -> set[str]:
    tree = parse(file)
    return {file.stem} | {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)}


def comments(file: Path) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(file.read_text(encoding="utf-8")).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


@pytest.mark.parametrize("file", [f for f in MODULES if f.is_relative_to(ROOT / "gateway")], ids=lambda file: str(file.relative_to(ROOT)))
def test_every_module_has_its_mirrored_test(file: Path) -> None:
    """gateway/x/y.py is tested by tests/x/test_y.py; a stranger need not search."""
    if file.name in ("__init__.py", "__main__.py") or says_only_shapes(parse(file)):
        return
    mirrored = file.relative_to(ROOT / "gateway").with_name(f"test_{file.name}")
    assert (ROOT / "tests" / mirrored).is_file(), f"tests/{mirrored} is missing"


@each_module
def test_no_module_is_too_long(file: Path) -> None:
    length = len(file.read_text(encoding="utf-8").splitlines())
    assert length <= LONGEST_MODULE


@each_file
def test_no_function_is_too_long(file: Path) -> None:
    too_long = [f.name for f in functions(parse(file)) if f.end_lineno and f.end_lineno - f.lineno + 1 > LONGEST_FUNCTION]
    assert not too_long


@each_module
def test_names_are_the_words_of_the_field(file: Path) -> None:
    assert not {name for name in names(file) - FIELD_WORDS if EMPTY_WORDS & set(words(name)) or "process_data" in name}


@each_file
def test_every_module_says_what_belongs_in_it(file: Path) -> None:
    assert file.name == "__init__.py" or ast.get_docstring(parse(file))


@each_file
def test_nothing_is_left_for_later(file: Path) -> None:
    marks = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
    assert not marks.search(file.read_text(encoding="utf-8"))


def is_broad(handler: ast.ExceptHandler) -> bool:
    named = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException")) for kind in named)


@each_module
def test_a_broad_except_has_its_reason_beside_it(file: Path) -> None:
    """Swallowing everything is how a wall fails open: who does it says why, on the line itself or around it."""
    said = {line for line, comment in comments(file).items() if re.sub(r"noqa[^#]*|#|[\s—–-]", "", comment)}
    handlers = [node for node in ast.walk(parse(file)) if isinstance(node, ast.ExceptHandler) and is_broad(node)]
    assert not [h.lineno for h in handlers if not said & {h.lineno - 1, h.lineno, h.lineno + 1}]


@each_module
def test_every_function_says_what_it_returns(file: Path) -> None:
    assert not [function.name for function in functions(parse(file)) if function.returns is None]


#: The words themselves stand as two, so that this file does not find itself.
WORKPLACE = re.compile(r"/tm" r"p/|/wor" r"k/|/op" r"t/(?!venv)|/roo" r"t/")


@pytest.mark.parametrize("file", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda file: file.name)
def test_locked_requirements_are_hashed_and_name_no_index(file: Path) -> None:
    """O-05: what is installed is what was locked, wherever it is fetched from."""
    lines = file.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    required = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert required
    assert all(re.match(r"[a-z0-9._-]+==[^ ]+ .*--hash=sha256:[0-9a-f]{64}", line) for line in required)
    assert not [line for line in lines if "://" in line or "--index" in line or "--find-links" in line]


def test_no_file_names_the_place_where_it_was_written() -> None:
    texts = [*MODULES, *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "policies").rglob("*.yaml"), ROOT / "Makefile"]
    assert not [str(file.relative_to(ROOT)) for file in texts if WORKPLACE.search(file.read_text(encoding="utf-8"))]


#: What a name holds that was made of a clock or an address: another process of the same run has another one.
PASSING = re.compile(r"datetime\.|\bat 0x[0-9a-f]{6,}")


def test_a_test_has_the_same_name_in_every_process(request: pytest.FixtureRequest) -> None:
    """The processes of a run compare the names of all tests, and refuse to begin when they differ: in CI they once did."""
    assert not [item.nodeid for item in request.session.items if PASSING.search(item.nodeid)]
