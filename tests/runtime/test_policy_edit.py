"""Edits in files that people own: only the place changes, comments and layout stay, and what does not load is put back."""

from pathlib import Path

import pytest
import yaml

from gateway.errors import ConfigurationError, Mistake
from gateway.runtime.policy_edit import customer_file, replace_checked, with_user, without_user

FLOW = "# ours\ncustomer: a\nusers: {import_job: importer, maria: dispatcher}  # two\n"
BLOCK = "customer: a\nusers:\n  # machines\n  import_job: importer\n  maria: dispatcher  # day shift\nkey: {idle: 15m}\n"
EMPTY = "customer: a\nusers: {}\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (FLOW, FLOW.replace("maria: dispatcher}", "maria: dispatcher, jens: auditor}")),
        (BLOCK, BLOCK.replace("maria: dispatcher", "maria: dispatcher\n  jens: auditor")),
        (EMPTY, EMPTY.replace("{}", "{jens: auditor}")),
    ],
)
def test_a_user_is_added(before, after):
    text = with_user(before, Path("a.yaml"), "jens", "auditor")
    assert yaml.safe_load(text) == yaml.safe_load(after)
    assert [line for line in before.splitlines() if "#" in line and "users" not in line and "maria" not in line] == [
        line for line in text.splitlines() if "#" in line and "users" not in line and "maria" not in line
    ]


@pytest.mark.parametrize("before", [FLOW, BLOCK, EMPTY])
@pytest.mark.parametrize(
    "user", ["müller", "a,b", 'o"neil', "o'neil", "{jens}", "#jens", "@jens", "*jens", "-jens", "a\\b", "jens%0d", "佐藤", "?", "a]b"]
)
def test_ta5_whatever_a_user_is_called_the_file_reads_it_back(before, user):
    text = with_user(before, Path("a.yaml"), user, "auditor")
    assert yaml.safe_load(text)["users"] == {**yaml.safe_load(before)["users"], user: "auditor"}
    gone = without_user(text, Path("a.yaml"), user)
    assert yaml.safe_load(gone)["users"] == yaml.safe_load(before)["users"]
    if before != EMPTY:
        assert yaml.safe_load(without_user(text, Path("a.yaml"), "maria"))["users"] == {"import_job": "importer", user: "auditor"}


@pytest.mark.parametrize("before", [FLOW, BLOCK])
def test_a_role_is_changed_in_its_place(before):
    assert with_user(before, Path("a.yaml"), "maria", "auditor") == before.replace("maria: dispatcher", "maria: auditor")


@pytest.mark.parametrize("before", [FLOW, BLOCK])
def test_users_are_removed_down_to_none(before):
    one = without_user(before, Path("a.yaml"), "maria")
    assert yaml.safe_load(one)["users"] == {"import_job": "importer"}
    none = yaml.safe_load(without_user(one, Path("a.yaml"), "import_job"))
    assert none["users"] == {}
    assert none["customer"] == "a"


@pytest.mark.parametrize("text", [FLOW, "customer: a\n"])
def test_an_unknown_user_or_a_file_without_users_is_a_mistake(text):
    with pytest.raises(ConfigurationError):
        without_user(text, Path("a.yaml"), "nobody")


def test_what_does_not_load_is_put_back(tmp_path):
    file = tmp_path / "a.yaml"

    def refuse():
        raise ConfigurationError([Mistake(file, 1, "no")])

    with pytest.raises(ConfigurationError):
        replace_checked(file, "new", refuse)
    assert not file.exists()
    file.write_text("old")
    with pytest.raises(ConfigurationError):
        replace_checked(file, "new", refuse)
    assert file.read_text() == "old"
    replace_checked(file, "new", lambda: None)
    assert file.read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]


def test_a_new_customer_has_the_shape_of_the_contract():
    text = customer_file("nord", "planning_suite", "https://suite.internal/nord", ["192.0.2.0/24"], {"maria": "dispatcher"}, "certs/ca.pem")
    assert yaml.safe_load(text) == {
        "customer": "nord",
        "api": "planning_suite",
        "upstream": {"url": "https://suite.internal/nord", "ca": "certs/ca.pem", "authorization": "drop"},
        "networks": ["192.0.2.0/24"],
        "certificates": {"authority": "gateway"},
        "key": {"held_by": "customer", "idle": "15m"},
        "users": {"maria": "dispatcher"},
    }
