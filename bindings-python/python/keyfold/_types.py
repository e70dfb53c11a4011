"""Names of types, for annotations only: nothing here is imported when keyfold runs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import BinaryIO, Callable, Literal, Protocol, Union

from typing_extensions import Buffer, TypeAlias

from ._keyfold import (
    ContextContains,
    EmbeddedKms,
    Keyring,
    PublicKey,
    RemoteKms,
    RouterKms,
    Secret,
    SigningKey,
)
from .kms import AsyncKms, Kms

#: Anything with the buffer protocol that can be written to.
WriteBuffer: TypeAlias = Buffer
#: KMS keys: a key URI, several, or a keyring.
Keys: TypeAlias = Union[str, Sequence[str], Keyring]
#: Public pairs, bound to what is encrypted.
Context: TypeAlias = Mapping[str, str]
#: The context that is demanded of what is opened: exactly, or in part.
ContextDemand: TypeAlias = Union[Mapping[str, str], ContextContains]
#: The cipher, by name, or the number of the suite.
Suite: TypeAlias = Union[Literal["AES-256-GCM", "ChaCha20-Poly1305"], int]
#: Who signs: a private key, or the key URI of a KMS key.
Signer: TypeAlias = Union[SigningKey, str]
#: Whose signature is accepted.
Signers: TypeAlias = Union[PublicKey, Sequence[PublicKey], Literal["any"]]
Path: TypeAlias = Union[str, "os.PathLike[str]"]
#: The bytes of an envelope, or the path of its file.
Envelope: TypeAlias = Union[Buffer, Path]
#: Called with how many bytes are done, and how many there are: 0 where nobody knows.
Progress: TypeAlias = Callable[[int, int], object]
#: What a secret is given as.
Text: TypeAlias = Union[str, Buffer, Secret]
AnyKms: TypeAlias = Union[EmbeddedKms, RemoteKms, RouterKms, Kms]
AnyAsyncKms: TypeAlias = Union[EmbeddedKms, RemoteKms, RouterKms, Kms, AsyncKms]


class RangedSource(Protocol):
    """What can be read at any place, such as an object in a store."""

    @property
    def size(self) -> int:
        """How many bytes there are."""
        ...

    def read_at(self, offset: int, length: int, /) -> Buffer:
        """Read ``length`` bytes from ``offset`` on; fewer only at the end."""
        ...


#: Where an envelope is read from.
Source: TypeAlias = Union[Path, BinaryIO, RangedSource]
#: Where an envelope is written to.
Target: TypeAlias = Union[Path, BinaryIO]
