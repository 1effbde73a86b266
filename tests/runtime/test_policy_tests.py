"""The examples inside policies: they hold or say why not, on the real engine, and name no value in doing so."""

from pathlib import Path

import pytest

from gateway.config import load_config
from gateway.policy.load import load_policies
from gateway.runtime.policy_tests import run_policy_tests

TOP = Path(__file__).parents[2]

API = """
api: orders
records:
  order: {fields: {name: name}, clear: [city], unlisted: refuse}
roles:
  importer: {}
  dispatcher: {reveal: {clear: [name]}}
  auditor: {reveal: {masked: [name]}}
routes:
  POST /orders: {roles: [importer], request: order, response: order}
  DELETE /orders/{id}: {roles: [importer]}
tests:
  - EXAMPLE
"""

EXAMPLES = {
    "{as: importer, send: {POST /orders: {name: Max Mustermann}}, upstream_must_not_contain: [Max, Mustermann]}": "",
    "{as: importer, send: {POST /orders: {name: Jürgen Groß}}, then_seen_by: {dispatcher: {name: Jürgen Groß}}}": "",
    "{as: importer, send: {POST /orders: {name: Jürgen Groß}}, then_seen_by: {auditor: {name: J*** G***}}}": "",
    "{as: importer, send: {POST /orders: {name: Max Mustermann}}, then_seen_by: {importer: {name: Max Mustermann}}}": "importer does",
    "{as: importer, send: {POST /orders: {city: Berlin}}, upstream_must_not_contain: [Berlin]}": "the upstream would see",
    "{as: importer, send: {POST /orders: {iban: DE02120300000000202051}}}": "refused: body-field-unlisted",
    "{as: importer, send: {POST /orders: {name: M*** M***}}}": "refused: mask-written-back",
    "{as: dispatcher, send: {POST /orders: {name: Max}}}": "role dispatcher may not",
    "{as: importer, send: {POST /invoices: {name: Max}}}": "refused: route-unknown",
    "{as: importer, send: {DELETE /orders/1: {}}}": "this route declares no record",
}


@pytest.fixture
def policies(tmp_path):
    (tmp_path / "config.yaml").write_text((TOP / "config.yaml").read_text())
    (tmp_path / "policies" / "customers").mkdir(parents=True)
    (tmp_path / "policies" / "data_classes.yaml").write_text((TOP / "policies" / "data_classes.yaml").read_text())

    def load(api):
        (tmp_path / "policies" / "orders.yaml").write_text(api)
        return load_policies(load_config(tmp_path / "config.yaml"))

    return load


@pytest.mark.parametrize("example", EXAMPLES)
async def test_an_example_holds_or_says_why(policies, example):
    (outcome,) = await run_policy_tests(policies(API.replace("EXAMPLE", example)))
    assert outcome.fault.startswith(EXAMPLES[example])
    assert bool(outcome.fault) is bool(EXAMPLES[example])
    assert not any(value in outcome.fault for value in ("Max", "Mustermann", "Berlin", "DE02"))


async def test_the_shipped_examples_hold():
    outcomes = await run_policy_tests(load_policies(load_config(TOP / "config.yaml")))
    assert outcomes
    assert all(outcome.fault == "" for outcome in outcomes)
