"""The dispatchers' page in a real browser: at its base path, and where a proxy shows it at the root."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

CHROMIUM = shutil.which("chromium")
playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture
async def page() -> AsyncIterator[Any]:
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page()
        page.set_default_timeout(15_000)
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        yield page
        await browser.close()
        assert not faults


@pytest.fixture(params=["base path", "root"])
async def url(request: pytest.FixtureRequest, suite: TestClient, aiohttp_server: Any) -> str:
    behind = str(suite.make_url("/musterstadt"))
    if request.param == "base path":
        return behind + "/"

    async def forward(incoming: web.Request) -> web.Response:
        headers = {"Content-Type": incoming.headers.get("Content-Type", "text/plain")}
        target = behind + incoming.path_qs
        async with aiohttp.ClientSession() as session:
            answer = await session.request(incoming.method, target, data=await incoming.read(), headers=headers)
            passed = {name: answer.headers[name] for name in ("Content-Type", "Content-Security-Policy") if name in answer.headers}
            return web.Response(status=answer.status, body=await answer.read(), headers=passed)

    proxy = web.Application()
    proxy.router.add_route("*", "/{path:.*}", forward)
    server: TestServer = await aiohttp_server(proxy)
    return str(server.make_url("/"))


async def test_a_dispatcher_edits_an_order(page: Any, url: str, suite: TestClient, order: dict[str, Any]) -> None:
    await suite.post("/musterstadt/orders", json=order | {"notes": ["two\nlines", "one"]})
    await page.goto(url)
    await page.get_by_role("button", name="Open order 1").click()
    await playwright.expect(page.get_by_label("Name", exact=True)).to_have_value("Max Mustermann")
    await page.get_by_label("Street").fill("Bahnhofstraße 1")
    await page.get_by_role("button", name="Save").click()
    await playwright.expect(page.get_by_role("status")).to_have_text("Order 1 saved")
    await playwright.expect(page.get_by_role("cell", name="Bahnhofstraße 1")).to_be_visible()
    stored = await (await suite.get("/musterstadt/orders/1")).json()
    changed = order | {"id": 1, "household": order["household"] | {"street": "Bahnhofstraße 1"}, "notes": ["two\nlines", "one"]}
    assert stored == changed, "what was not edited went back as it came"


async def test_search_pages_and_new_orders(page: Any, url: str, suite: TestClient) -> None:
    for number in range(25):
        await suite.post("/musterstadt/orders", json={"household": {"name": "Max Mustermann" if number else "Erika Mustermann"}})
    await page.goto(url)
    await playwright.expect(page.locator("#order-rows tr")).to_have_count(20)
    await page.get_by_role("button", name="Next page").click()
    await playwright.expect(page.locator("#order-rows tr")).to_have_count(5)
    await page.get_by_label("Household name").fill("Erika Mustermann")
    await page.get_by_role("button", name="Search").click()
    await playwright.expect(page.locator("#order-count")).to_have_text("1 order")
    await page.get_by_role("button", name="New order").click()
    await page.get_by_label("Name", exact=True).fill("Erika Mustermann")
    await page.get_by_label("Notes").fill("Klingel defekt\nHund im Hof")
    await page.get_by_role("button", name="Save").click()
    await playwright.expect(page.locator("#order-count")).to_have_text("2 orders")
    assert (await (await suite.get("/musterstadt/orders/26")).json())["notes"] == ["Klingel defekt", "Hund im Hof"]
