"""Certificates from the files of a gateway: which key, which successor, and that nothing is issued for a failed attempt."""

import pytest
from cryptography import x509

from gateway.ca.bundle import endings
from gateway.ca.ledger import Ledger
from gateway.errors import ConfigurationError, Refused
from gateway.runtime.certificates import Wishes, authority_password, issue_certificate, ledger_of, open_authority, renew_certificate
from gateway.runtime.keys import open_operator_key
from tests.ca.signing import request, write
from tests.cli.conftest import CUSTOMER, PASSPHRASE


@pytest.fixture
def operator(folder):
    return open_operator_key(folder.config, PASSPHRASE.encode())


def entries(folder):
    return list(Ledger.load(ledger_of(folder.config, CUSTOMER)).entries.values())


def test_a_renewal_is_linked_with_what_it_follows(folder, operator, tmp_path):
    issue_certificate(folder.config, operator, CUSTOMER, "import", tmp_path / "old")
    (old,) = entries(folder)
    renew_certificate(folder.config, operator, CUSTOMER, old.serial, tmp_path / "new", Wishes(days=100))
    assert [(entry.label, entry.renews, entry.revoked) for entry in entries(folder)] == [
        ("import", None, None),
        ("import", old.serial, None),
    ]
    assert entries(folder)[0].key != entries(folder)[1].key


def test_a_renewal_may_keep_the_customers_key(folder, operator, tmp_path):
    wishes = Wishes(csr=write(tmp_path, request()))
    issue_certificate(folder.config, operator, CUSTOMER, "import", tmp_path / "old", wishes)
    renew_certificate(folder.config, operator, CUSTOMER, entries(folder)[0].serial, tmp_path / "new", wishes)
    assert len({entry.key for entry in entries(folder)}) == 1


def test_what_is_revoked_or_unknown_is_not_renewed(folder, operator, tmp_path):
    issue_certificate(folder.config, operator, CUSTOMER, "import", tmp_path / "old")
    (old,) = entries(folder)
    open_authority(folder.config, operator, CUSTOMER).revoke(old.serial)
    for serial, reason in ((old.serial, "certificate-revoked"), ("0123", "certificate-not-in-ledger")):
        with pytest.raises(Refused, match=reason):
            renew_certificate(folder.config, operator, CUSTOMER, serial, tmp_path / "new")


@pytest.mark.parametrize("ending", endings(own_key=False))
def test_files_that_are_there_are_kept_and_nothing_is_issued(folder, operator, tmp_path, ending):
    (tmp_path / f"{CUSTOMER}-import{ending}").write_text("the last copy")
    with pytest.raises(ConfigurationError, match="never overwritten"):
        issue_certificate(folder.config, operator, CUSTOMER, "import", tmp_path)
    assert entries(folder) == []


def test_an_authoritys_password_is_its_customers_own(operator):
    assert authority_password(operator, CUSTOMER) != authority_password(operator, "neukunde")
    assert len(authority_password(operator, CUSTOMER)) >= 64


def test_the_common_name_is_the_label(folder, operator, tmp_path):
    bundle = issue_certificate(folder.config, operator, CUSTOMER, "laptop", tmp_path, Wishes(key_type="rsa"))
    assert x509.load_pem_x509_certificate(bundle.certificate.read_bytes()).subject.rfc4514_string() == "CN=laptop"
