"""``certificates:`` of a customer's file: whose client certificates count, which of them, and what their revocation lists do.

What never may come in: reading a certificate or a list (``gateway.ca``); here stands only what can be known from the policy's text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

from gateway.policy.hosts import address_in, is_host
from gateway.policy.model import Certificates
from gateway.schema import Node

CERTIFICATES = ("authority", "file", "crl", "without_crl", "only")
ONLY = ("dns", "uri", "email", "sha256", "spki", "subject")
#: Attribute types of a subject by the names that RFC 4514 (section 3) and OpenSSL give them; ``gateway.ca.leaf`` knows their numbers.
ATTRIBUTES = ("CN", "L", "ST", "O", "OU", "C", "STREET", "DC", "UID", "emailAddress", "serialNumber", "GN", "SN", "title")

_ESCAPED = r"\\[\\,+\"<>;=# ]|\\[0-9A-Fa-f]{2}"
_PART = rf"({'|'.join(ATTRIBUTES)}|[0-2](?:\.[0-9]+)+)=((?:[^\\,+\"<>;\x00]|{_ESCAPED})+)"
_SUBJECT = re.compile(rf"{_PART}(?:[,+]{_PART})*")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+", re.ASCII)
_EMAIL = re.compile(r"[!-?A-~]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?", re.ASCII)


def read_certificates(node: Node, folder: Path) -> Certificates:
    """Paths count from ``folder``."""
    fields = node.fields((), CERTIFICATES)
    if ("authority" in fields) == ("file" in fields):
        node.wrong("give either 'authority: gateway' or 'file:' with your own authority")
    if "authority" in fields:
        fields["authority"].choice("gateway")
        for name in ("crl", "without_crl", "only"):
            if name in fields:
                fields[name].wrong(f"{name!r} belongs to an authority of your own; ours has its ledger")
        return Certificates(None)
    only = tuple(_only(item) for item in fields["only"].items()) if "only" in fields else ()
    if "only" in fields and not only:
        fields["only"].wrong("an empty list would let in every certificate of the authority: name them, or leave 'only' out")
    crl, url = _crl(fields["crl"], folder) if "crl" in fields else (None, None)
    return Certificates(fields["file"].path(folder) if "file" in fields else None, crl, only, url, _without_crl(fields))


def _without_crl(fields: Mapping[str, Node]) -> Literal["refuse", "accept"]:
    if "without_crl" not in fields:
        return "refuse"
    if "crl" not in fields:
        fields["without_crl"].wrong("says what happens while no list of 'crl' counts, and there is no 'crl': name one, or leave it out")
    return cast(Literal["refuse", "accept"], fields["without_crl"].choice("refuse", "accept"))


def _crl(node: Node, folder: Path) -> tuple[Path | None, str | None]:
    """A file, or the URL that it is fetched from. Plain HTTP is enough: a list is signed, and an older one is refused."""
    text = node.text()
    if "://" not in text:
        return node.path(folder), None
    try:
        parts = urlsplit(text)
        fine = parts.scheme in ("http", "https") and is_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        fine = False
    if not fine or "@" in parts.netloc or "#" in text or not re.fullmatch("[!-~]+", text) or text != text.strip():
        node.wrong("expected a file, or a URL such as http://pki.example/ca.crl, without user or fragment")
        return None, None
    return None, text


def _only(node: Node) -> Mapping[str, str]:
    """Each member in the one spelling that certificates are compared in."""
    fields = node.fields((), ONLY)
    if not fields:
        node.wrong(f"expected at least one of {', '.join(ONLY)}, each with a text")
    return {name: _READERS[name](value, value.text()) for name, value in fields.items()}


def _hash(node: Node, text: str) -> str:
    plain = text.replace(":", "").lower()
    if not re.fullmatch("[0-9a-f]{64}", plain):
        found = f"{len(plain)} of them" if re.fullmatch("[0-9a-f]*", plain) else "something else"
        node.wrong(f"a SHA-256 has 64 hexadecimal digits, with or without colons; found {found}")
    return plain


def _dns(node: Node, text: str) -> str:
    name = text.lower()
    if address_in(name) is not None or not is_host(name) or len(name) > 253:
        node.wrong("expected a DNS name such as import.example, in ASCII, without wildcard, port or trailing dot")
    return name


def _uri(node: Node, text: str) -> str:
    if not _URI.fullmatch(text):
        node.wrong("expected a URI such as urn:example:import, in ASCII, as it stands in the certificate")
    return text


def _email(node: Node, text: str) -> str:
    local, _, domain = text.rpartition("@")
    if not _EMAIL.fullmatch(text):
        node.wrong("expected an address such as import@customer.example, in ASCII, without a display name")
    return f"{local}@{domain.lower()}"


def _subject(node: Node, text: str) -> str:
    if not is_subject(text):
        node.wrong(f"expected the whole subject as RFC 4514 writes it, such as CN=import,O=Energie Nord{_subject_hint(text)}")
    return text


def is_subject(text: str) -> bool:
    """Blanks at the ends of a value count only where they are escaped."""
    return _SUBJECT.fullmatch(text) is not None and not re.search(r"=[\s#]|(?<!\\)\s(?:[,+]|\Z)", text)


def _subject_hint(text: str) -> str:
    """The two other spellings that ``openssl x509 -subject`` has printed over the years."""
    if text.startswith("/"):
        return "; not with slashes: openssl x509 -noout -subject -nameopt RFC2253 prints it"
    if re.search(r"[,+]\s|\s=|=\s", text):
        return "; no blanks beside commas and equals signs: openssl x509 -noout -subject -nameopt RFC2253 prints it"
    unknown = [name for name in re.findall(r"(?:^|[,+])([A-Za-z]+)=", text) if name not in ATTRIBUTES]
    return f"; {unknown[0]!r} is none of {', '.join(ATTRIBUTES)}" if unknown else ""


_READERS: Mapping[str, Callable[[Node, str], str]] = {
    "dns": _dns,
    "uri": _uri,
    "email": _email,
    "sha256": _hash,
    "spki": _hash,
    "subject": _subject,
}
