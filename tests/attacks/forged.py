"""Headers by which clients would like to be somebody else, and the ones that are ours, as tests find them at the suite.

What belongs here: names, and reading a request's head as bytes. Never may: a verdict.
"""

import re

#: What proxies, front ends and single sign-on tell applications behind them; each was believed from a client somewhere.
NAMES = """
    X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Forwarded-Port X-Forwarded-Prefix X-Forwarded-Client-Cert X-Forwarded-User
    X-Forwarded-Tls-Client-Cert Forwarded X-Forward-For X-Real-IP True-Client-IP CF-Connecting-IP CF-Connecting-IPv6 CF-Access-Jwt-Assertion
    CF-Access-Authenticated-User-Email Cf-Client-Cert-Der-Base64 CloudFront-Viewer-Address X-Original-URL X-Original-For X-Original-Host
    X-Originating-IP X-Rewrite-URL Client-IP WL-Proxy-Client-IP Proxy-Client-IP Fly-Client-IP Fastly-Client-IP Akamai-Client-IP
    X-Azure-ClientIP X-Cluster-Client-IP X-Envoy-External-Address X-AppEngine-User-IP X-Request-Id Gateway-Customer Gateway-User
    Gateway-Role Gateway-Anything Client-Cert Client-Cert-Chain X-Client-Cert X-SSL-Client-Cert X-SSL-Client-Verify SSL-Client-Verify
    SSL-Client-S-DN
    X-ARR-ClientCert X-Amzn-Mtls-Clientcert X-Amzn-Mtls-Clientcert-Leaf Remote-User Remote-Groups Remote-Email X-Remote-User
    X-Auth-Request-User X-Authenticated-User X-WebAuth-User X-Consumer-Username X-Credential-Identifier X-Goog-Authenticated-User-Email
    X-Goog-IAP-JWT-Assertion X-Amzn-Oidc-Identity X-MS-Client-Principal X-MS-Token-AAD-Id-Token X-Pomerium-Jwt-Assertion
    X-Authentik-Username X-Scheme X-Url-Scheme Front-End-Https X-Script-Name X-Host X-HTTP-Method-Override
""".split()  # noqa: SIM905  (one line each would be a page of quotes)
#: What the gateway says of user jens of energie_nord who comes from 127.0.0.1; of Host and X-Request-Id only the beginning is known.
OURS = {
    b"host": rb"127\.0\.0\.1:\d+",
    b"forwarded": rb'for=127\.0\.0\.1;host="localhost";proto=https',
    b"x-forwarded-for": rb"127\.0\.0\.1",
    b"x-forwarded-proto": rb"https",
    b"x-forwarded-host": rb"localhost",
    b"x-request-id": rb"[0-9a-f-]{36}",
    b"gateway-customer": rb"energie_nord",
    b"gateway-user": rb"jens",
    b"gateway-role": rb"dispatcher",
}


def headers_of(request):
    lines = request.split(b"\r\n\r\n", 1)[0].split(b"\r\n")[1:]
    return [(name, value.strip(b" ")) for name, _, value in (line.partition(b":") for line in lines)]


def squeezed(name):
    """How a server behind us might fold a name: letters and digits alone."""
    return re.sub(rb"[^a-z0-9]", b"", name.lower())


def values(request, name):
    return [value for found, value in headers_of(request) if squeezed(found) == squeezed(name)]


def says_only_ours(request):
    """Each of our headers stands there once, under its own name, with what we say; and nothing that was forged."""
    found = headers_of(request)
    for name, pattern in OURS.items():
        given = [(each.lower(), value) for each, value in found if squeezed(each) == squeezed(name)]
        assert len(given) == 1 and given[0][0] == name and re.fullmatch(pattern, given[0][1]), (name, given)
    assert b"forged" not in request.lower()
