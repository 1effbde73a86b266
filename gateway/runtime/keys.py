"""Where keys lie on disk, and opening the operator key: the same for the cipher process and the command line."""

from __future__ import annotations

from gateway.cipher.files import CustomerFiles
from gateway.cipher.providers import PROVIDERS, OperatorKey
from gateway.config import Config


def customer_files(config: Config, customer: str) -> CustomerFiles:
    return CustomerFiles(
        keyslots=config.keyslots(customer),
        data_keys=config.data_keys(customer),
        share=config.share(customer),
        tombstone=config.tombstone(customer),
    )


def open_operator_key(config: Config, passphrase: bytes) -> OperatorKey:
    """Raises ConfigurationError when the file is missing, damaged, readable by others, or the passphrase is wrong."""
    return PROVIDERS["file"](config.operator_key, passphrase.decode())
