"""What can go wrong: one class for each stable error code, all of them :class:`KeyfoldError`.

``code`` is the same in every language. Catch a class, or compare the code::

    try:
        client.decrypt(sealed)
    except keyfold.exceptions.KmsUnavailable as error:
        if error.retryable:
            ...

No text holds a key, a plaintext, a secret or a value of an encryption context.
"""

from __future__ import annotations

from errno import EACCES, EEXIST, EISDIR, ENOENT, EPERM

__all__ = [
    "AuthenticationFailed",
    "Cancelled",
    "ContextMismatch",
    "InternalError",
    "InvalidArgument",
    "IoDenied",
    "IoError",
    "IoExists",
    "IoIsDirectory",
    "IoNotFound",
    "KeyfoldError",
    "KmsDenied",
    "KmsKeyUnavailable",
    "KmsProtocol",
    "KmsThrottled",
    "KmsUnavailable",
    "LimitExceeded",
    "MalformedEnvelope",
    "NoUsableKey",
    "SecretNotFound",
    "SignatureInvalid",
    "Truncated",
    "UnsupportedOperation",
    "UnsupportedSuite",
    "UnsupportedVersion",
    "VersionConflict",
]


class KeyfoldError(Exception):
    """The base of all errors of keyfold.

    Raise one of its subclasses in a KMS or a transport of your own to tell keyfold what happened;
    ``retry`` is then worth setting too.
    """

    #: The stable code, such as ``"kms_denied"``.
    code: str = "internal"
    #: ``"never"``, ``"later"`` or ``"after_change"`` (of a policy, a credential, a key, a state).
    retry: str = "never"
    #: The earliest time for the next attempt, in seconds from the error, where it is known.
    retry_after: float | None = None
    #: What a remote KMS said, where it said anything: for people, not for programs or logs.
    service_message: str | None = None

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later, with nothing changed by anybody."""
        return self.retry == "later"


class InvalidArgument(KeyfoldError, ValueError):
    """A call was made with values that can never be right."""

    code = "invalid_argument"


class UnsupportedOperation(InvalidArgument):
    """The cloud does not have what was asked for; nothing was sent.

    ``capabilities()`` of a :class:`keyfold.RemoteKms` tells beforehand.
    """


class MalformedEnvelope(KeyfoldError, ValueError):
    """The bytes are not an envelope of a known form."""

    code = "malformed_envelope"


class UnsupportedVersion(KeyfoldError, ValueError):
    """The envelope's version is not 1."""

    code = "unsupported_version"


class UnsupportedSuite(KeyfoldError, ValueError):
    """The suite is unknown, reserved, or not accepted here."""

    code = "unsupported_suite"


class LimitExceeded(KeyfoldError, ValueError):
    """A size or count is above a documented limit."""

    code = "limit_exceeded"


class Truncated(KeyfoldError, EOFError):
    """The input ended before the envelope did."""

    code = "truncated"


class ContextMismatch(KeyfoldError, ValueError):
    """The encryption context is not the one that is demanded."""

    code = "context_mismatch"


class NoUsableKey(KeyfoldError, LookupError):
    """No recipient of the envelope could be unwrapped; the first failure is ``__cause__``."""

    code = "no_usable_key"
    retry = "after_change"


class AuthenticationFailed(KeyfoldError, ValueError):
    """Wrong key or altered data; deliberately without more detail."""

    code = "authentication_failed"


class SignatureInvalid(KeyfoldError, ValueError):
    """A signature is missing, wrong, or by a signer that is not accepted."""

    code = "signature_invalid"


class KmsDenied(KeyfoldError, PermissionError):
    """The KMS refuses this caller."""

    code = "kms_denied"
    retry = "after_change"


class KmsKeyUnavailable(KeyfoldError, LookupError):
    """The KMS key is unknown, disabled, pending deletion or of another usage."""

    code = "kms_key_unavailable"
    retry = "after_change"


class KmsThrottled(KeyfoldError, ConnectionError):
    """The KMS asks to slow down."""

    code = "kms_throttled"
    retry = "later"


class KmsUnavailable(KeyfoldError, ConnectionError):
    """The KMS cannot be reached or cannot answer now."""

    code = "kms_unavailable"
    retry = "later"


class KmsProtocol(KeyfoldError, ConnectionError):
    """The KMS answered something that its protocol does not allow."""

    code = "kms_protocol"


class SecretNotFound(KeyfoldError, LookupError):
    """No such secret, version or stage."""

    code = "secret_not_found"


class VersionConflict(KeyfoldError):
    """Something changed meanwhile, or exists already."""

    code = "version_conflict"
    retry = "after_change"


class Cancelled(KeyfoldError):
    """The caller cancelled the operation."""

    code = "cancelled"


class IoError(KeyfoldError, OSError):
    """Reading or writing failed outside keyfold; ``__cause__`` and ``errno`` say why.

    Where Python has a class for the reason, so has keyfold, which is both.
    """

    code = "io"


class IoNotFound(IoError, FileNotFoundError):
    """There is no such file."""


class IoExists(IoError, FileExistsError):
    """There is a file already, which is not to be replaced."""


class IoDenied(IoError, PermissionError):
    """The system does not permit it."""


class IoIsDirectory(IoError, IsADirectoryError):
    """It is a folder."""


class InternalError(KeyfoldError, RuntimeError):
    """A defect of keyfold itself; please report it."""

    code = "internal"


_BY_ERRNO: dict[int, type[IoError]] = {
    ENOENT: IoNotFound,
    EEXIST: IoExists,
    EACCES: IoDenied,
    EPERM: IoDenied,
    EISDIR: IoIsDirectory,
}

_BY_CODE: dict[str, type[KeyfoldError]] = {cls.code: cls for cls in KeyfoldError.__subclasses__()}
