"""Which headers cross, in either direction, and the ones that are ours.

What belongs here: functions from headers to headers, pure but for an upstream's password file. What never may: a header that
decides something. Names are compared
*squeezed* (only letters and digits, lower-case), because servers behind us fold ``-``, ``_`` and ``.`` into one another
(T-I5): what a CGI upstream would read as ``Gateway-User`` is ``Gateway-User``.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote

from gateway.errors import Refused
from gateway.policy.model import Route, Upstream
from gateway.proxy.authorization import basic_credentials, from_file
from gateway.proxy.location import public_links, public_location
from gateway.proxy.validators import if_match, if_none_match, public_tag

__all__ = ["Public", "basic_credentials", "inbound", "outbound"]

RawHeaders = Sequence[tuple[bytes, bytes]]

# RFC 9110 section 7.6.1, and what upstreams act on without it: a connection's business is never an exchange's.
_HOP = frozenset(b"connection keepalive te trailer trailers transferencoding upgrade http2settings contentlength expect host".split())
# Who sent this, for whom, to where, and by which method: said by us or by nobody (T-I3). Beginnings of squeezed names.
_IDENTITY = re.compile(
    rb"(xforward|forwarded|xreal|trueclient|cfconnecting|cfip|cfpseudo|cfclient|cfcert|cfaccess|cfvisitor|cloudfront|xorigina|xorigip|xrewrite"
    rb"|clientcert|clientip|gateway|xrequestid"
    rb"|xclient|xclustercl|xremote|remote|xssl|sslclient|xtls|xenvoy|fastlyclient|xazure|xappengine|xhost|xmethodover|xhttpmethod"
    rb"|xproxy|proxy|wlproxy|xprovider|xaccel|xsendfile|xarr|xscheme|xurlscheme|frontendhttps|xscriptname|scriptname|pathinfo|flyclient"
    rb"|akamai|xakamai|incapclient|doconnecting|xauthrequest|xauthenticated|xwebauth"
    rb"|xgoogauthenticated|xgoogiap|xamznoidc|xamznmtls|xmsclient|xmstoken|xconsumer|xcredential|xpomerium|xvouch|xauthentik)"
)
# Judged here under this one name. Another spelling of it would be judged by us as nothing, and by a server behind us as the same (T-I5).
_JUDGED = {
    name.replace(b"-", b""): name
    for name in b"authorization content-type content-encoding content-length origin sec-fetch-site if-match if-none-match cookie".split()
}
#: DER bytes of a certificate that fit into a header as most servers take it: 8 kB, with base64 and the name (RFC 9440 section 3.1).
LONGEST_CLIENT_CERT = 6000
# Addresses of pages: they hold what was searched for, in every request that the page makes (B-15). Only the site goes on.
_REFERENCES = frozenset(b"referer referrer xreferer xreferrer hxcurrenturl pingfrom pingto contentlocation".split())
_SITE = re.compile(rb"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?(?=[/?#]|\Z)", re.IGNORECASE)
# They describe the bytes of a body that we change (T-B3).
_OF_BODY = frozenset(b"contentmd5 digest reprdigest contentdigest contentencoding wantdigest wantreprdigest wantcontentdigest".split())
# A part, or "unchanged", of an answer that differs from role to role cannot be asked for.
_CONDITIONS = frozenset(b"range ifrange ifmodifiedsince acceptencoding".split())
_BY_TAG = frozenset({b"ifmatch", b"ifnonematch"})
# Of an answer: who works behind us, ways around us, and instructions meant for a proxy.
_TALKATIVE = frozenset(
    b"server xpoweredby xaspnetversion xaspnetmvcversion via altsvc xruntime publickeypins refresh"
    # Errors, and addresses of pages with them, to whom the suite names; and the sources of its pages, from where it is.
    b" nel reportto reportingendpoints contentsecuritypolicyreportonly sourcemap xsourcemap".split()
)
# Beginnings. Which other sites' pages may read an answer is not the suite's to say: it does not know what will be revealed in it.
_NOT_ITS_OWN = (b"proxy", b"xaccel", b"xsendfile", b"accesscontrol", b"timingalloworigin", b"forwarded", b"xforward", b"gateway")
_OF_REWRITTEN = frozenset(
    b"etag digest contentmd5 reprdigest contentdigest acceptranges contentrange contentlength contentencoding"
    b" expires age pragma surrogatecontrol edgecontrol xcontenttypeoptions".split()
)


@dataclass(frozen=True, slots=True)
class Public:
    """What the upstream is told about the other side of this exchange. ``host``: the Host header, checked already. ``leaf``: DER."""

    address: str
    host: str
    exchange: str
    customer: str
    user: str
    role: str
    leaf: bytes = field(default=b"", repr=False)
    view: bytes = b""  # whose entity tags count (``validators.py``)


def outbound(raw_headers: RawHeaders, *, public: Public, route: Route, upstream: Upstream) -> list[tuple[bytes, bytes]]:
    """The headers for the upstream, without framing. Ours are set last and once, whatever ``Connection`` named (T-I4)."""
    named = _connection_options(raw_headers)
    changed = route.request is not None and route.request != "pass"
    looked_into = route.response != "pass"
    kept = [(b"Host", _host(upstream))]
    for name, value in raw_headers:
        squeezed = _squeezed(name)
        if squeezed in named or _is_never_sent(name):
            continue
        if squeezed == b"authorization" and upstream.authorization != "forward":
            continue
        if (changed and squeezed in _OF_BODY) or (looked_into and squeezed in _CONDITIONS):
            continue
        if squeezed in _REFERENCES:
            site = _SITE.match(value)
            if site is None:
                continue
            value = site[0] + b"/"
        elif squeezed in _BY_TAG:
            value = _condition(squeezed, value, public.view, route)
            if not value:
                continue
        kept.append((name, value))
    if looked_into:
        kept.append((b"Accept-Encoding", b"identity"))
    if upstream.authorization not in ("forward", "drop"):
        assert not isinstance(upstream.authorization, str)
        kept.append((b"Authorization", from_file(upstream.authorization)))
    if upstream.client_cert:
        kept.append((b"Client-Cert", _client_cert(public.leaf)))
    return kept + _own(public)


def _condition(squeezed: bytes, value: bytes, view: bytes, route: Route) -> bytes:
    if squeezed == b"ifmatch":
        return if_match(value, view)
    return if_none_match(value, view, reads=route.method == "GET", looked_into=route.response != "pass")


def _own(public: Public) -> list[tuple[bytes, bytes]]:
    node = f'"[{public.address}]"' if ":" in public.address else public.address  # RFC 7239 section 6
    own = {
        "Forwarded": f'for={node};host="{public.host}";proto=https',
        "X-Forwarded-For": public.address,
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": public.host,
        "X-Request-Id": public.exchange,
        "Gateway-Customer": public.customer,
        "Gateway-User": _in_ascii(public.user),
        "Gateway-Role": _in_ascii(public.role),
    }
    return [(name.encode(), value.encode("ascii")) for name, value in own.items()]


def _client_cert(leaf: bytes) -> bytes:
    """A byte sequence of RFC 8941, as RFC 9440 section 2.2 wants it. Without it nothing goes where it is asked for: fails closed."""
    if not 0 < len(leaf) <= LONGEST_CLIENT_CERT:
        raise Refused("certificate-unsuitable")
    return b":" + b64encode(leaf) + b":"


def _in_ascii(name: str) -> str:
    """Percent-encoded UTF-8 for all but visible ASCII, and for ``%`` itself: one text for one name, and it can be read back."""
    return quote(name, safe="!#$&'()*+,-./:;<=>?@[]^_`{|}~")


def _host(upstream: Upstream) -> bytes:
    return upstream.authority.encode("ascii")


def inbound(raw_headers: RawHeaders, *, view: bytes | None, upstream: Upstream, host: str = "") -> list[tuple[str, str]]:
    """The headers for the client. ``view``: whose entity tags an answer gets whose body is looked into, so that nothing is true any
    more that describes its bytes; None: it is passed.

    ``host``: our own Host as the client named it. Raises Refused('upstream-malformed') for a Location that leads behind us.
    """
    rewritten = view is not None
    named = _connection_options(raw_headers)
    kept = [("Server", "gateway")]
    tags: list[bytes] = []
    for raw_name, raw_value in raw_headers:
        squeezed = _squeezed(raw_name)
        if _is_dropped_inbound(squeezed, rewritten) or squeezed in named:
            if raw_name.lower() == b"etag":
                tags.append(raw_value)
            continue
        value = _text(raw_value)
        if squeezed in (b"location", b"contentlocation"):
            value = public_location(value, upstream, host)
        elif squeezed == b"link":
            value = public_links(value, upstream, host)
            if not value:
                continue
        elif squeezed == b"setcookie":
            value = _cookie(value)
        kept.append((raw_name.decode("ascii"), value))
    if view is not None:
        if len(tags) == 1 and (tag := public_tag(tags[0], view)):
            kept.append(("ETag", tag))
        kept.append(("Cache-Control", "no-store"))  # a revealed value must not wait in a cache for the next role (T-B5)
        kept.append(("X-Content-Type-Options", "nosniff"))  # it is data: a name that looks like a page or a script is none
    return kept


@lru_cache(maxsize=4096)
def _is_dropped_inbound(squeezed: bytes, rewritten: bool) -> bool:
    if rewritten and (squeezed in _OF_REWRITTEN or squeezed.endswith(b"cachecontrol")):
        return True
    hop = squeezed in _HOP and squeezed != b"contentlength"  # a streamed answer keeps its length: the parser enforces it
    return hop or squeezed in _TALKATIVE or squeezed.startswith(_NOT_ITS_OWN)


def _text(value: bytes) -> str:
    """Latin-1 where it is not UTF-8: it goes on as UTF-8, which is what clients try first for a file name with an umlaut."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _cookie(value: str) -> str:
    """For our name and only encrypted: a Domain would be the upstream's, or reach every host beside us."""
    parts = [part.strip() for part in value.split(";")]
    kept = [part for part in parts if part.partition("=")[0].strip().lower() not in ("domain", "secure")]
    return "; ".join([*kept, "Secure"])


def _connection_options(raw_headers: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    """What ``Connection`` names, squeezed: hop-by-hop by the sender's own word."""
    values = [value for name, value in raw_headers if name.lower() == b"connection"]
    if not values or values in ([b"keep-alive"], [b"close"]):
        return frozenset()
    return frozenset(_squeezed(option) for value in values for option in value.split(b",")) - {b"", b"close"}


@lru_cache(maxsize=4096)
def _squeezed(name: bytes) -> bytes:
    return re.sub(rb"[^0-9a-z]", b"", name.lower())


@lru_cache(maxsize=4096)
def _is_never_sent(name: bytes) -> bool:
    """A client's header that is ours to say, the connection's business, or only another spelling of one that was judged."""
    squeezed = _squeezed(name)
    identity = _IDENTITY.match(squeezed) is not None
    return b"_" in name or squeezed in _HOP or identity or _JUDGED.get(squeezed, name.lower()) != name.lower()
