"""A private key on a PKCS#11 token, in the place of one in memory: ``cryptography`` builds what is to be signed, the token signs it.

The module is loaded when it is first needed, and a session lives for one operation. What never may come in: a key that can be read out,
and a second try with a PIN that the token has refused, since tokens lock themselves after a few.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gateway.errors import ConfigurationError, Mistake
from gateway.pkcs11_uri import TokenUri

if TYPE_CHECKING:
    from pkcs11 import Session

_LONGEST_PIN = 255  # bytes

# Logging in counts for the whole process (PKCS#11 section 5.6), so one session at a time.
_one_at_a_time = threading.Lock()
_refused: set[bytes] = set()


class TokenKey(ec.EllipticCurvePrivateKey):
    """Signs SHA-256 over P-256 and can do nothing else."""

    def __init__(self, token: TokenUri, label: str, identifier: bytes, public: ec.EllipticCurvePublicKey) -> None:
        self._token = token
        self._label = label
        self.identifier = identifier
        self._public = public

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        if not isinstance(signature_algorithm, ec.ECDSA) or not isinstance(signature_algorithm.algorithm, hashes.SHA256):
            raise ValueError("a key on a token signs over SHA-256 only")
        digest = hashlib.sha256(data).digest()
        with _session(self._token) as (pkcs11, session):
            private: Any = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=self._label, id=self.identifier)
            raw = private.sign(digest, mechanism=pkcs11.Mechanism.ECDSA)
        half = len(raw) // 2
        signature = encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))
        try:
            self._public.verify(signature, data, signature_algorithm)
        except InvalidSignature:
            raise _mistake(self._token, "the key on the token is not the one of the authority's certificate") from None
        return signature

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public.curve

    @property
    def key_size(self) -> int:
        return self._public.key_size

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> NoReturn:
        raise TypeError("this key signs only")

    def private_numbers(self) -> NoReturn:
        raise TypeError("this key never leaves its token")

    def private_bytes(
        self,
        encoding: serialization.Encoding,
        format: serialization.PrivateFormat,
        encryption_algorithm: serialization.KeySerializationEncryption,
    ) -> NoReturn:
        raise TypeError("this key never leaves its token")

    def __copy__(self) -> TokenKey:
        return self

    def __deepcopy__(self, memo: dict[Any, Any]) -> TokenKey:
        return self


def create_on_token(token: TokenUri, label: str) -> TokenKey:
    """A new P-256 key pair, made on the token. Nothing there is replaced: it is found by an identifier of its own."""
    identifier = secrets.token_bytes(8)
    with _session(token, write=True) as (pkcs11, session):
        from pkcs11.util.ec import encode_named_curve_parameters

        curve = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        public, private = session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True).generate_keypair(
            id=identifier,
            label=label,
            store=True,
            capabilities=pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
            private_template={pkcs11.Attribute.EXTRACTABLE: False, pkcs11.Attribute.SENSITIVE: True},
        )
        if private[pkcs11.Attribute.EXTRACTABLE] or not private[pkcs11.Attribute.SENSITIVE]:
            raise _mistake(token, "the token made a key that can be read out, which is no use of a token")
        point = public[pkcs11.Attribute.EC_POINT]
    # An OCTET STRING around the point (PKCS#11 3.0, section 6.3.3): two bytes for the 65 of P-256.
    return TokenKey(token, label, identifier, ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point[2:]))


def destroy_on_token(token: TokenUri, label: str, identifier: bytes) -> None:
    """Both halves. Other keys under this label stay."""
    with _session(token, write=True) as (pkcs11, session):
        for found in list(session.get_objects({pkcs11.Attribute.LABEL: label, pkcs11.Attribute.ID: identifier})):
            found.destroy()


@contextmanager
def _session(token: TokenUri, *, write: bool = False) -> Iterator[tuple[Any, Session]]:
    """Logged in. Everything that the token says no to becomes a ConfigurationError with the reason's name, and nothing of the PIN."""
    pkcs11, pin = _pkcs11(token), _pin(token)
    attempt = hashlib.sha256(f"{token.module}\0{token.token}\0{pin}".encode()).digest()
    if attempt in _refused:
        raise _mistake(token, "the token has refused this PIN, and would lock itself; correct it")
    with _one_at_a_time:
        try:
            found = pkcs11.lib(str(token.module)).get_token(token_label=token.token)
            with found.open(rw=write, user_pin=pin) as session:
                yield pkcs11, session
        except (pkcs11.PinIncorrect, pkcs11.PinLenRange, pkcs11.PinLocked):
            _refused.add(attempt)
            raise _mistake(token, "the token refuses the PIN; it is not tried again until it was changed") from None
        except pkcs11.NoSuchToken:
            _begin_anew(pkcs11, token)
            raise _mistake(token, "this module knows no token of that name") from None
        except pkcs11.NoSuchKey:
            raise _mistake(token, "the authority's key is not on the token") from None
        except pkcs11.PKCS11Error as error:  # its text may be of the module's making
            _begin_anew(pkcs11, token)
            raise _mistake(token, f"the token cannot be used ({type(error).__name__})") from None


def _begin_anew(pkcs11: Any, token: TokenUri) -> None:
    """Modules see a token that was pulled out, or a network that was away, only when they are initialised again."""
    try:
        pkcs11.lib(str(token.module)).finalize()
    except pkcs11.PKCS11Error:
        return


def _pin(token: TokenUri) -> str:
    try:
        with token.pin_file.open("rb") as file:
            mode, pin = os.fstat(file.fileno()).st_mode, file.read(_LONGEST_PIN + 2).rstrip(b"\r\n")
    except OSError as error:
        raise ConfigurationError([Mistake(token.pin_file, 0, f"the token's PIN cannot be read ({error.strerror})")]) from None
    if mode & 0o077:
        raise ConfigurationError([Mistake(token.pin_file, 0, "the token's PIN is open to others: chmod 600")])
    if not pin or len(pin) > _LONGEST_PIN:
        raise ConfigurationError([Mistake(token.pin_file, 0, f"a PIN has 1 to {_LONGEST_PIN} bytes")])
    try:
        return pin.decode()
    except UnicodeDecodeError:
        raise ConfigurationError([Mistake(token.pin_file, 0, "the token's PIN is not UTF-8")]) from None


def _pkcs11(token: TokenUri) -> Any:
    """Only who keeps keys on tokens needs the package."""
    try:
        import pkcs11
    except ImportError:
        raise _mistake(token, "the package python-pkcs11 is missing: pip install 'pii-gateway[pkcs11]'") from None
    return pkcs11


def _mistake(token: TokenUri, text: str) -> ConfigurationError:
    return ConfigurationError([Mistake(token.module, 0, f"token {token.token!r}: {text}")])
