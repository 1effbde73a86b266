"""What an operator did at the terminal is in the audit log, whoever holds it, and nothing else is."""

from __future__ import annotations

import os
import pwd
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.audit import AuditLog, read, verify
from gateway.config import Config
from gateway.errors import Unavailable
from gateway.runtime.operator_events import note


@pytest.fixture
def config(tmp_path: Path) -> Config:
    nowhere = tmp_path / "nowhere"
    return Config(
        file=nowhere,
        listen=("127.0.0.1", 0),
        hostnames=("gateway.example",),
        certificate=nowhere,
        private_key=nowhere,
        policies=nowhere,
        state=tmp_path / "state",
        operator_key=nowhere,
        processes="separate",
        workers=None,
        admin=None,
    )


def said(config: Config) -> list[dict[str, object]]:
    """The records, without what every record has."""
    own = ("seq", "time", "prev", "at")
    return [{name: value for name, value in record.items() if name not in own} for record in read(config.audit_dir)]


def test_who_did_what_is_recorded(config: Config) -> None:
    who = f"local:{pwd.getpwuid(os.getuid()).pw_name}"
    note(config, customer="energie_nord", reason="customer-added")
    note(config, customer="energie_nord", reason="user-removed", user="jens")
    assert said(config) == [
        {"kind": "operator", "customer": "energie_nord", "reason": "customer-added", "address": who},
        {"kind": "operator", "customer": "energie_nord", "user": "jens", "reason": "user-removed", "address": who},
    ]
    assert verify(config.audit_dir).ok


async def test_while_a_vault_runs_it_is_taken_in_by_the_vault(config: Config) -> None:
    log = AuditLog(config.audit_dir)
    note(config, customer="energie_nord", reason="password-changed", user="jens")
    assert said(config) == []
    log.take_spool()
    assert [record["reason"] for record in said(config)] == ["password-changed"]
    await log.close()
    assert verify(config.audit_dir).ok


def test_t_a7_a_name_cannot_forge_a_second_record(config: Config) -> None:
    note(config, customer="energie_nord", reason="user-added", user='jens"}\n{"kind":"end')
    assert [(record["kind"], record["user"]) for record in said(config)] == [("operator", 'jens"}\n{"kind":"end')]


def test_what_cannot_be_recorded_is_an_error(config: Config, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="audit-unavailable"):
        note(replace(config, state=tmp_path / "file"), customer="energie_nord", reason="customer-added")
