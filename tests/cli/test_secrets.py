"""Secrets come from files, standard input, the service manager or a prompt; never from an argument."""

import io
import sys

import click
import pytest

from gateway.cli import cli
from gateway.cli.secrets import authorising_credential, operator_passphrase, read_secret
from gateway.errors import ConfigurationError


@pytest.mark.parametrize(
    ("content", "secret"),
    [(b"geheim\n", "geheim"), (b"geheim\r\n", "geheim"), (b"geheim", "geheim"), ("schlüssel süß \n".encode(), "schlüssel süß ")],
)
def test_one_line_of_a_file(tmp_path, content, secret):
    (tmp_path / "secret").write_bytes(content)
    assert read_secret(tmp_path / "secret") == secret


def test_standard_input(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", io.StringIO("geheim\n"))
    assert read_secret(tmp_path.__class__("-")) == "geheim"
    with pytest.raises(click.UsageError, match="carries one secret only"):
        read_secret(tmp_path.__class__("-"))  # a second secret from the same input is an empty one, and never taken


@pytest.mark.parametrize(
    ("content", "error", "text"),
    [
        (None, ConfigurationError, "cannot be read"),
        (b"\xff\xfe\x00", ConfigurationError, "is not UTF-8"),
        (b"\n", click.UsageError, "there is no secret in"),
    ],
)
def test_what_is_no_secret(tmp_path, content, error, text):
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    with pytest.raises(error, match=text):
        read_secret(tmp_path / "secret")


def test_the_service_managers_credential_is_found(monkeypatch, tmp_path):
    (tmp_path / "operator-passphrase").write_text("geheim\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert operator_passphrase(None) == "geheim"


def test_without_a_terminal_nobody_is_asked(monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO("typed"))
    with pytest.raises(click.UsageError, match="--passphrase-file"):
        operator_passphrase(None)
    with pytest.raises(click.UsageError, match="--credential-file"):
        authorising_credential("maria", False, None)


@pytest.mark.parametrize(("user", "recovery"), [(None, False), ("maria", True)])
def test_one_way_of_allowing_exactly(user, recovery):
    with pytest.raises(click.UsageError, match="only the customer"):
        authorising_credential(user, recovery, None)


@pytest.mark.parametrize(("user", "recovery"), [("maria", False), (None, True)])
def test_whose_credential_it_is(tmp_path, user, recovery):
    (tmp_path / "secret").write_text("geheim\n")
    credential = authorising_credential(user, recovery, tmp_path / "secret")
    assert (credential.user, credential.secret) == (user, "geheim")


def parameters(group):
    for command in group.commands.values():
        yield from parameters(command) if isinstance(command, click.Group) else ((command, parameter) for parameter in command.params)


def test_no_command_takes_a_secret_as_an_argument():
    """Every user of a machine can read the arguments of every process."""
    telling = ("password", "passphrase", "credential", "secret", "recovery", "token")
    named = [(command.name, parameter) for command, parameter in parameters(cli) if any(word in parameter.name for word in telling)]
    assert named
    assert [
        (command, parameter.name) for command, parameter in named if not (parameter.is_flag or isinstance(parameter.type, click.Path))
    ] == []
