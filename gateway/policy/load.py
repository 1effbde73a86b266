"""From YAML files to a ``PolicySet``: read everything, report every mistake, return nothing unless all of it is right.

The only module of this package that reads files. What never may come in: a default that lets something through which the files do
not name, or a password.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from gateway.config import Config
from gateway.errors import ConfigurationError
from gateway.policy.load_api import read_api
from gateway.policy.load_classes import read_data_classes
from gateway.policy.load_customers import check_upstreams, read_customer
from gateway.policy.model import Api, Customer, PolicySet
from gateway.policy.networks import NetworkTable
from gateway.schema import Mistakes, Node, read_yaml
from gateway.tokens.form import DataClass

DATA_CLASSES = "data_classes.yaml"


def policy_files(config: Config) -> list[Path]:
    """Every policy file that is there; hidden ones are editors' and our own temporaries."""
    found = [*config.policies.glob("*.yaml"), *(config.policies / "customers").glob("*.yaml")]
    return sorted(file for file in found if not file.name.startswith("."))


def load_policies(config: Config) -> PolicySet:
    """Raises ConfigurationError with every mistake in every file."""
    mistakes = Mistakes()
    classes = _classes(config, mistakes)
    apis = _apis(config, classes, mistakes)
    customers = _customers(config, apis, mistakes)
    check_upstreams(customers, config, mistakes)
    mistakes.raise_any()
    return PolicySet(
        revision=revision(config),
        data_classes=classes,
        apis={name: api for name, (_, api) in apis.items()},
        customers={name: customer for name, (_, customer) in customers.items()},
        networks=NetworkTable({name: customer.networks for name, (_, customer) in customers.items()}),
        warnings=_warnings(classes),
    )


def revision(config: Config) -> str:
    """16 hex digits of a SHA-256 over the names and contents of all files that decide."""
    total = hashlib.sha256()
    for file in [config.file, *policy_files(config)]:
        try:
            content = file.read_bytes()
        except OSError as error:
            raise ConfigurationError([]) from error  # it was read a moment ago: the next poll sees what came instead
        total.update(f"{file.name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()[:16]


def _classes(config: Config, mistakes: Mistakes) -> dict[str, DataClass]:
    root = read_yaml(config.policies / DATA_CLASSES, mistakes)
    return read_data_classes(root) if root is not None else {}


def _apis(config: Config, classes: dict[str, DataClass], mistakes: Mistakes) -> dict[str, tuple[Node, Api]]:
    apis: dict[str, tuple[Node, Api]] = {}
    for file in policy_files(config):
        if file.parent.name == "customers" or file.name == DATA_CLASSES:
            continue
        root = read_yaml(file, mistakes)
        api = read_api(root, classes) if root is not None else None
        if root is not None and api is not None:
            if api.name in apis:
                root.wrong(f"API {api.name!r} is also in {apis[api.name][0].file.name}")
            apis[api.name] = root, api
    return apis


def _customers(config: Config, apis: dict[str, tuple[Node, Api]], mistakes: Mistakes) -> dict[str, tuple[Node, Customer]]:
    customers: dict[str, tuple[Node, Customer]] = {}
    known = {name: api for name, (_, api) in apis.items()}
    for file in policy_files(config):
        if file.parent.name != "customers":
            continue
        root = read_yaml(file, mistakes)
        customer = read_customer(root, known, config.file.parent) if root is not None else None
        if root is not None and customer is not None:
            if customer.name != file.stem:
                root.wrong(f"customer {customer.name!r} must stand in a file of that name: {customer.name}.yaml")
            customers[customer.name] = root, customer
    return customers


#: Kinds of data with so few different values that equal tokens give them away (V-04).
GUESSABLE = ("gender", "sex", "salutation", "title", "city", "town", "country", "postcode", "zip", "birthday", "birthdate", "first_name")


def _warnings(classes: dict[str, DataClass]) -> tuple[str, ...]:
    return tuple(
        f"data class {name!r} has few different values, so equal tokens can be guessed by counting them; consider 'repeat: fresh'"
        for name, data_class in classes.items()
        if data_class.repeat == "same" and any(word in name.lower() for word in GUESSABLE)
    )
