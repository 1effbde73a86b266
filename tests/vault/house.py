"""A whole vault to test: real cipher with cheap Argon2, real policies from YAML files, real audit log, databases in SQLite.

Belongs here: two customers and what a worker would send for them. Never may: a fake of any part of the gateway.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.audit import AuditLog, read
from gateway.cipher.customers import CustomerKeys
from gateway.cipher.files import CustomerFiles
from gateway.cipher.primitives import Argon2Parameters
from gateway.cipher.providers import FileOperatorKey
from gateway.cipher.service import CipherService
from gateway.config import load_config
from gateway.policy.load import load_policies
from gateway.policy.model import PolicySet
from gateway.vault.interface import AtRest, Clear, Exchange, Session, Vault
from gateway.vault.sqlite import SqliteStore
from gateway.vault.vault import LocalVault

CHEAP = Argon2Parameters(memory=8, iterations=1, lanes=1)
OURS, OTHERS = "stadtwerke_musterstadt", "energie_nord"
USERS = {"maria": "dispatcher", "import_job": "importer", "paula": "auditor"}
GONE = "rainer"  # his keyslot is still there, but no policy names him
ADDRESS = "192.0.2.7"

CONFIG = """
listen: 127.0.0.1:8443
hostnames: [gateway.example]
certificate: certs/server.pem
private_key: certs/server.key
policies: policies/
state: state/
vault: sqlite
operator_key: file:certs/operator.key
"""
CLASSES = """
data_classes:
  name:     {form: same_length, repeat: same}
  alias:    {form: same_length, repeat: fresh}
  look:     {form: same_length, repeat: same, alphabet: windows-1252}
  phone:    {form: digits, prefix: "0199", keep_last: 2, repeat: same}
  pin:      {form: digits, prefix: "09", repeat: fresh}
  email:    {form: email, domain: token.invalid, repeat: same}
  device:   {form: uuid, repeat: same}
  iban:     {form: opaque, repeat: same}
  note:     {form: opaque, repeat: fresh}
  memo:     {form: opaque, method: sealed, repeat: fresh}
  meter:    {form: opaque, method: sealed, repeat: same}
  initials: {form: mask}
  religion: {form: drop}
"""
STORED = ("name", "alias", "look", "phone", "pin", "email", "device", "iban", "note", "memo", "meter")
#: The data classes that a request may name: all, in one record, so that every policy file is checked as in production.
API = """
api: orders
records:
  order:
    fields: {{{fields}}}
    clear: [id]
    unlisted: refuse
roles:
  importer: {{}}
  dispatcher: {{reveal: {{clear: [{clear}]}}, accounts: make}}
  auditor: {{reveal: {{masked: [name, note, memo, initials]}}}}
routes:
  POST /orders: {{roles: [importer, dispatcher, auditor], request: order, response: order}}
"""
CUSTOMER = """
customer: {name}
api: orders
upstream: {{url: "http://127.0.0.1:{port}"}}
networks: [192.0.2.0/24]
certificates: {{authority: gateway}}
users: {{{users}}}
"""
_ALL = (*STORED, "initials", "religion")


def write_policies(folder: Path, *, users: dict[str, str] = USERS, clear: Sequence[str] = _ALL, classes: str = CLASSES) -> PolicySet:
    """The files as a security team would edit them, read as the gateway reads them."""
    policies = folder / "policies"
    (policies / "customers").mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (policies / "data_classes.yaml").write_text(classes, encoding="utf-8")
    fields = ", ".join(f"{name}: {name}" for name in _ALL)
    (policies / "orders.yaml").write_text(API.format(fields=fields, clear=", ".join(clear)), encoding="utf-8")
    for port, customer in enumerate((OURS, OTHERS), 9001):
        text = CUSTOMER.format(name=customer, port=port, users=", ".join(f"{user}: {role}" for user, role in users.items()))
        (policies / "customers" / f"{customer}.yaml").write_text(text, encoding="utf-8")
    return load_policies(load_config(folder / "config.yaml"))


def password(user: str) -> str:
    return f"Möhre, Lauch und {user}"


class Clock:
    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass
class House:
    """What a worker does with a vault, in few words. ``vault`` may be exchanged for its remote form."""

    folder: Path
    policies: PolicySet
    cipher: CipherService
    stores: dict[str, SqliteStore]
    audit: AuditLog
    clock: Clock
    local: LocalVault = field(init=False)
    vault: Vault = field(init=False)

    def __post_init__(self) -> None:
        self._ids = itertools.count(1)
        self.local = LocalVault(lambda: self.policies, self.cipher, self.stores.__getitem__, self.audit, clock=self.clock, ticks=self.clock)
        self.vault = self.local

    async def session(self, user: str = "maria", customer: str = OURS) -> Session:
        return await self.vault.open_session(customer, user, password(user), ADDRESS)

    def exchange(self, session: Session) -> Exchange:
        who = (session.customer, session.user, session.role)
        return Exchange(f"exchange-{next(self._ids)}", *who, "POST", "/orders", ADDRESS, "ab" * 32, self.policies.revision)

    async def tokenize(self, *items: Clear | tuple[str, str], user: str = "import_job", customer: str = OURS) -> list[str]:
        session = await self.session(user, customer)
        clear = [item if isinstance(item, Clear) else Clear(*item) for item in items]
        return await self.vault.tokenize(session.handle, self.exchange(session), clear)

    async def reveal(self, *items: tuple[str, str], user: str = "maria", customer: str = OURS) -> list[str]:
        session = await self.session(user, customer)
        exchange = self.exchange(session)
        await self.vault.tokenize(session.handle, exchange, [])
        return await self.vault.detokenize(session.handle, exchange.id, [AtRest(*item) for item in items])

    def records(self, kind: str) -> list[dict[str, Any]]:
        return [record for record in read(self.folder / "state" / "audit") if record["kind"] == kind]

    async def close(self) -> None:
        for store in self.stores.values():
            await store.close()
        await self.audit.close()
        self.cipher.close()


def build(folder: Path) -> House:
    policies, clock, state = write_policies(folder), Clock(), folder / "state"
    operator = FileOperatorKey.create(folder / "certs" / "operator.key", "Tresor im Keller", CHEAP)

    def files_of(customer: str) -> CustomerFiles:
        home = state / "customers" / customer
        return CustomerFiles(home / "keyslots", home / "datakeys", state / "shares" / customer, state / "tombstones" / customer)

    for customer in (OURS, OTHERS):
        CustomerKeys(customer, files_of(customer), operator, CHEAP).create({user: password(user) for user in (*USERS, GONE)})
    cipher = CipherService(operator, files_of, cost=CHEAP, clock=clock)
    stores = {customer: SqliteStore(state / "customers" / customer / "vault.db") for customer in (OURS, OTHERS)}
    return House(folder, policies, cipher, stores, AuditLog(state / "audit"), clock)
