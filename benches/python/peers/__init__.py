"""Who is measured, a file each.

Every module may have

* ``messages(size)``: what it does with ``size`` random bytes, under a data key that is cached
  where the library can do that;
* ``encrypt_file(source, target, secrets)``, ``decrypt_file(source, target, secrets)``: the same
  from file to file in memory that does not grow with the file, and ``make_secrets(folder)``,
  which writes what both need to a folder;
* ``IMPORT``: what a program imports for that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

#: The modules of this package, by the names of their packages on PyPI.
NAMES = {
    "keyfold": "keyfold",
    "cryptography": "cryptography",
    "tink": "tink",
    "aws-encryption-sdk": "aws",
    "pyrage": "pyrage",
    "pythemis": "pythemis",
}


@dataclass(frozen=True)
class Messages:
    """What a library does with one message."""

    encrypt: Callable[[], object]
    decrypt: Callable[[], object]
    #: The same into a buffer of the caller's, where it can.
    encrypt_into: Callable[[], object] | None = None
    decrypt_into: Callable[[], object] | None = None


class Missing(Exception):
    """A peer cannot be measured here; says why."""


def peer(name: str) -> ModuleType:
    """Return the module of a peer; raises :class:`Missing`."""
    from importlib import import_module

    return import_module(f"{__name__}.{NAMES[name]}")
