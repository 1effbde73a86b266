"""A small set of policies that loads, and what becomes of it when one of its files is another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.config import Config, load_config
from gateway.errors import ConfigurationError
from gateway.policy.load import load_policies
from gateway.policy.model import PolicySet

CONFIG = """\
listen: 0.0.0.0:8443
hostnames: [gateway.example]
certificate: certs/server.pem
private_key: certs/server.key
policies: policies/
state: state/
vault: sqlite
operator_key: file:certs/operator.key
admin: {listen: 127.0.0.1:9443}
"""
DATA_CLASSES = """\
data_classes:
  name: {form: same_length}
  phone: {form: digits, prefix: "0199", keep_last: 2}
  note: {repeat: fresh}
  iban: {form: mask}
"""
API = """\
api: planning_suite
records:
  order: {fields: {household.name: name, household.phone: phone, "notes[*]": note}, clear: [id]}
roles: {importer: {}, dispatcher: {reveal: {clear: [name, phone]}}}
routes:
  POST /orders: {roles: [importer, dispatcher], request: order, response: order}
  GET /orders/{id}: {roles: [dispatcher], response: order}
"""
CUSTOMER = """\
customer: energie_nord
api: planning_suite
upstream: {url: "https://suite.internal/nord"}
networks: [198.51.100.0/25]
certificates: {authority: gateway}
users: {import_job: importer, jens: dispatcher}
"""
FILES = {
    "config.yaml": CONFIG,
    "policies/data_classes.yaml": DATA_CLASSES,
    "policies/planning_suite.yaml": API,
    "policies/customers/energie_nord.yaml": CUSTOMER,
}


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of configuration and policies; ``files`` replace or add to the ones above, None leaves one out."""

    path: Path

    def write(self, files: Mapping[str, str | None]) -> None:
        for name, text in (FILES | dict(files)).items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                file.unlink(missing_ok=True)
            else:
                file.write_text(text, "utf-8")

    @property
    def config(self) -> Config:
        return load_config(self.path / "config.yaml")

    def load(self, files: Mapping[str, str | None]) -> PolicySet:
        self.write(files)
        return load_policies(self.config)

    def mistakes(self, files: Mapping[str, str | None]) -> list[str]:
        """``file:line: text``, the file's name without its folders; loading must fail."""
        with pytest.raises(ConfigurationError) as raised:
            self.load(files)
        return [str(mistake).removeprefix(f"{mistake.file.parent}/") for mistake in raised.value.mistakes]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)
