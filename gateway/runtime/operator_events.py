"""What the operator does at a terminal, written into the audit log: who set up, who took away."""

from __future__ import annotations

import getpass

from gateway.audit import AuditLog
from gateway.config import Config
from gateway.vault.interface import Event


def note(config: Config, *, customer: str, reason: str, user: str = "") -> None:
    """Append an operator event, also while a vault process holds the log. Raises Unavailable('audit-unavailable')."""
    AuditLog.append_once(
        config.audit_dir, Event("operator", customer=customer, user=user, reason=reason, address=f"local:{getpass.getuser()}")
    )
