"""The client for asyncio: the same names, awaited.

::

    from keyfold import aio

    client = aio.Client(keyfold.RemoteKms("keyfold://kms.example.com"), keys="keyfold:alias/docs")
    sealed = await client.encrypt(b"hello")

There is no thread and no runtime behind it but the event loop itself, asyncio's own or any other
such as uvloop. What blocks (the embedded KMS, a KMS of plain functions, more than 256 KiB to
compute) goes to the loop's default executor. A task that is cancelled gives up what it waits for.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from . import _keyfold
from ._keyfold import CacheLimits, CacheStats

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Literal

    from typing_extensions import Buffer

    from ._keyfold import PublicKey, Secret
    from ._types import (
        AnyAsyncKms,
        Context,
        ContextDemand,
        Keys,
        Path,
        Progress,
        Signer,
        Signers,
        Source,
        Suite,
        Target,
        Text,
        WriteBuffer,
    )
    from ._uri import KeyUri

_Self = TypeVar("_Self", bound="Client")
_Writer = TypeVar("_Writer", bound="AsyncWriter")
_Reader = TypeVar("_Reader", bound="AsyncReader")

__all__ = ["AsyncReader", "AsyncWriter", "Client", "Secrets"]


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _finish(result: Any) -> Any:
    """The result of a task that may not be done yet."""
    if type(result) is not _keyfold.Operation:
        return result
    loop = asyncio.get_running_loop()
    try:
        while True:
            woken: asyncio.Future[None] = loop.create_future()

            def wake(woken: asyncio.Future[None] = woken) -> None:
                # A loop that is closed: nobody waits any more.
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(_set, woken)

            following, delay = result.step(wake)
            if following == 2:
                done, delay = await asyncio.to_thread(result.work, wake)
                following = 0 if done else 1
            if following == 0:
                return result.take_result()
            timer = None if delay is None else loop.call_later(delay, _set, woken)
            try:
                await woken
            finally:
                if timer is not None:
                    timer.cancel()
    finally:
        result.close()


class Client:
    """As :class:`keyfold.Client`, for asyncio.

    A KMS or a transport written in Python may have coroutine functions here. What is given to a
    method must not be changed until the method is done.
    """

    def __init__(
        self,
        kms: AnyAsyncKms,
        *,
        keys: Keys | None = None,
        context: Context | None = None,
        cache: CacheLimits | None = CacheLimits(),  # noqa: B008
        threads: int | Literal["auto"] = 1,
        suites: Sequence[Suite] | None = None,
    ) -> None:
        # Typed as answering what it answers synchronously; here it may answer operations.
        self._native: Any = _keyfold.Client(
            kms,
            keys=keys,
            context=context,
            cache=cache,
            threads=threads,
            suites=suites,
            asynchronous=True,
        )

    @property
    def kms(self) -> AnyAsyncKms:
        """The KMS that this client was made with."""
        return cast("AnyAsyncKms", self._native.kms)

    @property
    def cache_stats(self) -> CacheStats:
        """What the cache of data keys did since the client was made."""
        return cast(CacheStats, self._native.cache_stats)

    def clear_cache(self) -> None:
        """Forget every data key."""
        self._native.clear_cache()

    async def encrypt(
        self,
        data: Buffer,
        *,
        keys: Keys | None = None,
        context: Context | None = None,
        suite: Suite | None = None,
        signer: Signer | None = None,
    ) -> bytes:
        """As :meth:`keyfold.Client.encrypt`."""
        begun = self._native.encrypt(data, keys=keys, context=context, suite=suite, signer=signer)
        return cast(bytes, await _finish(begun))

    async def encrypt_into(
        self,
        data: Buffer,
        out: WriteBuffer,
        *,
        keys: Keys | None = None,
        context: Context | None = None,
        suite: Suite | None = None,
    ) -> int:
        """As :meth:`keyfold.Client.encrypt_into`."""
        begun = self._native.encrypt_into(data, out, keys=keys, context=context, suite=suite)
        return cast(int, await _finish(begun))

    async def encrypt_detached(
        self,
        data: Buffer,
        *,
        keys: Keys | None = None,
        context: Context | None = None,
        suite: Suite | None = None,
        signer: Signer | None = None,
    ) -> tuple[bytes, bytes]:
        """As :meth:`keyfold.Client.encrypt_detached`."""
        begun = self._native.encrypt_detached(
            data, keys=keys, context=context, suite=suite, signer=signer
        )
        return cast("tuple[bytes, bytes]", await _finish(begun))

    async def decrypt(
        self,
        data: Buffer,
        *,
        keys: Keys | None = None,
        context: ContextDemand | None = None,
        signers: Signers | None = None,
        header: Buffer | None = None,
    ) -> bytes:
        """As :meth:`keyfold.Client.decrypt`."""
        begun = self._native.decrypt(
            data, keys=keys, context=context, signers=signers, header=header
        )
        return cast(bytes, await _finish(begun))

    async def decrypt_into(
        self,
        data: Buffer,
        out: WriteBuffer,
        *,
        keys: Keys | None = None,
        context: ContextDemand | None = None,
        signers: Signers | None = None,
        header: Buffer | None = None,
    ) -> int:
        """As :meth:`keyfold.Client.decrypt_into`."""
        begun = self._native.decrypt_into(
            data, out, keys=keys, context=context, signers=signers, header=header
        )
        return cast(int, await _finish(begun))

    async def encrypt_file(
        self,
        source: Path,
        target: Path,
        *,
        keys: Keys | None = None,
        context: Context | None = None,
        suite: Suite | None = None,
        signer: Signer | None = None,
        overwrite: bool = True,
        progress: Progress | None = None,
    ) -> int:
        """As :meth:`keyfold.Client.encrypt_file`; ``progress`` is called on another thread."""
        begun = self._native.encrypt_file(
            source,
            target,
            keys=keys,
            context=context,
            suite=suite,
            signer=signer,
            overwrite=overwrite,
            progress=progress,
        )
        return cast(int, await _finish(begun))

    async def decrypt_file(
        self,
        source: Path,
        target: Path,
        *,
        keys: Keys | None = None,
        context: ContextDemand | None = None,
        signers: Signers | None = None,
        overwrite: bool = True,
        progress: Progress | None = None,
    ) -> int:
        """As :meth:`keyfold.Client.decrypt_file`; ``progress`` is called on another thread."""
        begun = self._native.decrypt_file(
            source,
            target,
            keys=keys,
            context=context,
            signers=signers,
            overwrite=overwrite,
            progress=progress,
        )
        return cast(int, await _finish(begun))

    async def open_writer(
        self,
        target: Target,
        *,
        keys: Keys | None = None,
        context: Context | None = None,
        suite: Suite | None = None,
        signer: Signer | None = None,
        overwrite: bool = True,
        length: int | None = None,
    ) -> AsyncWriter:
        """As :meth:`keyfold.Client.open_writer`, with methods to await.

        ``signer`` may be a private key; a KMS key only where the KMS is not one of coroutine
        functions.
        """
        begun = self._native._open_writer(target, keys, context, suite, signer, overwrite, length)
        return AsyncWriter(await _finish(begun))

    async def open_reader(
        self,
        source: Source,
        *,
        keys: Keys | None = None,
        context: ContextDemand | None = None,
        signers: Signers | None = None,
        unproven_signature: bool = False,
    ) -> AsyncReader:
        """As :meth:`keyfold.Client.open_reader`, with methods to await."""
        begun = self._native._open_reader(source, keys, context, signers, unproven_signature)
        return AsyncReader(await _finish(begun))

    @overload
    async def rewrap(
        self, envelope: Buffer, *, to_keys: Keys, from_keys: Keys | None = None
    ) -> bytes: ...

    @overload
    async def rewrap(
        self, envelope: Path, *, to_keys: Keys, from_keys: Keys | None = None
    ) -> None: ...

    async def rewrap(
        self, envelope: Buffer | Path, *, to_keys: Keys, from_keys: Keys | None = None
    ) -> bytes | None:
        """As :meth:`keyfold.Client.rewrap`."""
        begun = self._native.rewrap(envelope, to_keys=to_keys, from_keys=from_keys)
        return cast("bytes | None", await _finish(begun))

    @overload
    async def add_recipients(
        self, envelope: Buffer, *, keys: Keys, from_keys: Keys | None = None
    ) -> bytes: ...

    @overload
    async def add_recipients(
        self, envelope: Path, *, keys: Keys, from_keys: Keys | None = None
    ) -> None: ...

    async def add_recipients(
        self, envelope: Buffer | Path, *, keys: Keys, from_keys: Keys | None = None
    ) -> bytes | None:
        """As :meth:`keyfold.Client.add_recipients`."""
        begun = self._native.add_recipients(envelope, keys=keys, from_keys=from_keys)
        return cast("bytes | None", await _finish(begun))

    @overload
    async def remove_recipients(self, envelope: Buffer, *, keys: str | Sequence[str]) -> bytes: ...

    @overload
    async def remove_recipients(self, envelope: Path, *, keys: str | Sequence[str]) -> None: ...

    async def remove_recipients(
        self, envelope: Buffer | Path, *, keys: str | Sequence[str]
    ) -> bytes | None:
        """As :meth:`keyfold.Client.remove_recipients`."""
        begun = self._native.remove_recipients(envelope, keys=keys)
        return cast("bytes | None", await _finish(begun))

    async def sign(self, data: Buffer, *, key: str, algorithm: str | None = None) -> bytes:
        """As :meth:`keyfold.Client.sign`."""
        return cast(bytes, await _finish(self._native.sign(data, key=key, algorithm=algorithm)))

    async def sign_digest(self, digest: Buffer, *, key: str, algorithm: str) -> bytes:
        """As :meth:`keyfold.Client.sign_digest`."""
        begun = self._native.sign_digest(digest, key=key, algorithm=algorithm)
        return cast(bytes, await _finish(begun))

    async def verify(
        self, data: Buffer, signature: Buffer, *, key: str, algorithm: str | None = None
    ) -> None:
        """As :meth:`keyfold.Client.verify`."""
        await _finish(self._native.verify(data, signature, key=key, algorithm=algorithm))

    async def public_key(self, key: str) -> PublicKey:
        """As :meth:`keyfold.Client.public_key`."""
        return cast("PublicKey", await _finish(self._native.public_key(key)))

    async def resolve(self, key: str) -> KeyUri:
        """As :meth:`keyfold.Client.resolve`."""
        return cast("KeyUri", await _finish(self._native.resolve(key)))

    async def encrypt_small(
        self,
        data: Buffer,
        *,
        key: str | None = None,
        context: Context | None = None,
    ) -> bytes:
        """As :meth:`keyfold.Client.encrypt_small`."""
        begun = self._native.encrypt_small(data, key=key, context=context)
        return cast(bytes, await _finish(begun))

    async def decrypt_small(
        self,
        data: Buffer,
        *,
        key: str | None = None,
        context: Context | None = None,
    ) -> bytes:
        """As :meth:`keyfold.Client.decrypt_small`."""
        begun = self._native.decrypt_small(data, key=key, context=context)
        return cast(bytes, await _finish(begun))

    @property
    def secrets(self) -> Secrets:
        """The password safe of the KMS."""
        return Secrets(self._native)

    async def __aenter__(self: _Self) -> _Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.clear_cache()

    def __repr__(self) -> str:
        return f"aio.Client({self.kms!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_client, (type(self), self._native._config()))


def _client(cls: type[Client], arguments: dict[str, Any]) -> Client:
    return cls(arguments.pop("kms"), **arguments)


class Secrets:
    """As :attr:`keyfold.Client.secrets`: values read and written; manage them there."""

    __slots__ = ("_native",)

    def __init__(self, native: Any) -> None:
        self._native = native

    async def put(self, name: str, value: Text, *, key: str | None = None) -> str:
        """Store a value of 1 to 65536 bytes; answer the version's id."""
        return cast(str, await _finish(self._native._put_secret(name, value, key)))

    async def get(self, name: str) -> Secret:
        """Read the current value."""
        return cast("Secret", await _finish(self._native._get_secret(name, None, None)))

    async def get_version(
        self, name: str, version: str | None = None, *, stage: str | None = None
    ) -> Secret:
        """Read one version, named by its id, by its stage, or both."""
        return cast("Secret", await _finish(self._native._get_secret(name, version, stage)))


class AsyncWriter:
    """What is written is encrypted; sealing and writing happen on a thread.

    ``async with`` closes it, or gives it up where an exception leaves the block.
    """

    def __init__(self, sealing: _keyfold.Sealing) -> None:
        self._sealing = sealing
        self._closed = False

    async def write(self, data: Buffer) -> int:
        """Encrypt and write all of ``data``; not two at a time."""
        return await asyncio.to_thread(self._sealing.write, data)

    async def close(self) -> None:
        """Write the end. A file appears under its name, complete and on disk."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._sealing.finish)

    def abort(self) -> None:
        """Give up: a file is removed, and what went elsewhere does not open."""
        self._closed = True
        self._sealing.abort()

    async def __aenter__(self: _Writer) -> _Writer:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            await self.close()
        else:
            self.abort()


class AsyncReader:
    """What is read is authentic; reading and opening happen on a thread, one call at a time."""

    def __init__(self, opening: _keyfold.Opening) -> None:
        from ._streams import DecryptingReader

        self._reader = DecryptingReader(opening)

    async def read(self, size: int = -1) -> bytes:
        """Read so many bytes, or all that is left; fewer only at the end."""
        return await asyncio.to_thread(self._reader.read, size)

    async def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place in the plaintext, where the source can be read at any."""
        return await asyncio.to_thread(self._reader.seek, offset, whence)

    async def read_at(self, offset: int, length: int) -> bytes:
        """Read at a place, without moving; fewer bytes only at the end."""
        return await asyncio.to_thread(self._reader.read_at, offset, length)

    async def verify_length(self) -> int:
        """Prove the end; answer the length of the plaintext in bytes."""
        return await asyncio.to_thread(self._reader.verify_length)

    def close(self) -> None:
        """Let go of the source."""
        self._reader.close()

    async def __aenter__(self: _Reader) -> _Reader:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
