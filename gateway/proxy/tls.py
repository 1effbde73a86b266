"""The listener's TLS context, and the server name that a client asked for.

What belongs here: how connections are encrypted and which authorities a client certificate may come from. What never may:
which customer a certificate belongs to. The handshake only proves that the client holds a key; the customer is judged on every
request (``access.py``), so a resumed session carries nothing over (C-01). One context for all, never switched by SNI (C-02).
"""

from __future__ import annotations

import logging
import re
import ssl
from pathlib import Path
from weakref import WeakKeyDictionary

from gateway.errors import ConfigurationError, Mistake
from gateway.proxy.session_cache import switch_off

_log = logging.getLogger("gateway.tls")

#: Forward secrecy and authenticated encryption only. TLS 1.3 suites are OpenSSL's own list.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)

# A server-side SSLObject does not know the name that the client sent (C-04), and takes no attributes of ours.
_names: WeakKeyDictionary[ssl.SSLObject, str] = WeakKeyDictionary()


def server_context(certificate: Path, private_key: Path, client_authorities_pem: str) -> ssl.SSLContext:
    """Build the context anew for every reload: a store can grow in place, but never forget an authority (C-06).

    With no authorities at all every certificate is refused, never believed. Raises ConfigurationError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0  # OP_NO_TICKET alone leaves stateful tickets of TLS 1.3 on
    context.verify_mode = ssl.CERT_OPTIONAL  # asked of everybody; "none" gets its 403 as a document, not a broken handshake
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a customer may name an intermediate as its authority
    context.sni_callback = _remember
    if not switch_off(context):
        _log.warning("sessions of TLS 1.2 are kept in memory: this Python has an OpenSSL whose cache cannot be switched off")
    _load_own(context, certificate, private_key)
    _load_authorities(context, certificate, client_authorities_pem)
    return context


def server_name(connection: ssl.SSLObject) -> str | None:
    """The name that the client asked for (SNI), None when it asked for none."""
    return _names.get(connection)


def _remember(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext) -> None:
    if name is not None and isinstance(connection, ssl.SSLObject):
        _names[connection] = name


def _load_own(context: ssl.SSLContext, certificate: Path, private_key: Path) -> None:
    try:
        # The empty password keeps OpenSSL from asking at the terminal when the key is an encrypted one.
        context.load_cert_chain(certificate, private_key, password=lambda: b"")
    except (OSError, ValueError) as error:
        reason = "certificate and private key cannot be loaded, or do not belong together"
        raise ConfigurationError([Mistake(certificate, 0, f"{reason} ({private_key})")]) from error


def _load_authorities(context: ssl.SSLContext, certificate: Path, pem: str) -> None:
    """All of them or none: a damaged one in the middle must not silently shut a customer out, nor an empty list open (T-M3)."""
    blocks = _PEM.findall(pem)
    try:
        distinct = {ssl.PEM_cert_to_DER_cert(block) for block in blocks}
        if blocks:
            context.load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError([Mistake(certificate, 0, "the client authorities cannot be loaded")]) from error
    if pem.count("-----BEGIN") != len(blocks) or context.cert_store_stats()["x509"] != len(distinct):
        raise ConfigurationError([Mistake(certificate, 0, "some of the client authorities cannot be loaded")])
