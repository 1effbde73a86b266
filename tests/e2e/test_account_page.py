"""The account page in Debian's Chromium: a password is changed and a user made with keys and clicks, and axe finds nothing to complain of.

Belongs here: what only a browser shows (the policy of its content, the CSRF headers that it sends, focus, contrast). Never may: the
rules of passwords.
"""

import pytest
from axe_playwright_python.async_playwright import Axe

from gateway.cipher.credentials import password
from gateway.demo.client import PlainClient
from gateway.demo.story import OURS
from gateway.runtime import setup
from gateway.runtime.keys import open_operator_key
from tests.e2e.test_browser import browser_of, installed  # noqa: F401 - a fixture

CHOSEN = "der Bagger frisst grünen Kies"


@pytest.fixture
def lena(gateway):
    """A dispatcher of her own, whose password no other test needs; and the policy lists nele and ole, who have none."""
    access = gateway.customers[OURS]
    operator = open_operator_key(gateway.config, gateway.passphrase_file.read_text().strip().encode())
    by = password("maria", access.passwords["maria"])
    secret = setup.add_user(gateway.config, operator, OURS, "lena", "dispatcher", by)
    policy = gateway.config_file.parent / "policies" / "customers" / f"{OURS}.yaml"
    before = policy.read_text()
    policy.write_text(before.replace("lena: dispatcher", "lena: dispatcher, nele: importer, ole: importer"))
    yield secret
    policy.write_text(before)
    setup.remove_user(gateway.config, operator, OURS, "lena", by)


async def knows(gateway, page, text):
    """The processes take the edited policy within a second or two."""
    for _ in range(200):
        await page.goto(f"{gateway.url}/.gateway/account")
        if await page.get_by_text(text).count():
            return
        await page.wait_for_timeout(50)
    raise AssertionError("the page does not show it")


async def sound(page, *shapes):
    """Axe's rules for WCAG 2 A and AA, and its best practices; and on a phone nothing is out of sight (WCAG 1.4.10)."""
    for scheme, width in shapes or (("light", 1280),):
        await page.emulate_media(color_scheme=scheme)
        await page.set_viewport_size({"width": width, "height": 800})
        results = await Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_user_changes_the_own_password_and_makes_another(gateway, neighbour, installed, lena):  # noqa: F811
    access = gateway.customers[OURS]
    home = installed(gateway.authority, (access.pkcs12, access.pkcs12_password))
    async with browser_of(neighbour("chromium"), home, gateway, "lena", lena) as page:
        complaints = []
        page.on("console", lambda message: complaints.append(message.text))
        await knows(gateway, page, "Give a user the first password")
        await sound(page, ("light", 1280), ("dark", 320))

        # A user whom the policy lists: by keyboard alone, in the order of the page.
        await page.locator("#user-user").select_option("nele")
        await page.locator("#user-user").focus()
        await page.keyboard.press("Tab")
        await page.keyboard.type(lena)
        await page.keyboard.press("Tab")  # the choice, which stands on "generate": the fields behind it are out of the way
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.get_by_role("status").get_by_text("nele has a password").wait_for()
        made = await page.locator("#generated").inner_text()

        # The own one. First with a mistake, which is said and takes no password away.
        await page.get_by_role("link", name="Back to your account").click()
        own = page.locator("section", has=page.get_by_role("heading", name="Change your password"))
        await own.get_by_label("Your current password").fill(lena)
        await own.get_by_label("Choose one").check()
        await own.get_by_label("New password", exact=True).fill(CHOSEN)
        await own.get_by_label("New password, once more").fill(CHOSEN + "!")
        await own.get_by_role("button").click()
        await page.get_by_role("alert").get_by_text("two different ways").wait_for()
        await sound(page, ("dark", 1280), ("light", 320))
        await own.get_by_label("Your current password").fill(lena)
        await own.get_by_label("New password", exact=True).fill(CHOSEN)
        await own.get_by_label("New password, once more").fill(CHOSEN)
        await own.get_by_role("button").click()
        await page.get_by_role("status").get_by_text("Your password is changed").wait_for()
        await sound(page)
        assert not [text for text in complaints if "Content Security Policy" in text]
    for user, secret in (("nele", made), ("lena", CHOSEN)):
        client = PlainClient(gateway.url, gateway.authority, (access.certificate, access.private_key), user, secret, "127.0.0.1")
        assert client.send("GET", "/.gateway/account").status == 200
