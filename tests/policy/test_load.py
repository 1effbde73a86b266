"""From files to a policy set: all or nothing, every mistake of every file at once, and one revision for what was read."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from gateway.config import Config, load_config
from gateway.errors import ConfigurationError
from gateway.policy import load
from gateway.policy.load import load_policies, policy_files, revision

ROOT = Path(__file__).parents[2]
CLASSES = "policies/data_classes.yaml"
API = "policies/planning_suite.yaml"
CUSTOMER = "policies/customers/energie_nord.yaml"


def test_the_shipped_files_load() -> None:
    policies = load_policies(load_config(ROOT / "config.yaml"))
    assert set(policies.data_classes) == {"name", "street", "phone", "email", "note"}
    assert set(policies.apis) == {"planning_suite"}
    assert set(policies.customers) == {"stadtwerke_musterstadt", "energie_nord"}
    assert policies.warnings == ()
    assert re.fullmatch("[0-9a-f]{16}", policies.revision)
    assert policies.networks.customer_has("stadtwerke_musterstadt", "192.0.2.1")
    assert not policies.networks.customer_has("energie_nord", "192.0.2.1")


def test_a_fresh_installation_without_customers_loads(folder: Any) -> None:
    """And lets nobody in."""
    policies = folder.load({CUSTOMER: None})
    assert policies.customers == {}
    assert not policies.networks.anyone("198.51.100.1")


def test_every_mistake_of_every_file_at_once(folder: Any) -> None:
    found = folder.mistakes(
        {
            CLASSES: "data_classes:\n  name: {form: same_lenght}\n  phone: {form: digits}\n  note: {}\n",
            API: "api: planning_suite\nroles: {dispatcher: {reveal: {clear: [nmae]}}}\nroutes: {GET /a: {roles: [admin]}}\nlimit: {}\n",
            CUSTOMER: "customer: energie_nord\napi: planning\nusers: {}\nnetworks: [10.0.0.1/8]\n",
            "policies/customers/broken.yaml": "customer: [broken\n",
            "policies/second.yaml": "a: *b\n",
        }
    )
    assert [mistake.rsplit(": ", 1)[0] if "aliases" in mistake else ":".join(mistake.split(":")[:2]) for mistake in found] == [
        "broken.yaml:2",
        "energie_nord.yaml:1",
        "energie_nord.yaml:1",
        "energie_nord.yaml:4",
        "data_classes.yaml:2",
        "data_classes.yaml:3",
        "planning_suite.yaml:2",
        "planning_suite.yaml:3",
        "planning_suite.yaml:4",
        "second.yaml:1: aliases and anchors are not allowed",
    ]


def test_a_file_that_cannot_be_read_is_said_once_and_not_at_everything_that_names_it(folder: Any) -> None:
    """Y-03: and it never counts as empty."""
    assert folder.mistakes({CLASSES: None}) == ["data_classes.yaml: cannot be read (No such file or directory)"]
    assert folder.mistakes({CLASSES: "data_classes: {\n"}) == [
        "data_classes.yaml:2: not valid YAML: expected the node content, but found '<stream end>'"
    ]
    (found,) = folder.mistakes({API: "api: [\n"})
    assert found.startswith("planning_suite.yaml:2: not valid YAML")


MISPLACED = [
    ({API: None}, "energie_nord.yaml:2: there is no API 'planning_suite'"),
    ({CUSTOMER: None, "policies/energie_nord.yaml": "customer: energie_nord\n"}, "energie_nord.yaml:1: unknown key 'customer'"),
    ({"policies/customers/api.yaml": "api: planning_suite\n"}, "api.yaml:1: 'customer' is missing"),
    ({"policies/customers/data_classes.yaml": "data_classes: {}\n"}, "data_classes.yaml:1: unknown key 'data_classes'"),
    ({"policies/old.yml": "x: 1\n"}, "old.yml: is not read under this name: policies end in .yaml"),
    ({"policies/OLD.YAML": "x: 1\n"}, "OLD.YAML: is not read under this name"),
    ({"policies/customers/nord.yml": "x: 1\n"}, "nord.yml: is not read under this name"),
]


@pytest.mark.parametrize(("files", "expected"), MISPLACED)
def test_a_file_in_the_wrong_place_is_not_passed_over(files: dict[str, str | None], expected: str, folder: Any) -> None:
    """Y-05: access would change without anybody's notice."""
    assert any(mistake.startswith(expected) for mistake in folder.mistakes(files))


def test_a_customer_stands_in_the_file_of_its_name(folder: Any) -> None:
    """So nobody has two files, and a shredded one leaves none behind."""
    folder.write({})
    (folder.path / CUSTOMER).rename(folder.path / "policies/customers/nord.yaml")
    with pytest.raises(
        ConfigurationError, match=r"nord.yaml:1: customer 'energie_nord' must stand in a file of that name: energie_nord.yaml"
    ):
        load_policies(folder.config)


def test_two_files_of_one_api_are_a_mistake(folder: Any) -> None:
    """P-02: else the last one would win."""
    folder.write({})
    found = folder.mistakes({"policies/second.yaml": (folder.path / API).read_text()})
    assert found == ["second.yaml:1: API 'planning_suite' is also in planning_suite.yaml"]


def test_hidden_files_are_editors_own(folder: Any) -> None:
    policies = folder.load({"policies/.#planning_suite.yaml": "][", "policies/customers/.nord.yaml": "][", "policies/.old.yml": "]["})
    assert set(policies.customers) == {"energie_nord"}


def test_a_folder_of_policies_may_have_any_name(folder: Any) -> None:
    """Even that of the customers' folder."""
    folder.write({})
    shutil.move(folder.path / "policies", folder.path / "customers")
    file = folder.path / "config.yaml"
    file.write_text(file.read_text().replace("policies/", "customers/"))
    assert set(load_policies(folder.config).customers) == {"energie_nord"}


def test_policies_behind_a_link_are_read(folder: Any) -> None:
    """Y-04: that is how containers mount them, and how they are swapped."""
    folder.write({})
    (folder.path / "policies").rename(folder.path / "v1")
    os.symlink("v1", folder.path / "policies")
    before = load_policies(folder.config).revision
    shutil.copytree(folder.path / "v1", folder.path / "v2")
    (folder.path / "v2/data_classes.yaml").write_text((folder.path / "v1/data_classes.yaml").read_text() + "  iban2: {}\n")
    (folder.path / "policies").unlink()
    os.symlink("v2", folder.path / "policies")
    assert load_policies(folder.config).revision != before


@pytest.mark.parametrize("file", [CLASSES, API, CUSTOMER, "config.yaml"])
def test_every_file_that_decides_is_in_the_revision(file: str, folder: Any) -> None:
    folder.write({})
    before = revision(folder.config)
    assert load_policies(folder.config).revision == before == revision(folder.config)
    (folder.path / file).write_text((folder.path / file).read_text() + "# reviewed\n")
    assert revision(folder.config) != before


def test_a_new_name_is_a_new_revision(folder: Any) -> None:
    folder.write({})
    before = revision(folder.config)
    (folder.path / API).rename(folder.path / "policies/suite.yaml")
    assert load_policies(folder.config).revision != before


def test_files_that_change_while_they_are_read_are_not_loaded(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Y-03: the revision must be that of what was read, or worker and vault would only seem to agree."""
    folder.write({})
    read = load.read_data_classes

    def read_and_edit(root: Any) -> Any:
        with (folder.path / CUSTOMER).open("a") as file:
            file.write("# edited meanwhile\n")
        return read(root)

    monkeypatch.setattr(load, "read_data_classes", read_and_edit)
    with pytest.raises(ConfigurationError, match="changed while it was read: try again"):
        load_policies(folder.config)


def test_what_cannot_be_read_has_a_revision_that_nothing_else_has(folder: Any) -> None:
    folder.write({})
    before = revision(folder.config)
    (folder.path / API).unlink()
    (folder.path / API).mkdir()
    assert revision(folder.config) != before
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_policies(folder.config)


def test_policy_files_are_what_is_there(folder: Any) -> None:
    folder.write({"policies/notes.txt": "x", "policies/deeper/more.yaml": "x"})
    config: Config = folder.config
    assert [str(file.relative_to(folder.path)) for file in policy_files(config)] == [CUSTOMER, CLASSES, API]


GUESSABLE = [
    ("city: {form: same_length}", True),
    ("birth_date: {}", True),
    ("home_postcode: {}", True),
    ("plz: {}", True),
    ("city: {repeat: fresh}", False),
    ("city: {form: drop}", False),
    ("capacity: {}", False),  # holds "city", and is no word of it
    ("subtitle: {}", False),
    ("name: {}", False),
]


@pytest.mark.parametrize(("entry", "warned"), GUESSABLE)
def test_equal_tokens_of_few_values_are_warned_of(entry: str, warned: bool, folder: Any) -> None:
    """V-03, V-04: deterministic tokens of a small class fall to whoever counts them."""
    policies = folder.load({CLASSES: f"data_classes:\n  {entry}\n", API: None, CUSTOMER: None})
    assert bool(policies.warnings) is warned
    assert all("can be guessed by counting them" in warning for warning in policies.warnings)


@pytest.mark.parametrize(
    ("network", "warned"),
    [("0.0.0.0/0", True), ("128.0.0.0/1", True), ("10.0.0.0/8", False), ('"::/0"', True), ('"2001:db8::/32"', False), ('"2000::/3"', True)],
)
def test_an_allow_list_that_lets_everybody_in_is_warned_of(network: str, warned: bool, folder: Any) -> None:
    """P-01: certificate and address are one lock, and this leaves half of it open."""
    folder.write({})
    text = (folder.path / CUSTOMER).read_text().replace("198.51.100.0/25", network)
    assert bool(folder.load({CUSTOMER: text}).warnings) is warned


@pytest.mark.parametrize(
    ("certificates", "warned"),
    [("{file: ca.pem}", True), ("{file: ca.pem, only: [{dns: import.example}]}", False), ("{authority: gateway}", False)],
)
def test_an_authority_that_is_trusted_with_everything_is_told(folder: Any, certificates: str, warned: bool) -> None:
    folder.write({})
    text = (folder.path / CUSTOMER).read_text().replace("{authority: gateway}", certificates)
    found = folder.load({CUSTOMER: text}).warnings
    assert ["every certificate of the authority in" in warning for warning in found] == [True] * warned
