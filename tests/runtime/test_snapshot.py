"""Policies, trust and TLS are built and checked as a whole; every file that they came from is watched."""

import pytest

from gateway.errors import ConfigurationError
from gateway.policy.load import load_policies
from gateway.runtime.snapshot import build_snapshot, watched_files
from tests.cli.conftest import CUSTOMER

OWN = "certificates: {file: certs/own-ca.pem, crl: certs/own.crl}"


def test_what_an_exchange_is_judged_by(folder):
    snapshot = build_snapshot(folder.config)
    assert set(snapshot.policies.customers) == {CUSTOMER}
    assert snapshot.hostnames == {"gateway.example", "127.0.0.1"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder.config.authority_dir(CUSTOMER) / "ca.pem").unlink(),
        lambda folder: (folder.config.authority_dir(CUSTOMER) / "ledger.jsonl").unlink(),
        lambda folder: folder.config.certificate.write_text("none"),
        lambda folder: folder.config.private_key.unlink(),
        lambda folder: (folder.config.policies / "data_classes.yaml").unlink(),
        lambda folder: folder.policy().write_text(folder.policy().read_text().replace("certificates: {authority: gateway}", OWN)),
    ],
)
def test_t_m3_what_is_missing_or_damaged_stops_the_build(folder, spoil):
    """Never a start that trusts something else instead."""
    spoil(folder)
    with pytest.raises(ConfigurationError):
        build_snapshot(folder.config)


def test_every_file_of_ours_is_watched(folder):
    watched = set(watched_files(folder.config_file, load_policies(folder.config)))
    config = folder.config
    assert {folder.config_file, config.certificate, config.private_key, folder.policy()} <= watched
    assert {file for file in config.authority_dir(CUSTOMER).iterdir() if "key" not in file.name} <= watched
    assert config.authority_dir(CUSTOMER) / "ca.key" not in watched
    assert config.operator_key not in watched


def test_customers_own_authorities_and_revocation_lists_are_watched(folder):
    """C-05: a new CRL bites without anybody's help."""
    policy = folder.policy().read_text().replace("certificates: {authority: gateway}", OWN)
    policy = policy.replace('url: "http://127.0.0.1:9/musterstadt"', 'url: "https://suite.internal/a", ca: certs/suite-ca.pem')
    folder.policy().write_text(policy)
    watched = set(watched_files(folder.config_file, load_policies(folder.config)))
    assert {folder.path / "certs" / name for name in ("own-ca.pem", "own.crl", "suite-ca.pem")} <= watched


def test_y03_a_configuration_with_a_mistake_is_a_change_and_no_end(folder):
    config, policies = folder.config, load_policies(folder.config)
    before = set(watched_files(folder.config_file, policies))
    folder.config_file.write_text("listen: [")
    assert set(watched_files(folder.config_file, policies, config)) == before  # T-M2: a revocation is noticed all the same
    assert list(watched_files(folder.config_file, policies)) == [folder.config_file]
