"""What a process is told when it starts, over a pipe: the secrets of its links, the operator's passphrase, its socket.

Each role gets only what it needs: a worker never learns the secret of the link to the cipher, and only the cipher gets the
passphrase. A pipe, because arguments and environments can be read by others (/proc) and files stay behind.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

import msgspec

from gateway.config import Config

ENVIRONMENT = "GATEWAY_STARTUP_FD"


class Startup(msgspec.Struct, frozen=True):
    """``vault_link`` and ``cipher_link``: 32-byte secrets, empty where this role has no end of that link."""

    vault_link: bytes = b""
    cipher_link: bytes = b""
    passphrase: bytes = b""
    listen_fd: int = -1
    ready_fd: int = -1

    def pipe(self) -> int:
        """A descriptor to inherit, from which ``receive`` reads this."""
        reading, writing = os.pipe()
        os.write(writing, msgspec.msgpack.encode(self))  # far below PIPE_BUF: never blocks
        os.close(writing)
        return reading

    def ready(self) -> None:
        """Tell the supervisor that this process serves."""
        if self.ready_fd >= 0:
            os.write(self.ready_fd, b"1")
            os.close(self.ready_fd)


def receive() -> Startup | None:
    """What the supervisor passed; None for a role that was started by hand."""
    named = os.environ.pop(ENVIRONMENT, "")
    if not named:
        return None
    with os.fdopen(int(named), "rb") as pipe:
        return msgspec.msgpack.decode(pipe.read(), type=Startup)


def by_hand(config: Config, role: str, passphrase: bytes) -> Startup:
    """For ``serve --role`` without a supervisor: the links' secrets lie in the run folder, readable by this user alone."""
    vault_link = _kept_secret(config.run_dir / "vault.secret") if role in ("proxy", "vault") else b""
    cipher_link = _kept_secret(config.run_dir / "cipher.secret") if role in ("vault", "cipher") else b""
    return Startup(vault_link, cipher_link, passphrase if role == "cipher" else b"")


def _kept_secret(path: Path) -> bytes:
    """The one that is there, or a new one. It appears with all its bytes: two roles that are started at once agree."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
        new.unlink()
    return path.read_bytes()
