"""Forms and JSON, read strictly into one wish."""

import json
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.proxy.account_form import LARGEST, Wish, is_form, read_form, read_json

OWN = {"current_password": "alt & gut", "how": "own", "new_password": "Möhre+Kohl=%", "new_password_again": "Möhre+Kohl=%", "overlap": "1d"}
USER = {"current_password": "alt", "how": "generated", "new_password": "", "new_password_again": "", "user": "nele"}


def form(**changes):
    own = "user" if "user" in changes else "overlap"
    fields = {**(USER if own == "user" else OWN), **changes}
    return read_form(urlencode({name: value for name, value in fields.items() if value is not None}).encode(), own)


@pytest.mark.parametrize(
    ("changes", "wish"),
    [
        ({}, Wish("alt & gut", "Möhre+Kohl=%", 86_400)),
        ({"overlap": "0"}, Wish("alt & gut", "Möhre+Kohl=%")),
        ({"overlap": None}, Wish("alt & gut", "Möhre+Kohl=%")),
        ({"overlap": "7d"}, Wish("alt & gut", "Möhre+Kohl=%", 604_800)),
        ({"how": "generated"}, Wish("alt & gut", None, 86_400)),
        ({"how": "generated", "new_password": None, "new_password_again": None}, Wish("alt & gut", None, 86_400)),
        ({"new_password": "", "new_password_again": ""}, Wish("alt & gut", "", 86_400)),  # too short is for the cipher to say
        ({"user": "nele"}, Wish("alt", None, 0, "nele")),
    ],
)
def test_what_a_browser_sends(changes, wish):
    assert form(**changes) == wish


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"new_password_again": "Möhre+Kohl=&"}, "passwords-differ"),
        ({"new_password_again": None}, "passwords-differ"),
        ({"how": None}, "form-malformed"),
        ({"how": "both"}, "form-malformed"),
        ({"current_password": None}, "form-malformed"),
        ({"current_password": ""}, "form-malformed"),
        ({"overlap": "soon"}, "form-malformed"),
        ({"overlap": "-1d"}, "form-malformed"),
        ({"user": "nele", "overlap": "1d"}, "form-malformed"),  # of the other form
    ],
)
def test_what_no_browser_sends(changes, reason):
    with pytest.raises(Refused, match=reason):
        form(**changes)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"&",
        b"current_password",
        b"current_password=a&current_password=b&how=generated",
        b"current_password=a&how=generated&how=own",
        b"current_password=a&how=generated&x=1",
        b"current_password=a&how=generated&",
        b"current%5Fpassword=a&how=generated",
        b"current_password=%&how=generated",
        b"current_password=%4&how=generated",
        b"current_password=%zz&how=generated",
        b"current_password=a;how=generated",
        b"current_password=%ff&how=generated",
        b"current_password=%ed%a0%80&how=generated",
        b"current_password=\xc3\xa4&how=generated",
        b"current_password=a b&how=generated",
        b"current_password=a\0&how=generated",
        b'{"current_password":"a"}',
    ],
)
def test_what_is_no_form(body):
    with pytest.raises(Refused, match="form-malformed"):
        read_form(body, "overlap")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40), st.booleans())
def test_every_password_comes_back_as_it_was_typed(secret, by_hand):
    encoded = quote_plus(secret, safe="") if by_hand else urlencode({"": secret})[1:]
    body = f"current_password={encoded}&how=own&new_password={encoded}&new_password_again={encoded}".encode()
    assert read_form(body, "overlap") == Wish(secret, secret)


@pytest.mark.parametrize(
    ("body", "own", "wish"),
    [
        ({"current_password": "alt"}, "overlap", Wish("alt", None)),
        ({"current_password": "alt", "new_password": "neu", "overlap": "24h"}, "overlap", Wish("alt", "neu", 86_400)),
        ({"current_password": "alt", "user": "nele"}, "user", Wish("alt", None, 0, "nele")),
        ({"current_password": "alt", "new_password": None, "overlap": "0"}, "overlap", Wish("alt", None)),
        ({"current_password": "alt", "new_password": ""}, "overlap", Wish("alt", "")),  # too short, and no reason to generate one
    ],
)
def test_what_a_script_sends(body, own, wish):
    assert read_json(json.dumps(body).encode(), own) == wish


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{}", "form-malformed"),
        (b'{"current_password": ""}', "form-malformed"),
        (b'{"current_password": "a", "overlap": "soon"}', "form-malformed"),
        (b'{"current_password": "a", "overlap": ""}', "form-malformed"),
        (b'{"current_password": "a", "current_password": "b"}', "body-duplicate-key"),
        (b'{"current_password": "a", "user": "nele"}', "body-field-unlisted"),
        (b'{"current_password": "a", "how": "own"}', "body-field-unlisted"),
        (b'{"current_password": 1}', "body-wrong-type"),
        (b'{"current_password": ["a"]}', "body-"),
        (b'[{"current_password": "a"}]', "body-"),
        (b'"current_password"', "body-"),
        (b"null", "body-|form-malformed"),
        (b'{"current_password": "\\ud800"}', "body-lone-surrogate"),
        (b'{"current_password": "\xff"}', "body-not-utf8"),
        (b"current_password=a", "body-not-json"),
    ],
)
def test_what_is_no_wish(body, reason):
    with pytest.raises(Refused, match=reason):
        read_json(body, "overlap")


@pytest.mark.parametrize(
    ("content_type", "form"),
    [
        ("application/x-www-form-urlencoded", True),
        ("application/x-www-form-urlencoded; charset=UTF-8", True),
        ('Application/X-WWW-Form-Urlencoded;charset="utf-8"', True),
        ("application/json", False),
        ("application/json; charset=utf-8", False),
    ],
)
def test_media_types(content_type, form):
    assert is_form(content_type) is form


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded; charset=latin-1",
                     "application/x-www-form-urlencoded, application/json", "application/json-patch+json"]
)  # fmt: skip
def test_other_media_types(content_type):
    with pytest.raises(Refused, match="media-type"):
        is_form(content_type)


def test_the_longest_passwords_fit():
    longest = "ä" * 512
    fields = {"current_password": longest, "how": "own", "new_password": longest, "new_password_again": longest, "overlap": "7d"}
    assert len(urlencode(fields)) < LARGEST


def test_a_wish_does_not_show_its_passwords():
    assert "geheim" not in repr(Wish("geheim", "geheimer"))
