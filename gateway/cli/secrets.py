"""Reading secrets: from a file, from standard input (``-``), from the service manager's credentials, or by a prompt."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from gateway.cipher.credentials import Credential, password, recovery
from gateway.errors import ConfigurationError, Mistake

passphrase_file = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, allow_dash=True),
    help="File with the operator key's passphrase (- is standard input).",
)


def operator_passphrase(file: Path | None, *, new: bool = False) -> str:
    """The operator key's passphrase: ``--passphrase-file``, systemd's LoadCredential=operator-passphrase, or a prompt."""
    loaded = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if file is None and loaded and (Path(loaded) / "operator-passphrase").exists():
        file = Path(loaded) / "operator-passphrase"
    if file is not None:
        return read_secret(file)
    if not sys.stdin.isatty():
        raise click.UsageError("the operator key's passphrase is needed: give --passphrase-file, or run this on a terminal")
    text: str = click.prompt("Passphrase of the operator key", hide_input=True, confirmation_prompt=new)
    return text


def read_secret(file: Path) -> str:
    """One line of UTF-8: the trailing newline that every editor adds is not part of it. Never empty."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError([Mistake(file, 0, f"cannot be read ({error.strerror})")]) from None
    except UnicodeDecodeError:
        raise ConfigurationError([Mistake(file, 0, "is not UTF-8 text")]) from None
    secret = text.rstrip("\r\n")
    if not secret:
        hint = " (it carries one secret only; give the other one as a file)" if str(file) == "-" else ""
        raise click.UsageError(f"there is no secret in {'standard input' if str(file) == '-' else file}{hint}")
    return secret


def authorising_credential(authorised_by: str | None, use_recovery: bool, file: Path | None) -> Credential:
    """The credential of a customer that allows a keyslot to be written: a user's password, or the recovery code."""
    if bool(authorised_by) == use_recovery:
        raise click.UsageError("give either --authorised-by USER or --recovery: only the customer can let a keyslot be written")
    what = "Recovery code" if use_recovery else f"Password of {authorised_by}"
    if file is not None:
        secret = read_secret(file)
    elif sys.stdin.isatty():
        secret = click.prompt(what, hide_input=True)
    else:
        raise click.UsageError("the authorising credential is needed: give --credential-file, or run this on a terminal")
    return recovery(secret) if use_recovery else password(str(authorised_by), secret)
