"""What systemd is told, and what it hands over: sd_notify(3) and sd_listen_fds(3), one datagram and three variables.

Everything is taken out of the environment when it is read: a child that inherits it could speak for us, or take a descriptor's number
for its own. Without systemd all of it is silent. What never may come in: what somebody sent us; the status has fixed words and counts.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from ipaddress import ip_address

FIRST_DESCRIPTOR = 3  # SD_LISTEN_FDS_START
ADMIN = "admin"  # FileDescriptorName= of the operators' socket; every other name is the public one's
NAMES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")


class NotUsable(Exception):
    """What was handed over is not what we listen on. The text says what to write in the unit."""


@dataclass(frozen=True, slots=True)
class Systemd:
    """``watchdog``: seconds within which it wants to hear from us, or None. ``sockets``: by name, public or ``admin``."""

    address: str = ""
    watchdog: float | None = None
    sockets: Mapping[str, socket.socket] = field(default_factory=dict)

    def tell(self, *lines: str) -> None:
        """That it cannot be told ends nothing: it then acts by its own timeouts."""
        if not self.address:
            return
        # An abstract address begins with @ in the variable, and with a zero byte for the kernel.
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.setblocking(False)
            sock.sendto("\n".join(lines).encode(), address)

    def ready(self, status: str) -> None:
        self.tell("READY=1", f"STATUS={status}")

    def reloading(self, status: str) -> None:
        """With the clock by which systemd orders this and the ``READY=1`` that follows."""
        self.tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}", f"STATUS={status}")

    def stopping(self) -> None:
        self.tell("STOPPING=1", "STATUS=draining")

    def alive(self) -> None:
        self.tell("WATCHDOG=1")


NOBODY = Systemd()


def from_environment(environment: MutableMapping[str, str], pid: int) -> Systemd:
    """Takes what concerns us out of ``environment``. Raises NotUsable."""
    told = {name: environment.pop(name, "") for name in NAMES}
    address = told["NOTIFY_SOCKET"]
    return Systemd(
        address if address.startswith(("/", "@")) else "",
        _watchdog(told["WATCHDOG_USEC"], told["WATCHDOG_PID"], pid),
        _sockets(told, pid),
    )


def _watchdog(microseconds: str, whose: str, pid: int) -> float | None:
    if not microseconds.isdecimal() or int(microseconds) == 0 or (whose and whose != str(pid)):
        return None
    return int(microseconds) / 1_000_000


def _sockets(told: Mapping[str, str], pid: int) -> dict[str, socket.socket]:
    if told["LISTEN_PID"] != str(pid) or not told["LISTEN_FDS"].isdecimal():
        return {}
    descriptors = range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(told["LISTEN_FDS"]))
    names = told["LISTEN_FDNAMES"].split(":") if told["LISTEN_FDNAMES"] else []
    if names and len(names) != len(descriptors):
        raise NotUsable("LISTEN_FDNAMES does not name every socket that was handed over")
    found: dict[str, socket.socket] = {}
    try:
        for number, name in zip(descriptors, names or [""] * len(descriptors), strict=True):
            place = ADMIN if name == ADMIN else "public"
            if place in found:
                raise NotUsable(f"more than one {place} socket was handed over: name the operators' FileDescriptorName=admin")
            found[place] = _opened(number)
            _check(found[place], place)
    except NotUsable:
        for sock in found.values():
            sock.close()
        raise
    return found


def _opened(number: int) -> socket.socket:
    """Not inherited by accident, and not blocking, whatever the unit says."""
    try:
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            raise NotUsable(f"descriptor {number} is no socket")
    except OSError:
        raise NotUsable(f"descriptor {number} was announced and is not there") from None
    os.set_inheritable(number, False)
    sock = socket.socket(fileno=number)
    sock.setblocking(False)
    return sock


def _check(sock: socket.socket, place: str) -> None:
    listens = sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type == socket.SOCK_STREAM
    if not listens or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise NotUsable(f"the {place} socket does not listen on a TCP port: write ListenStream=ADDRESS:PORT and Accept=no")
    if place == ADMIN and not ip_address(sock.getsockname()[0]).is_loopback:
        raise NotUsable("the operators' socket is for loopback addresses only: write ListenStream=127.0.0.1:9443")
