"""How the page looks: nothing in it runs, nothing comes from elsewhere, and what was put in stays a text."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from gateway.proxy import account_page
from gateway.proxy.account_form import Wish
from gateway.proxy.account_page import CONTENT_SECURITY_POLICY, Shown

SHOWN = Shown("stadtwerke_musterstadt", "maria", "dispatcher", True, ("nele", "ole"))
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>$user${user}&amp;'
PAGES = {
    "all": account_page.account(SHOWN),
    "own": account_page.account(Shown("stadtwerke_musterstadt", "paula", "auditor", False, ())),
    "nobody": account_page.account(Shown("stadtwerke_musterstadt", "maria", "dispatcher", True, ())),
    "problem": account_page.account(SHOWN, "The new password is the current one."),
    "generated": account_page.done(SHOWN, Wish("alt", None), "7k3m-9qwx", ""),
    "overlap": account_page.done(SHOWN, Wish("alt", "neu", 60), "", "2026-01-01T00:00:00Z"),
    "made": account_page.done(SHOWN, Wish("alt", None, 0, "nele"), "7k3m-9qwx", ""),
    "hostile": account_page.account(Shown(HOSTILE, HOSTILE, HOSTILE, True, (HOSTILE,)), HOSTILE),
    "hostile-made": account_page.done(Shown(HOSTILE, HOSTILE, HOSTILE, False, ()), Wish("", None, 0, HOSTILE), HOSTILE, ""),
    "hostile-overlap": account_page.done(Shown(HOSTILE, HOSTILE, HOSTILE, False, ()), Wish("", None, 1), HOSTILE, HOSTILE),
}
VOID = {"meta", "input", "link", "br", "hr", "img"}


class Reader(HTMLParser):
    """Tags with their attributes, and that they nest."""

    def __init__(self, page):
        super().__init__()
        self.tags, self._open = [], []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def all(self, *names):
        return [attributes for tag, attributes in self.tags if tag in names]


each = pytest.mark.parametrize("name", PAGES)


@each
def test_nothing_runs_and_nothing_comes_from_elsewhere(name):
    page = Reader(PAGES[name])
    assert not page.all("script", "img", "iframe", "object", "embed", "link", "base", "svg", "video", "audio")
    names = {attribute for _, attributes in page.tags for attribute in attributes}
    assert not [attribute for attribute in names if attribute.startswith("on") or attribute in ("style", "src", "srcdoc", "formaction")]
    assert {attributes["href"] for attributes in page.all("a")} <= {"/.gateway/account"}
    assert {attributes["action"] for attributes in page.all("form")} <= {"/.gateway/account", "/.gateway/account/users"}
    assert not re.search(r"https?:|//[a-z]|url\(|@import", PAGES[name].replace(HOSTILE, ""))


@each
def test_it_can_be_used_without_eyes_and_without_a_mouse(name):
    page = Reader(PAGES[name])
    assert page.all("html") == [{"lang": "en"}]
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = {attributes["for"] for attributes in page.all("label")}
    assert labelled == {attributes["id"] for attributes in page.all("input", "select")}
    described = {attributes["aria-describedby"] for _, attributes in page.tags if "aria-describedby" in attributes}
    assert described <= set(ids)
    assert {attributes["aria-labelledby"] for attributes in page.all("section")} <= set(ids)
    assert not [attributes for _, attributes in page.tags if "tabindex" in attributes or "autofocus" in attributes]
    assert len(page.all("h1")) == len(page.all("main")) == 1
    assert page.all("meta")[1]["content"] == "width=device-width, initial-scale=1"


@pytest.mark.parametrize("name", ["all", "own", "problem"])
def test_password_managers_know_the_fields(name):
    passwords = [attributes for attributes in Reader(PAGES[name]).all("input") if attributes["type"] == "password"]
    assert {attributes["name"]: attributes["autocomplete"] for attributes in passwords} == {
        "current_password": "current-password",
        "new_password": "new-password",
        "new_password_again": "new-password",
    }
    assert not [attributes for attributes in passwords if "value" in attributes]


@pytest.mark.parametrize("name", ["hostile", "hostile-made", "hostile-overlap"])
def test_what_is_put_in_stays_a_text(name):
    assert "<script" not in PAGES[name] and "<img" not in PAGES[name]
    assert "$user${user}&amp;amp;" in PAGES[name]  # nor is it filled again


def test_only_the_pages_own_style_may_style():
    (style,) = re.findall(r"<style>(.*?)</style>", PAGES["all"], re.S)
    assert f"style-src 'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'" in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'; ")
    assert "unsafe" not in CONTENT_SECURITY_POLICY and "*" not in CONTENT_SECURITY_POLICY
    assert "</" not in style


def test_what_each_page_says():
    assert "nele" in PAGES["all"] and "first password" not in PAGES["own"]
    assert "Every user whom the policy lists has a password." in PAGES["nobody"]
    assert "The new password is the current one." in PAGES["problem"]
    assert "7k3m-9qwx" in PAGES["generated"] and "asks you to sign in again" in PAGES["all"]
    assert "valid until" in PAGES["overlap"] and "kept nowhere" not in PAGES["overlap"]
    assert "nele has a password" in PAGES["made"]


@pytest.mark.parametrize("choosing", ["", "own", "user"])
def test_after_a_mistake_the_choice_stands_where_it_was(choosing):
    page = Reader(account_page.account(SHOWN, "The new password is the current one.", choosing))
    checked = {attributes["id"] for attributes in page.all("input") if "checked" in attributes}
    assert checked == {f"{form}-{'chosen' if form == choosing else 'generated'}" for form in ("own", "user")}


def test_the_facts_for_scripts():
    assert SHOWN.facts() == {"customer": "stadtwerke_musterstadt", "user": "maria", "role": "dispatcher", "makes_users": True,
                             "users_without_password": ["nele", "ole"]}  # fmt: skip
