"""What the scripts of this folder share: the emulator under test, and expectations."""

import base64
import json
import os
import urllib.request
from contextlib import contextmanager

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

URL = os.environ["EMULATOR_URL"]
"""`http://127.0.0.1:PORT` or `https://…`."""

HOST = URL.split("://")[1]
"""Host and port."""

WRONG = "this is not the right secret"
"""A secret key that nobody has."""

OAEP = {
    "RSAES_OAEP_SHA_1": padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None),
    "RSAES_OAEP_SHA_256": padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None),
}
"""The paddings of imported keys, by the names that two vendors give them."""


def b64(data):
    return base64.b64encode(data).decode()


def unb64(text):
    return base64.b64decode(text, validate=True)


def control(method, path):
    """Calls the emulator's own interface, which counts and fails on demand."""
    import ssl

    certificate = os.environ.get("EMULATOR_CERTIFICATE")
    context = ssl.create_default_context(cafile=certificate) if certificate else None
    request = urllib.request.Request(f"{URL}/_emulator/{path}", method=method)
    with urllib.request.urlopen(request, context=context) as reply:
        body = reply.read()
    return json.loads(body) if body else None


def calls(operation=None):
    """How often each operation was called, or one of them."""
    counted = control("GET", "calls")
    return counted if operation is None else counted.get(operation, 0)


def throttle(times):
    """Refuses the next calls."""
    control("POST", f"throttle?times={times}")


def fault(kind, times=1):
    """Answers the next calls with a fault."""
    control("POST", f"fault?kind={kind}&times={times}")


@contextmanager
def clock(offset):
    """Moves the emulator's clock by seconds, for a while."""
    control("POST", f"clock?offset={offset}")
    try:
        yield
    finally:
        control("POST", "clock?offset=0")


def expire_tokens():
    """Ends every token that the emulator has given out."""
    control("POST", "expire-tokens")


@contextmanager
def refused(error, code, read):
    """Expects an exception of a class whose code, as `read` finds it, is this one."""
    try:
        yield
    except error as caught:
        found = read(caught)
        assert found == code, f"refused with {found!r} instead of {code!r}: {caught}"
    else:
        raise AssertionError(f"not refused with {code}")
