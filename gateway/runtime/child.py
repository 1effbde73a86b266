"""How a process begins that the supervisor has started: with nothing but what its role needs.

The command line would import all that the gateway has, in half a second of CPU; a vault alone is there in a fifth. After a kill, that
is the time in which every request gets a 503. What never may come in: an option, or a secret that does not come by ``startup``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

from gateway.cipher.hardening import harden
from gateway.errors import ConfigurationError
from gateway.runtime import process
from gateway.runtime.startup import receive

CONFIGURATION = 78  # EX_CONFIG of sysexits.h, as the command line has it

#: role → the module whose ``main`` it runs.
ROLES = {
    "cipher": "gateway.runtime.cipher_process",
    "vault": "gateway.runtime.vault_process",
    "proxy": "gateway.runtime.worker",
    "admin": "gateway.runtime.admin_process",
}


def main(words: Sequence[str]) -> None:
    """``words``: as ``gateway serve --config PATH --role ROLE`` has them. Ends the process on a mistake in a file."""
    os.umask(os.umask(0o077) | 0o022)  # whatever was inherited: nobody else writes what this process makes
    harden(lock_memory=False)  # before the first secret is read
    verb, option, path, flag, role = words
    if (verb, option, flag) != ("serve", "--config", "--role"):
        raise ValueError("only the supervisor starts processes in this way")
    startup = receive()
    if startup is None:
        raise ValueError("nothing was handed over")
    process.end_with_parent()
    try:
        process.run(role, partial(import_module(ROLES[role]).main, Path(path), startup), supervised=True)
    except ConfigurationError as error:
        for mistake in error.mistakes:
            print(mistake, file=sys.stderr)
        sys.exit(CONFIGURATION)
    except OSError as error:  # a socket's path that is taken, a full disk
        print(f"gateway: {error.filename or role}: {error.strerror}", file=sys.stderr)
        sys.exit(1)
