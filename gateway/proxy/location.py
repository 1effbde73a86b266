"""Where an upstream's redirect leads, seen from outside.

Clients reach the upstream only through us: a redirect to its own address would lead them around the gateway, or show how the
inside is named. What never may come in: following a redirect.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from gateway.errors import Refused
from gateway.policy.model import Upstream

_USUAL = {"http": 80, "https": 443}
# RFC 8288 section 3, without angle brackets in parameters: where one link ends and the next begins must not be a matter of opinion.
_LINK = re.compile(r"<([^<>]*+)>((?:[ \t]*+;[ \t]*+[\w!#$%&'*+.^`|~-]++(?:=(?:[^\s\",;<>]++|\"[^\"<>\\]*+\"))?+)*+)[ \t]*+(?:,[ \t]*+|\Z)")
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")  # a blank or a backslash is read in two ways


def public_location(value: str, upstream: Upstream, host: str = "") -> str:
    """The reference as a client may follow it: a path on us, or another public site. Raises Refused('upstream-malformed').

    ``host``: our own Host, which an upstream that reads X-Forwarded-Host may have built the reference with.
    """
    try:
        parts = urlsplit(value)
        port = parts.port or _USUAL.get(parts.scheme or upstream.scheme, 0)
    except ValueError:
        raise Refused("upstream-malformed") from None
    if _UNSAFE.search(value) or parts.username is not None:
        raise Refused("upstream-malformed")
    if not parts.netloc:
        return _on_upstream(parts, upstream) if not parts.scheme else _refused()
    if host and parts.netloc.lower() == host.lower():
        return _relative(parts, _without_prefix(parts.path, upstream.base_path) or parts.path or "/")
    hostname = (parts.hostname or "").rstrip(".")  # a trailing dot names the same host
    ours = {(upstream.host.lower(), upstream.port), *((server.host, server.port) for server in upstream.servers)}
    if hostname in {name for name, _ in ours}:  # one of its servers by its own name, too
        same = (parts.scheme or upstream.scheme) == upstream.scheme and (hostname, port) in ours
        return _on_upstream(parts._replace(path=parts.path or "/"), upstream) if same else _refused()
    if parts.scheme not in _USUAL or _is_internal(hostname):
        _refused()
    return value


def public_links(value: str, upstream: Upstream, host: str = "") -> str:
    """A Link header as a client may follow it; empty when one of its links leads behind us, or cannot be read."""
    links: list[str] = []
    at = 0
    while at < len(value):
        found = _LINK.match(value, at)
        if found is None:
            return ""
        try:
            links.append(f"<{public_location(found[1], upstream, host)}>{found[2]}")
        except Refused:  # a hint, and no part of the answer: it is left out, the answer is not refused
            return ""
        at = found.end()
    return ", ".join(links)


def _on_upstream(parts: SplitResult, upstream: Upstream) -> str:
    if not parts.path.startswith("/"):
        return _relative(parts, parts.path)  # relative to the request's own path, which ends alike on both sides
    path = _without_prefix(parts.path, upstream.base_path)
    return _relative(parts, path) if path else _refused()


def _without_prefix(path: str, base_path: str) -> str:
    """Empty when the path lies outside: another customer's area of the same upstream, perhaps."""
    if path == base_path:
        return "/"
    return path[len(base_path) :] if path.startswith(base_path + "/") else ""


def _relative(parts: SplitResult, path: str) -> str:
    if path.startswith("//"):
        _refused()  # would name another host
    return SplitResult("", "", path, parts.query, parts.fragment).geturl()


def _is_internal(hostname: str) -> bool:
    try:
        return not ip_address(hostname).is_global
    except ValueError:
        return "." not in hostname or hostname.endswith((".internal", ".local", ".localhost", ".lan", ".home.arpa"))


def _refused() -> str:
    raise Refused("upstream-malformed")
