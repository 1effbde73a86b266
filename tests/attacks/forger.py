"""Certificates that nobody should accept, signed by a customer's real authority and in its ledger: only their flaw speaks against them.

What belongs here: making them, and a client that shows one. Never may: a verdict.
"""

import ssl

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.ca.authority import CUSTOMER_URI
from gateway.ca.ledger import record_issue
from gateway.demo.story import OTHER
from gateway.runtime.certificates import open_authority
from gateway.runtime.keys import open_operator_key
from tests.ca.pki import Pki


def uri_of(customer):
    return x509.UniformResourceIdentifier(CUSTOMER_URI + customer)


class Forger:
    """Holds what the operator holds. ``sign`` takes what ``Pki.sign`` takes; unless ``names`` are given, there is the customer's URI."""

    def __init__(self, environment, folder, customer=OTHER):
        self.folder, self.customer = folder, customer
        operator = open_operator_key(environment.config, environment.passphrase_file.read_text().strip().encode())
        self.authority = open_authority(environment.config, operator, customer)
        self.pki = Pki(self.authority.certificate, self.authority.private_key)
        self._made = 0

    def sign(self, *, key=None, pki=None, ledger=True, **changes):
        key = key or ec.generate_private_key(ec.SECP256R1())
        certificate = (pki or self.pki).sign(key=key, **{"names": [uri_of(self.customer)], **changes})
        if ledger:
            record_issue(self.authority.ledger_path, certificate, "forged")
        return certificate, key

    def files(self, certificate, key, *chain):
        self._made += 1
        file = self.folder / f"forged-{self._made}.pem"
        plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in (certificate, *chain)) + plain)
        return file


def show(attacker, file, *, version=None, headers=(), customer=OTHER):
    """What becomes of a request over a connection with this certificate: a status, or None where there was no connection to ask on."""
    context = attacker.context(certificate=False, version=version)
    context.set_ciphers("ALL:@SECLEVEL=0")  # the client's own scruples are not what is tried here
    context.load_cert_chain(str(file))
    try:
        line = attacker.connect(context=context)
        line.send(attacker.head(b"GET /orders HTTP/1.1", *headers, customer=customer))
        reply = line.reply()
    except (ssl.SSLError, ConnectionError, EOFError):
        return None
    return reply.status if reply is not None else None
