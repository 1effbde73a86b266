"""A browser that nobody here wrote: Debian's Chromium with the issued certificate, editing an order on the suite's own page."""

import os
import shutil

import pytest

from gateway.demo.story import ORDERS, OURS, household_at_rest

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

#: Chromium must not call home: a test machine may have no way out, and every attempt is a delay.
QUIET = [
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--disable-gpu",
]


@pytest.fixture
async def page(gateway):
    from playwright.async_api import async_playwright

    access = gateway.customers[OURS]
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []  # Chromium refuses to sandbox itself as root
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET + sandbox)
        context = await browser.new_context(
            ignore_https_errors=True,  # the server's authority is a file here; in real life it is installed
            client_certificates=[{"origin": gateway.url, "pfxPath": str(access.pkcs12), "passphrase": access.pkcs12_password}],
            http_credentials={"username": "maria", "password": access.passwords["maria"]},
        )
        yield await context.new_page()
        await browser.close()


async def test_a_dispatcher_edits_an_order(gateway, page):
    order = gateway.client(OURS, "import_job").send("POST", "/orders", ORDERS[1]).json()
    await page.goto(f"{gateway.url}/")
    await page.locator("#search-name").fill(ORDERS[1]["household"]["name"])
    await page.locator("#search-button").click()
    await page.get_by_role("button", name=f"Open order {order['id']}", exact=True).click()
    street = page.locator("#field-street")
    await street.wait_for()
    assert await street.input_value() == ORDERS[1]["household"]["street"]
    await street.fill("Rosenweg 5")
    await page.locator("#save-button").click()
    await page.get_by_text("Saved").wait_for()
    stored = household_at_rest(gateway.customers[OURS].suite_database, order["id"])
    assert stored["street"] != "Rosenweg 5"
    assert len(stored["street"]) == len("Rosenweg 5")
    seen = gateway.client(OURS, "maria").send("GET", f"/orders/{order['id']}").json()
    assert seen["household"] == {**ORDERS[1]["household"], "street": "Rosenweg 5"}
