"""tink: envelope encryption under a key-encryption key that is in the process; streams."""

from __future__ import annotations

import shutil
from functools import partial
from os import urandom
from pathlib import Path

import tink
from tink import aead, cleartext_keyset_handle, streaming_aead

from . import Messages

IMPORT = "import tink; from tink import aead"

_CONTEXT = b"tenant=acme"


def messages(size: int) -> Messages:
    aead.register()
    template = aead.aead_key_templates.AES256_GCM
    # The peer of a cached data key: no request leaves the process. Each message has a data key of
    # its own, as always with tink.
    kms = tink.new_keyset_handle(template).primitive(aead.Aead)
    envelope = aead.KmsEnvelopeAead(template, kms)
    plain = urandom(size)
    sealed = envelope.encrypt(plain, _CONTEXT)
    return Messages(
        partial(envelope.encrypt, plain, _CONTEXT), partial(envelope.decrypt, sealed, _CONTEXT)
    )


def make_secrets(folder: Path) -> None:
    streaming_aead.register()
    template = streaming_aead.streaming_aead_key_templates.AES256_GCM_HKDF_1MB
    with (folder / "tink").open("wb") as file:
        handle = tink.new_keyset_handle(template)
        cleartext_keyset_handle.write(tink.BinaryKeysetWriter(file), handle)


def _streams(secrets: Path) -> streaming_aead.StreamingAead:
    streaming_aead.register()
    keyset = tink.BinaryKeysetReader((secrets / "tink").read_bytes())
    return cleartext_keyset_handle.read(keyset).primitive(streaming_aead.StreamingAead)


def encrypt_file(source: Path, target: Path, secrets: Path) -> None:
    with source.open("rb") as plain, target.open("wb") as file:
        with _streams(secrets).new_encrypting_stream(file, _CONTEXT) as sealed:
            shutil.copyfileobj(plain, sealed, 1 << 20)


def decrypt_file(source: Path, target: Path, secrets: Path) -> None:
    with source.open("rb") as file, target.open("wb") as plain:
        with _streams(secrets).new_decrypting_stream(file, _CONTEXT) as sealed:
            shutil.copyfileobj(sealed, plain, 1 << 20)
