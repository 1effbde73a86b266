"""An authority of ours, an authority of the customer's own, and trust in it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.ca.authority import Authority, create_authority
from gateway.ca.trust import CustomerTrust, Trust
from tests.ca.pki import NOW, PASSWORD, Pki, make_pki


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return create_authority(tmp_path / "ca", PASSWORD)


@pytest.fixture
def pki() -> Pki:
    return make_pki()


@pytest.fixture
def trust_in(tmp_path: Path) -> Callable[..., Trust]:
    """Trust of one customer ``energie_nord`` in the given PEM text, with the given revocation list."""

    def build(pem: bytes, crl: bytes | None = None, now: datetime = NOW, **options: Any) -> Trust:
        file = tmp_path / "own-ca.pem"
        file.write_bytes(pem)
        crl_file = tmp_path / "own.crl" if crl is not None else None
        if crl_file:
            crl_file.write_bytes(crl or b"")
        return Trust.build({"energie_nord": CustomerTrust(file, crl_file, **options)}, now.timestamp())

    return build
