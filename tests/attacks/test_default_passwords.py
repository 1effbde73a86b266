"""No default password exists anywhere: neither in the program nor in what it copies, and what it generates is another one each time.

Belongs here: the files as they are shipped. Never may: tests and benchmarks, which name the passwords of users who exist nowhere else.
"""

import ast
import re
from pathlib import Path

import pytest

from gateway.cipher.credentials import generate_password
from gateway.cipher.primitives import Argon2Parameters
from gateway.demo import environment as demo
from gateway.runtime import setup

ROOT = Path(__file__).parents[2]
CHEAP = Argon2Parameters(memory=8, iterations=1, lanes=1)
PROGRAM = sorted(file for top in ("gateway", "examples") for file in (ROOT / top).rglob("*.py"))
PLACES = [
    "config.yaml",
    "policies",
    "certs",
    "Dockerfile",
    "Makefile",
    "examples",
    "deploy",
    "gateway/proxy/pages",
    "gateway/vault/migrations",
]
SHIPPED = sorted(
    file
    for place in PLACES
    for file in ((ROOT / place).rglob("*") if (ROOT / place).is_dir() else [ROOT / place])
    if file.is_file() and file.suffix not in (".py", ".pyc", ".md")
)
_SECRET = r"(?:pass(?:word|phrase|wd)?|kennwort|passwort|pw|secret|credentials?|pin|recovery_code|api_?key)"
NAME = re.compile(rf"(?:^|_){_SECRET}$", re.ASCII | re.IGNORECASE)
SETTING = re.compile(rf"{_SECRET}[\"']?\s*[:=]\s*[\"']?[^\s\"'{{$<|]{{3,}}", re.ASCII | re.IGNORECASE)
#: A guess that the demonstration makes, and that is refused in front of the visitor's eyes.
GUESSES = {("gateway/demo/story.py", "hunter2hunter2")}


def name_of(node):
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def given(node):
    """Pairs of a name and what it is given, or compared with."""
    if isinstance(node, ast.Assign):
        yield from ((name_of(target), node.value) for target in node.targets)
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
        yield name_of(node.target), node.value
    elif isinstance(node, ast.keyword):
        yield node.arg or "", node.value
    elif isinstance(node, ast.Dict):
        yield from ((name_of(key), value) for key, value in zip(node.keys, node.values, strict=True) if key is not None)
    elif isinstance(node, ast.Compare):
        yield from ((name_of(node.left), each) for each in node.comparators)
    elif isinstance(node, ast.arguments):
        named = [*node.posonlyargs, *node.args]
        pairs = [*zip(named[len(named) - len(node.defaults) :], node.defaults, strict=True)]
        pairs += zip(node.kwonlyargs, node.kw_defaults, strict=True)
        yield from ((argument.arg, default) for argument, default in pairs if default is not None)


def literals(text):
    for node in ast.walk(ast.parse(text)):
        for name, value in given(node):
            if NAME.search(name) and isinstance(value, ast.Constant) and isinstance(value.value, str | bytes) and value.value:
                yield value.value


@pytest.mark.parametrize("file", PROGRAM, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_line_of_the_program_names_a_password(file):
    place = str(file.relative_to(ROOT))
    assert not [text for text in literals(file.read_text(encoding="utf-8")) if (place, text) not in GUESSES]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_file_that_is_copied_sets_one(file):
    text = file.read_bytes().decode("utf-8", "replace")
    found = [line for line in text.splitlines() if SETTING.search(line) and "autocomplete" not in line]
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        'password = "geheim"',
        'admin_password: str = "geheim"',
        'def f(password="geheim"): ...',
        'def f(*, passphrase="geheim"): ...',
        'create(user, password="geheim")',
        '{"password": "geheim"}',
        'if password == "geheim": ...',
        'self.secret = b"geheim"',
    ],
)
def test_one_would_be_found_in_the_program(text):
    assert list(literals(text))


@pytest.mark.parametrize("text", ["password: geheim", "PASSPHRASE=geheim", 'ENV PIN="1234"', '"secret": "geheim"', "admin_passwd = admin"])
def test_one_would_be_found_in_a_file(text):
    assert SETTING.search(text)


def test_what_is_made_twice_has_nothing_in_common(tmp_path):
    """Two set-ups in a row, with the same names and the same words: no password, code or key of one is one of the other."""
    made = []
    for name in ("one", "two"):
        folder = tmp_path / name
        setup.init(folder, ["gateway.example"], f"Tresor im Keller von {name}")
        config = setup.load_config(folder / "config.yaml")
        operator = setup.FileOperatorKey.create(tmp_path / f"{name}.key", f"Tresor im Keller von {name}", CHEAP)
        new = setup.add_customer(config, operator, "nord", api="planning_suite", upstream="http://127.0.0.1:9/", ca=None,
                                 networks=["192.0.2.0/24"], users={"maria": "dispatcher", "jens": "dispatcher"})  # fmt: skip
        made.append({*new.passwords.values(), new.recovery_code, config.share("nord").read_bytes()})
    assert not made[0] & made[1]
    assert len(made[0]) == len(made[1]) == 4


def test_the_demonstration_generates_its_own():
    text = Path(demo.__file__).read_text(encoding="utf-8")
    assert "secrets.token_urlsafe" in text and not list(literals(text))
    assert len({generate_password() for _ in range(100)}) == 100
