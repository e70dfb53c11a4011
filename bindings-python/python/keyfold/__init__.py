"""Client-side encryption, envelopes and signatures under keys that stay in a KMS.

In one minute::

    import keyfold

    kms = keyfold.EmbeddedKms.in_memory()
    docs = kms.create_key("alias/docs")
    client = keyfold.Client(kms, keys=docs, context={"tenant": "acme"})

    sealed = client.encrypt(b"hello")
    assert client.decrypt(sealed) == b"hello"

``keyfold.aio`` has the same client for asyncio, ``keyfold.kms`` what a KMS or a transport written
in Python needs, ``keyfold.exceptions`` every error.
"""

from __future__ import annotations

from . import exceptions
from ._client import Client
from ._keyfold import (
    AccessKey,
    CacheLimits,
    CacheStats,
    ContextContains,
    EnvelopeInfo,
    Keyring,
    MessageHasher,
    PublicKey,
    Recipient,
    Secret,
    SigningKey,
    __version__,
    inspect,
    max_encrypted_len,
)
from ._kms import EmbeddedKms, KeyInfo, RemoteKms, RouterKms
from ._uri import KeyUri
from .exceptions import KeyfoldError

__all__ = [
    "AccessKey",
    "CacheLimits",
    "CacheStats",
    "Client",
    "ContextContains",
    "EmbeddedKms",
    "EnvelopeInfo",
    "KeyInfo",
    "KeyUri",
    "KeyfoldError",
    "Keyring",
    "MessageHasher",
    "PublicKey",
    "Recipient",
    "RemoteKms",
    "RouterKms",
    "Secret",
    "SigningKey",
    "__version__",
    "aio",
    "exceptions",
    "inspect",
    "kms",
    "max_encrypted_len",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import aio, kms


def __getattr__(name: str) -> object:
    # asyncio and dataclasses take longer to import than all the rest.
    if name in ("aio", "kms"):
        from importlib import import_module

        return import_module("." + name, __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
