"""The client, with what is better said in Python."""

from __future__ import annotations

from . import _keyfold

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, TypeVar

    from ._safe import Secrets
    from ._streams import DecryptingReader, EncryptingWriter
    from ._types import Context, ContextDemand, Keys, Signer, Signers, Source, Suite, Target

    _Self = TypeVar("_Self", bound="Client")


class Client(_keyfold.Client):
    """Encrypts, decrypts, signs and keeps secrets under the keys of one KMS.

    Args:
        kms: A :class:`~keyfold.EmbeddedKms`, a :class:`~keyfold.RemoteKms`, or any object with a
            method ``call(request)``: see :mod:`keyfold.kms`.
        keys: The KMS keys of whatever names none: a key URI, several (the first makes data keys,
            the others wrap them too), or a :class:`~keyfold.Keyring`.
        context: The encryption context of whatever names none: public pairs of text, bound to
            what is encrypted, and needed again to decrypt it. At most 8192 bytes in all.
        cache: How long data keys are kept; ``None`` asks the KMS for every message.
        threads: On how many threads large values and files are worked on, or ``"auto"``: as many
            as there are processors, up to 3, for more wait for memory.
        suites: The suites that are accepted when something is opened; all of them where absent.

    A client may be shared between threads. It is pickled by its configuration; its cache stays
    behind, in a process that was forked too.

    """

    def open_writer(
        self,
        target: Target,
        *,
        keys: Keys | None = None,
        context: Context | None = None,
        suite: Suite | None = None,
        signer: Signer | None = None,
        overwrite: bool = True,
        length: int | None = None,
    ) -> EncryptingWriter:
        """Open a file for writing: what is written to it is encrypted.

        Args:
            target: A path, which gets the file only when it is complete, or a binary file object,
                which stays open.
            keys: As for the client.
            context: As for the client.
            suite: ``"AES-256-GCM"`` where absent, or ``"ChaCha20-Poly1305"``.
            signer: Who signs it: a private key, or the key URI of a KMS key.
            overwrite: Whether a file that is there is replaced.
            length: How many bytes will be written, where that is known: only then the data key
                may come from the cache.

        Raises:
            IoError: The file cannot be made, or is there and shall not be replaced.

        """
        from ._streams import EncryptingWriter

        return EncryptingWriter(
            self._open_writer(target, keys, context, suite, signer, overwrite, length)
        )

    def open_reader(
        self,
        source: Source,
        *,
        keys: Keys | None = None,
        context: ContextDemand | None = None,
        signers: Signers | None = None,
        unproven_signature: bool = False,
    ) -> DecryptingReader:
        """Open an encrypted file for reading, at any place where the source allows that.

        Args:
            source: A path, a binary file object, or an object with ``size`` and
                ``read_at(offset, length)``, such as one in an object store.
            keys: As for the client; any of them may open it.
            context: The exact context, or a part of it as :class:`~keyfold.ContextContains`.
            signers: Whose signature is accepted. A signature is over the whole: it is proven at
                the end, and the file is read from its start only.
            unproven_signature: Read a signed file at any place, with its signature unproven.

        Raises:
            MalformedEnvelope, Truncated, UnsupportedVersion, UnsupportedSuite: It is no envelope
                that can be opened here.
            ContextMismatch: It was made under another context.
            NoUsableKey: None of the keys opens it.
            AuthenticationFailed: It was altered; what was read before is authentic all the same.

        """
        from ._streams import DecryptingReader

        return DecryptingReader(
            self._open_reader(source, keys, context, signers, unproven_signature)
        )

    @property
    def secrets(self) -> Secrets:
        """The password safe of the KMS."""
        from ._safe import Secrets

        return Secrets(self)

    def close(self) -> None:
        """Forget every data key. The client stays usable."""
        self.clear_cache()

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.kms!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_client, (type(self), self._config()))


def _client(cls: type[Client], arguments: dict[str, Any]) -> Client:
    return cls(arguments.pop("kms"), **arguments)
