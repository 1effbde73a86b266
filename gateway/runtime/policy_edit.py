"""The two edits that the command line makes in files that people own: a new customer's file, and a user's line in it.

Text is changed at the place that the YAML parser reports and nowhere else, so comments and layout stay. The result is loaded
and checked before it counts; if it does not load, the old text is put back. What never may come in: a password.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from gateway.errors import ConfigurationError, Mistake


def customer_file(name: str, api: str, upstream: str, networks: Sequence[str], users: dict[str, str], ca: str | None) -> str:
    """The text of ``policies/customers/NAME.yaml``, in the shape of design section 5."""
    trust = f", ca: {quoted(ca)}" if ca else ""
    return "\n".join(
        [
            f"customer: {name}",
            f"api: {api}",
            f"upstream: {{url: {quoted(upstream)}{trust}, authorization: drop}}",
            "networks: [" + ", ".join(quoted(network) for network in networks) + "]",
            "certificates: {authority: gateway}",
            "key: {held_by: customer, idle: 15m}",
            "users: {" + ", ".join(f"{_key(user)}: {role}" for user, role in users.items()) + "}",
            "",
        ]
    )


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _key(user: str) -> str:
    """As it is where YAML reads it back as it is: a comma, a quote or a brace would be the file's own."""
    return user if re.fullmatch(r"\w[\w.@%+-]*", user) else quoted(user)


def with_user(text: str, file: Path, user: str, role: str) -> str:
    """``text`` with ``user: role`` added to its ``users``, or the role changed where the user stands already."""
    users = _users(text, file)
    for key, value in users.value:
        if key.value == user:
            return f"{text[: value.start_mark.index]}{role}{text[value.end_mark.index :]}"
    if users.flow_style:
        end = users.end_mark.index - 1
        return f"{text[:end]}{', ' if users.value else ''}{_key(user)}: {role}{text[end:]}"
    # A line of its own behind the last one, whose comment stays with it.
    last_key, last_value = users.value[-1]
    lines = text.splitlines(keepends=True)
    line = last_value.end_mark.line
    lines[line] = lines[line].rstrip("\n") + "\n"
    lines.insert(line + 1, " " * last_key.start_mark.column + f"{_key(user)}: {role}\n")
    return "".join(lines)


def without_user(text: str, file: Path, user: str) -> str:
    """``text`` without that user. The last one of a block leaves ``{}``."""
    users = _users(text, file)
    kept = {key.value: value.value for key, value in users.value if key.value != user}
    if len(kept) == len(users.value):
        raise ConfigurationError([Mistake(file, users.start_mark.line + 1, "there is no such user in this file")])
    if users.flow_style:
        entries = "{" + ", ".join(f"{_key(name)}: {role}" for name, role in kept.items()) + "}"
        return f"{text[: users.start_mark.index]}{entries}{text[users.end_mark.index :]}"
    lines = text.splitlines(keepends=True)
    gone = next(key.start_mark.line for key, _ in users.value if key.value == user)
    lines[gone] = " " * users.value[0][0].start_mark.column + "{}\n" if not kept else ""
    return "".join(lines)


def _users(text: str, file: Path) -> yaml.MappingNode:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if isinstance(root, yaml.MappingNode):
        for key, value in root.value:
            if key.value == "users" and isinstance(value, yaml.MappingNode):
                return value
    raise ConfigurationError([Mistake(file, 0, "there is no 'users' in this file")])


def replace_checked(file: Path, text: str, check: Callable[[], object]) -> None:
    """Write ``text``, run ``check``, and put back what was there if it raises."""
    before = file.read_text() if file.exists() else None
    _write(file, text)
    try:
        check()
    except BaseException:  # whatever it was, also an interrupt: a file that was not checked must not stay
        if before is None:
            file.unlink()
        else:
            _write(file, before)
        raise


def _write(file: Path, text: str) -> None:
    """As a whole: a running gateway reads the old file or the new one. Who may read and write it stays as it was."""
    file = file.resolve()  # behind a link: what others mount or share must not be replaced by a file of ours
    file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    # O_EXCL: nothing that somebody planted under that name is followed. Others never get more than they had.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as written:
            written.write(text)
            written.flush()
            _as_before(descriptor, file)
            os.fsync(descriptor)
        temporary.replace(file)
    except BaseException:  # a full disk, an interrupt: no half of a policy stays behind
        temporary.unlink(missing_ok=True)
        raise


def _as_before(descriptor: int, file: Path) -> None:
    """Owner and mode of the file that is replaced; a new one is for everybody to read and for nobody else to write."""
    if not file.exists():
        os.fchmod(descriptor, 0o644)
        return
    before, now = file.stat(), os.fstat(descriptor)
    if (before.st_uid, before.st_gid) != (now.st_uid, now.st_gid):
        with contextlib.suppress(PermissionError):  # only root gives files away; the mode is then the owner's business
            os.fchown(descriptor, before.st_uid, before.st_gid)
    os.fchmod(descriptor, before.st_mode & 0o777)
