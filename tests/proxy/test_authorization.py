"""Authorization headers, strictly: what is not plainly a name and a password is neither."""

import base64
import contextlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.proxy.authorization import LONGEST_VALUE, basic_credentials, from_file


def basic(text):
    return "Basic " + base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


@pytest.mark.parametrize(
    ("value", "credentials"),
    [
        (basic("maria:geheim"), ("maria", "geheim")),
        (basic("maria:a:b:c"), ("maria", "a:b:c")),
        (basic("maria:"), ("maria", "")),
        (basic("jörg müller:pässwort ß"), ("jörg müller", "pässwort ß")),
        ("bAsIc   " + basic("a:b")[6:], ("a", "b")),
    ],
)
def test_read(value, credentials):
    assert basic_credentials(value) == credentials


@pytest.mark.parametrize("value", [None, "", "Bearer abc", "Digest username=maria", "Basi", "Basic:abc"])
def test_missing(value):
    with pytest.raises(Refused, match="credentials-missing"):
        basic_credentials(value)


@pytest.mark.parametrize(
    "value",
    [
        "Basic",
        "Basic ",
        "Basic ****",
        "Basic bWFyaWE6Z2VoZWlt=",
        "Basic bWFyaWE6 Z2VoZWlt",
        "Basic bWFyaWE6Z2VoZWlt, Basic YTpi",
        "Basic ärger",
        basic("maria"),
        basic(":geheim"),
        basic(b"mar\xefa:geheim"),  # Latin-1
        basic(b"mar\xed\xa0\x80ia:geheim"),  # a surrogate
        basic("m\0:x"),
        basic("maria\n:x"),
        basic("maria:a\tb"),
        basic("ma\u202eria:x"),  # shown backwards in a log
        basic("ma\u200bria:x"),  # shown as another name
        basic("ma\u2028ria:x"),
        basic("x" * 1_000_000 + ":x"),
        basic("x:" + "x" * 1025),
    ],
)
def test_ta5_malformed(value):
    with pytest.raises(Refused, match="credentials-malformed"):
        basic_credentials(value)


@given(st.text())
def test_never_anything_but_a_refusal(value):
    with contextlib.suppress(Refused):
        basic_credentials(value)


def test_a_file_is_read_again_when_it_changes(tmp_path):
    file = tmp_path / "authorization"
    file.write_text("Bearer one\n")
    assert from_file(file) == b"Bearer one"
    file.write_text("Bearer two\n")
    assert from_file(file) in (b"Bearer one", b"Bearer two")  # within the clock's grain
    file.unlink()
    with pytest.raises(Refused, match="upstream-unreachable"):
        from_file(file)


def test_a_file_that_is_replaced_and_keeps_its_time_is_read_again(tmp_path):
    """As ``cp -p`` and mounted volumes do: same time, same size, another password."""
    file, other = tmp_path / "authorization", tmp_path / "other"
    file.write_text("Bearer one")
    other.write_text("Bearer two")
    for each in (file, other):
        os.utime(each, ns=(1_000_000_000, 1_000_000_000))
    assert from_file(file) == b"Bearer one"
    other.replace(file)
    assert from_file(file) == b"Bearer two"


UNUSABLE = [
    b"",
    b" \n",
    b"Bearer one\r\nX: y",
    b"Bearer one\ntwo",
    b"Bearer \0",
    b"Bearer  two",
    "Bearer ü".encode(),
    b"x" * (LONGEST_VALUE + 1),
    b"x" * 10_000_000,
]


@pytest.mark.parametrize("content", UNUSABLE, ids=range(len(UNUSABLE)))
def test_td7_a_file_without_a_usable_value_sends_nothing_and_blames_no_client(tmp_path, content):
    file = tmp_path / "authorization"
    file.write_bytes(content)
    with pytest.raises(Refused, match="upstream-unreachable"):
        from_file(file)


def test_the_longest_value(tmp_path):
    file = tmp_path / "authorization"
    file.write_bytes(b"x" * LONGEST_VALUE)
    assert from_file(file) == b"x" * LONGEST_VALUE
