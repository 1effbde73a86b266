"""C-08, C-09: a client whose handshake fails is told why, by a TLS alert, whatever its version; and it must read to learn it."""

import datetime
import re
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.ca.authority import common_name, create_authority, key_usage
from gateway.demo.story import OTHER
from gateway.runtime import certificates
from gateway.runtime.keys import open_operator_key

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
DAY = datetime.timedelta(days=1)


def leaf_of(authority, begin, end, folder):
    """Signed by the customer's own authority, past its ledger."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(common_name("import")).issuer_name(authority.certificate.subject)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now + begin * DAY).not_valid_after(now + end * DAY)
    builder = builder.add_extension(key_usage(digital_signature=True, signs_certificates=False), critical=True)
    signer = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer), critical=False)
    certificate = builder.sign(authority.private_key, hashes.SHA256())
    pem = folder / "leaf.pem"
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*plain))
    return pem


@pytest.fixture
def known(environment):
    operator = open_operator_key(environment.config, environment.passphrase_file.read_text().strip().encode())
    return certificates.open_authority(environment.config, operator, OTHER)


REFUSED = {
    "an unknown authority": (False, -1, 1, "UNKNOWN_CA"),
    "expired": (True, -2, -1, "CERTIFICATE_EXPIRED"),
    "not yet valid": (True, 1, 2, "BAD_CERTIFICATE"),
}


@pytest.mark.trap("C-08", "Unknown, expired and not yet valid certificates end with the alert that says so, in TLS 1.2 and 1.3.")
@pytest.mark.trap("C-09", "A handshake counts as accepted only when something was read.")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", REFUSED)
def test_c08_c09_the_alert_reaches_the_client(attacker, suite, known, tmp_path, version, case):
    ours, begin, end, alert = REFUSED[case]
    authority = known if ours else create_authority(tmp_path / "stranger", b"a password of 32 bytes..........")
    context = attacker.context(certificate=False, version=version)
    context.load_cert_chain(leaf_of(authority, begin, end, tmp_path))
    with pytest.raises(ssl.SSLError, match=alert):  # TLS 1.2 in the handshake, 1.3 when it reads (C-09)
        attacker.connect(context=context).sock.recv(1)
    assert suite.seen == []


@pytest.mark.trap("C-08", "A client of TLS 1.1 reads that its version is too old.")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_c08_an_old_version_is_named(attacker):
    context = attacker.context(version=ssl.TLSVersion.TLSv1_1)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        attacker.connect(context=context)


@pytest.mark.trap("C-08", "OpenSSL's own client prints the reason.")
@pytest.mark.trap("C-11", "The request for a certificate names no authority.")
def test_c08_c11_a_real_client_prints_it_and_sees_no_names_of_authorities(attacker, neighbour, known, tmp_path):
    """OpenSSL's own client: what it prints is what a customer's administrator reads to us over the telephone."""
    import subprocess
    from urllib.parse import urlsplit

    pem = leaf_of(known, -2, -1, tmp_path)
    command = [neighbour("openssl"), "s_client", "-connect", f"127.0.0.1:{urlsplit(attacker.environment.url).port}"]
    command += ["-CAfile", str(attacker.environment.authority), "-cert", str(pem), "-servername", "localhost", "-quiet"]
    said = subprocess.run(command, input="", capture_output=True, text=True, timeout=30)
    assert re.search("alert certificate expired", said.stderr)
    said = subprocess.run(command[:-1], input="Q\n", capture_output=True, text=True, timeout=30)
    assert "No client certificate CA names sent" in said.stdout and OTHER not in said.stdout
