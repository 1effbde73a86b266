"""The keeper makes lists when it must, leaves them when it need not, and survives whatever it finds."""

import asyncio
import logging
import shutil
import time

import pytest

from gateway.ca.crl import read
from gateway.ca.ledger import record_revocation
from gateway.errors import ConfigurationError, Mistake
from gateway.runtime.certificates import authority_of, issue_certificate, ledger_of
from gateway.runtime.crl_keeper import RETRY, CrlKeeper
from gateway.runtime.keys import open_operator_key
from tests.cli.conftest import CUSTOMER, PASSPHRASE

NOW = time.time() + 3600  # an hour from now: what is made while the tests run counts already, however long that takes
DAY = 86400.0


@pytest.fixture
def operator(folder):
    return open_operator_key(folder.config, PASSPHRASE.encode())


class Keeper:
    """A keeper that counts how often a key was opened."""

    def __init__(self, config, operator):
        self.config, self.opened, self.fault = config, [], None
        self._keeper = CrlKeeper(config, self._open)
        self._operator = operator

    def _open(self, customer):
        self.opened.append(customer)
        if self.fault:
            raise self.fault
        return authority_of(self.config, self._operator, customer)

    def look(self, days=0.0):
        self._keeper.look(NOW + days * DAY)
        return len(self.opened)

    def run(self, stop):
        return self._keeper.run(stop, 0.01)

    @property
    def revoked(self):
        crl = read(self.config.authority_dir(CUSTOMER))
        return None if crl is None else {f"{entry.serial_number:x}" for entry in crl}


@pytest.fixture
def keeper(folder, operator):
    return Keeper(folder.config, operator)


def issued(folder, operator, label="import"):
    issue_certificate(folder.config, operator, CUSTOMER, label, folder.path / label)
    return ledger_of(folder.config, CUSTOMER).read_text().splitlines()[-1].split('"serial":"')[1].split('"')[0]


def test_a_list_appears_follows_the_ledger_and_is_renewed_at_half_time(folder, operator, keeper):
    assert (keeper.look(), keeper.revoked) == (1, set())
    serial = issued(folder, operator)
    assert keeper.look() == 1  # the ledger changed, and nothing was revoked
    record_revocation(ledger_of(folder.config, CUSTOMER), serial)
    assert (keeper.look(), keeper.revoked) == (2, {serial})
    assert [keeper.look(days) for days in (1, 3, 3.6, 3.7)] == [2, 2, 3, 3]


def test_a_restart_finds_its_list_as_it_left_it(folder, operator, keeper):
    keeper.look()
    assert Keeper(folder.config, operator).look() == 0


def test_a_list_that_was_removed_comes_back(folder, keeper):
    keeper.look()
    (folder.config.authority_dir(CUSTOMER) / "crl.der").unlink()
    assert (keeper.look(), keeper.revoked) == (2, set())


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (ConfigurationError([Mistake("ca.key", 0, "the token is not there")]), "the token is not there"),
        (OSError(28, "No space left on device", "crl.der"), "No space left on device"),
        (RuntimeError("a stranger's text"), "RuntimeError at"),
    ],
    ids=["configuration", "disk", "bug"],
)
def test_what_goes_wrong_is_said_and_tried_again_later(folder, keeper, caplog, fault, said):
    keeper.fault = fault
    with caplog.at_level(logging.ERROR, "gateway.crl"):
        assert [keeper.look(seconds / DAY) for seconds in (0, 1, RETRY - 1, RETRY)] == [1, 1, 1, 2]
    assert said in caplog.text
    assert "a stranger's text" not in caplog.text
    keeper.fault = None
    assert (keeper.look(1), keeper.revoked) == (3, set())


def test_one_customers_damaged_ledger_keeps_no_other_from_a_list(folder, keeper):
    damaged = shutil.copytree(folder.config.customer_dir(CUSTOMER), folder.config.customer_dir("a_first_one"))
    (damaged / "ca" / "ledger.jsonl").write_text("garbage\n")
    keeper.look()
    assert keeper.opened == [CUSTOMER]


def test_a_shredded_customer_needs_none(folder, keeper):
    folder.config.tombstone(CUSTOMER).parent.mkdir(parents=True, exist_ok=True)
    folder.config.tombstone(CUSTOMER).write_text("signed")
    assert keeper.look() == 0


async def test_it_runs_until_it_is_told_to_stop(keeper):
    stop = asyncio.Event()
    task = asyncio.create_task(keeper.run(stop))
    async with asyncio.timeout(20):
        while keeper.revoked is None:
            await asyncio.sleep(0.01)
        stop.set()
        await task
