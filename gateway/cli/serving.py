"""``init``, ``serve`` and ``demo``."""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path

import click

from gateway.cipher.hardening import harden
from gateway.cli.output import as_json
from gateway.cli.secrets import operator_passphrase, passphrase_file
from gateway.config import load_config
from gateway.errors import ConfigurationError, Mistake
from gateway.runtime import admin_process, cipher_process, process, setup, vault_process, worker
from gateway.runtime.keys import open_operator_key
from gateway.runtime.selfcheck import require_program
from gateway.runtime.signals import Signals
from gateway.runtime.snapshot import build_snapshot
from gateway.runtime.startup import Startup, by_hand
from gateway.runtime.supervisor import Supervisor
from gateway.runtime.systemd import NotUsable, from_environment

MAIN = {
    "proxy": worker.main,
    "vault": vault_process.main,
    "cipher": cipher_process.main,
    "admin": admin_process.main,
    "one": worker.main,
}

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default="config.yaml",
    show_default=True,
    help="Configuration file.",
)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--hostname", "hostnames", multiple=True, required=True, help="Public name or address of the gateway (repeatable).")
@passphrase_file
@as_json
def init(folder: Path, hostnames: tuple[str, ...], passphrase_file: Path | None, as_json: bool) -> None:
    """Make a new FOLDER: configuration, policies, server certificate and operator key."""
    files = setup.init(folder, hostnames, operator_passphrase(passphrase_file, new=True))
    if as_json:
        click.echo(json.dumps({"config": str(folder / "config.yaml"), "authority": str(files.authority)}, indent=2))
        return
    click.echo(f"{folder} is ready. Customers' machines trust {files.authority}.")
    click.echo(f"Next: gateway customer add --config {folder / 'config.yaml'} NAME …, then gateway serve --config {folder / 'config.yaml'}")
    click.echo("Keep the passphrase, and back up certs/operator.key and (apart from it) state/shares: without them nothing opens.")


@click.command()
@config_option
@click.option("--role", type=click.Choice(["proxy", "vault", "cipher", "admin"]), help="Run only this process, in the foreground.")
@passphrase_file
def serve(config_path: Path, role: str | None, passphrase_file: Path | None) -> None:
    """Run the gateway: cipher, vault, proxy workers and the operators' process; or one of them."""
    harden(lock_memory=False)  # before the first secret is read; what the kernel did not grant is reported later
    config_path = config_path.absolute()
    config = load_config(config_path)
    if role is not None and config.processes == "one":
        raise click.UsageError("with 'processes: one' there are no roles: leave --role out, or write 'processes: separate'")
    require_program()  # once: what the supervisor starts is the same program
    if role is None and config.processes == "separate":
        passphrase = operator_passphrase(passphrase_file).encode()
        _check_first(config_path, passphrase)
        sys.exit(_supervise(config_path, passphrase))
    if role in (None, "proxy"):
        build_snapshot(config)
    needs_key = role in (None, "cipher")
    passphrase = operator_passphrase(passphrase_file).encode() if needs_key else b""
    startup = by_hand(config, role, passphrase) if role else Startup(passphrase=passphrase)
    process.run(role or "one", partial(MAIN[role or "one"], config_path, startup))


def _check_first(config_path: Path, passphrase: bytes) -> None:
    """Refuse to start on anything that a process would refuse, before the first one is started. Raises ConfigurationError."""
    config = load_config(config_path)
    build_snapshot(config)
    open_operator_key(config, passphrase)


def _supervise(config_path: Path, passphrase: bytes) -> int:
    code = 0
    try:
        manager = from_environment(os.environ, os.getpid())
    except NotUsable as error:
        raise ConfigurationError([Mistake(config_path, 0, f"the service manager's sockets: {error}")]) from None

    async def main(signals: Signals) -> None:
        nonlocal code
        code = await Supervisor(config_path, load_config(config_path), passphrase, manager).run(signals)

    process.run("supervisor", main)
    return code


@click.command()
@click.option("--stay", is_flag=True, help="Leave everything running until Ctrl-C and write demo.json.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Where to put it (default: a new temporary folder).")
def demo(stay: bool, folder: Path | None) -> None:
    """Show the main job on real orders: everything real, nothing left behind."""
    from gateway.demo import run_demo  # it starts the example backend, which only a checkout has

    sys.exit(run_demo(stay=stay, folder=folder))
