"""Until when authorities and revocation lists count, and when it is time to say so.

Pure: from what was read already, to what ``gateway check``, the fetching process and the metrics tell. What never may come in: a
decision about a client.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from gateway.ca.anchors import Anchors, CustomerTrust
from gateway.ca.revocation import window_of

_DAY = 86400.0
#: The alarm comes when less than this is left, but never in the first two thirds of a list's life: one that is made daily always has
#: less than three days left. A weekend and a morning for lists; for authorities, whose certificates customers must roll out, a month.
EARLIEST = {"crl": 3 * _DAY, "authority": 30 * _DAY}


@dataclass(frozen=True, slots=True)
class Validity:
    """``source``: the file, or the URL, that a newer one must come to. A list that never came has ``since`` and ``until`` 0."""

    customer: str
    kind: Literal["crl", "authority"]
    since: float
    until: float
    source: str

    def ended(self, now: float) -> bool:
        return now >= self.until

    def ends_soon(self, now: float) -> bool:
        """Also true when it has ended."""
        return self.until - now < min((self.until - self.since) / 3, EARLIEST[self.kind])

    def sentence(self, now: float) -> str:
        """What is to be done, for people."""
        what = "revocation list" if self.kind == "crl" else "authority"
        if not self.until:
            return f"customer {self.customer!r}: no {what} has come from {self.source} yet"
        end = datetime.fromtimestamp(self.until, UTC).strftime("%Y-%m-%d %H:%M UTC")
        return f"customer {self.customer!r}: the {what} in {self.source} {'ended' if self.ended(now) else 'ends'} on {end}"


def validities(customer: str, source: CustomerTrust, anchors: Anchors) -> Iterator[Validity]:
    """Of every authority and every list of one customer."""
    for certificate in anchors.certificates:
        since, until = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
        yield Validity(customer, "authority", since, until, str(source.authority))
    if anchors.revocation is not None:
        windows = [window_of(crl) for crl in anchors.revocation.lists] or [(0.0, 0.0)]
        for since, until in windows:
            yield Validity(customer, "crl", since, until, source.fetched or str(source.crl))
