"""Token URIs as RFC 7512 writes them; and everything that we would not heed is refused, without repeating it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.pkcs11_uri import TokenUri, parse_token_uri

FOLDER = Path("/etc/gateway")
MODULE = "module-path=/usr/lib/softhsm/libsofthsm2.so"
PIN = "pin-source=file:certs/pin"


@pytest.mark.parametrize(
    ("text", "token", "pin_file"),
    [
        (f"pkcs11:token=authorities?{MODULE}&{PIN}", "authorities", "/etc/gateway/certs/pin"),
        (f"pkcs11:token=authorities?{PIN}&{MODULE}", "authorities", "/etc/gateway/certs/pin"),
        (f"pkcs11:token=Tresor%20im%20Keller?{MODULE}&pin-source=file:/run/pin", "Tresor im Keller", "/run/pin"),
        (f"pkcs11:token=Schl%C3%BCssel?{MODULE}&pin-source=file:///run/pin", "Schlüssel", "/run/pin"),
        (f"pkcs11:token=a%3Bb?{MODULE}&pin-source=file%3A/run/pin", "a;b", "/run/pin"),
    ],
)
def test_read(text: str, token: str, pin_file: str) -> None:
    assert parse_token_uri(text, FOLDER) == TokenUri(token, Path("/usr/lib/softhsm/libsofthsm2.so"), Path(pin_file))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pkcs11:", "expected pkcs11:token=NAME"),
        ("PKCS11:token=a?x", "expected pkcs11:token=NAME"),
        ("pkcs11:token=a", "expected pkcs11:token=NAME"),
        (f"pkcs11:?{MODULE}&{PIN}", "only token belong"),
        (f"pkcs11:token=a?{PIN}", "module-path missing"),
        (f"pkcs11:token=a?{MODULE}", "pin-source missing"),
        (f"pkcs11:token=a;object=b?{MODULE}&{PIN}", "only token belong"),
        (f"pkcs11:token=a;token=b?{MODULE}&{PIN}", "once"),
        (f"pkcs11:token=?{MODULE}&{PIN}", "with a value"),
        (f"pkcs11:token=a b?{MODULE}&{PIN}", "%XX"),
        (f"pkcs11:token=%zz?{MODULE}&{PIN}", "%XX"),
        (f"pkcs11:token=ü?{MODULE}&{PIN}", "%XX"),
        (f"pkcs11:token=%FF?{MODULE}&{PIN}", "not UTF-8"),
        (f"pkcs11:token=%0A?{MODULE}&{PIN}", "not seen"),
        (f"pkcs11:token={33 * 'a'}?{MODULE}&{PIN}", "at most 32 bytes"),
        (f"pkcs11:token=a?{MODULE}&{PIN}&pin-value=geheim", "a PIN does not belong"),
        (f"pkcs11:token=a;pin-value=geheim?{MODULE}&{PIN}", "a PIN does not belong"),
        (f"pkcs11:token=a?{MODULE}&{PIN}&module-name=geheim", "only module-path and pin-source"),
        (f"pkcs11:token=a?{MODULE}&pin-source=geheim", "pin-source is a file"),
        (f"pkcs11:token=a?{MODULE}&pin-source=file:", "pin-source is a file"),
        (f"pkcs11:token=a?{MODULE}&pin-source=|geheim", "pin-source is a file"),
        (f"pkcs11:token=a?module-path=libsofthsm2.so&{PIN}", "absolute path"),
    ],
)
def test_refused_with_a_sentence_that_repeats_nothing(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as raised:
        parse_token_uri(text, FOLDER)
    assert "geheim" not in str(raised.value)
