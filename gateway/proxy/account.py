"""``/.gateway/account``: where users change their own password, and make users whom the security team has listed.

Reached only through ``handler``, behind the same locks as every request, and an exchange like every other: begun and ended in the
audit log. What never may come in: a way to the upstream, or a change without the current password beside the one of the session; a
browser sends that one by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
from aiohttp.web import BaseRequest, Response

from gateway.errors import Refused
from gateway.policy.decide import AccessRequest, check_origin
from gateway.problems import DETAILS, problem_of
from gateway.proxy import account_page
from gateway.proxy.account_form import LARGEST, Wish, is_form, read_form, read_json
from gateway.proxy.account_page import Shown
from gateway.proxy.bodies import read_whole
from gateway.proxy.exchange import Credentials, Trail
from gateway.vault.interface import Account, Vault

PAGE, USERS = "/.gateway/account", "/.gateway/account/users"
#: Nothing of it is kept, framed, sent on, or allowed to run. ``same-origin`` and not ``no-referrer``: with that, browsers say
#: ``Origin: null`` of our own form (Fetch standard, "append a request Origin header").
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": account_page.CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True)
class _Desk:
    """One exchange at the page."""

    vault: Vault
    credentials: Credentials
    trail: Trail

    async def begin(self) -> None:
        exchange = self.trail.begins(self.credentials.session.role)
        await self.credentials.ask(lambda session: self.vault.tokenize(session, exchange, []))
        self.credentials.begun = exchange
        self.trail.begun = True

    async def account(self) -> Account:
        return await self.credentials.ask(lambda session: self.vault.account(session, self.trail.exchange))

    async def change(self, wish: Wish) -> str:
        exchange, vault = self.trail.exchange, self.vault
        if self.trail.route == USERS:
            return await self.credentials.ask(lambda session: vault.make_user(session, exchange, wish.user, wish.current, wish.new))
        return await self.credentials.ask(lambda session: vault.change_password(session, exchange, wish.current, wish.new, wish.overlap))

    def shown(self, account: Account) -> Shown:
        session = self.credentials.session
        return Shown(session.customer, session.user, session.role, account.makes_users, tuple(account.without_password))


async def answer(request: BaseRequest, access: AccessRequest, vault: Vault, credentials: Credentials, trail: Trail) -> Response:
    """Raises Refused('route-unknown') for all else below ``/.gateway/``: none of it is anybody's but ours."""
    desk = _Desk(vault, credentials, trail)
    path, question, _ = access.target.partition("?")
    if path not in (PAGE, USERS):
        raise Refused("route-unknown")
    trail.route = path
    if question:
        raise Refused("query-unlisted")
    if access.method in ("GET", "HEAD") and path == PAGE:
        return await _show(request, desk)
    if access.method != "POST":
        raise Refused("method-unknown")
    check_origin(access)
    return await _change(request, desk)


async def _show(request: BaseRequest, desk: _Desk) -> Response:
    if request.body_exists:
        raise Refused("body-not-declared")
    await desk.begin()
    shown = desk.shown(await desk.account())
    accepted = request.headers.get("Accept", "")
    if "application/json" in accepted and "text/html" not in accepted:
        return _json(shown.facts())
    return _page(account_page.account(shown))


async def _change(request: BaseRequest, desk: _Desk) -> Response:
    own = "user" if desk.trail.route == USERS else "overlap"
    if not is_form(request.headers.get("Content-Type")):
        wish = read_json(await read_whole(request, LARGEST), own)
        await desk.begin()
        return _json(_told(wish, await desk.change(wish)))
    body = await read_whole(request, LARGEST)
    await desk.begin()
    try:
        wish = read_form(body, own)
        password = await desk.change(wish)
    except Refused as refused:
        return await _refused(desk, refused, choosing=b"how=own" in body)
    return _page(account_page.done(desk.shown(Account(makes_users=False)), wish, password if wish.new is None else "", _end_of(wish)))


async def _refused(desk: _Desk, refused: Refused, *, choosing: bool) -> Response:
    """The page again, with a sentence; but only where a user can do something about it. All else is a problem document."""
    sentence = DETAILS.get(refused.reason)
    if refused.reason == "throttled":
        sentence = f"Too many attempts. Wait for {refused.retry_after} s, then try again."
    if sentence is None:
        raise refused
    desk.trail.reason = refused.reason
    form = "" if not choosing else "user" if desk.trail.route == USERS else "own"
    page = _page(account_page.account(desk.shown(await desk.account()), sentence, form), problem_of(refused.reason).status)
    if refused.retry_after is not None:
        page.headers["Retry-After"] = str(refused.retry_after)
    return page


def _told(wish: Wish, password: str) -> dict[str, str | None]:
    """A password goes back only to whom it was generated for; who chose it has it."""
    facts: dict[str, str | None] = {"password": password if wish.new is None else None}
    return {"user": wish.user, **facts} if wish.user else {**facts, "old_password_valid_until": _end_of(wish) or None}


def _end_of(wish: Wish, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> str:
    return (now() + timedelta(seconds=wish.overlap)).strftime("%Y-%m-%dT%H:%M:%SZ") if wish.overlap else ""


def _json(facts: object) -> Response:
    return Response(body=msgspec.json.encode(facts), content_type="application/json", headers=HEADERS)


def _page(html: str, status: int = 200) -> Response:
    return Response(status=status, text=html, content_type="text/html", charset="utf-8", headers=HEADERS)
