"""Switching OpenSSL's cache of sessions off, for which Python has no word (C-01).

By default a server keeps the last 20,480 sessions of TLS 1.2 for two hours, each with every certificate that its client sent: 6 kB for
an honest one, 400 kB and more for one certificate of a customer's with a hundred small ones behind it. That is gigabytes in minutes,
for whoever holds a certificate and no password. What never may come in: anything else that Python keeps from us.
"""

from __future__ import annotations

import ctypes
import ssl
import sys

_SET, _GET, _OFF = 44, 45, 0  # SSL_CTRL_SET_SESS_CACHE_MODE, SSL_CTRL_GET_…, SSL_SESS_CACHE_OFF (openssl/ssl.h)


def switch_off(context: ssl.SSLContext) -> bool:
    """False where it cannot be done: a Python that hides the OpenSSL in it, which then keeps its sessions as before."""
    try:
        library = ctypes.CDLL(sys.modules["_ssl"].__file__)
        options, control = library.SSL_CTX_get_options, library.SSL_CTX_ctrl
    except (AttributeError, KeyError, OSError):
        return False
    options.argtypes, options.restype = [ctypes.c_void_p], ctypes.c_uint64
    control.argtypes, control.restype = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p], ctypes.c_long
    # CPython's SSLContext begins with its SSL_CTX, since 2.7.9 (Modules/_ssl.c); the options say whether it is the one.
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
    if sys.implementation.name != "cpython" or options(pointer) != int(context.options):
        return False
    control(pointer, _SET, _OFF, None)
    return bool(control(pointer, _GET, 0, None) == _OFF)
