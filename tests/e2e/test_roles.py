"""One order through the whole gateway: what each role sees, and what the suite's own file holds."""

import copy

import pytest

from gateway.demo.story import ORDERS, OURS, PERSONAL, household_at_rest

MAX = ORDERS[0]


@pytest.fixture(scope="module")
def order(gateway):
    return gateway.client(OURS, "import_job").send("POST", "/orders", MAX).json()


def test_the_dispatcher_sees_it_as_it_was_sent(gateway, order):
    seen = gateway.client(OURS, "maria").send("GET", f"/orders/{order['id']}")
    assert seen.json()["household"] == MAX["household"]
    assert seen.json()["notes"] == MAX["notes"]
    assert seen.headers["cache-control"] == "no-store"


def test_the_suite_holds_tokens(gateway, order):
    stored = household_at_rest(gateway.customers[OURS].suite_database, order["id"])
    assert stored == {field: order["household"][field] for field in PERSONAL}
    assert not set(stored.values()) & set(MAX["household"].values())
    assert len(stored["name"]) == len("Max Mustermann")
    assert stored["email"].endswith("@token.invalid")
    assert stored["phone"].startswith("0199")


def test_equal_values_get_equal_tokens_and_fresh_ones_never(gateway, order):
    again = gateway.client(OURS, "import_job").send("POST", "/orders", MAX).json()
    assert again["household"] == order["household"]
    assert again["notes"] != order["notes"]


def test_an_edit_stores_only_what_changed_anew(gateway, order):
    """V-07: the dispatcher saves what was shown; nothing is tokenized twice."""
    maria = gateway.client(OURS, "maria")
    created = gateway.client(OURS, "import_job").send("POST", "/orders", MAX).json()
    shown = maria.send("GET", f"/orders/{created['id']}").json()
    edited = copy.deepcopy(shown)
    edited["household"]["street"] = "Rosenweg 5"
    assert maria.send("PUT", f"/orders/{created['id']}", edited).status == 200
    stored = household_at_rest(gateway.customers[OURS].suite_database, created["id"])
    assert stored["name"] == created["household"]["name"]
    assert stored["street"] != created["household"]["street"]
    assert maria.send("GET", f"/orders/{created['id']}").json()["household"]["street"] == "Rosenweg 5"


def test_a_patch_touches_what_is_present(gateway):
    maria = gateway.client(OURS, "maria")
    created = gateway.client(OURS, "import_job").send("POST", "/orders", MAX).json()
    answer = maria.send("PATCH", f"/orders/{created['id']}", {"household": {"phone": "0351 1112223"}})
    assert answer.json()["household"] == {**MAX["household"], "phone": "0351 1112223"}


def test_b11_a_mask_that_comes_back_is_refused(gateway):
    maria = gateway.client(OURS, "maria")
    created = gateway.client(OURS, "import_job").send("POST", "/orders", MAX).json()
    answer = maria.send("PATCH", f"/orders/{created['id']}", {"household": {"name": "M*** M***"}})
    assert (answer.status, answer.json()["type"]) == (400, "urn:pii-gateway:problem:masked-value")


def test_a_token_that_comes_back_stays(gateway, order):
    """A client that only ever saw tokens (the importer's own records) may send them again."""
    importer = gateway.client(OURS, "import_job")
    again = importer.send("POST", "/orders", {**MAX, "household": {**MAX["household"], "name": order["household"]["name"]}}).json()
    assert again["household"]["name"] == order["household"]["name"]


def test_a_download_passes_untouched(gateway, order):
    answer = gateway.client(OURS, "maria").send("GET", f"/orders/{order['id']}/documents")
    assert answer.status == 200
    assert len(answer.body) > 100_000


def test_delete_and_then_nothing(gateway):
    maria = gateway.client(OURS, "maria")
    created = gateway.client(OURS, "import_job").send("POST", "/orders", MAX).json()
    assert maria.send("DELETE", f"/orders/{created['id']}").status == 204
    gone = maria.send("GET", f"/orders/{created['id']}")
    assert (gone.status, gone.json()["type"]) == (404, "urn:pii-gateway:problem:upstream-refused")


def test_clear_values_from_before_are_shown_to_those_who_may_and_masked_to_others(gateway):
    """Clear at rest: a row that the suite had before the gateway came."""
    import sqlite3

    created = gateway.client(OURS, "import_job").send("POST", "/orders", MAX).json()
    with sqlite3.connect(gateway.customers[OURS].suite_database, timeout=30) as database:
        database.execute("UPDATE orders SET name = 'Erika Musterfrau', phone = '040 123' WHERE id = ?", (created["id"],))
    database.close()
    dispatcher = gateway.client(OURS, "maria").send("GET", f"/orders/{created['id']}").json()["household"]
    assert (dispatcher["name"], dispatcher["phone"]) == ("Erika Musterfrau", "040 123")
    page = gateway.client(OURS, "pruefer").send("GET", "/orders").json()
    pages = [page]
    while pages[-1]["next"]:
        pages.append(gateway.client(OURS, "pruefer").send("GET", f"/orders?page={len(pages) + 1}").json())
    auditor = next(item for page in pages for item in page["items"] if item["id"] == created["id"])["household"]
    assert (auditor["name"], auditor["phone"]) == ("E*** M***", "***")
