"""A browser that nobody here wrote: Debian's Chromium, with certificate and authority installed where its user would install them.

Belongs here: what a dispatcher does with the suite's own page. Never may: Playwright's ``client_certificates``, which speaks TLS in the
browser's place, or ``ignore_https_errors``.
"""

import contextlib
import json
import os
import subprocess

import pytest

from gateway.demo.story import ORDERS, OURS, household_at_rest

#: Chromium must not call home: a test machine may have no way out, and every attempt is a delay.
QUIET = [
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--disable-gpu",
]
SANDBOX = ["--no-sandbox"] if os.getuid() == 0 else []  # Chromium refuses to sandbox itself as root


@pytest.fixture
def installed(neighbour, tmp_path):
    """A function that installs, as the sheet says, and returns the home folder. What is None is not installed."""
    certutil, pk12util = neighbour("certutil"), neighbour("pk12util")

    def install(authority, pkcs12):
        store = tmp_path / "home" / ".pki" / "nssdb"
        store.mkdir(parents=True)
        commands = [[certutil, "-N", "--empty-password"]]
        commands += [[certutil, "-A", "-n", "gateway", "-t", "C,,", "-i", authority]] if authority else []
        commands += [[pk12util, "-i", pkcs12[0], "-W", pkcs12[1], "-K", ""]] if pkcs12 else []
        for command in commands:
            subprocess.run([*map(str, command), "-d", f"sql:{store}"], check=True, capture_output=True)
        return store.parents[1]

    return install


@contextlib.asynccontextmanager
async def browser_of(chromium, home, gateway, user="maria", password=None):
    """Asked for a certificate it shows the one that it has, as after a click on OK; and asked for a password, this one."""
    from playwright.async_api import async_playwright

    always = {f"{gateway.url},*": {"setting": {"filters": [{}]}}}
    profile = home / f"profile-{len(list(home.iterdir()))}"
    preferences = profile / "Default" / "Preferences"
    preferences.parent.mkdir(parents=True)
    preferences.write_text(json.dumps({"profile": {"content_settings": {"exceptions": {"auto_select_certificate": always}}}}))
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            profile,
            executable_path=chromium,
            args=QUIET + SANDBOX,
            env={**os.environ, "HOME": str(home)},
            http_credentials={"username": user, "password": password or gateway.customers[OURS].passwords[user]},
        )
        yield await context.new_page()
        await context.close()


async def test_a_dispatcher_edits_an_order(gateway, neighbour, installed):
    access = gateway.customers[OURS]
    order = gateway.client(OURS, "import_job").send("POST", "/orders", ORDERS[1]).json()
    home = installed(gateway.authority, (access.pkcs12, access.pkcs12_password))
    async with browser_of(neighbour("chromium"), home, gateway) as page:
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


async def test_without_the_certificate_it_is_told_that_access_is_denied(gateway, neighbour, installed):
    async with browser_of(neighbour("chromium"), installed(gateway.authority, None), gateway) as page:
        answer = await page.goto(f"{gateway.url}/")
        assert (answer.status, (await answer.json())["type"]) == (403, "urn:pii-gateway:problem:denied")


async def test_without_our_authority_it_trusts_nobody(gateway, neighbour, installed):
    from playwright.async_api import Error

    access = gateway.customers[OURS]
    async with browser_of(neighbour("chromium"), installed(None, (access.pkcs12, access.pkcs12_password)), gateway) as page:
        with pytest.raises(Error, match="ERR_CERT_AUTHORITY_INVALID"):
            await page.goto(f"{gateway.url}/")
