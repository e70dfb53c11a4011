"""The AWS Encryption SDK, under a raw AES key in the process: no request is made."""

from __future__ import annotations

import shutil
from os import urandom
from pathlib import Path

import aws_encryption_sdk as sdk
from aws_encryption_sdk.identifiers import Algorithm, EncryptionKeyType, WrappingAlgorithm
from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
from aws_encryption_sdk.key_providers.raw import RawMasterKey

from . import Messages

IMPORT = "import aws_encryption_sdk"

#: Without a signature, as keyfold's unsigned envelopes.
_ALGORITHM = Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY
_CONTEXT = {"tenant": "acme"}


def _master_key(key: bytes) -> RawMasterKey:
    wrapping_key = WrappingKey(
        wrapping_algorithm=WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING,
        wrapping_key=key,
        wrapping_key_type=EncryptionKeyType.SYMMETRIC,
    )
    return RawMasterKey(provider_id="bench", key_id="key", wrapping_key=wrapping_key)


def messages(size: int) -> Messages:
    client = sdk.EncryptionSDKClient()
    manager = sdk.CachingCryptoMaterialsManager(
        master_key_provider=_master_key(urandom(32)),
        cache=sdk.LocalCryptoMaterialsCache(capacity=10),
        max_age=3600.0,
        max_messages_encrypted=1 << 32,
    )
    plain = urandom(size)

    def encrypt() -> bytes:
        sealed, _ = client.encrypt(
            source=plain,
            materials_manager=manager,
            algorithm=_ALGORITHM,
            encryption_context=_CONTEXT,
        )
        return sealed

    sealed = encrypt()
    return Messages(encrypt, lambda: client.decrypt(source=sealed, materials_manager=manager))


def make_secrets(folder: Path) -> None:
    (folder / "aws").write_bytes(urandom(32))


def encrypt_file(source: Path, target: Path, secrets: Path) -> None:
    keys = _master_key((secrets / "aws").read_bytes())
    client = sdk.EncryptionSDKClient()
    with source.open("rb") as plain, target.open("wb") as file:
        with client.stream(
            mode="e",
            source=plain,
            key_provider=keys,
            algorithm=_ALGORITHM,
            encryption_context=_CONTEXT,
            frame_length=1 << 20,
        ) as sealed:
            shutil.copyfileobj(sealed, file, 1 << 20)


def decrypt_file(source: Path, target: Path, secrets: Path) -> None:
    keys = _master_key((secrets / "aws").read_bytes())
    client = sdk.EncryptionSDKClient()
    with source.open("rb") as file, target.open("wb") as plain:
        with client.stream(mode="d", source=file, key_provider=keys) as opened:
            shutil.copyfileobj(opened, plain, 1 << 20)
