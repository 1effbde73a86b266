"""The command line: one module per group of verbs. Reads arguments and secrets, calls ``runtime``, shows the result.

Exit codes: 0 fine, 1 the answer is no, 2 usage, 78 configuration. Secrets come from a prompt, a file or standard input, never
from an argument, which every user of the machine can read. What never may come in: a decision about a request.
"""

from __future__ import annotations

import os
import sys

import click

import gateway
from gateway.cli import audit, certificates, checking, customers, doctor, explaining, serving, users
from gateway.cli.output import ANSWER_NO, CONFIGURATION, show_failure, show_mistakes
from gateway.errors import ConfigurationError, Refused, Unavailable
from gateway.problems import DETAILS


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(gateway.__version__, prog_name="gateway")
def cli() -> None:
    """A reverse proxy that lets in only the right certificate from the right network with the right password, and keeps every
    name out of the backend."""


for command in (
    serving.demo,
    serving.init,
    serving.serve,
    checking.check,
    checking.test_,
    explaining.explain,
    customers.customer,
    users.user,
    certificates.cert,
    audit.audit,
    doctor.doctor,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line; every foreseen failure becomes a sentence and an exit code, never a traceback."""
    os.umask(os.umask(0o077) | 0o022)  # whatever the shell says: nobody else writes policies, configuration or folders of ours
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ConfigurationError as error:
        show_mistakes(error.mistakes)
        sys.exit(CONFIGURATION)
    except (Refused, Unavailable) as error:
        click.echo(f"gateway: {SENTENCES.get(error.reason) or DETAILS.get(error.reason) or error.reason}", err=True)
        sys.exit(ANSWER_NO)
    except OSError as error:  # a folder that may not be written, a full disk, a port that is taken
        show_failure(error)
        sys.exit(ANSWER_NO)


#: What a reason means to somebody at a terminal.
SENTENCES = {
    "password-wrong": "that user name and password (or recovery code) open no keyslot of this customer",
    "keys-unavailable": "the customer's key files or share are missing, damaged, or belong to another operator key",
    "vault-unavailable": "the vault cannot be opened",
    "audit-unavailable": "the audit log cannot be written, or another gateway holds it",
    "certificate-not-in-ledger": "no certificate with this serial number was issued for this customer; see gateway cert list",
    "certificate-revoked": "this certificate was revoked, and is not renewed; issue a new one if the customer still needs it",
}
