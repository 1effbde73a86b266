"""The suite's HTTP surface, without any gateway."""

from __future__ import annotations

import sqlite3
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient


async def created(suite: TestClient, order: dict[str, Any], customer: str = "musterstadt") -> int:
    response = await suite.post(f"/{customer}/orders", json=order)
    assert response.status == 201, await response.text()
    return (await response.json())["id"]


async def test_create_and_read(suite: TestClient, order: dict[str, Any]) -> None:
    response = await suite.post("/musterstadt/orders", json=order)
    assert response.status == 201
    assert response.headers["Location"] == "orders/1"
    assert await response.json() == {"id": 1, **order}
    read = await suite.get("/musterstadt/orders/1")
    assert await read.json() == {"id": 1, **order}


async def test_an_order_needs_a_name_only(suite: TestClient) -> None:
    number = await created(suite, {"household": {"name": "Li"}})
    found = await (await suite.get(f"/musterstadt/orders/{number}")).json()
    others = dict.fromkeys(("street", "phone", "email", "postcode", "city"))
    assert found == {"id": number, "appointment": None, "household": {"name": "Li", **others}, "meter_number": None, "notes": []}


async def test_put_replaces_and_patch_merges(suite: TestClient, order: dict[str, Any]) -> None:
    number = await created(suite, order)
    patched = await suite.patch(f"/musterstadt/orders/{number}", json={"household": {"city": "Ahlen", "phone": None}, "notes": []})
    expected = order | {"household": order["household"] | {"city": "Ahlen", "phone": None}, "notes": [], "id": number}
    assert await patched.json() == expected
    merge = {"Content-Type": "application/merge-patch+json"}
    again = await suite.patch(f"/musterstadt/orders/{number}", data=b'{"appointment": null}', headers=merge)
    assert await again.json() == expected | {"appointment": None}
    replaced = await suite.put(f"/musterstadt/orders/{number}", json={"id": number, "household": {"name": "Erika Mustermann"}})
    answer = await replaced.json()
    assert (answer["household"]["name"], answer["household"]["city"], answer["meter_number"]) == ("Erika Mustermann", None, None)


async def test_delete(suite: TestClient, order: dict[str, Any]) -> None:
    number = await created(suite, order)
    path = f"/musterstadt/orders/{number}"
    await suite.post(path + "/appointments", json={"start": "2026-03-02T08:00", "end": "2026-03-02T09:00"})
    response = await suite.delete(path)
    assert (response.status, await response.read()) == (204, b"")
    assert [(await suite.request(method, path)).status for method in ("GET", "DELETE")] == [404, 404]
    assert await created(suite, order) > number, "a number is never given twice"


async def test_pages_and_exact_search(suite: TestClient, order: dict[str, Any]) -> None:
    for number in range(45):
        await created(suite, {"household": {"name": "Erika Mustermann" if number % 2 else "Max Mustermann"}})
    url, seen = "orders", []
    while url:
        page = await (await suite.get(f"/musterstadt/{url}")).json()
        assert page["total"] == 45
        seen += [item["id"] for item in page["items"]]
        url = page["next"]
    assert seen == list(range(1, 46))
    found = await (await suite.get("/musterstadt/orders", params={"name": "Erika Mustermann"})).json()
    assert (len(found["items"]), found["total"], found["next"]) == (20, 22, "orders?page=2&name=Erika+Mustermann")
    rest = await (await suite.get(f"/musterstadt/{found['next']}")).json()
    assert (len(rest["items"]), rest["next"]) == (2, None)
    for name in ("Erika", "erika mustermann", "%", ""):
        assert (await (await suite.get("/musterstadt/orders", params={"name": name})).json())["total"] == 0


@pytest.mark.parametrize("page", ["0", "-1", "x", "", "1e3", "٣", "9" * 30])
async def test_odd_page_numbers(suite: TestClient, page: str) -> None:
    assert (await suite.get("/musterstadt/orders", params={"page": page})).status == 400


async def test_customers_share_nothing(suite: TestClient, order: dict[str, Any], tmp_path: Path) -> None:
    number = await created(suite, order)
    assert (await suite.get(f"/nord/orders/{number}")).status == 404
    assert (await (await suite.get("/nord/orders")).json())["total"] == 0
    counts = {}
    for customer in ("musterstadt", "nord"):
        connection = sqlite3.connect(tmp_path / "data" / f"{customer}.db")
        counts[customer] = connection.execute("SELECT count(*) FROM orders").fetchone()[0]
        connection.close()
    assert counts == {"musterstadt": 1, "nord": 0}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"household": {}}, 400),
        ({"household": {"name": ""}}, 400),
        ({"household": {"name": None}}, 400),
        ({"household": {"name": "x" * 40}}, 201),
        ({"household": {"name": "x" * 41}}, 400),
        ({"household": {"name": "Ÿšž€" * 10}}, 201),
        ({"household": {"name": "Łukasz"}}, 400),
        ({"household": {"name": 7}}, 400),
        ({"household": {"name": "Li", "iban": "x"}}, 400),
        ({"household": {"name": "Li"}, "comment": "x"}, 400),
        ({"household": {"name": "Li"}, "notes": "x"}, 400),
        ({"household": {"name": "Li"}, "notes": [1]}, 400),
        ({"household": {"name": "Li"}, "notes": ["Łukasz öffnet"]}, 201),
        ({"household": {"name": "Li", "phone": "1" * 25}}, 400),
        ([], 400),
        ("x", 400),
    ],
)
async def test_columns_are_as_long_as_such_columns_are(suite: TestClient, body: Any, status: int) -> None:
    response = await suite.post("/musterstadt/orders", json=body)
    assert response.status == status
    total = (await (await suite.get("/musterstadt/orders")).json())["total"]
    assert total == (status == 201)


async def test_a_refused_change_changes_nothing(suite: TestClient, order: dict[str, Any]) -> None:
    number = await created(suite, order)
    path = f"/musterstadt/orders/{number}"
    response = await suite.patch(path, json={"notes": [], "household": {"name": "Mustermann" * 5}})
    assert response.status == 400
    assert "Mustermann" not in await response.text()
    assert await (await suite.get(path)).json() == {"id": number, **order}


@pytest.mark.parametrize(
    ("data", "media_type", "status"),
    [
        (b"{}", "text/plain", 415),
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
    ],
)
async def test_bodies_that_are_not_json(suite: TestClient, data: bytes, media_type: str, status: int) -> None:
    response = await suite.post("/musterstadt/orders", data=data, headers={"Content-Type": media_type})
    assert response.status == status


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/elsewhere/", 404),
        ("GET", "/elsewhere/orders", 404),
        ("GET", "/musterstadt/orders/0", 404),
        ("GET", "/musterstadt/orders/9999999999999999999", 404),
        ("GET", "/musterstadt/orders/x", 404),
        ("GET", "/musterstadt/orders/7/documents", 404),
        ("GET", "/musterstadt/orders/7/appointments", 404),
        ("GET", "/musterstadt/static/schema.sql", 404),
        ("GET", "/musterstadt/static/..%2fapp.py", 404),
        ("DELETE", "/musterstadt/orders", 405),
    ],
)
async def test_what_is_not_there(suite: TestClient, method: str, path: str, status: int) -> None:
    response = await suite.request(method, path)
    assert response.status == status
    assert "error" in await response.json()


async def test_appointments(suite: TestClient, order: dict[str, Any]) -> None:
    number = await created(suite, order)
    path = f"/musterstadt/orders/{number}/appointments"
    late = {"start": "2026-03-02T10:00", "end": "2026-03-02T11:00"}
    early = {"start": "2026-03-02T08:00", "end": "2026-03-02T09:00"}
    first = await suite.post(path, json=late)
    assert (first.status, await first.json()) == (201, {"id": 1, "order": number, **late})
    assert str(first.url.join(first.url.__class__(first.headers["Location"])).path) == "/musterstadt/appointments/1"
    await suite.post(path, json=early)
    moved = await suite.patch("/musterstadt/appointments/1", json={"end": "2026-03-02T12:00"})
    assert (await moved.json())["end"] == "2026-03-02T12:00"
    listed = await (await suite.get(path)).json()
    assert (listed.keys(), [item["id"] for item in listed["items"]]) == ({"items"}, [2, 1])


@pytest.mark.parametrize("body", [{}, {"start": "x"}, {"start": None, "end": "x"}, {"start": 1, "end": 2}, {"start": "", "end": ""}, []])
async def test_appointments_need_start_and_end(suite: TestClient, order: dict[str, Any], body: Any) -> None:
    number = await created(suite, order)
    assert (await suite.post(f"/musterstadt/orders/{number}/appointments", json=body)).status == 400


async def test_unknown_appointment(suite: TestClient) -> None:
    assert (await suite.patch("/musterstadt/appointments/7", json={"end": "x"})).status == 404


async def test_documents_are_streamed_and_hold_no_personal_data(suite: TestClient, order: dict[str, Any]) -> None:
    number = await created(suite, order)
    response = await suite.get(f"/musterstadt/orders/{number}/documents")
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert response.content_type == "application/pdf"
    content = await response.read()
    assert 100_000 < len(content) < 900_000
    assert b"Mustermann" not in content


class Links(HTMLParser):
    """Every URL and every label and id of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.ids: list[str] = []
        self.labels: list[str] = []
        self.fields: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attributes}
        self.urls += [found[key] for key in ("href", "src", "action") if key in found]
        self.ids += [found["id"]] if "id" in found else []
        self.labels += [found["for"]] if tag == "label" else []
        self.fields += [found["id"]] if tag in ("input", "textarea") else []


async def test_page_works_below_any_path(suite: TestClient) -> None:
    response = await suite.get("/musterstadt/")
    page = Links(await response.text())
    assert response.content_type == "text/html"
    assert not [url for url in page.urls if url.startswith("/") or ":" in url]
    for url in page.urls:
        assert (await suite.get(f"/musterstadt/{url}")).status == 200
    script = await (await suite.get("/musterstadt/static/suite.js")).text()
    assert 'fetch("/' not in script
    assert '"/' not in script
    assert "`/" not in script


async def test_page_is_labelled_and_its_ids_stay(suite: TestClient) -> None:
    page = Links(await (await suite.get("/musterstadt/")).text())
    assert sorted(page.fields) == sorted(page.labels)
    assert len(page.ids) == len(set(page.ids))
    stable = {"status", "search-form", "search-name", "search-button", "orders", "order-rows", "editor", "order-form", "save-button"}
    assert stable | {"field-name", "field-street", "field-phone", "field-email", "field-notes"} <= set(page.ids)


async def test_page_loads_nothing_from_elsewhere(suite: TestClient) -> None:
    assert (await suite.get("/musterstadt/")).headers["Content-Security-Policy"] == "default-src 'self'"
