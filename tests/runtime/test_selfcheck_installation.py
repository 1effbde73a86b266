"""An installation in order has nothing wrong; and whatever is spoiled is one finding, with what to do."""

import os
import socket
import time
from types import SimpleNamespace

import pytest

from gateway.admin.token import ensure_token
from gateway.ca.authority import LEDGER_FILE
from gateway.ca.crl import publish
from gateway.ca.server import create_server_certificate
from gateway.runtime import certificates, key_exchange, roster, selfcheck_installation
from gateway.runtime.keys import open_operator_key
from gateway.runtime.roster import Roster, Runs
from gateway.runtime.selfcheck_installation import installation
from tests.ca.pki import DAY, make_pki
from tests.cli.conftest import CUSTOMER, PASSPHRASE

NOW = time.time() + 3600  # an hour from now: what is made while the tests run counts already, however long that takes


@pytest.fixture
def folder(folder):
    """On ports that are free whoever else runs here."""
    folder.config_file.write_text(folder.config_file.read_text().replace("0.0.0.0:8443", "127.0.0.1:0"))
    return folder


def findings(folder, now=NOW):
    return list(installation(folder.config_file, now))


def of(folder, check, now=NOW):
    return [(finding.outcome, finding.found) for finding in findings(folder, now) if finding.check == check]


def test_nothing_is_wrong_with_what_init_made(folder):
    found = findings(folder)
    assert [finding for finding in found if finding.outcome == "wrong"] == []
    assert {finding.check for finding in found} == {
        "configuration", "policies and trust", "client certificates", "our revocation list", "authority", "TLS versions", "cipher suites",
        "key exchange", "server certificate", "modes of secrets", "modes of policies", "owner", "space", "processes", "port",
        "operators' port", "operators' token",
    }  # fmt: skip
    assert all(bool(finding.remedy) == (finding.outcome != "fine") for finding in found)


def test_it_changes_nothing(folder):
    def everything():
        return {path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"") for path in folder.path.rglob("*")}

    before = everything()
    findings(folder)
    assert everything() == before


SPOILED = {
    "configuration": (lambda f: f.config_file.write_text("listen: nowhere\n"), "configuration", "config.yaml:1:"),
    "policy": (lambda f: f.policy().write_text("customer: 1\n"), "policies and trust", f"{CUSTOMER}.yaml:1:"),
    "authority": (lambda f: (f.config.authority_dir(CUSTOMER) / "ca.pem").unlink(), "policies and trust", "ca.pem: cannot be read"),
    "ledger": (lambda f: (f.config.authority_dir(CUSTOMER) / LEDGER_FILE).write_text("x\n"), "policies and trust", "not a ledger entry"),
    "certificate": (lambda f: f.config.certificate.write_text("none"), "server certificate", "holds no certificate"),
    "host name": (
        lambda f: f.config_file.write_text(f.config_file.read_text().replace("hostnames: [", 'hostnames: ["new.example", ')),
        "server certificate",
        "it does not name new.example",
    ),
    "mode of the key": (lambda f: f.config.private_key.chmod(0o644), "modes of secrets", "server.key"),
    "mode of the operator key": (lambda f: f.config.operator_key.chmod(0o640), "modes of secrets", "operator.key"),
    "mode of the state": (lambda f: f.config.state.chmod(0o755), "modes of secrets", "state"),
    "mode of an authority's key": (
        lambda f: (f.config.authority_dir(CUSTOMER) / "ca.key").chmod(0o604),
        "modes of secrets",
        "ca.key",
    ),
    "mode of a policy": (lambda f: f.policy().chmod(0o666), "modes of policies", f"{CUSTOMER}.yaml"),
    "token": (lambda f: (ensure_token(f.config.admin_token), f.config.admin_token.chmod(0o644)), "operators' token", "others may read"),
}


@pytest.mark.parametrize(("spoil", "check", "said"), SPOILED.values(), ids=SPOILED)
def test_what_is_spoiled_is_found(folder, spoil, check, said):
    spoil(folder)
    found = [finding for finding in findings(folder) if finding.outcome == "wrong"]
    assert [finding for finding in found if finding.check == check and said in finding.found and finding.remedy], found


def test_one_mistake_hides_no_other(folder):
    folder.policy().write_text("customer: 1\n")
    folder.config.private_key.chmod(0o644)
    assert {"policies and trust", "modes of secrets"} <= {finding.check for finding in findings(folder) if finding.outcome == "wrong"}


@pytest.fixture
def operator(folder):
    return open_operator_key(folder.config, PASSPHRASE.encode())


def test_client_certificates_that_end_soon(folder, operator, tmp_path):
    certificates.issue_certificate(folder.config, operator, CUSTOMER, "import", tmp_path / "out", certificates.Wishes(days=100))
    assert of(folder, "client certificates") == [("fine", f"{CUSTOMER}: none ends within 30 days")]
    ((outcome, found),) = of(folder, "client certificates", NOW + 80 * 86400)
    assert (outcome, found) == ("mind", f"{CUSTOMER}: import in 19 days")


def test_our_lists_are_made_by_the_running_gateway(folder, operator):
    assert of(folder, "our revocation list") == [("mind", f"{CUSTOMER}: is due")]
    publish(certificates.open_authority(folder.config, operator, CUSTOMER), NOW)
    assert of(folder, "our revocation list") == [("fine", f"{CUSTOMER}: fresh")]


def test_a_clock_that_was_set_back(folder, operator, tmp_path):
    certificates.issue_certificate(folder.config, operator, CUSTOMER, "import", tmp_path / "out")
    assert of(folder, "clock") == []
    assert of(folder, "clock", NOW - 2 * 3600)[0][0] == "wrong"


@pytest.mark.parametrize(
    ("after", "outcome", "said"),
    [
        (10, "fine", "names gateway.example, 127.0.0.1; ends in"),
        (800, "mind", "ends in 2"),
        (830, "wrong", "has expired"),
        (-2, "wrong", "from the future"),
    ],
)
def test_the_server_certificate_as_time_goes_by(folder, after, outcome, said):
    found = of(folder, "server certificate", NOW + after * 86400)
    assert found[0][0] == outcome
    assert said in found[0][1]


def own_authority(folder, crl):
    pki = make_pki()
    (folder.path / "certs" / "own.pem").write_bytes(pki.pem)
    (folder.path / "certs" / "own.crl").write_bytes(crl(pki))
    text = folder.policy().read_text().replace("{authority: gateway}", "{file: certs/own.pem, crl: certs/own.crl}")
    folder.policy().write_text(text)


def test_revocation_lists_of_customers(folder):
    own_authority(folder, lambda pki: pki.crl())
    assert [outcome for outcome, _ in of(folder, "revocation list")] == ["fine"]
    ((outcome, said),) = of(folder, "revocation list", NOW + 23 * 3600)
    assert outcome == "mind"
    assert "own.crl ends on" in said


def test_a_stale_list_would_stop_the_start(folder):
    own_authority(folder, lambda pki: pki.crl(begin=pki.certificate.not_valid_before_utc, end=pki.certificate.not_valid_before_utc + DAY))
    (finding,) = [finding for finding in findings(folder) if finding.outcome == "wrong"]
    assert "own.crl" in finding.found


def test_ports(folder):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        folder.config_file.write_text(folder.config_file.read_text().replace("listen: 127.0.0.1:0\n", f"listen: {taken}\n"))
        assert of(folder, "port") == [("wrong", f"{taken} is taken, and this gateway does not run")]
        roster.write(folder.config.run_dir, Roster(os.getpid(), ()))
        assert of(folder, "port") == [("fine", f"{taken} is held, and this gateway runs (process {os.getpid()})")]
    assert of(folder, "port") == [("mind", f"{taken} is free, although the gateway runs")]


def test_an_address_that_is_not_here(folder):
    folder.config_file.write_text(folder.config_file.read_text().replace("listen: 127.0.0.1:0\n", "listen: 192.0.2.1:8443\n"))
    assert of(folder, "port")[0][0] == "wrong"


@pytest.mark.parametrize(
    ("processes", "outcome", "said"),
    [
        ((), "fine", "everything in one"),
        ((Runs("vault", 7, True, 3),), "fine", "vault 7, 3 restarts"),
        ((Runs("vault", 7, True, 4),), "mind", "vault 7, 4 restarts"),
        ((Runs("vault", 7, False, 0),), "wrong", "vault 7 not serving, 0 restarts"),
    ],
)
def test_who_runs(folder, processes, outcome, said):
    roster.write(folder.config.run_dir, Roster(os.getpid(), processes))
    ((found, text),) = of(folder, "processes")
    assert (found, said in text) == (outcome, True)


@pytest.mark.parametrize(("free", "outcome"), [(2 << 30, "fine"), (500 << 20, "mind"), (1 << 20, "wrong")])
def test_space(folder, monkeypatch, free, outcome):
    monkeypatch.setattr(selfcheck_installation.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert of(folder, "space")[0][0] == outcome


@pytest.mark.parametrize(
    ("group", "outcome", "said"), [(0x11EC, "fine", "X25519MLKEM768"), (29, "mind", "x25519"), (None, "mind", "unknown")]
)
def test_key_exchange(folder, monkeypatch, group, outcome, said):
    monkeypatch.setattr(key_exchange, "agreed", lambda _: ("TLSv1.3", group))
    assert of(folder, "key exchange") == [(outcome, f"{said}, TLSv1.3: agreed in a handshake")]


def test_a_renewed_certificate_of_the_server_is_read_as_it_is(folder):
    for name in ("server.pem", "server.key", "server-ca.pem"):
        (folder.path / "certs" / name).unlink()
    create_server_certificate(folder.path / "certs", ["other.example"])
    assert of(folder, "server certificate") == [("wrong", "it does not name gateway.example, 127.0.0.1")]
