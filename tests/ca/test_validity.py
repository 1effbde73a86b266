"""When it is time to say that an authority or a list ends: before it is too late, and not in every week of its life."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.ca.anchors import Anchors, CustomerTrust
from gateway.ca.revocation import RevocationLists, read_lists
from gateway.ca.validity import Validity, validities
from tests.ca.pki import DAY, NOW, make_pki

HOUR, DAYS = 3600.0, 86400.0


@pytest.mark.parametrize(
    ("kind", "lifetime", "left", "soon"),
    [
        ("crl", 1 * DAYS, 9 * HOUR, False),  # made anew every day: a fixed three days would never be quiet
        ("crl", 1 * DAYS, 7 * HOUR, True),
        ("crl", 7 * DAYS, 57 * HOUR, False),
        ("crl", 7 * DAYS, 55 * HOUR, True),
        ("crl", 180 * DAYS, 73 * HOUR, False),
        ("crl", 180 * DAYS, 71 * HOUR, True),
        ("crl", 7 * DAYS, -1, True),
        ("authority", 3650 * DAYS, 31 * DAYS, False),
        ("authority", 3650 * DAYS, 29 * DAYS, True),
        ("authority", 30 * DAYS, 11 * DAYS, False),
        ("authority", 30 * DAYS, 9 * DAYS, True),
    ],
)
def test_when_it_is_time(kind: str, lifetime: float, left: float, soon: bool) -> None:
    now = 1e9
    validity = Validity("energie_nord", kind, now + left - lifetime, now + left, "own.crl")  # type: ignore[arg-type]
    assert (validity.ends_soon(now), validity.ended(now)) == (soon, left < 0)


def test_what_is_told_of_one_customer() -> None:
    pki = make_pki()
    lists = read_lists(Path("own.crl"), [pki.certificate], pki.crl())
    ends = ((NOW - 10 * DAY).timestamp(), (NOW + 10 * DAY).timestamp()), ((NOW - DAY).timestamp(), (NOW + DAY).timestamp())
    authority = Validity("energie_nord", "authority", *ends[0], "ca.pem")
    for source, revocation, expected in (
        (CustomerTrust(Path("ca.pem")), None, []),
        (CustomerTrust(Path("ca.pem"), Path("own.crl")), RevocationLists(lists), [Validity("energie_nord", "crl", *ends[1], "own.crl")]),
        (
            CustomerTrust(Path("ca.pem"), Path("kept"), fetched="http://pki.example/ca.crl"),
            RevocationLists(),
            [Validity("energie_nord", "crl", 0.0, 0.0, "http://pki.example/ca.crl")],
        ),
    ):
        assert list(validities("energie_nord", source, Anchors((pki.certificate,), revocation))) == [authority, *expected]


@pytest.mark.parametrize(
    ("kind", "until", "expected"),
    [
        ("crl", 0.0, "customer 'nord': no revocation list has come from SOURCE yet"),
        ("crl", 1e9, "customer 'nord': the revocation list in SOURCE ends on 2001-09-09 01:46 UTC"),
        ("authority", 1e8, "customer 'nord': the authority in SOURCE ended on 1973-03-03 09:46 UTC"),
    ],
)
def test_what_people_are_told(kind: str, until: float, expected: str) -> None:
    assert Validity("nord", kind, 0.0, until, "SOURCE").sentence(5e8) == expected  # type: ignore[arg-type]
