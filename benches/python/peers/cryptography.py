"""The bare cipher: no format, no key management, and all of a message's safety left to the caller.

What keyfold could reach at most, not a peer.
"""

from __future__ import annotations

from os import urandom
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM

from . import Messages

IMPORT = "from cryptography.hazmat.primitives.ciphers.aead import AESGCM"

_PIECE = 1 << 20


def messages(size: int) -> Messages:
    cipher = AESGCM(urandom(32))
    plain = urandom(size)
    nonce = urandom(12)
    sealed = cipher.encrypt(nonce, plain, None)
    buffer = bytearray(size + 16)
    opened = bytearray(size)
    return Messages(
        lambda: cipher.encrypt(urandom(12), plain, None),
        lambda: cipher.decrypt(nonce, sealed, None),
        lambda: cipher.encrypt_into(urandom(12), plain, None, buffer),
        lambda: cipher.decrypt_into(nonce, sealed, None, opened),
    )


def make_secrets(folder: Path) -> None:
    (folder / "raw").write_bytes(urandom(32))


def encrypt_file(source: Path, target: Path, secrets: Path) -> None:
    nonce = urandom(12)
    cipher = Cipher(AES((secrets / "raw").read_bytes()), GCM(nonce)).encryptor()
    piece = bytearray(_PIECE)
    out = bytearray(_PIECE)
    with source.open("rb", buffering=0) as plain, target.open("wb", buffering=0) as sealed:
        sealed.write(nonce)
        while length := plain.readinto(piece):
            done = cipher.update_into(memoryview(piece)[:length], out)
            sealed.write(memoryview(out)[:done])
        cipher.finalize()
        sealed.write(cipher.tag)


def decrypt_file(source: Path, target: Path, secrets: Path) -> None:
    left = source.stat().st_size - 28
    piece = bytearray(_PIECE)
    out = bytearray(_PIECE)
    with source.open("rb", buffering=0) as sealed, target.open("wb", buffering=0) as plain:
        cipher = Cipher(AES((secrets / "raw").read_bytes()), GCM(sealed.read(12))).decryptor()
        while length := sealed.readinto(memoryview(piece)[: min(left, _PIECE)]):
            left -= length
            done = cipher.update_into(memoryview(piece)[:length], out)
            plain.write(memoryview(out)[:done])
        cipher.finalize_with_tag(sealed.read(16))
