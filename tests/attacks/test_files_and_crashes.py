"""Files that the command line leaves behind: for whom, through which links, and after being killed at any moment."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from gateway.ca.ledger import Ledger
from gateway.cipher import credentials
from gateway.cipher.customers import CustomerKeys
from gateway.cipher.primitives import Argon2Parameters
from gateway.cipher.providers import FileOperatorKey
from gateway.config import load_config
from gateway.errors import ConfigurationError, Refused, Unavailable
from gateway.policy.load import load_policies
from gateway.runtime import operator_events, policy_edit, setup
from gateway.runtime.keys import customer_files
from gateway.runtime.snapshot import build_snapshot

CHEAP = Argon2Parameters(memory=8, iterations=1, lanes=1)
CUSTOMER, NEW = "stadtwerke_musterstadt", "energie_nord"
KILLED = 9


class Folder:
    """What ``gateway init`` and one ``customer add`` leave, with a cheap Argon2."""

    def __init__(self, path):
        self.path = path
        create, FileOperatorKey.create = FileOperatorKey.create, lambda path, passphrase: create(path, passphrase, CHEAP)
        try:
            setup.init(path, ["gateway.example"], "Tresor im Keller")
        finally:
            FileOperatorKey.create = create
        self.config = load_config(path / "config.yaml")
        self.operator = FileOperatorKey.load(self.config.operator_key, "Tresor im Keller")
        self.new = self.add(CUSTOMER)
        self.maria = credentials.password("maria", self.new.passwords["maria"])

    def add(self, name):
        return setup.add_customer(self.config, self.operator, name, api="planning_suite", upstream=f"http://127.0.0.1:9/{name}", ca=None,
                                  networks=["192.0.2.0/24"], users={"import_job": "importer", "maria": "dispatcher"})  # fmt: skip

    @property
    def policy(self):
        return self.config.policies / "customers" / f"{CUSTOMER}.yaml"

    def users(self, name=CUSTOMER):
        return set(load_policies(self.config).customers[name].users)

    def keys(self, name=CUSTOMER):
        return CustomerKeys(name, customer_files(self.config, name), self.operator, CHEAP)


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    monkeypatch.setattr(setup, "keys_of", lambda config, operator, name: CustomerKeys(name, customer_files(config, name), operator, CHEAP))


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "gateway")


# -- for whom


def run(*words, secret="Tresor im Keller\n", **options):
    return subprocess.run(
        [sys.executable, "-m", "gateway", *map(str, words)], input=secret, text=True, capture_output=True, timeout=120, **options
    )


def modes(folder):
    return {str(path.relative_to(folder)): path.stat().st_mode & 0o777 for path in [folder, *folder.rglob("*")]}


#: What others may read: what clients are handed anyway, and what the security team's editors and reviewers need.
READABLE = ("config.yaml", "policies", "certs/server.pem", "certs/server-ca.pem", ".")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_nobody_else_writes_anything_or_looks_into_the_state(tmp_path, umask):
    top = tmp_path / "gateway"
    assert run("init", top, "--hostname", "gateway.example", "--passphrase-file", "-", umask=umask).returncode == 0
    config = ("--config", top / "config.yaml", "--passphrase-file", "-")
    add = ("customer", "add", CUSTOMER, "--upstream", "http://127.0.0.1:9/x", "--network", "192.0.2.0/24", "--user", "maria:dispatcher")
    assert run(*add, *config, umask=umask).returncode == 0
    assert run("cert", "issue", CUSTOMER, "import", "--out", top / "out", *config, umask=umask).returncode == 0
    for name, mode in modes(top).items():
        assert not mode & 0o022, f"{name} can be written by others: {mode:o}"
        if not any(name == each or name.startswith(f"{each}/") for each in READABLE):
            reachable = all(p.stat().st_mode & 0o005 for p in (top / name).parents if top in p.parents)
            assert not (mode & 0o077 and reachable), f"{name} can be read by others: {mode:o}"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o660, 0o644])
def test_an_edit_of_a_policy_leaves_its_mode_as_it_was(folder, mode):
    """0600 used to become 0644, and the group that edits it lost its right to."""
    folder.policy.chmod(mode)
    setup.add_user(folder.config, folder.operator, CUSTOMER, "jens", "dispatcher", folder.maria)
    assert folder.policy.stat().st_mode & 0o777 == mode


def test_an_edit_goes_to_the_file_behind_a_link(folder, tmp_path):
    real = tmp_path / "shared.yaml"
    folder.policy.rename(real)
    folder.policy.symlink_to(real)
    setup.add_user(folder.config, folder.operator, CUSTOMER, "jens", "dispatcher", folder.maria)
    assert folder.policy.is_symlink()
    assert "jens" in yaml.safe_load(real.read_text())["users"]


def test_nothing_that_was_planted_under_a_temporary_name_is_followed(folder, tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    monkeypatch.setattr(policy_edit.secrets, "token_hex", lambda _: "0" * 16)
    folder.policy.with_name(f".{folder.policy.name}.{'0' * 16}").symlink_to(victim)
    with pytest.raises(OSError, match="exists"):
        setup.add_user(folder.config, folder.operator, CUSTOMER, "jens", "dispatcher", folder.maria)
    assert victim.read_text() == "precious"
    assert (folder.users(), set(folder.keys().users())) == ({"import_job", "maria"}, {"import_job", "maria"})


def test_the_audit_log_names_the_account_that_the_kernel_knows(folder, monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody_else")
    operator_events.note(folder.config, customer=CUSTOMER, reason="customer-added")
    assert "somebody_else" not in (folder.config.audit_dir / "audit-000001.jsonl").read_text()


# -- wrong credentials, two at once


@pytest.mark.parametrize("verb", ["add", "promote", "remove"])
def test_a_wrong_credential_changes_nothing_not_even_for_a_moment(folder, monkeypatch, verb):
    """A running gateway looks once a second: a role that stands there meanwhile is a role that counts."""
    wrong, before = credentials.password("maria", "Musterstadt2026!"), folder.policy.read_text()
    written = []
    monkeypatch.setattr(setup, "replace_checked", lambda *_: written.append(1))
    with pytest.raises(Refused, match="password-wrong"):
        if verb == "remove":
            setup.remove_user(folder.config, folder.operator, CUSTOMER, "import_job", wrong)
        else:
            user = "jens" if verb == "add" else "import_job"
            setup.add_user(folder.config, folder.operator, CUSTOMER, user, "dispatcher", wrong)
    assert not written
    assert folder.policy.read_text() == before


def test_adding_somebody_who_is_there_gives_him_no_other_role_meanwhile(folder, monkeypatch):
    written = []
    monkeypatch.setattr(setup, "replace_checked", lambda *_: written.append(1))
    with pytest.raises(ConfigurationError, match="keyslot already"):
        setup.add_user(folder.config, folder.operator, CUSTOMER, "import_job", "dispatcher", folder.maria)
    assert not written


def test_two_who_add_users_at_once_lose_none(folder):
    names = [f"user{number}" for number in range(6)]
    failures = []

    def add(name):
        try:
            setup.add_user(folder.config, folder.operator, CUSTOMER, name, "dispatcher", folder.maria)
        except Exception as error:  # shown by the main thread
            failures.append(error)

    threads = [threading.Thread(target=add, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert folder.users() == set(folder.keys().users()) == {"import_job", "maria", *names}


def test_a_failed_edit_takes_back_nothing_that_somebody_else_wrote(folder, monkeypatch):
    def meanwhile(*_, **__):
        folder.policy.write_text(folder.policy.read_text() + "# the security team was here\n")
        raise Unavailable("keys-unavailable")

    monkeypatch.setattr(CustomerKeys, "add_user", meanwhile)
    with pytest.raises(Unavailable):
        setup.add_user(folder.config, folder.operator, CUSTOMER, "jens", "dispatcher", folder.maria)
    assert "security team" in folder.policy.read_text()


@pytest.mark.trap("T-M2", "A certificate can be revoked while another customer's policy has a mistake.")
def test_tm2_a_certificate_can_be_revoked_while_another_customers_policy_is_broken(folder):
    folder.add(NEW)
    bundle = setup.issue_certificate(folder.config, folder.operator, CUSTOMER, "import", folder.path / "out")
    serial = f"{x509.load_pem_x509_certificate(bundle.certificate.read_bytes()).serial_number:x}"
    (folder.config.policies / "customers" / f"{NEW}.yaml").write_text("customer: [half edited")
    assert run("cert", "revoke", CUSTOMER, serial, "--config", folder.path / "config.yaml").returncode == 0
    assert Ledger.load(setup.ledger_of(folder.config, CUSTOMER)).by_serial(serial).revoked is not None
    for name in ("niemand", "../customers", ""):
        assert run("cert", "revoke", name, serial, "--config", folder.path / "config.yaml").returncode == 78


# -- killed at any moment

CHANGES = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.link", "os.rmdir", "os.chmod"})


def killed_at(number, work):
    """Run ``work`` in a process that dies without a word at its ``number``-th step on the disk; was it killed?"""
    child = os.fork()
    if child == 0:
        left = [number]

        def step(event, arguments):
            writes = event != "open" or (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR))
            if event in CHANGES and writes:
                left[0] -= 1
                if left[0] == 0:
                    os._exit(KILLED)

        sys.addaudithook(step)
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, KILLED)
    return code == KILLED


def every_kill(tmp_path, work):
    """A fresh folder for every step at which ``work`` can be killed."""
    number = 0
    while True:
        number += 1
        folder = Folder(tmp_path / str(number))
        if not killed_at(number, lambda folder=folder: work(folder)):
            assert number > 3
            return
        yield folder


def test_a_customer_that_was_half_made_stands_in_nobodys_way(tmp_path):
    """The gateway starts, the others work, and the refusal to go on says what to remove."""
    for folder in every_kill(tmp_path, lambda folder: folder.add(NEW)):
        build_snapshot(folder.config)
        assert folder.keys().open(folder.maria)
        if NEW in load_policies(folder.config).customers:
            assert folder.keys(NEW).users() == ["import_job", "maria"]  # complete: only its passwords were never shown
            setup.shred(folder.config, folder.operator, NEW)
            continue
        for _ in range(3):
            try:
                folder.add(NEW)
                break
            except ConfigurationError as error:
                for mistake in error.mistakes:
                    assert f"remove {mistake.file}" in mistake.text
                    shutil.rmtree(mistake.file) if mistake.file.is_dir() else mistake.file.unlink()
        build_snapshot(folder.config)
        assert folder.users(NEW) == {"import_job", "maria"}


def test_a_user_who_was_half_made_or_half_removed_can_be_made_and_removed_again(tmp_path):
    def both(folder):
        setup.add_user(folder.config, folder.operator, CUSTOMER, "jens", "dispatcher", folder.maria)
        setup.remove_user(folder.config, folder.operator, CUSTOMER, "import_job", folder.maria)

    for folder in every_kill(tmp_path, both):
        build_snapshot(folder.config)
        assert folder.keys().open(folder.maria)
        if "jens" not in folder.keys().users():
            setup.add_user(folder.config, folder.operator, CUSTOMER, "jens", "dispatcher", folder.maria)
        if "import_job" in {*folder.users(), *folder.keys().users()}:
            setup.remove_user(folder.config, folder.operator, CUSTOMER, "import_job", folder.maria)
        assert folder.users() == set(folder.keys().users()) == {"maria", "jens"}


def test_a_password_change_that_was_killed_leaves_one_that_works(tmp_path):
    new = credentials.password("maria", "Möhre, Lauch & Sellerie")
    for folder in every_kill(tmp_path, lambda f: setup.set_password(f.config, f.operator, CUSTOMER, "maria", new.secret, f.maria)):
        opened = [credential for credential in (folder.maria, new) if _opens(folder, credential)]
        assert len(opened) == 1


@pytest.mark.trap("V-13", "A shredding that was killed at any moment can be repeated, and nothing brings the data back.")
def test_v13_a_shredding_that_was_killed_can_be_repeated_and_nothing_brings_the_data_back(tmp_path):
    for folder in every_kill(tmp_path, lambda folder: setup.shred(folder.config, folder.operator, CUSTOMER)):
        paths = customer_files(folder.config, CUSTOMER)
        backup = {path: path.read_bytes() for path in (paths.share, paths.keyslots, paths.data_keys) if path.exists()}
        if folder.policy.exists():
            setup.shred(folder.config, folder.operator, CUSTOMER)
        assert not _opens(folder, folder.maria)
        for path, content in backup.items():
            path.write_bytes(content)
        assert not _opens(folder, folder.maria)
        assert not _opens(folder, credentials.recovery(folder.new.recovery_code))
        with pytest.raises(ConfigurationError):
            folder.add(CUSTOMER)


def _opens(folder, credential):
    try:
        return bool(folder.keys().open(credential))
    except (Refused, Unavailable):
        return False


def test_no_temporary_file_with_keys_is_left_readable(tmp_path):
    for folder in every_kill(tmp_path, lambda folder: folder.add(NEW)):
        for path in Path(folder.config.state).rglob("*"):
            if path.suffix != ".pem":
                assert not path.stat().st_mode & 0o077 or path == folder.config.customers_dir, path
