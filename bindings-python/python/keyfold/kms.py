"""What a KMS or a transport written in Python needs: requests, responses, and the two methods.

A KMS is any object with a method ``call(request)`` that takes one of the requests here and
answers the response that the request names (for :class:`keyfold.aio.Client` it may be a
coroutine function)::

    class Counting:
        "Counts the calls of another KMS."

        def __init__(self, inner):
            self.inner, self.calls = inner, 0

        def call(self, request):
            self.calls += 1
            return self.inner.call(request)

    client = keyfold.Client(Counting(keyfold.EmbeddedKms.in_memory()))

A request that it does not know it refuses with :class:`keyfold.exceptions.InvalidArgument`. It
raises subclasses of :class:`~keyfold.KeyfoldError` to say what happened; any other exception
counts as :class:`~keyfold.exceptions.KmsUnavailable` and becomes its ``__cause__``.

A transport is any object with a method ``send(method, url, headers, body)``, given to
:class:`keyfold.RemoteKms`. It sends one HTTP request, follows no redirect, repeats nothing, and
answers ``(status, headers, body)``; any exception counts as
:class:`~keyfold.exceptions.KmsUnavailable`. URL, headers and body may hold secrets: they belong
in no log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Union, runtime_checkable

from ._keyfold import Secret

__all__ = [
    "AsyncKms",
    "AsyncTransport",
    "Ciphertext",
    "DataKey",
    "Decrypt",
    "Encrypt",
    "GenerateDataKey",
    "GetPublicKey",
    "GetSecret",
    "Key",
    "Kms",
    "Plaintext",
    "PublicKeyInfo",
    "PutSecret",
    "Request",
    "ResolveKey",
    "Response",
    "Rewrap",
    "SecretValue",
    "SecretVersion",
    "Sign",
    "Signature",
    "Transport",
    "Unwrap",
    "Unwrapped",
    "Verified",
    "Verify",
    "Wrap",
    "WrappedKey",
]


@dataclass(frozen=True)
class WrappedKey:
    """A data key under a KMS key: public bytes, as they stand in an envelope. A response."""

    #: The full name of the KMS key, as a key URI.
    key: str
    #: The wrapped data key, at most 6144 bytes.
    ciphertext: bytes
    #: What the KMS needs to unwrap it again, at most 4096 bytes in all.
    parameters: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class GenerateDataKey:
    """Make a data key of 32 bytes and wrap it. Answer: :class:`DataKey`."""

    #: The KMS key, by any of its names.
    key: str
    #: The context to bind.
    context: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Wrap:
    """Wrap a data key made elsewhere. Answer: :class:`WrappedKey`."""

    key: str
    #: 32 bytes.
    data_key: Secret
    context: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Unwrap:
    """Recover a data key. Answer: :class:`Unwrapped`."""

    #: What an envelope holds for this KMS.
    wrapped: WrappedKey
    #: The context it was bound to.
    context: Mapping[str, str] = field(repr=False)
    #: The KMS key that it must be of, where the caller demands one.
    key: str | None = None


@dataclass(frozen=True)
class Rewrap:
    """Wrap a data key under another key of the same KMS. Answer: :class:`WrappedKey`."""

    wrapped: WrappedKey
    context: Mapping[str, str] = field(repr=False)
    #: The new KMS key.
    to: str
    #: The KMS key that it must be of now, where the caller demands one.
    key: str | None = None


@dataclass(frozen=True)
class Encrypt:
    """Encrypt 1 to 4096 bytes under the KMS key itself. Answer: :class:`Ciphertext`."""

    key: str
    plaintext: Secret
    context: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Decrypt:
    """Decrypt what :class:`Encrypt` made. Answer: :class:`Plaintext`."""

    ciphertext: bytes
    context: Mapping[str, str] = field(repr=False)
    key: str | None = None


@dataclass(frozen=True)
class Sign:
    """Sign with a KMS key. Answer: :class:`Signature`."""

    key: str
    #: Such as ``"ECDSA_SHA_256"``.
    algorithm: str
    #: The message, at most 4096 bytes, or its digest.
    message: bytes = field(repr=False)
    #: Whether ``message`` is the digest.
    is_digest: bool = False


@dataclass(frozen=True)
class Verify:
    """Verify with a KMS key. Answer: :class:`Verified`, or ``SignatureInvalid`` is raised."""

    key: str
    algorithm: str
    message: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    is_digest: bool = False


@dataclass(frozen=True)
class GetPublicKey:
    """The public half of an asymmetric key. Answer: :class:`PublicKeyInfo`."""

    key: str


@dataclass(frozen=True)
class ResolveKey:
    """The full name behind an alias or a short name. Answer: :class:`Key`."""

    key: str


@dataclass(frozen=True)
class PutSecret:
    """Store a secret, as a new version where it exists. Answer: :class:`SecretVersion`."""

    #: 1 to 512 characters of ``A-Za-z0-9/_+=.@-``.
    name: str
    #: 1 to 65536 bytes.
    value: Secret
    #: Names this change, so that it is not done twice.
    token: str
    #: The KMS key for a new secret; the service's default where absent.
    key: str | None = None


@dataclass(frozen=True)
class GetSecret:
    """Read a secret. Answer: :class:`SecretValue`."""

    name: str
    version: str | None = None
    #: ``AWSCURRENT`` where absent.
    stage: str | None = None


@dataclass(frozen=True)
class DataKey:
    """A new data key and its wrapped form."""

    #: 32 bytes.
    data_key: Secret | bytes = field(repr=False)
    wrapped: WrappedKey


@dataclass(frozen=True)
class Unwrapped:
    """A recovered data key."""

    data_key: Secret | bytes = field(repr=False)


@dataclass(frozen=True)
class Ciphertext:
    """The ciphertext of small data, and the full name of the KMS key used."""

    ciphertext: bytes
    key: str


@dataclass(frozen=True)
class Plaintext:
    """The plaintext of small data, and the full name of the KMS key used."""

    plaintext: Secret | bytes = field(repr=False)
    key: str


@dataclass(frozen=True)
class Signature:
    """A signature, in DER for ECDSA."""

    signature: bytes


@dataclass(frozen=True)
class Verified:
    """The signature holds."""


@dataclass(frozen=True)
class PublicKeyInfo:
    """A public key, as SubjectPublicKeyInfo in DER, and the full name of its KMS key."""

    spki: bytes
    key: str


@dataclass(frozen=True)
class Key:
    """The full name of a KMS key."""

    key: str


@dataclass(frozen=True)
class SecretVersion:
    """The id of the version that was stored."""

    version: str


@dataclass(frozen=True)
class SecretValue:
    """The value of a secret, and the id of its version."""

    value: Secret | bytes = field(repr=False)
    version: str


Request = Union[
    GenerateDataKey,
    Wrap,
    Unwrap,
    Rewrap,
    Encrypt,
    Decrypt,
    Sign,
    Verify,
    GetPublicKey,
    ResolveKey,
    PutSecret,
    GetSecret,
]

Response = Union[
    DataKey,
    WrappedKey,
    Unwrapped,
    Ciphertext,
    Plaintext,
    Signature,
    Verified,
    PublicKeyInfo,
    Key,
    SecretVersion,
    SecretValue,
]


@runtime_checkable
class Kms(Protocol):
    """A KMS. Calls may come from several threads at once."""

    def call(self, request: Request, /) -> Response:
        """Perform one operation."""
        ...


@runtime_checkable
class AsyncKms(Protocol):
    """A KMS for :class:`keyfold.aio.Client`; its coroutines run on the client's event loop."""

    def call(self, request: Request, /) -> Awaitable[Response]:
        """Perform one operation."""
        ...


@runtime_checkable
class Transport(Protocol):
    """A network. Calls may come from several threads at once."""

    def send(
        self, method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes, /
    ) -> tuple[int, Sequence[tuple[str, str]], bytes]:
        """Send one request; answer status, headers and body."""
        ...


@runtime_checkable
class AsyncTransport(Protocol):
    """A network for :class:`keyfold.aio.Client`."""

    def send(
        self, method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes, /
    ) -> Awaitable[tuple[int, Sequence[tuple[str, str]], bytes]]:
        """Send one request; answer status, headers and body."""
        ...
