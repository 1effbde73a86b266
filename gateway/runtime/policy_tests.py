"""``gateway test``: the examples inside the policies, run on the real engine, vault and cipher, with keys that live for a moment.

Each example is sent as a role, looked at as the upstream would see it, and shown to other roles as if the upstream gave it back
unchanged. What never may come in: a customer's real keys or vault, or a network.
"""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gateway.audit import AuditLog
from gateway.body.rewrite import personal_data, scan, splice
from gateway.body.selector import Record
from gateway.cipher.customers import CustomerKeys
from gateway.cipher.files import CustomerFiles
from gateway.cipher.primitives import Argon2Parameters
from gateway.cipher.providers import FileOperatorKey
from gateway.cipher.service import CipherService
from gateway.errors import GatewayError, Refused
from gateway.policy.decide import find_route
from gateway.policy.model import Api, Certificates, Customer, CustomerKey, PolicySet, PolicyTest, Route, Upstream
from gateway.policy.path import canonical
from gateway.vault.interface import AtRest, Clear, Exchange
from gateway.vault.store import MemoryStore
from gateway.vault.vault import LocalVault

CUSTOMER = "policy-test"
#: These keys protect nothing: the smallest that Argon2 takes, so that a hundred examples run in a second.
CHEAP = Argon2Parameters(memory=8, iterations=1, lanes=1)


@dataclass(frozen=True, slots=True)
class Outcome:
    api: str
    line: int
    role: str
    send: str
    fault: str  # empty when the example holds


async def run_policy_tests(policies: PolicySet) -> list[Outcome]:
    """One outcome per example, in the order of the files."""
    outcomes: list[Outcome] = []
    for api in policies.apis.values():
        for test in api.tests:
            fault = await _run(policies, api, test)
            outcomes.append(Outcome(api.name, test.line, test.role, f"{test.method} {test.path}", fault))
    return outcomes


async def _run(policies: PolicySet, api: Api, test: PolicyTest) -> str:
    try:
        route = find_route(api, test.method, canonical(test.path).segments)
        if test.role not in route.roles:
            return f"role {test.role} may not {test.method} {test.path}"
        if not isinstance(route.request, Record):
            return "this route declares no record for its request"
        with tempfile.TemporaryDirectory(prefix="gateway-test-") as folder:
            async with _Bench(policies, api, Path(folder)) as bench:
                return await bench.judge(test, route, route.request)
    except GatewayError as error:
        return f"refused: {getattr(error, 'reason', type(error).__name__)}"


class _Bench:
    """A vault and a cipher for one example: one customer, a user for every role."""

    def __init__(self, policies: PolicySet, api: Api, folder: Path) -> None:
        self._api = api
        self._policies = replace(policies, customers={CUSTOMER: _customer(api)})
        self._passwords = {role: secrets.token_urlsafe(16) for role in api.roles}
        files = CustomerFiles(folder / "k" / "keyslots", folder / "k" / "datakeys", folder / "share", folder / "tombstone")
        operator = FileOperatorKey.create(folder / "operator.key", secrets.token_urlsafe(16), CHEAP)
        CustomerKeys(CUSTOMER, files, operator, CHEAP).create(self._passwords)
        self._cipher = CipherService(operator, lambda _: files, cost=CHEAP)
        self._audit = AuditLog(folder / "audit")
        store = MemoryStore()
        self._vault = LocalVault(lambda: self._policies, self._cipher, lambda _: store, self._audit)

    async def __aenter__(self) -> _Bench:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._cipher.close()
        await self._audit.close()

    async def judge(self, test: PolicyTest, route: Route, record: Record) -> str:
        scanned = scan(json.dumps(test.body, ensure_ascii=False).encode(), record, depth=(route.limits or self._api.limits).depth)
        if personal_data(scanned):
            raise Refused("body-personal-data")
        session = await self._session(test.role)
        values = [Clear(place.data_class, place.value) for place in scanned.places]
        upstream = splice(scanned, await self._vault.tokenize(session, self._exchange("1", test.role), values))
        text = json.dumps(json.loads(upstream), ensure_ascii=False)
        if any(value in text for value in test.upstream_must_not_contain):
            return "the upstream would see what it must not contain"  # which of them would be a value in an error text
        for role, expected in test.then_seen_by.items():
            if not _shows(await self._seen_by(role, route, upstream), expected):
                return f"{role} does not see what then_seen_by says"
        return ""

    async def _seen_by(self, role: str, route: Route, upstream: bytes) -> Any:
        if not isinstance(route.response, Record):
            return None
        scanned = scan(upstream, route.response, depth=(route.limits or self._api.limits).depth)
        session = await self._session(role)
        await self._vault.tokenize(session, self._exchange(role, role), [])
        texts = [AtRest(place.data_class, place.value) for place in scanned.places]
        return json.loads(splice(scanned, await self._vault.detokenize(session, role, texts)))

    async def _session(self, role: str) -> bytes:
        return (await self._vault.open_session(CUSTOMER, role, self._passwords[role], "127.0.0.1")).handle

    def _exchange(self, id: str, role: str) -> Exchange:
        return Exchange(id, CUSTOMER, role, role, "POST", "/", "127.0.0.1", "", self._policies.revision)


def _customer(api: Api) -> Customer:
    upstream = Upstream("http", "127.0.0.1", 1, "", None, "drop")
    users = {role: role for role in api.roles}
    return Customer(CUSTOMER, api.name, upstream, (), Certificates(None), CustomerKey(), users, Path())


def _shows(seen: Any, expected: Any) -> bool:
    """Does ``seen`` hold everything that ``expected`` names? Members that are not named may be anything."""
    if isinstance(expected, Mapping):
        return isinstance(seen, dict) and all(name in seen and _shows(seen[name], value) for name, value in expected.items())
    if isinstance(expected, list):
        return isinstance(seen, list) and len(seen) == len(expected) and all(map(_shows, seen, expected))
    return bool(seen == expected)
