"""A plain client: certificate, user, password, JSON, from an address that can be chosen; and nothing else."""

import base64
from dataclasses import replace

import pytest

from gateway.demo.story import OURS


@pytest.fixture
def maria(shown):
    return shown[0].client(OURS, "maria")


def test_it_speaks_to_the_gateway(maria):
    answer = maria.send("GET", "/orders")
    assert (answer.status, answer.headers["content-type"].split(";")[0]) == (200, "application/json")
    assert answer.json()["total"] >= 3


@pytest.mark.parametrize("changes", [{"source": "127.0.0.9"}, {"url": "https://localhost:1"}])
def test_a_closed_door_is_an_oserror(maria, changes):
    with pytest.raises(OSError, match=r".*"):
        replace(maria, **changes).send("GET", "/orders")


def test_without_a_certificate_it_connects_all_the_same(maria):
    assert replace(maria, certificate=None).send("GET", "/orders").status == 403


@pytest.mark.parametrize(
    ("user", "body", "headers", "expected"),
    [
        ("", None, {}, (None, {})),
        ("ä", None, {}, (None, {"Authorization": "Basic " + base64.b64encode("ä:p".encode()).decode()})),
        ("", {"a": "ä"}, {"X": "y"}, ('{"a": "ä"}'.encode(), {"Content-Type": "application/json", "X": "y"})),
        ("", {}, {"Content-Type": "text/plain"}, (b"{}", {"Content-Type": "text/plain"})),
    ],
)
def test_what_it_sends(maria, user, body, headers, expected):
    assert replace(maria, user=user, password="p")._payload(body, headers) == expected
