"""What the operator does at a terminal, written into the audit log: who set up, who took away."""

from __future__ import annotations

import getpass

from gateway.audit import append_once
from gateway.config import Config


def note(config: Config, *, customer: str, reason: str, user: str = "") -> None:
    """Append an operator event, also while a vault process holds the log. Raises Unavailable('audit-unavailable')."""
    fields = {"customer": customer, "user": user, "reason": reason, "address": f"local:{getpass.getuser()}"}
    append_once(config.audit_dir, {name: value for name, value in fields.items() if value})
