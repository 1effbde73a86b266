"""Where keys lie, and what opening the operator key says when it does not open."""

import pytest

from gateway.errors import ConfigurationError
from gateway.runtime.keys import customer_files, open_operator_key
from tests.cli.conftest import CUSTOMER, PASSPHRASE


def test_share_and_tombstone_lie_apart_from_what_they_protect(folder):
    """The share is backed up apart: whoever steals the customers' folders has no part of it."""
    files = customer_files(folder.config, CUSTOMER)
    assert files.keyslots.parent == files.data_keys.parent == folder.path / "state" / "customers" / CUSTOMER
    assert files.share == folder.path / "state" / "shares" / CUSTOMER
    assert files.tombstone == folder.path / "state" / "tombstones" / CUSTOMER
    assert {path.stat().st_mode & 0o777 for path in (files.keyslots, files.data_keys, files.share)} == {0o600}


def test_it_opens_with_its_passphrase(folder):
    one, two = (open_operator_key(folder.config, PASSPHRASE.encode()) for _ in range(2))
    assert one.operator_part("x", CUSTOMER, 1) == two.operator_part("x", CUSTOMER, 1)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda key: key.unlink(), "there is no operator key"),
        (lambda key: key.chmod(0o640), "chmod 600"),
        (lambda key: key.write_bytes(key.read_bytes()[:-1]), "damaged"),
        (lambda key: None, "passphrase"),
    ],
)
def test_why_it_does_not_open(folder, spoil, said):
    spoil(folder.config.operator_key)
    with pytest.raises(ConfigurationError, match=said):
        open_operator_key(folder.config, b"another passphrase")
