"""What the files say becomes samples: per customer, and what cannot be read of one is nobody else's loss."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from gateway.admin.readings import Known, Readings
from gateway.ca.anchors import CustomerTrust
from gateway.ca.authority import CERTIFICATE_FILE, LEDGER_FILE, create_authority
from gateway.ca.crl import publish
from gateway.ca.server import create_server_certificate
from gateway.metrics import exposition
from tests.ca.pki import PASSWORD, make_pki

NOW = time.time() + 3600  # an hour from now: what is made while the tests run counts already, however long that takes
DAY = 86400.0


@pytest.fixture
def authority(tmp_path):
    return create_authority(tmp_path / "nord" / "ca", PASSWORD)


@pytest.fixture
def known(tmp_path, authority):
    folder = authority.directory
    return lambda **changes: Known(
        **{
            "state": tmp_path,
            "certificate": tmp_path / "server.pem",
            "revision": "0123456789abcdef",
            "sources": {"nord": CustomerTrust(folder / CERTIFICATE_FILE, None, folder / LEDGER_FILE)},
            "failed": False,
            "failures": 0,
            "processes": [],
            "refused": {},
            **changes,
        }
    )


def take(known, now=NOW, readings=None):
    """(name, labels) → value. Whatever is read can also be written: names and labels are those of the list."""
    samples = (readings or Readings()).take(known, now)
    assert exposition(samples)
    return {(sample.name, *sample.labels): sample.value for sample in samples}


def test_certificates_that_count_and_nobody_follows(known, authority):
    soon = authority.issue("nord", "soon", days=20)
    long = authority.issue("nord", "long", days=300)
    gone = authority.issue("nord", "gone", days=20)
    authority.revoke(gone.serial)
    found = take(known())
    assert found["gateway_certificates_expiring", "nord"] == 1
    certificates = {key[2:]: round(value / DAY) for key, value in found.items() if key[0] == "gateway_certificate_expiry_seconds"}
    assert certificates == {("soon", soon.serial): 20, ("long", long.serial): 300}


def test_a_certificate_that_has_ended_is_told_for_a_month(known, authority):
    authority.issue("nord", "import", days=20)
    for days, value in ((25, -5), (49, -29), (51, None)):
        found = [value for key, value in take(known(), NOW + days * DAY).items() if key[0] == "gateway_certificate_expiry_seconds"]
        assert [round(left / DAY) for left in found] == ([] if value is None else [value])


def test_authorities_and_lists(known, authority):
    assert ("gateway_crl_expiry_seconds", "nord") not in take(known())
    publish(authority, NOW)
    found = take(known())
    assert found["gateway_crl_expiry_seconds", "nord"] == pytest.approx(7 * DAY, abs=1)
    assert round(found["gateway_authority_expiry_seconds", "nord"] / DAY) == 3650


def test_a_customers_own_authority_and_list(known, tmp_path):
    pki = make_pki()
    (tmp_path / "own.pem").write_bytes(pki.pem)
    (tmp_path / "own.crl").write_bytes(pki.crl(end=datetime.fromtimestamp(NOW, UTC) + timedelta(hours=3)))
    found = take(known(sources={"own": CustomerTrust(tmp_path / "own.pem", tmp_path / "own.crl")}))
    assert found["gateway_crl_expiry_seconds", "own"] == pytest.approx(3 * 3600, abs=1)
    assert round(found["gateway_authority_expiry_seconds", "own"] / DAY) == 10
    assert ("gateway_certificates_expiring", "own") not in found


def test_what_cannot_be_read_of_one_is_nobody_elses_loss(known, authority, tmp_path):
    broken = create_authority(tmp_path / "broken" / "ca", PASSWORD)
    broken.ledger_path.write_text("Max Mustermann\n")
    sources = {"broken": CustomerTrust(broken.directory / CERTIFICATE_FILE, None, broken.ledger_path), **known().sources}
    found = take(known(sources=sources))
    assert found["gateway_customer_unreadable", "broken"] == 1
    assert ("gateway_authority_expiry_seconds", "broken") not in found
    assert ("gateway_authority_expiry_seconds", "nord") in found


def test_what_changed_is_read_again(known, authority):
    readings = Readings()
    issued = authority.issue("nord", "import", days=20)
    assert take(known(), readings=readings)["gateway_certificates_expiring", "nord"] == 1
    authority.revoke(issued.serial)
    assert take(known(), readings=readings)["gateway_certificates_expiring", "nord"] == 0
    publish(authority, NOW)
    assert ("gateway_crl_expiry_seconds", "nord") in take(known(), readings=readings)
    authority.ledger_path.unlink()
    assert take(known(), readings=readings)["gateway_customer_unreadable", "nord"] == 1
    assert not [key for key in take(known(sources={}), readings=readings) if "nord" in key]


def test_the_server_certificate(known, tmp_path):
    assert ("gateway_server_certificate_expiry_seconds",) not in take(known())
    create_server_certificate(tmp_path, ["gateway.example"])
    assert round(take(known())["gateway_server_certificate_expiry_seconds",] / DAY) == 825


def test_the_program_policies_processes_and_refusals(known):
    processes = [("proxy", True, 2), ("proxy", False, 1), ("vault", True, 0)]
    found = take(known(failed=True, failures=3, processes=processes, refused={"host-foreign": 7}))
    (built,) = [key for key in found if key[0] == "gateway_build_info"]
    assert all(built)
    assert found["gateway_policy_info", "0123456789abcdef"] == 1
    assert (found["gateway_customers",], found["gateway_reload_failed",], found["gateway_reload_failures_total",]) == (1, 1, 3)
    assert (found["gateway_process_up", "proxy"], found["gateway_process_restarts_total", "proxy"]) == (1, 3)
    assert (found["gateway_process_up", "vault"], found["gateway_process_restarts_total", "vault"]) == (1, 0)
    assert found["gateway_admin_refused_total", "host-foreign"] == 7
    assert found["gateway_state_free_bytes",] > 0


def test_before_the_first_policies_loaded(known):
    found = take(known(revision=None, sources={}, failed=True))
    assert not [key for key in found if key[0] == "gateway_policy_info"]
    assert found["gateway_customers",] == 0
