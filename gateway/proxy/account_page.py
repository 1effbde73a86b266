"""How the account page looks: templates filled with escaped texts. Without any script, so nothing that is slipped in can run.

What never may come in: a text that is put into the page as it is (only other pieces of it are, ``Html``), a resource from elsewhere,
or a decision.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path
from string import Template

from gateway.proxy.account_form import Wish

_PAGES = Path(__file__).parent / "pages"
_STYLE = (_PAGES / "account.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
#: The page's own style sheet by its hash, forms to ourselves, and nothing else: no script, image, frame or font from anywhere.
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Html(str):
    """A piece of a page, escaped already."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """Whose page it is, and what it offers."""

    customer: str
    user: str
    role: str
    makes_users: bool
    without_password: tuple[str, ...]

    def facts(self) -> dict[str, object]:
        """The page as JSON."""
        return {
            "customer": self.customer,
            "user": self.user,
            "role": self.role,
            "makes_users": self.makes_users,
            "users_without_password": list(self.without_password),
        }


def account(shown: Shown, problem: str = "", choosing: str = "") -> str:
    """The page with its forms. ``problem`` is a sentence that says why nothing was changed; ``choosing`` is the form (``own``, ``user``)
    whose user was about to choose a password, and shall not be given another one by surprise."""
    notice = _filled("problem.html", problem=problem) if problem else Html("")
    own = _filled("own.html", passwords=_passwords("own", choosing))
    return _framed(shown, notice, Html(own + _making(shown, choosing)), problem="Not changed – " if problem else "")


def _passwords(form: str, choosing: str) -> Html:
    checked, not_checked = Html(" checked"), Html("")
    generated, chosen = (not_checked, checked) if choosing == form else (checked, not_checked)
    return _filled("passwords.html", form=form, generated=generated, chosen=chosen)


def _making(shown: Shown, choosing: str) -> Html:
    if not shown.makes_users:
        return Html("")
    if not shown.without_password:
        return _filled("nobody.html")
    options = _joined(_filled("option.html", value=user) for user in shown.without_password)
    return _filled("users.html", options=options, passwords=_passwords("user", choosing))


def done(shown: Shown, wish: Wish, generated: str, until: str) -> str:
    """What has been changed. ``generated`` is shown this once; ``until``: when the old password ends."""
    password = _filled("generated.html", password=generated) if generated else Html("")
    if wish.user:
        notice = _filled("made.html", user=wish.user, password=password)
    else:
        after = _filled("overlap.html", until=until) if until else _filled("at_once.html")
        notice = _filled("changed.html", password=password, after=after)
    return _framed(shown, notice, Html(""), problem="")


def _framed(shown: Shown, notice: Html, forms: Html, problem: str) -> str:
    who = {"customer": shown.customer, "user": shown.user, "role": shown.role}
    return _filled("account.html", style=Html(_STYLE), notice=notice, forms=forms, problem=problem, **who)


def _joined(pieces: Iterable[Html]) -> Html:
    return Html("".join(pieces))


def _filled(name: str, **texts: str) -> Html:
    return Html(_template(name).substitute({key: text if isinstance(text, Html) else escape(text) for key, text in texts.items()}))


@lru_cache(maxsize=32)
def _template(name: str) -> Template:
    return Template((_PAGES / name).read_text(encoding="utf-8"))
