"""The account page over a whole worker: real sockets, vault, cipher and files. What is changed, what is refused, and what is recorded."""

import json
from urllib.parse import urlencode

import pytest

from gateway.errors import SessionEnded, Unavailable
from gateway.proxy.account import PAGE, USERS
from tests.cli.conftest import CUSTOMER, folder, made  # noqa: F401 - fixtures
from tests.proxy.crossing import crossing

NEW = "Lauch, Kohl & Sellerie"
JSON, HTML = {"Accept": "application/json"}, {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
OURS = {"Origin": "https://gateway.example", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def here(folder):  # noqa: F811
    text = folder.policy().read_text()
    folder.policy().write_text(text.replace("maria: dispatcher", "maria: dispatcher, nele: importer"))
    async with crossing(folder) as it:
        yield it
        assert it.received == []  # nothing of this page ever goes upstream


@pytest.fixture
def secret(here):
    return here.folder.passwords["maria"]


async def send_form(here, target=PAGE, headers=OURS, **fields):
    body = urlencode({"how": "generated", **fields}).encode()
    media = {"Content-Type": "application/x-www-form-urlencoded"}
    return await here.ask("POST", target, body, headers={**HTML, **media, **headers})


async def signs_in(here, secret, user="maria"):
    """Past the lease of five seconds: what the vault itself says."""
    here.worker.gateway._sessions._known.clear()
    return (await here.ask("GET", PAGE, user=user, password=secret)).status == 200


# -- what it shows


async def test_the_page_and_its_headers(here):
    answer = await here.ask("GET", PAGE, headers=HTML)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    text = answer.body.decode()
    assert CUSTOMER in text and "maria" in text and '<option value="nele">' in text
    assert {name: answer.headers[name] for name in ("cache-control", "x-frame-options", "x-content-type-options", "referrer-policy")} == {
        "cache-control": "no-store", "x-frame-options": "DENY", "x-content-type-options": "nosniff", "referrer-policy": "same-origin"
    }  # fmt: skip
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    (end,) = await here.ended()
    (begin,) = here.events("begin")
    assert (begin["route"], begin["user"], begin["role"], begin["exchange"]) == (PAGE, "maria", "dispatcher", end["exchange"])
    assert (end["kind"], end["status"], end.get("reason", "")) == ("end", 200, "")


async def test_a_script_gets_json_and_a_role_without_the_right_no_names(here):
    answer = await here.ask("GET", PAGE, headers=JSON)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json == {
        "customer": CUSTOMER,
        "user": "maria",
        "role": "dispatcher",
        "makes_users": True,
        "users_without_password": ["nele"],
    }
    other = await here.ask("GET", PAGE, user="import_job", headers=JSON)
    assert (other.json["makes_users"], other.json["users_without_password"]) == (False, [])
    page = await here.ask("GET", PAGE, user="import_job")
    assert "nele" not in page.body.decode()


# -- what it changes


async def test_a_generated_password_is_shown_once_and_the_old_one_ends(here, secret):
    answer = await send_form(here, current_password=secret)
    text = answer.body.decode()
    new = text.split('<code id="generated">')[1].split("<")[0]
    assert (answer.status, len(new)) == (200, 24)
    assert "Your password is changed" in text and "sign in again" in text
    assert not await signs_in(here, secret)
    assert await signs_in(here, new)
    (record,) = here.events("account")
    assert (record["reason"], record["user"], record["account"], record["address"]) == ("password-changed", "maria", "maria", "127.0.0.1")


async def test_a_chosen_password_is_not_said_back(here, secret):
    answer = await send_form(here, current_password=secret, how="own", new_password=NEW, new_password_again=NEW, overlap="1d")
    assert answer.status == 200
    assert "Lauch" not in answer.body.decode() and "valid until" in answer.body.decode()
    assert await signs_in(here, secret)
    assert await signs_in(here, NEW)


async def test_an_unattended_client_rotates_its_own(here):
    """Chosen by the client and kept before it is sent, so that a lost answer loses nothing."""
    old = here.folder.passwords["import_job"]
    body = {"current_password": old, "new_password": NEW, "overlap": "24h"}
    answer = await here.ask("POST", PAGE, body, user="import_job")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json["password"] is None and answer.json["old_password_valid_until"].endswith("Z")
    assert await signs_in(here, old, "import_job")
    again = await here.ask("POST", PAGE, {"current_password": NEW}, user="import_job", password=NEW)
    assert again.json["old_password_valid_until"] is None
    assert await signs_in(here, again.json["password"], "import_job")
    assert not await signs_in(here, old, "import_job")


async def test_a_listed_user_gets_the_first_password_and_comes_in(here, secret):
    answer = await here.ask("POST", USERS, {"current_password": secret, "user": "nele"})
    assert answer.json["user"] == "nele"
    assert await signs_in(here, answer.json["password"], "nele")
    page = await send_form(here, USERS, current_password=secret, user="nele")
    assert (page.status, "has a password already" in page.body.decode()) == (400, True)
    assert "nele" not in (await here.ask("GET", PAGE)).body.decode().split("<main>")[1]
    (record,) = here.events("account")
    assert (record["reason"], record["user"], record["account"]) == ("user-made", "maria", "nele")


# -- what it refuses


@pytest.mark.parametrize(
    ("fields", "reason", "said"),
    [
        ({"current_password": "falsch"}, "current-password-wrong", "The current password is not right."),
        ({"how": "own", "new_password": "kurz", "new_password_again": "kurz"}, "password-too-short", "at least 15 characters"),
        (
            {"how": "own", "new_password": "Sommer2024Sommer2024", "new_password_again": "Sommer2024Sommer2024"},
            "password-guessable",
            "guessed first",
        ),
        ({"how": "own", "new_password": NEW, "new_password_again": NEW + "!"}, "passwords-differ", "two different ways"),
        ({"overlap": "8d"}, "overlap-too-long", "seven days"),
    ],
)
async def test_what_was_not_right_is_said_on_the_page_and_nothing_is_changed(here, secret, fields, reason, said):
    answer = await send_form(here, **{"current_password": secret, **fields})
    text = answer.body.decode()
    assert (answer.status, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert 'role="alert"' in text and said in text
    assert not [value for name, value in fields.items() if "password" in name and value in text]
    assert await signs_in(here, secret)
    ends = [end for end in await here.ended(2) if end.get("reason")]
    assert [(end["kind"], end["reason"], end["status"]) for end in ends] == [("end", reason, 400)]
    assert here.events("account") == []


async def test_a_script_is_told_in_a_problem_document(here, secret):
    answer = await here.ask("POST", PAGE, {"current_password": secret, "new_password": "kurz"})
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json["type"].endswith(":account-refused") and "15 characters" in answer.json["detail"]
    unlisted = await here.ask("POST", USERS, {"current_password": secret, "user": "mallory"})
    assert (unlisted.status, "security team" in unlisted.json["detail"]) == (400, True)


@pytest.mark.parametrize(
    ("method", "target", "body", "headers", "status", "reason"),
    [
        ("GET", "/.gateway", None, {}, 404, "route-unknown"),
        ("GET", "/.gateway/health", None, {}, 404, "route-unknown"),
        ("GET", "/.gateway/account/nele", None, {}, 404, "route-unknown"),
        ("POST", "/.gateway/orders", {"id": 1}, {}, 404, "route-unknown"),
        ("GET", "/.Gateway/account", None, {}, 404, "route-unknown"),
        ("GET", "/%2egateway/account", None, {}, 404, "route-unknown"),
        ("GET", "/.gateway/account/", None, {}, 400, "path-ambiguous"),
        ("GET", "/.gateway//account", None, {}, 400, "path-ambiguous"),
        ("GET", "/.gateway/account?a=b", None, {}, 400, "query-unlisted"),
        ("GET", PAGE, {}, {}, 400, "body-not-declared"),
        ("GET", USERS, None, {}, 405, "method-unknown"),
        ("PUT", PAGE, {}, {}, 405, "method-unknown"),
        ("DELETE", PAGE, None, {}, 405, "method-unknown"),
        ("POST", PAGE, None, {"Content-Type": "application/json"}, 400, "body-missing"),
        ("POST", PAGE, b"x=1", {"Content-Type": "text/plain"}, 415, "media-type"),
        ("POST", PAGE, b"x=1", {"Content-Type": "application/x-www-form-urlencoded", **OURS}, 400, "form-malformed"),
        ("POST", PAGE, b"{}", {"Content-Encoding": "compress"}, 415, "content-coding"),
        ("POST", PAGE, b" " * 20_000, {}, 413, "body-too-large"),
        ("POST", PAGE, {"current_password": 1}, {}, 400, "body-wrong-type"),
    ],
)
async def test_what_is_no_use_of_the_page(here, method, target, body, headers, status, reason):
    answer = await here.ask(method, target, body, headers=headers)
    assert answer.status == status
    (end,) = await here.ended()
    assert end["reason"] == reason


@pytest.mark.parametrize("target", [PAGE, USERS])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://gateway.example"},
        {"Origin": "https://gateway.example.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://gateway.example"},
    ],
    ids=["foreign", "null", "clear", "suffix", "cross-site", "same-site"],
)
async def test_another_sites_page_changes_nothing_even_with_the_password(here, secret, target, headers):
    """CSRF: the browser sends certificate and Basic by itself; and a form crosses sites without asking."""
    answer = await send_form(here, target, headers=headers, current_password=secret)
    assert answer.status == 403
    (end,) = await here.ended()
    assert end["reason"] == "origin-foreign"
    assert here.events("account") == []


async def test_a_role_without_the_right_makes_nobody(here):
    answer = await here.ask("POST", USERS, {"current_password": here.folder.passwords["import_job"], "user": "nele"}, user="import_job")
    assert (answer.status, answer.json["type"]) == (403, "urn:pii-gateway:problem:denied")


async def test_guessing_in_the_form_is_slowed_down_and_says_for_how_long(here, secret):
    for _ in range(5):
        assert (await send_form(here, current_password="geraten")).status == 400
    page = await send_form(here, current_password=secret)
    assert (page.status, page.headers["retry-after"]) == (429, "1")
    assert "Wait for 1 s" in page.body.decode()
    script = await here.ask("POST", PAGE, {"current_password": secret})
    assert (script.status, script.headers["retry-after"]) == (429, "1")
    assert (await here.ask("GET", PAGE)).status == 200


@pytest.mark.parametrize(
    ("credentials", "status"),
    [({"user": None}, 401), ({"password": "falsch"}, 401), ({"certificate": False}, 403)],
    ids=["no-password", "wrong-password", "no-certificate"],
)
async def test_the_same_locks_are_before_it(here, credentials, status):
    answer = await here.ask("GET", PAGE, **credentials)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    unknown = await here.ask("GET", "/.gateway/unheard-of", **credentials)
    assert unknown.status == status


async def test_a_session_that_ends_meanwhile_is_opened_once_more(here, secret):
    here.vault.raising = {"tokenize": [SessionEnded()], "account": [SessionEnded()], "change_password": [SessionEnded()]}
    assert (await here.ask("GET", PAGE)).status == 200
    assert (await here.ask("POST", PAGE, {"current_password": secret})).status == 200


async def test_a_missing_wall_is_503_and_no_page(here, secret):
    here.vault.raising = {"change_password": [Unavailable("cipher-unavailable")]}
    answer = await send_form(here, current_password=secret)
    assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")
    assert await signs_in(here, secret)


async def test_t_a3_no_password_reaches_a_log_or_the_audit_log(here, secret, caplog):
    planted = "Plantagenet, Tudor & Stuart"
    await send_form(here, current_password=planted)
    await send_form(here, current_password=secret, how="own", new_password="Plantagenet", new_password_again="Plantagenet")
    await here.ask("POST", PAGE, f'{{"current_password": "{planted}"'.encode())
    await send_form(here, current_password=secret, how="own", new_password=planted, new_password_again=planted)
    await here.ended(4)
    assert await signs_in(here, planted)
    written = json.dumps(here.events("begin", "end", "refused", "account", "operator"))
    for word in ("Plantagenet", secret):
        assert word not in written
        assert word not in caplog.text
