"""Values that are judged as one text and sent as another: bytes that are not UTF-8, controls, and names that hold line ends."""

import base64
from urllib.parse import unquote

import pytest

from gateway.cipher import credentials
from gateway.demo.story import OTHER
from gateway.runtime import setup
from gateway.runtime.keys import open_operator_key
from tests.attacks.forged import headers_of, values

NO_TEXT = {
    "lone byte": b"a\xffb",
    "lone surrogate": b"\xed\xa0\x80",
    "surrogate pair": b"\xed\xa0\xbd\xed\xb8\x80",
    "overlong slash": b"\xc0\xaf",
    "overlong NUL": b"\xc0\x80",
    "beyond Unicode": b"\xf5\x80\x80\x80",
    "cut off": b"\xe2\x82",
    "Latin-1": b"M\xfcller",
    "control": b"a\x01b",
    "DEL": b"a\x7fb",
    "NUL": b"a\0b",
    "ANSI": b"\x1b[2J",
    "backspace": b"adm\x08in",
    "form feed": b"a\x0cb",
}


@pytest.mark.trap("N-02", "A header value that is not UTF-8, or holds a control character, is 400 before anything is judged.")
@pytest.mark.parametrize("name", [b"X-Suite", b"Cookie", b"User-Agent", b"Gateway-User"])
@pytest.mark.parametrize("case", NO_TEXT)
def test_n02_values_that_are_no_text(attacker, suite, case, name):
    assert attacker.ask(attacker.head(b"GET /orders HTTP/1.1", name + b": " + NO_TEXT[case])).status == 400
    assert suite.seen == []


@pytest.mark.trap("N-02", "Text beyond ASCII reaches the suite byte for byte.")
@pytest.mark.parametrize("text", ["Jörg Müller", "Jo\u0308rg", "Łódź", "👩‍🔧", "a\u202eb", "\ufeff", "\ufffd"], ids=ascii)
def test_n02_text_is_sent_as_it_came(attacker, suite, text):
    assert attacker.ask(attacker.head(b"GET /orders HTTP/1.1", b"X-Suite: a" + text.encode() + b"z")).status == 200
    assert (b"X-Suite", b"a" + text.encode() + b"z") in headers_of(suite.seen[0])


@pytest.mark.trap("N-02", "User names and passwords that are not UTF-8 are 401, never a name with those bytes left out.")
@pytest.mark.parametrize("case", NO_TEXT)
def test_n02_credentials_that_are_no_text(attacker, suite, case):
    for user in (b"je" + NO_TEXT[case] + b"ns", b"jens" + NO_TEXT[case], NO_TEXT[case] + b"jens"):
        named = base64.b64encode(user + b":" + attacker.environment.customers[OTHER].passwords["jens"].encode())
        request = b"GET /orders HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic " + named + b"\r\n\r\n"
        assert attacker.ask(request).status in (401, 429)
    assert suite.seen == []


ODD_USERS = ["jürgen%0d%0aGateway-Role", 'jens";proto=http,for="198.51.100.66', "佐藤"]


@pytest.fixture(scope="module")
def odd_users(environment):
    """Users whose names would like to be more than a name, made as the operator makes users."""
    operator = open_operator_key(environment.config, environment.passphrase_file.read_text().strip().encode())
    by = credentials.password("jens", environment.customers[OTHER].passwords["jens"])
    policy = environment.config_file.parent / "policies" / "customers" / f"{OTHER}.yaml"
    before, made = policy.read_text(), {}
    for user in ODD_USERS:
        made[user] = setup.add_user(environment.config, operator, OTHER, user, "dispatcher", by)
    yield made
    policy.write_text(before)


@pytest.mark.trap("N-02", "A user's name is one line of visible ASCII at the suite, and reads back as the name.")
def test_n02_no_user_name_is_more_than_a_name(attacker, suite, odd_users, eventually):
    for user, password in odd_users.items():
        named = base64.b64encode(f"{user}:{password}".encode())
        request = b"GET /orders HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic " + named + b"\r\n\r\n"
        eventually(lambda request=request: attacker.ask(request).status == 200)
        [told] = values(suite.seen[-1], b"Gateway-User")
        assert told.isascii() and told.decode().isprintable() and b" " not in told
        assert unquote(told.decode()) == user
        assert values(suite.seen[-1], b"Gateway-Role") == [b"dispatcher"]
        assert len(values(suite.seen[-1], b"Forwarded")) == 1
