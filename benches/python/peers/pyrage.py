"""pyrage: age files, to one X25519 recipient. Every message agrees on a key anew."""

from __future__ import annotations

from functools import partial
from os import urandom
from pathlib import Path

import pyrage
from pyrage import x25519

from . import Messages

IMPORT = "import pyrage"


def messages(size: int) -> Messages:
    identity = x25519.Identity.generate()
    recipients = [identity.to_public()]
    plain = urandom(size)
    sealed = pyrage.encrypt(plain, recipients)
    return Messages(
        partial(pyrage.encrypt, plain, recipients), partial(pyrage.decrypt, sealed, [identity])
    )


def make_secrets(folder: Path) -> None:
    (folder / "age").write_text(str(x25519.Identity.generate()), encoding="ascii")


def _identity(secrets: Path) -> x25519.Identity:
    return x25519.Identity.from_str((secrets / "age").read_text(encoding="ascii"))


def encrypt_file(source: Path, target: Path, secrets: Path) -> None:
    pyrage.encrypt_file(str(source), str(target), [_identity(secrets).to_public()])


def decrypt_file(source: Path, target: Path, secrets: Path) -> None:
    pyrage.decrypt_file(str(source), str(target), [_identity(secrets)])
