"""keyfold over the embedded KMS."""

from __future__ import annotations

from functools import partial
from os import urandom
from pathlib import Path

import keyfold

from . import Messages

IMPORT = "import keyfold"


def messages(size: int) -> Messages:
    kms = keyfold.EmbeddedKms.in_memory()
    # The data key is not replaced while it is measured.
    cache = keyfold.CacheLimits(max_age=3600.0, max_messages=1 << 32, max_bytes=1 << 46)
    client = keyfold.Client(
        kms, keys=kms.create_key("alias/bench"), context={"tenant": "acme"}, cache=cache
    )
    plain = urandom(size)
    sealed = client.encrypt(plain)
    assert client.decrypt(sealed) == plain
    buffer = bytearray(keyfold.max_encrypted_len(size))
    opened = bytearray(size)
    return Messages(
        partial(client.encrypt, plain),
        partial(client.decrypt, sealed),
        partial(client.encrypt_into, plain, buffer),
        partial(client.decrypt_into, sealed, opened),
    )


def make_secrets(folder: Path) -> None:
    """The store that the command line made is used, and its key."""


def _client(secrets: Path) -> keyfold.Client:
    return keyfold.Client(keyfold.EmbeddedKms(secrets / "store"), keys="keyfold:alias/bench")


def encrypt_file(source: Path, target: Path, secrets: Path) -> None:
    _client(secrets).encrypt_file(source, target)


def decrypt_file(source: Path, target: Path, secrets: Path) -> None:
    _client(secrets).decrypt_file(source, target)
