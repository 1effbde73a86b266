"""Other spellings of our names, which a server behind us would fold into them (CGI, WSGI, PHP, a case-insensitive map)."""

import pytest

from tests.attacks.forged import NAMES, OURS, headers_of, says_only_ours, values

SPELLINGS = {
    "lower": str.lower,
    "upper": str.upper,
    "mixed case": str.swapcase,
    "underscores": lambda name: name.replace("-", "_"),
    "one underscore": lambda name: name.replace("-", "_", 1),
    "an underscore behind": lambda name: name + "_",
    "dots": lambda name: name.replace("-", "."),
    "doubled dashes": lambda name: name.replace("-", "--"),
    "a dash in front": lambda name: "-" + name,
    "a dash behind": lambda name: name + "-",
    "a dot behind": lambda name: name + ".",
    "no dashes": lambda name: name.replace("-", ""),
    "tildes": lambda name: name.replace("-", "~"),
    "plus": lambda name: name.replace("-", "+"),
    "bars and quotes": lambda name: name.replace("-", "|") + "'",
}


@pytest.mark.trap("T-I5", "No spelling of an identity header reaches the suite: case, underscores, dots, dashes, other token characters.")
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_ti5_spellings(attacker, suite, spelling):
    forged = [SPELLINGS[spelling](name).encode() + b": forged" for name in NAMES]
    assert attacker.ask(attacker.head(b"GET /orders HTTP/1.1", *forged)).status == 200
    [request] = suite.seen
    says_only_ours(request)
    assert not any(b"_" in name for name, _ in headers_of(request))


@pytest.mark.trap("T-I5", "Duplicates before and after other headers, in mixed spellings, leave one line per header: ours.")
@pytest.mark.parametrize("name", [name.decode() for name in OURS if name != b"host"])
def test_ti5_duplicates_before_and_after(attacker, suite, name):
    copies = [SPELLINGS[spelling](name).encode() + b": forged" for spelling in SPELLINGS]
    authorization = attacker.authorization().strip()
    lines = [b"GET /orders HTTP/1.1", *copies, b"Host: localhost", *copies, authorization, *copies, b"", b""]
    assert attacker.ask(b"\r\n".join(lines)).status == 200
    [request] = suite.seen
    says_only_ours(request)


BROKEN = {
    "blank behind": b"Gateway-User : forged",
    "tab behind": b"Gateway-User\t: forged",
    "blank before": b" Gateway-User: forged",
    "blank inside": b"Gateway User: forged",
    "NUL behind": b"Gateway-User\0: forged",
    "vertical tab behind": b"Gateway-User\x0b: forged",
    "no-break space behind": b"Gateway-User\xc2\xa0: forged",
    "full width": "Ｇateway-User: forged".encode(),
    "long s": "Gateway-Uſer: forged".encode(),
    "non-breaking hyphen": "Gateway\u2011User: forged".encode(),
    "soft hyphen": "Gateway-\u00adUser: forged".encode(),
    "Latin-1": b"Gateway-\xdcser: forged",
    "parenthesis": b"Gateway(User): forged",
    "colon first": b":Gateway-User: forged",
    "bare LF": b"X: y\nGateway-User: forged",
    "bare CR": b"X: y\rGateway-User: forged",
    "folded": b"X: y\r\n Gateway-User: forged",
    "folded with a tab": b"X: y\r\n\tGateway-User: forged",
}


@pytest.mark.trap("T-I5", "A name with a trailing blank, control character, or letter beyond ASCII is 400.")
@pytest.mark.parametrize("case", BROKEN)
def test_ti5_names_that_are_none(attacker, suite, case):
    assert attacker.ask(attacker.head(b"GET /orders HTTP/1.1", BROKEN[case])).status == 400
    assert suite.seen == []


@pytest.mark.trap("T-I5", "A header that is judged reaches the suite under the one name that was judged.")
@pytest.mark.parametrize(
    "name", ["Content-Type", "Content-Length", "Content-Encoding", "Origin", "Authorization", "Cookie", "Host", "Expect"]
)
def test_ti5_other_spellings_of_what_is_judged(attacker, suite, name):
    kept = ("lower", "upper", "mixed case")
    copies = [
        SPELLINGS[spelling](name).encode() + b": forged"
        for spelling in SPELLINGS
        if spelling not in kept and SPELLINGS[spelling](name) != name
    ]
    assert attacker.ask(attacker.post({}, *copies, b"X-Suite: kept")).status == 200
    [request] = suite.seen
    says_only_ours(request)
    assert values(request, b"Content-Length") == [b"2"] and values(request, b"X-Suite") == [b"kept"]
