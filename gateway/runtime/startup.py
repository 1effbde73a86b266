"""What a process is told when it starts, over a pair of sockets: the secrets of its links, the operator's passphrase, its socket.

Each role gets only what it needs: a worker never learns the secret of the link to the cipher, and only the cipher gets the
passphrase. Not by arguments or environment, which others can read, nor by files, which stay behind. Nor by a pipe: until the new
process has made itself untraceable, any other one of this user could open the pipe under /proc/PID/fd and read first; a socket it cannot.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from pathlib import Path

import msgspec

from gateway.config import Config
from gateway.errors import ConfigurationError, Mistake

ENVIRONMENT = "GATEWAY_STARTUP_FD"
SECRET = 32  # bytes of a link's secret
PREPARED, READY = b"p", b"1"  # what a process tells its supervisor


class Startup(msgspec.Struct, frozen=True):
    """``vault_link`` and ``cipher_link``: 32-byte secrets, empty where this role has no end of that link."""

    vault_link: bytes = b""
    cipher_link: bytes = b""
    passphrase: bytes = b""
    listen_fd: int = -1
    ready_fd: int = -1
    takes_over: bool = False  # from a predecessor that still serves

    def descriptor(self) -> int:
        """One to inherit, from which ``receive`` reads this."""
        reading, writing = socket.socketpair()
        with writing:
            writing.sendall(msgspec.msgpack.encode(self))  # far below any buffer: never blocks
        return reading.detach()

    def prepared(self) -> None:
        """Tell the supervisor that this process needs only what its predecessor holds."""
        if self.ready_fd >= 0:
            os.write(self.ready_fd, PREPARED)

    def ready(self) -> None:
        """Tell the supervisor that this process serves."""
        if self.ready_fd >= 0:
            os.write(self.ready_fd, READY)
            os.close(self.ready_fd)


def receive() -> Startup | None:
    """What the supervisor passed; None for a role that was started by hand."""
    named = os.environ.pop(ENVIRONMENT, "")
    if not named:
        return None
    with os.fdopen(int(named), "rb") as told:
        return msgspec.msgpack.decode(told.read(), type=Startup)


def by_hand(config: Config, role: str, passphrase: bytes) -> Startup:
    """For ``serve --role`` without a supervisor: the links' secrets lie in the run folder, readable by this user alone."""
    vault_link = _kept_secret(config.run_dir / "vault.secret") if role in ("proxy", "vault") else b""
    cipher_link = _kept_secret(config.run_dir / "cipher.secret") if role in ("vault", "cipher") else b""
    return Startup(vault_link, cipher_link, passphrase if role == "cipher" else b"")


def _kept_secret(path: Path) -> bytes:
    """The one that is there, or a new one. It appears with all its bytes: two roles that are started at once agree.

    Raises ConfigurationError for one that others may know, or that a full disk left empty: everybody can prove an empty secret.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(SECRET))
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
        new.unlink()
    secret = path.read_bytes()
    if len(secret) != SECRET or path.stat().st_mode & 0o077:
        text = f"a link's secret has {SECRET} bytes and is open to its owner alone; stop all roles, remove it and start them again"
        raise ConfigurationError([Mistake(path, 0, text)])
    return secret
