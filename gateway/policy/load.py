"""From YAML files to a ``PolicySet``: read everything, report every mistake, return nothing unless all of it is right.

The only module of this package that reads files. What never may come in: a default that lets something through which the files do
not name, or a password.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from gateway.config import Config
from gateway.errors import ConfigurationError, Mistake
from gateway.networks import NetworkTable
from gateway.policy.load_api import read_api
from gateway.policy.load_classes import ONE_WAY, read_data_classes
from gateway.policy.load_customers import read_customer
from gateway.policy.load_upstream import check_upstreams
from gateway.policy.model import Api, Customer, PolicySet
from gateway.schema import Mistakes, Node, read_yaml
from gateway.tokens.form import DataClass

DATA_CLASSES = "data_classes.yaml"
CUSTOMERS = "customers"  # the folder


def policy_files(config: Config) -> list[Path]:
    """Every policy file that is there; hidden ones are editors' and our own temporaries."""
    found = [*config.policies.glob("*.yaml"), *(config.policies / CUSTOMERS).glob("*.yaml")]
    return sorted(file for file in found if not file.name.startswith("."))


def load_policies(config: Config) -> PolicySet:
    """Raises ConfigurationError with every mistake in every file."""
    mistakes = Mistakes()
    before = revision(config)
    _check_names(config, mistakes)
    classes = _classes(config, mistakes)
    apis = _apis(config, classes, mistakes)
    customers = _customers(config, apis, mistakes)
    check_upstreams(customers, config, mistakes)
    if revision(config) != before:  # one label for what nobody decided by: the worker's and the vault's would seem to agree
        mistakes.add(config.policies, 0, "changed while it was read: try again")
    mistakes.raise_any()
    return PolicySet(
        revision=before,
        data_classes=classes,
        apis={name: api for name, (_, api) in apis.items()},
        customers={name: customer for name, (_, customer) in customers.items()},
        networks=NetworkTable({name: customer.networks for name, (_, customer) in customers.items()}),
        warnings=(
            *_guessable(classes),
            *_wide(customer for _, customer in customers.values()),
            *_open(customer for _, customer in customers.values()),
        ),
    )


def policy_file(config: Config, customer: str) -> Path:
    """Raises ConfigurationError for a customer that the policies do not know."""
    known = load_policies(config).customers
    if customer not in known:
        text = "there is no such customer; known are: " + (", ".join(sorted(known)) or "none yet")
        raise ConfigurationError([Mistake(config.policies / CUSTOMERS, 0, text)])
    return known[customer].file


def revision(config: Config) -> str:
    """16 hex digits of a SHA-256 over the names and contents of all files that decide; an unreadable one counts as that."""
    total = hashlib.sha256()
    for file in [config.file, *policy_files(config)]:
        try:
            content = file.read_bytes()
        except OSError:
            content = b"unreadable"  # read_yaml says so too, and then nothing is loaded
        total.update(f"{file.parent.name}/{file.name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()[:16]


def _check_names(config: Config, mistakes: Mistakes) -> None:
    """A policy that is left out because of its name is a lock that is not there, or a customer who is not let in."""
    for folder in (config.policies, config.policies / CUSTOMERS):
        for file in sorted(folder.glob("*.[yY]*[mM][lL]")):
            if file.suffix.lower() in (".yml", ".yaml") and file.suffix != ".yaml" and not file.name.startswith("."):
                mistakes.add(file, 0, "is not read under this name: policies end in .yaml")


class _EveryClass(dict[str, DataClass]):
    """In the place of classes that could not be read, so that one mistake there is not reported at every field again."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> DataClass:
        return DataClass(name)


def _classes(config: Config, mistakes: Mistakes) -> dict[str, DataClass]:
    root = read_yaml(config.policies / DATA_CLASSES, mistakes)
    return read_data_classes(root) if root is not None else _EveryClass()


def _apis(config: Config, classes: dict[str, DataClass], mistakes: Mistakes) -> dict[str, tuple[Node, Api]]:
    apis: dict[str, tuple[Node, Api]] = {}
    for file in _api_files(config):
        root = read_yaml(file, mistakes)
        if root is not None:
            api = read_api(root, classes)
            if api.name and api.name in apis:
                root.wrong(f"API {api.name!r} is also in {apis[api.name][0].file.name}")
            apis[api.name] = root, api
    return apis


def _api_files(config: Config) -> list[Path]:
    return [file for file in policy_files(config) if file.parent == config.policies and file.name != DATA_CLASSES]


def _customers(config: Config, apis: dict[str, tuple[Node, Api]], mistakes: Mistakes) -> dict[str, tuple[Node, Customer]]:
    customers: dict[str, tuple[Node, Customer]] = {}
    known = {name: api for name, (_, api) in apis.items()}
    all_apis = len(apis) == len(_api_files(config))
    for file in policy_files(config):
        root = read_yaml(file, mistakes) if file.parent == config.policies / CUSTOMERS else None
        if root is not None:
            customer = read_customer(root, known, config.file.parent, all_apis=all_apis)
            if customer.name and customer.name != file.stem:
                root.wrong(f"customer {customer.name!r} must stand in a file of that name: {customer.name}.yaml")
            customers[customer.name] = root, customer
    return customers


#: Kinds of data with so few different values that equal tokens give them away (V-03, V-04), in the words of policies here.
GUESSABLE = (
    *("gender", "sex", "salutation", "title", "city", "town", "country", "postcode", "zip", "house_number"),
    *("birthday", "birthdate", "birth_date", "date_of_birth", "age", "first_name", "given_name"),
    *("geschlecht", "anrede", "titel", "ort", "stadt", "land", "plz", "postleitzahl", "hausnummer", "geburtsdatum", "vorname"),
)
#: A network with a shorter prefix is no customer's own.
WIDEST = {4: 8, 6: 16}


def _guessable(classes: Mapping[str, DataClass]) -> Iterator[str]:
    for name, data_class in classes.items():
        if data_class.repeat == "same" and data_class.form not in ONE_WAY and any(f"_{word}_" in f"_{name}_" for word in GUESSABLE):
            yield f"data class {name!r} has few different values, so equal tokens can be guessed by counting them; consider 'repeat: fresh'"


def _wide(customers: Iterable[Customer]) -> Iterator[str]:
    """``0.0.0.0/0`` leaves one of the lock's two bolts open (P-01)."""
    for customer in customers:
        for network in customer.networks:
            if network.prefixlen < WIDEST[network.version]:
                yield f"customer {customer.name!r}: network {network} is wider than any customer's own, and locks hardly anybody out"


def _open(customers: Iterable[Customer]) -> Iterator[str]:
    """An authority of the customer's own certifies more than the machines that send us data: its laptops, its VPN, its suppliers."""
    for customer in customers:
        file = customer.certificates.authority
        if file is not None and not customer.certificates.only:
            yield f"customer {customer.name!r}: every certificate of the authority in {file} is let in; name under 'only' those you mean"
