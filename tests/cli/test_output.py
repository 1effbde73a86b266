"""Results as tables for people, as JSON for programs; mistakes always with file and line."""

import errno
import json
from pathlib import Path

import pytest

from gateway.cli.output import done, show, show_failure, show_mistakes
from gateway.errors import Mistake

ROWS = [{"user": "maria", "not_after": None}, {"user": "Jürgen [red]Groß", "not_after": "2027"}]


def test_json_keeps_every_value(capsys):
    show(ROWS, title="Users", as_json=True)
    assert json.loads(capsys.readouterr().out) == ROWS


def test_a_table_takes_no_markup_from_values(capsys):
    """T-A7: a name must not colour, hide or forge what an operator sees."""
    show(ROWS, title="Users")
    shown = capsys.readouterr().out
    assert "Jürgen [red]Groß" in shown
    assert "not after" in shown
    assert "None" not in shown


def test_into_a_pipe_nothing_is_folded(capsys):
    """A password in two lines is no password any more."""
    show([{f"column {number}": "x" * 40 for number in range(9)}])
    assert " │ ".join(["x" * 40] * 9) in capsys.readouterr().out


@pytest.mark.parametrize(("as_json", "expected"), [(False, "Users: none\n"), (True, "[]\n")])
def test_nothing_to_show(capsys, as_json, expected):
    show([], title="Users", as_json=as_json)
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize(("as_json", "expected"), [(False, "it is gone\n"), (True, '{"gone": true}\n')])
def test_done(capsys, as_json, expected):
    done("it is gone", {"gone": True}, as_json=as_json)
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize(
    ("mistakes", "last"),
    [
        ([Mistake(Path("a.yaml"), 3, "wrong")], "1 mistake; nothing was changed"),
        ([Mistake(Path("a.yaml"), 3, "wrong"), Mistake(Path("b.yaml"), 0, "missing")], "2 mistakes; nothing was changed"),
    ],
)
def test_mistakes_go_to_standard_error(capsys, mistakes, last):
    show_mistakes(mistakes)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [*map(str, mistakes), last]


def test_mistakes_as_json(capsys):
    show_mistakes([Mistake(Path("a.yaml"), 3, "wrong")], as_json=True)
    assert json.loads(capsys.readouterr().out) == {"ok": False, "mistakes": [{"file": "a.yaml", "line": 3, "text": "wrong"}]}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "certs/x"), "gateway: certs/x: Permission denied\n"),
        (OSError(errno.ENOSPC, "No space left on device"), "gateway: No space left on device\n"),
        (BrokenPipeError(), "gateway: BrokenPipeError\n"),
    ],
)
def test_what_the_system_refused(capsys, error, said):
    show_failure(error)
    assert capsys.readouterr().err == said
