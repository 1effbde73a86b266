"""``docs/policy.md`` has every key that the readers know and no other, with the defaults that hold; and its examples load.

Belongs here: keys, defaults and examples against the program. Never may: the wording of a sentence.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway import config
from gateway.policy import load_api, load_certificates, load_classes, load_customers, load_upstream
from gateway.policy.load import load_policies
from gateway.policy.load_classes import RESERVED_DOMAINS
from gateway.policy.model import CustomerKey, Limits
from gateway.tokens.form import DataClass
from gateway.tokens.forms import FORMS

TEXT = (Path(__file__).parents[2] / "docs/policy.md").read_text(encoding="utf-8")

#: (heading, which of its tables with keys) → the keys that the reader takes, needed ones and others.
TABLES: dict[tuple[str, int], tuple[tuple[str, ...], tuple[str, ...]]] = {
    ("config.yaml", 0): (config.REQUIRED, config.OPTIONAL),
    ("config.yaml", 1): (("listen",), ()),
    ("data_classes.yaml", 0): ((), load_classes.OPTIONAL),
    ("An API", 0): (load_api.REQUIRED, load_api.OPTIONAL),
    ("A record", 0): ((), load_api.RECORD),
    ("A role", 0): ((), load_api.ROLE),
    ("A role", 1): ((), load_api.REVEAL),
    ("A route", 0): (load_api.ROUTE_REQUIRED, load_api.ROUTE_OPTIONAL),
    ("Limits", 0): ((), load_api.LIMITS),
    ("A test", 0): (load_api.TEST_REQUIRED, load_api.TEST_OPTIONAL),
    ("A customer", 0): (load_customers.REQUIRED, load_customers.OPTIONAL),
    ("upstream", 0): (load_upstream.REQUIRED, load_upstream.OPTIONAL),
    ("upstream", 1): (load_upstream.OWN_CERTIFICATE, ()),
    ("upstream", 2): (load_upstream.HEALTH_REQUIRED, load_upstream.HEALTH_OPTIONAL),
    ("certificates", 0): ((), load_certificates.CERTIFICATES),
    ("certificates", 1): ((), load_certificates.ONLY),
    ("key", 0): ((), load_customers.KEY),
}
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^##+ ", TEXT, flags=re.M)[1:]}


def keys(heading: str, number: int) -> dict[str, list[str]]:
    """Key → default and meaning."""
    table = SECTIONS[heading].split("| key | default | meaning |\n|---|---|---|\n")[number + 1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {key.strip("`"): cells for key, *cells in rows}


@pytest.mark.parametrize("place", TABLES, ids=lambda place: f"{place[0]}-{place[1]}")
def test_every_key_is_documented_and_no_other(place: tuple[str, int]) -> None:
    needed, others = TABLES[place]
    documented = keys(*place)
    assert set(documented) == {*needed, *others}
    assert {key for key, (default, _) in documented.items() if default == "needed"} == set(needed)
    assert all(len(cells) == 2 and cells[0] and cells[1] for cells in documented.values())


def test_no_table_of_keys_is_forgotten() -> None:
    assert TEXT.count("| key | default | meaning |") == len(TABLES)


DEFAULTS = [
    ("upstream", "authorization", "drop"),
    *(("data_classes.yaml", key, getattr(DataClass("kind"), key)) for key in ("form", "method", "repeat", "alphabet", "keep_last")),
    ("Limits", "body", f"{Limits().body >> 20} MiB"),
    ("Limits", "depth", Limits().depth),
    ("key", "idle", f"{CustomerKey().idle // 60}m"),
    ("key", "longest", f"{CustomerKey().longest // 3600}h"),
]


@pytest.mark.parametrize(("heading", "key", "expected"), DEFAULTS)
def test_a_documented_default_is_the_one_that_holds(heading: str, key: str, expected: object) -> None:
    assert keys(heading, 0)[key][0] == f"`{expected}`"


def test_bounds_are_the_ones_that_hold() -> None:
    assert f"At most {load_api.MOST_ROUTES:,}." in keys("An API", 0)["routes"][1]
    assert (
        f"At most {load_api.MOST_SELECTORS:,} selectors, each of at most {load_api.LONGEST_SELECTOR:,} characters" in SECTIONS["A record"]
    )
    assert f"at most {load_api.MOST_NESTED} deep" in keys("A record", 0)["contains"][1]
    assert f"at most `{load_api.LARGEST_BODY >> 20} MiB`" in keys("Limits", 0)["body"][1]


def test_every_choice_is_named() -> None:
    meanings = {key: cells[1] for key, cells in keys("data_classes.yaml", 0).items()}
    assert all(f"`{form}`" in meanings["form"] for form in FORMS)
    assert all(f"`{domain}`" in meanings["domain"] for domain in RESERVED_DOMAINS)
    assert all(f"`{method}`" in SECTIONS["A route"] for method in load_api.METHODS)


def examples() -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.M | re.S)


def test_the_examples_load_together(tmp_path: Path) -> None:
    names = ["config.yaml", "policies/data_classes.yaml", "policies/planning_suite.yaml", "policies/customers/stadtwerke_musterstadt.yaml"]
    for name, text in zip(names, examples(), strict=True):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    policies = load_policies(config.load_config(tmp_path / "config.yaml"))
    assert policies.warnings == ()
    assert set(policies.customers) == {"stadtwerke_musterstadt"}


def test_the_examples_show_nearly_every_key() -> None:
    """What excludes another key, and the rarer ways to name a certificate, stand in the tables alone."""
    shown = "\n".join(examples())
    known = {key for needed, others in TABLES.values() for key in (*needed, *others)}
    assert {key for key in known if not re.search(rf"\b{key}:", shown)} == {"authority", "uri", "sha256", "spki", "subject"}


@pytest.mark.parametrize("selector", re.findall(r"^\| `([^`]+)` \|", SECTIONS["A record"].split("| selector | names |")[1], re.M))
def test_a_documented_selector_is_one(selector: str) -> None:
    load_api.compile_record("order", {selector: "name"}, [])
