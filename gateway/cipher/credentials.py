"""What a customer opens a keyslot with: a user's password or the recovery code. Which spellings count, and how we make good ones.

What never may come in: a check whether one is right (that is opening the slot), or a place where one is kept.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from dataclasses import dataclass, field

from gateway.cipher.guessable import is_guessable
from gateway.errors import Refused

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"  # 32 symbols, no i l o u: nothing to misread aloud or on paper
_MISREAD = str.maketrans("ilo", "110")
PASSWORD_SYMBOLS, RECOVERY_SYMBOLS = 20, 28
_RECOVERY_CODE = re.compile(f"[{_CROCKFORD}]{{{RECOVERY_SYMBOLS}}}", re.ASCII)

#: Code points, when one is set. NIST SP 800-63B-4, 3.1.1.2: 15 where the password is the only factor, 8 beside another one. At the door
#: the certificate is the other one; but whoever holds the operator key and the files guesses offline (threat model), and there it is alone.
SHORTEST_PASSWORD = 15
LONGEST_PASSWORD = 1024  # bytes of UTF-8; Argon2 takes 4 GiB, a flood of them must not


@dataclass(frozen=True, slots=True)
class Credential:
    """One customer's way to its token. ``user`` is None for the recovery code: no user name, however empty, stands for it."""

    secret: str = field(repr=False)
    user: str | None


def password(user: str, secret: str) -> Credential:
    return Credential(secret, user)


def recovery(code: str) -> Credential:
    return Credential(code, None)


def prepared(credential: Credential) -> bytes | None:
    """The octets that Argon2 gets; None when no slot can have been made with it (so it is simply wrong)."""
    return _prepared_code(credential.secret) if credential.user is None else _prepared_password(credential.secret)


def _prepared_password(secret: str) -> bytes | None:
    """RFC 8265 OpaqueString: other blanks become U+0020, then NFC, so that "ü" typed on macOS and on Windows is one password; case
    and width stay. Controls, unassigned and lone surrogates are out; so is the empty one (RFC 8265, 4.2.2)."""
    mapped = "".join(" " if unicodedata.category(c) == "Zs" else c for c in secret[: LONGEST_PASSWORD + 1])
    normal = unicodedata.normalize("NFC", mapped)
    if not normal or any(unicodedata.category(c) in ("Cc", "Cs", "Cn") for c in normal):
        return None
    octets = normal.encode()
    return octets if len(octets) <= LONGEST_PASSWORD else None


def _prepared_code(code: str) -> bytes | None:
    """Case, blanks, dashes and the usual misreadings (I, L, O) do not count (Crockford base32)."""
    plain = re.sub(r"[\s-]", "", code[:128]).lower().translate(_MISREAD)
    return plain.encode() if _RECOVERY_CODE.fullmatch(plain) else None


def require_acceptable(secret: str, user: str, customer: str) -> None:
    """May a slot of this user be made with it? Raises Refused with one of the reasons ``password-…``, which say what is wrong with it."""
    reason = _objection(secret, user, customer)
    if reason:
        raise Refused(reason)


def _objection(secret: str, user: str, customer: str) -> str:
    if len(secret) < SHORTEST_PASSWORD:
        return "password-too-short"
    if len(secret) > LONGEST_PASSWORD or len(secret.encode("utf-8", "surrogatepass")) > LONGEST_PASSWORD:
        return "password-too-long"
    if _prepared_password(secret) is None or any(unicodedata.category(c) in ("Cf", "Zl", "Zp") for c in secret):
        return "password-unusable"  # also what Basic authentication refuses at the door (T-A5): nobody could ever come in with it
    if is_guessable(secret):
        return "password-guessable"
    if is_guessable(secret, (user, customer)):
        return "password-of-names"
    return ""


def generate_password() -> str:
    """100 random bits in five groups of four: beyond guessing even with the operator key and the files in hand."""
    return _groups(PASSWORD_SYMBOLS)


def generate_recovery_code() -> str:
    """140 random bits in seven groups of four, to be printed and kept in a safe."""
    return _groups(RECOVERY_SYMBOLS).upper()


def _groups(symbols: int) -> str:
    drawn = "".join(secrets.choice(_CROCKFORD) for _ in range(symbols))
    return "-".join(drawn[start : start + 4] for start in range(0, symbols, 4))
