"""File objects that encrypt what is written to them and decrypt what is read from them."""

from __future__ import annotations

import io

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import TypeVar

    from typing_extensions import Buffer

    from . import _keyfold
    from ._types import WriteBuffer

    _Self = TypeVar("_Self", bound="EncryptingWriter")

#: What is gathered before it is sealed, and opened at a time: a few segments of 16 KiB.
_BUFFER = 128 * 1024


class _RawWriter(io.RawIOBase):
    """The unbuffered half: seals each write."""

    def __init__(self, sealing: _keyfold.Sealing) -> None:
        self._sealing = sealing
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        if self.closed:
            raise ValueError("write to a closed file")
        written = self._sealing.write(data)
        self._written += written
        return written

    def tell(self) -> int:
        return self._written

    def close(self) -> None:
        if not self.closed:
            try:
                self._sealing.finish()
            finally:
                super().close()

    def abort(self) -> None:
        """Close without the end."""
        if not self.closed:
            self._sealing.abort()
            super().close()


class EncryptingWriter(io.BufferedWriter):
    """A writable binary file object: what is written is encrypted.

    :meth:`close` writes the end, without which an envelope does not open, and gives a file its
    name. A ``with`` block that an exception leaves calls :meth:`abort` instead, and so does the
    garbage collector for a writer that nobody closed.
    """

    def __init__(self, sealing: _keyfold.Sealing) -> None:
        self._raw_writer = _RawWriter(sealing)
        super().__init__(self._raw_writer, _BUFFER)

    def abort(self) -> None:
        """Give up: a file is removed, and what went elsewhere does not open."""
        self._raw_writer.abort()

    def close(self) -> None:
        """Write the end. A file appears under its name, complete and on disk."""
        if self.closed:
            return
        try:
            self.flush()
        except BaseException:
            self.abort()
            raise
        self._raw_writer.close()

    def tell(self) -> int:
        """How many bytes of plaintext were written."""
        return super().tell()

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def __del__(self) -> None:
        # A file that nobody closed is not complete.
        raw = getattr(self, "_raw_writer", None)
        if raw is not None and not raw.closed:
            self.abort()
            import warnings

            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)


class _RawReader(io.RawIOBase):
    """The unbuffered half: opens each read."""

    def __init__(self, opening: _keyfold.Opening) -> None:
        self._opening = opening

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._opening.seekable

    def readinto(self, out: WriteBuffer, /) -> int:
        if self.closed:
            raise ValueError("read of a closed file")
        return self._opening.readinto(out)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if self.closed:
            raise ValueError("seek of a closed file")
        if not self._opening.seekable:
            raise io.UnsupportedOperation("seek")
        return self._opening.seek(offset, whence)

    def tell(self) -> int:
        if not self._opening.seekable:
            raise io.UnsupportedOperation("tell")
        return self._opening.seek(0, io.SEEK_CUR)

    def close(self) -> None:
        if not self.closed:
            self._opening.close()
            super().close()


class DecryptingReader(io.BufferedReader):
    """A readable binary file object over an envelope: what is read is authentic.

    Reading at one place says nothing of the rest. The end is proven by reading up to it, by
    ``seek(…, io.SEEK_END)``, or by :meth:`verify_length`; until then the file may be longer or
    shorter than it seems.
    """

    def __init__(self, opening: _keyfold.Opening) -> None:
        self._opening = opening
        super().__init__(_RawReader(opening), _BUFFER)

    def read_at(self, offset: int, length: int) -> bytes:
        """Read at a place, without moving; fewer bytes only at the end.

        Raises:
            InvalidArgument: The source cannot be read at any place.

        """
        return self._opening.read_at(offset, length)

    def verify_length(self) -> int:
        """Prove the end; answer the length of the plaintext in bytes."""
        return self._opening.verify_length()
