"""What the operator does at a terminal, written into the audit log: who set up, who took away."""

from __future__ import annotations

import os
import pwd

from gateway.audit import append_once
from gateway.config import Config


def note(config: Config, *, customer: str, reason: str, user: str = "") -> None:
    """Append an operator event, also while a vault process holds the log. Raises Unavailable('audit-unavailable')."""
    fields = {"customer": customer, "user": user, "reason": reason, "address": f"local:{_account()}"}
    append_once(config.audit_dir, {name: value for name, value in fields.items() if value})


def _account() -> str:
    """By the kernel's word: LOGNAME and USER, which ``getpass`` believes, say whatever their owner likes."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's number without a name
        return f"uid {os.getuid()}"
