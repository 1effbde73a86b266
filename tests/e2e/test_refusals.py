"""What is refused, and with which problem: before anything goes upstream, and without a word of the request in the answer."""

import json
from dataclasses import replace

import pytest

from gateway.demo.story import ORDERS, OTHER, OURS

MAX = ORDERS[0]


def household(**changes):
    return {**MAX, "household": {**MAX["household"], **changes}}


BODIES = {
    "unlisted field": (json.dumps({**MAX, "iban": "DE02120300000000202051"}), 400),
    "unlisted field inside": (json.dumps(household(birthday="1980-01-01")), 400),
    "number at a declared place": (json.dumps(household(phone=3514567890)), 400),
    "object at a declared place": (json.dumps(household(name={"first": "Max"})), 400),
    "duplicate key": ('{"household": {"name": "Max Mustermann", "name": "Max Mustermann"}}', 400),
    "duplicate key by escape": ('{"household": {"name": "Max Mustermann", "n\\u0061me": "Max Mustermann"}}', 400),
    "not JSON": ('{"household": {"name": "Max Mustermann"}', 400),
    "trailing data": (json.dumps(MAX) + "x", 400),
    "a byte order mark": ("\ufeff" + json.dumps(MAX), 400),
    "NaN": ('{"meter_number": NaN}', 400),
    "lone surrogate": ('{"household": {"name": "\\ud800"}}', 400),
    "too deep": ("[" * 100_000, 400),
    "too large": (json.dumps({**MAX, "notes": ["x" * (1 << 20)]}), 413),
    "empty": ("", 400),
    "the name again in a clear place": (json.dumps({**MAX, "meter_number": "of Max Mustermann"}), 400),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_body_is_refused_before_anything_goes_upstream(gateway, case):
    body, status = BODIES[case]
    before = count(gateway)
    answer = send_raw(gateway, body.encode())
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Mustermann" not in answer.body.decode()
    assert count(gateway) == before


HEADERS = {
    "media type": ({"Content-Type": "text/plain"}, 415),
    "no media type": ({"Content-Type": ""}, 415),
    "charset": ({"Content-Type": "application/json; charset=utf-16"}, 415),
    "coding": ({"Content-Encoding": "compress"}, 415),
    "two codings": ({"Content-Encoding": "gzip, gzip"}, 415),
    "foreign host": ({"Host": "suite.internal"}, 421),
    "cross-site": ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_is_refused(gateway, case):
    headers, status = HEADERS[case]
    assert send_raw(gateway, json.dumps(MAX).encode(), headers).status == status


TARGETS = {
    "unknown route": ("GET", "/invoices", 404),
    "unknown method": ("DELETE", "/orders", 405),
    "unlisted parameter": ("GET", "/orders?street=Lindenallee", 400),
    "dot segment": ("GET", "/orders/../orders", 400),
    "encoded slash": ("GET", "/orders%2f1", 400),
    "double slash": ("GET", "//orders", 400),
    "body not declared": ("GET", "/orders", 400),
}


@pytest.mark.parametrize("case", TARGETS)
def test_a_target_is_refused(gateway, case):
    method, path, status = TARGETS[case]
    body = {} if case == "body not declared" else None
    assert gateway.client(OURS, "maria").send(method, path, body).status == status


def test_roles_and_credentials(gateway):
    importer, maria = gateway.client(OURS, "import_job"), gateway.client(OURS, "maria")
    jens = gateway.customers[OTHER]
    assert importer.send("GET", "/orders").status == 403
    assert replace(maria, user="", password="").send("GET", "/orders").status == 401
    assert replace(maria, user="nobody").send("GET", "/orders").status == 401
    assert replace(maria, password=maria.password + "x").send("GET", "/orders").status == 401
    assert replace(maria, certificate=None).send("GET", "/orders").status == 403
    theirs = replace(maria, certificate=(jens.certificate, jens.private_key))
    assert theirs.send("GET", "/orders").status == 401
    assert replace(maria, source="127.0.0.2").send("GET", "/orders").status == 403
    with pytest.raises(OSError, match=r".*"):
        replace(maria, source="127.0.0.9").send("GET", "/orders")


def send_raw(gateway, body, headers=None):
    client = gateway.client(OURS, "import_job")
    return RawClient(client).send(body, headers or {})


class RawClient:
    """The plain client with a body of bytes."""

    def __init__(self, client):
        self._client = client

    def send(self, body, headers):
        class Bytes(type(self._client)):
            def _payload(inner, _, given):
                _, credentials = super()._payload(None, {})
                return body, {**credentials, "Content-Type": "application/json", **given}

        client = self._client
        raw = Bytes(client.url, client.authority, client.certificate, client.user, client.password)
        return raw.send("POST", "/orders", b"", headers)


def count(gateway):
    return gateway.client(OURS, "maria").send("GET", "/orders").json()["total"]
