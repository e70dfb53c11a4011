"""The client, with what is better said in Python."""

from __future__ import annotations

from . import _keyfold


class Client(_keyfold.Client):
    """Encrypts, decrypts, signs and keeps secrets under the keys of one KMS."""
