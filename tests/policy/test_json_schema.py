"""What editors are told about the files, against what the loader says about the same files.

Belongs here: agreement of the two, for every key at every depth. Never may: what a key means.
"""

import copy
import json
import re
from pathlib import Path

import msgspec
import pytest

from gateway.config import load_config
from gateway.errors import ConfigurationError
from gateway.policy import json_schema
from gateway.policy.json_schema import FILES, DataClassEntry, UnknownFile
from gateway.policy.load import load_policies
from gateway.policy.load_api import METHODS
from gateway.schema import Mistakes, read_yaml
from gateway.tokens.forms import FORMS

ROOT = Path(__file__).parents[2]
SHIPPED = [("config", "config.yaml"), ("data_classes", "policies/data_classes.yaml"), ("api", "policies/planning_suite.yaml")]
SHIPPED += [("customer", str(file.relative_to(ROOT))) for file in sorted(ROOT.glob("policies/customers/*.yaml"))]

#: Every key that there is, once; JSON is YAML too.
EVERY_KEY = {
    "config": {
        "listen": "0.0.0.0:8443",
        "hostnames": ["gateway.example"],
        "certificate": "certs/server.pem",
        "private_key": "certs/server.key",
        "policies": "policies",
        "state": "state",
        "vault": "sqlite",
        "operator_key": "file:certs/operator.key",
        "authority_keys": "pkcs11:token=authorities?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:certs/pin",
        "processes": "separate",
        "workers": 2,
        "proxy_protocol": ["192.0.2.0/24"],
        "admin": {"listen": "127.0.0.1:9443"},
    },
    "data_classes": {
        "data_classes": {
            "name": {"form": "same_length", "repeat": "same", "alphabet": "windows-1252"},
            "phone": {"form": "digits", "prefix": "0199", "keep_last": 2},
            "email": {"form": "email", "domain": "token.invalid"},
            "note": {"form": "opaque", "method": "sealed", "repeat": "fresh"},
        }
    },
    "api": {
        "api": "planning_suite",
        "records": {
            "order": {"fields": {"household.name": "name"}, "clear": ["id"], "unlisted": "refuse"},
            "order_page": {"contains": {"items[*]": "order"}, "clear": ["total"]},
        },
        "roles": {"importer": None, "dispatcher": {"reveal": {"clear": ["name"], "masked": ["phone"]}, "accounts": "make"}},
        "routes": {
            "GET /orders": {"roles": ["dispatcher"], "query": {"name": "name", "page": "clear"}, "response": "order_page"},
            "PUT,PATCH /orders/{id}": {"roles": ["importer"], "request": "order", "response": "order"},
            "POST /orders": {"roles": ["importer"], "request": "order", "limits": {"body": "8 MiB", "depth": 8}},
        },
        "limits": {"body": "1 MiB", "depth": 64},
        "tests": [
            {
                "as": "importer",
                "send": {"PUT /orders/5": {"household": {"name": "Max Mustermann"}}},
                "upstream_must_not_contain": ["Mustermann"],
                "then_seen_by": {"dispatcher": {"household": {"name": "Max Mustermann"}}},
            }
        ],
    },
    "customer": {
        "customer": "energie_nord",
        "api": "planning_suite",
        "upstream": {
            "url": "https://suite.internal/nord",
            "servers": ["suite-a.internal:8443", "unix:/run/suite.sock"],
            "ca": "suite.pem",
            "own_certificate": {"certificate": "gateway.pem", "private_key": "gateway.key"},
            "health": {"path": "/healthz", "every": "10s"},
            "authorization": "drop",
            "client_cert": True,
            "shared": False,
        },
        "networks": ["198.51.100.0/25"],
        "certificates": {"file": "ca.pem", "crl": "ca.crl", "without_crl": "refuse", "only": [{"dns": "import.example"}]},
        "key": {"held_by": "customer", "idle": "15m", "longest": "12h"},
        "users": {"jens": "dispatcher"},
    },
}
PLACES = {
    "config": "config.yaml",
    "data_classes": "policies/data_classes.yaml",
    "api": "policies/planning_suite.yaml",
    "customer": "policies/customers/energie_nord.yaml",
}
#: Their keys are names that people choose: any may be there, and any may go.
OPEN = {("data_classes",), ("records",), ("roles",), ("routes",), ("users",)}
INNER_OPEN = {"fields", "contains", "query", "send", "then_seen_by"}


def mappings(kind, value, path=()):
    """Every mapping whose keys are fixed, by its path."""
    if isinstance(value, dict):
        if path not in OPEN or (kind, path) == ("data_classes", ()):
            yield path
        for key, inner in value.items():
            if key not in INNER_OPEN:
                yield from mappings(kind, inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from mappings(kind, inner, (*path, number))


def at(value, path):
    for step in path:
        value = value[step]
    return value


FIXED = [(kind, path) for kind, value in EVERY_KEY.items() for path in mappings(kind, value)]
KEYS = [(kind, path, key) for kind, path in FIXED for key in at(EVERY_KEY[kind], path)]


def loads(folder, files):
    """What the loader says of the files: None, or its mistakes."""
    for kind, value in files.items():
        place = folder / PLACES[kind]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(value, ensure_ascii=False, indent=1))
    (folder / "ca.pem").touch()
    (folder / "ca.crl").touch()
    (folder / "suite.pem").touch()
    try:
        load_policies(load_config(folder / "config.yaml"))
    except ConfigurationError as error:
        return str(error)
    return None


def fits(kind, value):
    try:
        msgspec.convert(value, FILES[kind])
    except msgspec.ValidationError:
        return False
    return True


@pytest.mark.parametrize(("kind", "file"), SHIPPED)
def test_what_is_shipped_fits(kind, file):
    mistakes = Mistakes()
    root = read_yaml(ROOT / file, mistakes)
    assert root is not None
    assert fits(kind, root.plain_value())


@pytest.mark.parametrize("kind", FILES)
def test_every_key_fits_and_loads(kind, tmp_path):
    assert fits(kind, EVERY_KEY[kind])
    assert loads(tmp_path, EVERY_KEY) is None


@pytest.mark.parametrize(("kind", "path"), FIXED, ids=str)
def test_both_refuse_a_key_that_is_not_there(kind, path, tmp_path):
    files = copy.deepcopy(EVERY_KEY)
    at(files[kind], path)["surprise"] = "clear"
    assert not fits(kind, files[kind])
    assert "surprise" in (loads(tmp_path, files) or "")


@pytest.mark.parametrize(("kind", "path", "key"), KEYS, ids=str)
def test_both_agree_which_keys_may_be_left_out(kind, path, key, tmp_path):
    files = copy.deepcopy(EVERY_KEY)
    del at(files[kind], path)[key]
    mistakes = loads(tmp_path, files)
    missing = mistakes is not None and f"{key!r} is missing" in mistakes
    assert fits(kind, files[kind]) is not missing


@pytest.mark.parametrize("kind", FILES)
def test_every_key_of_the_schema_is_in_the_example(kind):
    """So that a key which is added to one side only is found by the tests above."""
    declared = set(re.findall(r'"properties": \{(.*?)\n      \}', json_schema.json_schema(kind), re.S))
    names = {name for text in declared for name in re.findall(r'^ {8}"(\w+)": \{', text, re.M)}
    used = set(re.findall(r'"(\w+)": ', json.dumps(EVERY_KEY[kind])))
    assert names - used <= {"uri", "email", "sha256", "spki", "subject", "authority"}


def test_the_lists_of_words_are_the_programs_own():
    forms = {field.name: field.type for field in msgspec.structs.fields(DataClassEntry)}["form"]
    assert set(forms.__args__) == set(FORMS)
    assert f"^({'|'.join(METHODS)})" in json_schema.json_schema("api")


@pytest.mark.parametrize("kind", FILES)
def test_a_schema_is_closed_json_schema(kind):
    schema = json.loads(json_schema.json_schema(kind))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert all(part["additionalProperties"] is False for part in schema["$defs"].values())


def test_an_unknown_kind_is_refused():
    with pytest.raises(UnknownFile):
        json_schema.json_schema("passwords")
