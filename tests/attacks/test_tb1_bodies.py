"""Bodies that hide a value from the gateway and show it to somebody behind it: tokenized, or refused; never clear upstream."""

import json

import pytest

from tests.attacks.codings import COMPRESS

NAME = "Max Mustermann"
BIG = "x" * 1_000_000


def household(text):
    return ('{"household": ' + text + "}").encode()


HIDDEN = {
    "twice": household('{"name": "x", "name": "Max Mustermann"}'),
    "twice, first": household('{"name": "Max Mustermann", "name": "x"}'),
    "twice by escape": household('{"name": "x", "n\\u0061me": "Max Mustermann"}'),
    "twice above": b'{"household": {"name": "x"}, "household": {"name": "Max Mustermann"}}',
    "upper case": household('{"NAME": "Max Mustermann"}'),
    "title case above": b'{"Household": {"name": "Max Mustermann"}}',
    "dotless": household('{"name": "x", "nam\u0435": "Max Mustermann"}'),
    "full width": household('{"\uff4eame": "Max Mustermann"}'),
    "zero width": household('{"na\u200bme": "Max Mustermann"}'),
    "NUL behind": household('{"name\\u0000": "Max Mustermann"}'),
    "blank behind": household('{"name ": "Max Mustermann"}'),
    "dotted": b'{"household.name": "Max Mustermann"}',
    "bracketed": b'{"household[name]": "Max Mustermann"}',
    "name as a name": household('{"Max Mustermann": 1}'),
    "name as a name in a clear place": b'{"household": {"name": "Max Mustermann"}, "appointment": {"Max Mustermann": 1}}',
    "number": household('{"phone": 4935145678901}'),
    "array": household('{"name": ["Max Mustermann"]}'),
    "object": household('{"name": {"first": "Max Mustermann"}}'),
    "true": household('{"name": true}'),
    "root array": b'[{"household": {"name": "Max Mustermann"}}]',
    "household array": household('[{"name": "Max Mustermann"}]'),
    "root string": b'"Max Mustermann"',
    "household string": household('"Max Mustermann"'),
    "JSON in a string in notes": b'{"notes": {"0": "Max Mustermann"}}',
    "notes nested": b'{"notes": [["Max Mustermann"]]}',
    "notes string": b'{"notes": "Max Mustermann"}',
    "JSON patch": b'[{"op": "replace", "path": "/household/name", "value": "Max Mustermann"}]',
    "comment": household("{/* Max Mustermann */}"),
    "single quotes": b"{'household': {'name': 'Max Mustermann'}}",
    "trailing comma": household('{"name": "Max Mustermann",}'),
    "two documents": household('{"name": "x"}') + household('{"name": "Max Mustermann"}'),
    "NDJSON": household('{"name": "x"}') + b"\n" + household('{"name": "Max Mustermann"}'),
    "record separator": b"\x1e" + household('{"name": "Max Mustermann"}'),
    "JSON prefix": b")]}',\n" + household('{"name": "Max Mustermann"}'),
    "BOM": b"\xef\xbb\xbf" + household('{"name": "Max Mustermann"}'),
    "UTF-16": household('{"name": "Max Mustermann"}').decode().encode("utf-16"),
    "UTF-16 LE": household('{"name": "Max Mustermann"}').decode().encode("utf-16-le"),
    "UTF-32": household('{"name": "Max Mustermann"}').decode().encode("utf-32"),
    "UTF-7": household('{"name": "Max Mustermann"}').decode().encode("utf-7") + b"+AA",
    "Latin-1": '{"household": {"name": "Jörg Mustermann"}}'.encode("latin-1"),
    "overlong": household('{"name": "Max Mustermann"}').replace(b"name", b"\xc1\xaeame"),
    "surrogate pair in UTF-8": household('{"name": "Max Mustermann"}').replace(b"Max", b"\xed\xa0\xbd\xed\xb8\x80"),
    "lone surrogate": household('{"name": "Max Mustermann\\ud83d"}'),
    "lone surrogate as a name": household('{"\\udc00name": "Max Mustermann"}'),
    "control character": household('{"name": "Max\tMustermann"}'),
    "NaN": household('{"name": NaN}'),
    "echo in a clear place": b'{"meter_number": "Max Mustermann", "household": {"name": "Max Mustermann"}}',
    "echo by escape": b'{"meter_number": "\\u004dax\\u0020Mustermann", "household": {"name": "Max Mustermann"}}',
    "echo in full width": '{"meter_number": "Ｍａｘ Mustermann", "household": {"name": "Max Mustermann"}}'.encode(),
    "echo deep in a clear place": b'{"appointment": [[{"a": "of Max MUSTERMANN"}]], "household": {"name": "Max Mustermann"}}',
    "echo of a number": b'{"meter_number": 4567890351, "household": {"phone": "4567890351"}}',
    "deep": b"[" * 100_000,
    "deep objects": b'{"appointment":' * 70 + b"1" + b"}" * 70,
    "5,000 digits": b'{"meter_number": ' + b"1" * 5_000 + b"}",
    "wide": b'{"appointment": [' + b"0," * 100_001 + b"0]}",
    "empty": b"",
    "blank": b" \r\n",
    "cut": household('{"name": "Max Mustermann"')[:-3],
}


@pytest.mark.trap("T-B1", "A body in which a value could hide from the gateway is refused.")
@pytest.mark.trap("T-B2", "A body of another shape, encoding or syntax than declared is refused.")
@pytest.mark.parametrize("case", HIDDEN)
@pytest.mark.parametrize("first", [b"POST /orders HTTP/1.1", b"PATCH /orders/1 HTTP/1.1"], ids=["POST", "PATCH"])
def test_tb1_tb2_refused(attacker, suite, case, first):
    reply = attacker.ask(attacker.post(HIDDEN[case], first=first))
    assert reply.status == 400, case
    assert b"Mustermann" not in reply.body and b"Mustermann" not in str(reply.headers).encode()
    assert suite.seen == []


TOKENIZED = {
    "plain": household('{"name": "Max Mustermann"}'),
    "escaped": household('{"n\\u0061me": "\\u004d\\u0061\\u0078\\u0020Mustermann"}'),
    "slashes": household('{"street": "Mustermann\\/Allee"}'),
    "NFD": household('{"name": "Max Mu\u0308stermann"}'),
    "behind 1 MB": ('{"appointment": "' + BIG + '", "household": {"name": "Max Mustermann"}}').encode(),
    "merge patch": b'{"household": {"name": "Max Mustermann", "email": null}, "notes": null}',
    "many": json.dumps({"notes": ["Max Mustermann"] * 5_000}).encode(),
    "not the form": household('{"phone": "Mustermann rufen: 0351 4567890", "email": "Mustermann"}'),
    "a space": household('{"name": " Mustermann "}'),
    "markup": household('{"name": "<img src=x onerror=Mustermann>"}'),
    "token-like": household('{"name": "gt1_mustermann", "street": "\u0160l5\u00bbMustermann"}'),
}


@pytest.mark.trap("T-B1", "However a declared value is spelled or placed, it is a token upstream.")
@pytest.mark.parametrize("case", TOKENIZED)
@pytest.mark.parametrize("first", [b"POST /orders HTTP/1.1", b"PATCH /orders/1 HTTP/1.1"], ids=["POST", "PATCH"])
def test_tb1_never_clear_upstream(attacker, suite, case, first):
    assert attacker.ask(attacker.post(TOKENIZED[case], first=first)).status == 200
    [request] = suite.seen
    assert b"ustermann" not in request.lower() and b"stermann" not in request
    json.loads(request.split(b"\r\n\r\n", 1)[1])


TYPES = r"""
    text/json|text/plain|application/octet-stream|application/x-www-form-urlencoded|multipart/form-data; boundary=x|application/xml
    application/json, text/plain|application/json-patch+json|application/json; charset=utf-16|application/json; charset=latin1
    application/json; charset=utf-8; charset=utf-16|application/json;charset="utf-\8"|application/json;;=|application/x-ndjson
    application/jsonp|application/json-seq|*/json|application/|json|
"""
MEDIA = [None, *(f"Content-Type: {each}".encode() for line in TYPES.strip().splitlines() for each in line.strip().split("|"))]


@pytest.mark.trap("T-B2", "Every media type but JSON in UTF-8 is refused where a record is declared.")
@pytest.mark.parametrize("media", MEDIA, ids=repr)
def test_tb2_media_types(attacker, suite, media):
    assert attacker.ask(attacker.post(household('{"name": "Max Mustermann"}'), media=media)).status == 415
    assert suite.seen == []


@pytest.mark.trap(
    "T-B2", "Unknown and stacked content codings are refused where a record is declared, and so is what only calls itself by a known one."
)
@pytest.mark.parametrize(
    ("coding", "status"),
    [(coding, 400) for coding in (b"gzip", b"br", b"zstd", b"deflate")]
    + [(coding, 415) for coding in (b"gzip, gzip", b"identity, gzip", b"gzip,", b"x-unknown", b"identity,identity", b"*", b"compress")],
)
def test_tb2_codings(attacker, suite, coding, status):
    assert attacker.ask(attacker.post(b"\x1f\x8b" + bytes(40), b"Content-Encoding: " + coding)).status == status
    assert suite.seen == []


@pytest.mark.trap("T-B2", "What comes compressed is looked into, and leaves uncompressed.")
@pytest.mark.parametrize("coding", COMPRESS)
def test_tb2_compressed(attacker, suite, coding):
    body = COMPRESS[coding](household('{"name": "Max Mustermann"}'))
    reply = attacker.ask(attacker.post(body, b"Content-Encoding: " + coding.encode()))
    assert reply.status == 200
    head, _, sent = suite.seen[0].partition(b"\r\n\r\n")
    assert b"Mustermann" not in sent and set(json.loads(sent)) == {"household"}
    assert b"content-encoding" not in head.lower() and b"Content-Length: %d\r\n" % len(sent) in head + b"\r\n"


@pytest.mark.trap("T-D1", "A request that inflates beyond its limit or a hundred times its size is refused, whatever its coding.")
@pytest.mark.parametrize("coding", COMPRESS)
@pytest.mark.parametrize("size", [1 << 20, 32 << 20], ids=["ratio", "size"])
def test_td1_bombs(attacker, suite, coding, size):
    bomb = COMPRESS[coding](b'{"notes": ["' + b" " * size + b'"]}')
    assert attacker.ask(attacker.post(bomb, b"Content-Encoding: " + coding.encode())).status == 413
    assert attacker.ask(attacker.post(bomb, b"Content-Encoding: " + coding.encode(), first=b"POST /nowhere HTTP/1.1")).status == 404
    assert suite.seen == []


@pytest.mark.trap("B-01", "A body beyond the limit is refused, and nothing of it forwarded.")
@pytest.mark.parametrize("length", [1 << 20, 1 << 40])
def test_b01_a_body_beyond_the_limit(attacker, suite, length):
    line = attacker.connect()
    line.send(attacker.head(b"POST /orders HTTP/1.1", b"Content-Type: application/json", b"Content-Length: %d" % (length + 1)))
    assert line.reply().status == 413
    assert suite.seen == []


@pytest.mark.trap("T-D3", "A body in chunks of one byte is read as one, and tokenized.")
def test_td3_a_megabyte_in_small_chunks(attacker, suite):
    line = attacker.connect()
    body = b'{"notes": ["' + b"y" * 30_000 + b'"]}'
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    line.send(
        attacker.head(b"POST /orders HTTP/1.1", b"Content-Type: application/json", b"Transfer-Encoding: chunked") + chunks + b"0\r\n\r\n"
    )
    assert line.reply().status == 200
    assert b"yyyy" not in suite.seen[0]


def test_a_refused_element_behind_good_ones_leaves_nothing(attacker, suite):
    body = {"notes": ["Mustermann"] * 100 + [7], "household": {"name": NAME}}
    assert attacker.ask(attacker.post(body)).status == 400
    assert suite.seen == []
