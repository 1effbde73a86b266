"""What the demo shows, as tables: the same order as each of them sees it, what each thief gets, and what nobody finds anywhere.

Each function is one picture. What never may come in: setting anything up (``environment``), or a claim printed unchecked.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.audit import verify
from gateway.demo.claims import Claims
from gateway.demo.client import PlainClient
from gateway.demo.environment import Environment
from gateway.demo.thieves import operator_key_without_password, stolen_without_operator_key

OURS, OTHER = "stadtwerke_musterstadt", "energie_nord"

ORDERS: list[dict[str, Any]] = [
    {
        "meter_number": "1ESY1160123456",
        "appointment": "2026-12-01T09:30",
        "household": {
            "name": "Max Mustermann",
            "street": "Lindenallee 17b",
            "postcode": "01067",
            "city": "Dresden",
            "phone": "0351 4567890",
            "email": "max.mustermann@example.org",
        },
        "notes": ["Klingel defekt, bitte bei Nachbarin Frau Öztürk läuten"],
    },
    {
        "meter_number": "1ESY1160654321",
        "appointment": "2026-12-01T11:00",
        "household": {
            "name": "Zoë Müller-Lüdenscheidt",
            "street": "Straße des 17. Juni 135",
            "postcode": "10623",
            "city": "Berlin",
            "phone": "+49 30 314-25678",
            "email": "zoe.mueller@example.net",
        },
        "notes": [],
    },
    {
        "meter_number": "1ESY1160777777",
        "appointment": "2026-12-02T08:00",
        "household": {
            "name": "Jürgen Groß",
            "street": "Am Deich 4",
            "postcode": "27568",
            "city": "Bremerhaven",
            "phone": "0471/9001234",
            "email": "j.gross@example.com",
        },
        "notes": ["Hund im Garten", "Zählerschrank im Keller links"],
    },
]
PERSONAL = ("name", "street", "phone", "email")


def tell(environment: Environment, claims: Claims, console: Console) -> None:
    """The whole demo, in the order in which it is understood."""
    order = what_was_sent(environment, claims, console)
    stored = what_the_suite_holds(environment, claims, console, order["id"])
    what_each_role_sees(environment, claims, console, order, stored)
    what_the_other_customer_sees(environment, claims, console, stored)
    what_others_get(environment, claims, console)
    what_thieves_get(environment, claims, console)
    what_is_found_nowhere(environment, claims, console)


def what_was_sent(environment: Environment, claims: Claims, console: Console) -> dict[str, Any]:
    console.rule("What the customer sent")
    importer = environment.client(OURS, "import_job")
    answers = [importer.send("POST", "/orders", order) for order in ORDERS]
    show(console, "", [("", "value")], [(field, ORDERS[0]["household"][field]) for field in PERSONAL])
    claims.check(
        "three orders were accepted over HTTPS, with certificate, user name and password", [a.status for a in answers] == [201] * 3
    )
    created: dict[str, Any] = answers[0].json()
    claims.check("the importer's own answer holds tokens, no names", not any(value in answers[0].body.decode() for value in sent_values()))
    return created


def what_the_suite_holds(environment: Environment, claims: Claims, console: Console, order_id: Any) -> dict[str, str]:
    console.rule("What the suite's database file really contains")
    database = environment.customers[OURS].suite_database
    stored = household_at_rest(database, order_id)
    show(console, str(database.name), [("column", "stored")], list(stored.items()))
    name = stored["name"]
    claims.check("“Max Mustermann” lies there as 14 characters", len(name) == 14)
    claims.check("each of them printable in Windows-1252", name.isprintable() and len(name.encode("cp1252")) == 14)
    claims.check("no value that was sent stands in the file", not found_in([database], sent_values()))
    return stored


def household_at_rest(database: Path, order_id: Any) -> dict[str, str]:
    """Read with SQLite from the suite's own file, not through the suite."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        row = connection.execute("SELECT * FROM orders WHERE id = ?", (order_id,)).fetchone()
    return {field: row[field] for field in PERSONAL}


def what_each_role_sees(environment: Environment, claims: Claims, console: Console, order: dict[str, Any], stored: dict[str, str]) -> None:
    console.rule("What each of the customer's users sees")
    dispatcher = environment.client(OURS, "maria").send("GET", f"/orders/{order['id']}").json()
    page = environment.client(OURS, "pruefer").send("GET", "/orders").json()
    auditor = next(item for item in page["items"] if item["id"] == order["id"])
    rows = [(f, dispatcher["household"][f], auditor["household"][f], order["household"][f]) for f in PERSONAL]
    show(console, "", [("", "dispatcher", "auditor", "importer")], rows)
    sent = ORDERS[0]["household"]
    claims.check("the dispatcher sees every value exactly as it was sent", all(dispatcher["household"][f] == sent[f] for f in PERSONAL))
    claims.check("also the note, which is a fresh token at rest", dispatcher["notes"] == ORDERS[0]["notes"])
    claims.check("the auditor sees a masked name and otherwise tokens", auditor["household"] == {**order["household"], "name": "M*** M***"})
    claims.check("the importer sees the tokens that the suite holds", all(order["household"][f] == stored[f] for f in PERSONAL))
    found = environment.client(OURS, "maria").send("GET", "/orders?name=Max+Mustermann").json()
    claims.check("the suite finds “Max Mustermann” without knowing him", [item["id"] for item in found["items"]] == [order["id"]])


def what_the_other_customer_sees(environment: Environment, claims: Claims, console: Console, stored: dict[str, str]) -> None:
    console.rule("What the other customer sees with the same token")
    copied = {**ORDERS[1], "household": {**ORDERS[1]["household"], "name": stored["name"]}}
    created = environment.client(OTHER, "import_job").send("POST", "/orders", copied).json()
    seen = environment.client(OTHER, "jens").send("GET", f"/orders/{created['id']}").json()["household"]["name"]
    at_rest = household_at_rest(environment.customers[OTHER].suite_database, created["id"])["name"]
    show(console, "", [("our token", "stored for them", "their dispatcher sees")], [(stored["name"], at_rest, seen)])
    claims.check("a token of ours is a text like any other to them: it comes back as it was, and opens nothing", seen == stored["name"])
    claims.check("and was itself tokenized on its way into their database", at_rest != stored["name"])


def what_others_get(environment: Environment, claims: Claims, console: Console) -> None:
    console.rule("What everybody else gets")
    ours = environment.client(OURS, "maria")
    theirs = environment.customers[OTHER]
    cases: list[tuple[str, PlainClient, int]] = [
        ("no certificate", replace(ours, certificate=None), 403),
        ("the other customer's certificate", replace(ours, certificate=(theirs.certificate, theirs.private_key)), 401),
        ("our certificate from the other's network", replace(ours, source="127.0.0.2"), 403),
        ("an address off every list", replace(ours, source="127.0.0.9"), 0),
        ("a wrong password", replace(ours, password="hunter2hunter2"), 401),  # noqa: S106 - wrong on purpose
    ]
    rows = []
    for who, client, expected in cases:
        status = status_of(client)
        rows.append((who, str(status) if status else "connection closed before TLS"))
        claims.check(f"{who}: {rows[-1][1]}", status == expected)
    show(console, "", [("who", "gets")], rows)


def what_thieves_get(environment: Environment, claims: Claims, console: Console) -> None:
    console.rule("What thieves get")
    access = environment.customers[OURS]
    config = environment.config
    passphrase = environment.passphrase_file.read_text().strip()
    dispatcher = ("maria", access.passwords["maria"])
    first = stolen_without_operator_key(config, OURS, dispatcher)
    second = operator_key_without_password(config, OURS, passphrase)
    rows = [("every file of the state folder and a right password, without the operator key", first)]
    rows += [("every file and the operator key, without a password", second)]
    show(console, "", [("who has", "gets")], rows)
    claims.check("the vault's database without the operator key opens nothing", first == "keys-unavailable")
    claims.check("the operator key without the customer's password opens nothing", second == "password-wrong")


def what_is_found_nowhere(environment: Environment, claims: Claims, console: Console) -> None:
    console.rule("What is found nowhere")
    # The policies are left out: the security team's own examples name Max Mustermann.
    files = [path for path in environment.folder.rglob("*") if path.is_file() and "policies" not in path.parts]
    values = sent_values()
    claims.check(f"none of the {len(values)} values in {len(files)} files of suite, vault, audit log and logs", not found_in(files, values))
    passwords = [password for access in environment.customers.values() for password in access.passwords.values()]
    claims.check(
        "and no password and no recovery code", not found_in(files, passwords + [a.recovery_code for a in environment.customers.values()])
    )
    claims.check("the audit log is whole: every record is chained to the one before", verify(environment.config.audit_dir).ok)


def sent_values() -> list[str]:
    personal = [order["household"][field] for order in ORDERS for field in PERSONAL]
    return personal + [note for order in ORDERS for note in order["notes"]]


def found_in(files: Sequence[Path], values: Sequence[str]) -> bool:
    """Is any of ``values`` in any of ``files``, in any spelling that software would have given it?"""
    needles = {needle for value in values for needle in spellings(value)}
    return any(needle in content for content in (file.read_bytes() for file in files) for needle in needles)


def spellings(value: str) -> Iterator[bytes]:
    for encoding in ("utf-8", "utf-16-le", "utf-16-be", "cp1252"):
        yield value.encode(encoding)
    yield json.dumps(value)[1:-1].encode()


def status_of(client: PlainClient) -> int:
    """The status of a simple request; 0 when the connection was closed without an answer."""
    try:
        return client.send("GET", "/orders").status
    except OSError:
        return 0


def show(console: Console, title: str, header: Sequence[Sequence[str]], rows: Sequence[Sequence[str]]) -> None:
    table = Table(title=title or None, title_justify="left")
    for column in header[0]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    console.print(table)
