"""The server's certificate as clients will judge it: names, time, order of the chain. For ``doctor`` and the metrics.

What belongs here: reading the file that we serve with, and what is wrong with it. What never may: its private key (the TLS context
is what proves that the two belong together), or an answer to a connection.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.ca.leaf import PARSER_ERRORS
from gateway.errors import ConfigurationError, Mistake

Chain = tuple[x509.Certificate, ...]


def read_chain(path: Path) -> Chain:
    """All certificates of the file, ours first. Raises ConfigurationError."""
    try:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except OSError as error:
        raise ConfigurationError([Mistake(path, 0, f"cannot be read ({error.strerror})")]) from None
    except PARSER_ERRORS:
        raise ConfigurationError([Mistake(path, 0, "holds no certificate that can be read")]) from None


def ends(chain: Chain) -> float:
    """When the first of them ends, in seconds since the epoch: an intermediate that is over breaks the chain as well."""
    return min(certificate.not_valid_after_utc for certificate in chain).timestamp()


def faults(chain: Chain, hostnames: Sequence[str], now: float) -> Iterator[str]:
    """Why clients would not accept it, as sentences."""
    moment = datetime.fromtimestamp(now, UTC)
    for place, certificate in enumerate(chain, 1):
        if moment < certificate.not_valid_before_utc:
            yield f"certificate {place} of the chain is from the future: this machine's clock is wrong, or the issuer's was"
        if moment > certificate.not_valid_after_utc:
            yield f"certificate {place} of the chain has expired"
    yield from _leaf_faults(chain[0])
    missing = [name for name in hostnames if not covers(chain[0], name)]
    if missing:
        yield f"it does not name {', '.join(missing)}"
    for place, (certificate, issuer) in enumerate(pairwise(chain), 1):
        if not _issued(certificate, issuer):
            yield f"certificate {place + 1} of the chain did not issue certificate {place}: the order is ours first, then each one's issuer"


def covers(leaf: x509.Certificate, hostname: str) -> bool:
    """As clients compare (RFC 9525, section 6): alternative names only; a wildcard is a whole first label; an address is no name."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, *PARSER_ERRORS):
        return False
    try:
        return ipaddress.ip_address(hostname) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        wildcard = "*." + hostname.partition(".")[2]
        return bool({hostname.lower(), wildcard.lower()} & {name.lower() for name in names.get_values_for_type(x509.DNSName)})


def _leaf_faults(leaf: x509.Certificate) -> Iterator[str]:
    extensions = leaf.extensions
    try:
        if extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            yield "it is an authority's: who steals the key could issue certificates (T-M3)"
    except x509.ExtensionNotFound:
        pass
    try:
        if ExtendedKeyUsageOID.SERVER_AUTH not in extensions.get_extension_for_class(x509.ExtendedKeyUsage).value:
            yield "it is not for servers (extended key usage)"
    except x509.ExtensionNotFound:
        pass


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
