"""``data_classes.yaml``: what each key may say, and what contradicts itself."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.policy.load_classes import OPTIONAL
from gateway.tokens.form import DataClass

FILE = "policies/data_classes.yaml"
#: The other files name none of these classes.
ALONE = {"policies/planning_suite.yaml": None, "policies/customers/energie_nord.yaml": None}

READ = [
    ("{}", DataClass("kind", form="opaque", method="vault", repeat="same")),
    ("{form: opaque, method: sealed, repeat: fresh}", DataClass("kind", form="opaque", method="sealed", repeat="fresh")),
    ("{form: same_length}", DataClass("kind", form="same_length", alphabet="windows-1252-safe")),
    ("{form: same_length, alphabet: windows-1252}", DataClass("kind", form="same_length", alphabet="windows-1252")),
    ('{form: digits, prefix: "0199"}', DataClass("kind", form="digits", prefix="0199", keep_last=0)),
    ("{form: digits, prefix: 0199, keep_last: 4}", DataClass("kind", form="digits", prefix="0199", keep_last=4)),  # Y-01: not 127
    ("{form: email, domain: token.invalid}", DataClass("kind", form="email", domain="token.invalid")),
    ("{form: email, domain: Mail.Token.EXAMPLE}", DataClass("kind", form="email", domain="mail.token.example")),
    ("{form: uuid}", DataClass("kind", form="uuid")),
    ("{form: mask}", DataClass("kind", form="mask")),
    ("{form: drop}", DataClass("kind", form="drop")),
]


@pytest.mark.parametrize(("text", "expected"), READ)
def test_a_class_is_read(text: str, expected: DataClass, folder: Any) -> None:
    assert folder.load({FILE: f"data_classes:\n  kind: {text}\n"} | ALONE).data_classes == {"kind": expected}


NEEDS_PREFIX = "form 'digits' needs a prefix that no real number begins with"
NEEDS_DOMAIN = "form 'email' needs a domain under .invalid, .test or .example"
NEEDS_NAME = "is not a name for a data class: lower-case letters, digits and _; not 'clear'"
BROKEN = [
    ("kind:", "expected a mapping, found nothing"),
    ("kind: opaque", "expected a mapping, found a text"),
    ("kind: {form: opake}", "expected one of opaque, same_length, digits, email, uuid, mask, drop; did you mean 'opaque'?"),
    ("kind: {method: plain}", "expected one of vault, sealed"),
    ("kind: {repeat: NO}", "expected one of same, fresh"),
    ("kind: {form: same_length, alphabet: ascii}", "expected one of windows-1252-safe, windows-1252"),
    ("kind: {key: abc}", "unknown key 'key'"),
    ("kind: {form: digits}", NEEDS_PREFIX),
    ('kind: {form: digits, prefix: ""}', NEEDS_PREFIX),
    ("kind: {form: digits, prefix: 199}", NEEDS_PREFIX),
    ('kind: {form: digits, prefix: "0"}', NEEDS_PREFIX),
    ('kind: {form: digits, prefix: "+49199"}', NEEDS_PREFIX),
    ('kind: {form: digits, prefix: "٠١٩٩"}', NEEDS_PREFIX),
    ('kind: {form: digits, prefix: "0199", keep_last: 5}', "expected a whole number from 0 to 4"),
    ('kind: {form: digits, prefix: "0199", keep_last: -1}', "expected a whole number from 0 to 4"),
    ("kind: {form: email}", NEEDS_DOMAIN),
    ("kind: {form: email, domain: mustermann.de}", NEEDS_DOMAIN),
    ("kind: {form: email, domain: invalid}", NEEDS_DOMAIN),
    ("kind: {form: email, domain: .invalid}", NEEDS_DOMAIN),
    ("kind: {form: email, domain: a..invalid}", NEEDS_DOMAIN),
    ("kind: {form: email, domain: -a.invalid}", NEEDS_DOMAIN),
    ("kind: {form: email, domain: token.invalid.}", NEEDS_DOMAIN),
    ("kind: {form: email, domain: token.notinvalid}", NEEDS_DOMAIN),
    ('kind: {form: email, domain: "x@token.invalid"}', NEEDS_DOMAIN),
    ("kind: {form: email, domain: " + "a." * 60 + "invalid}", NEEDS_DOMAIN),
    ("kind: {form: opaque, alphabet: windows-1252}", "'alphabet' belongs to form 'same_length', and this is 'opaque'"),
    ('kind: {form: email, domain: token.invalid, prefix: "0199"}', "'prefix' belongs to form 'digits', and this is 'email'"),
    ("kind: {keep_last: 2}", "'keep_last' belongs to form 'digits', and this is 'opaque'"),
    ("kind: {form: uuid, domain: token.invalid}", "'domain' belongs to form 'email', and this is 'uuid'"),
    ("kind: {form: same_length, method: sealed}", "method 'sealed' puts the value into the token"),
    ("kind: {form: mask, repeat: same}", "form 'mask' keeps nothing: 'method' and 'repeat' have no meaning there"),
    ("kind: {form: drop, method: vault}", "form 'drop' keeps nothing: 'method' and 'repeat' have no meaning there"),
    ("clear: {}", f"'clear' {NEEDS_NAME}"),
    ("Name: {}", f"'Name' {NEEDS_NAME}"),
    ("1name: {}", f"'1name' {NEEDS_NAME}"),
    ("straße: {}", f"'straße' {NEEDS_NAME}"),
    ('"": {}', f"'' {NEEDS_NAME}"),
    ('"a b": {}', f"'a b' {NEEDS_NAME}"),
    ('"name\\n": {}', f"'name\\n' {NEEDS_NAME}"),
    (f"{'a' * 41}: {{}}", f"'{'a' * 41}' {NEEDS_NAME}"),
]


@pytest.mark.parametrize(("entry", "expected"), BROKEN, ids=[entry[:60] for entry, _ in BROKEN])
def test_a_class_that_cannot_be_is_refused(entry: str, expected: str, folder: Any) -> None:
    """P-02: of two settings that contradict one another, neither wins in silence."""
    (found,) = folder.mistakes({FILE: f"data_classes:\n  good: {{}}\n  {entry}\n"} | ALONE)
    assert found.startswith(f"data_classes.yaml:3: {expected}")


SHAPES = [
    ("classes: {}\n", {"unknown key 'classes'; did you mean 'data_classes'?", "'data_classes' is missing"}),
    ("data_classes: [name]\n", {"expected a mapping, found a list"}),
    ("[]\n", {"expected a mapping, found a list"}),
]


@pytest.mark.parametrize(("text", "expected"), SHAPES)
def test_a_file_of_another_shape_is_refused(text: str, expected: set[str], folder: Any) -> None:
    assert set(folder.mistakes({FILE: text} | ALONE)) == {f"data_classes.yaml:1: {mistake}" for mistake in expected}


def test_no_key_is_untested() -> None:
    assert all(any(f"{key}:" in text for text, _ in READ) for key in OPTIONAL)
