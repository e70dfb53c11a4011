"""The files of :mod:`keyfold.fsspec`: what is read from objects, and what becomes one."""

from __future__ import annotations

import contextlib
import io
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any

from fsspec.spec import AbstractBufferedFile

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Buffer

    from ._keyfold import Opening
    from ._streams import EncryptingWriter
    from .fsspec import KeyfoldFileSystem

#: What is read to prove the end: the last segments, among them the footer of a Parquet file.
_TAIL = 128 * 1024


class StoredObject:
    """A source for ``open_reader``: an object of a file system, of which parts are kept."""

    def __init__(self, fs: Any, path: str, size: int) -> None:
        self.size = size
        self._fs, self._path = fs, path
        self._parts: list[tuple[int, bytes]] = []

    def keep(self, start: int, part: bytes) -> None:
        """Keep a part that was read."""
        self._parts.append((start, part))

    def fetch(self, start: int, end: int) -> None:
        """Read a part and keep it."""
        if start < end and self._kept(start, end - start) is None:
            self.keep(start, self._fs.cat_file(self._path, start=start, end=end))

    def read_at(self, offset: int, length: int, /) -> bytes:
        part = self._kept(offset, length)
        if part is None:
            part = self._fs.cat_file(self._path, start=offset, end=offset + length)
        return part

    def _kept(self, offset: int, length: int) -> bytes | None:
        for start, part in self._parts:
            if start <= offset and offset + length <= start + len(part):
                return part[offset - start : offset - start + length]
        return None


class LocalTarget:
    """A local path: the client itself lets the file appear when it is complete."""

    def __init__(self, path: str) -> None:
        self.path = path

    def close(self) -> None:
        pass


class HeldTarget(io.BytesIO):
    """A file of the memory file system, whose own files appear when they are opened."""

    def __init__(self, fs: Any, path: str) -> None:
        super().__init__()
        self._fs, self._path = fs, path

    def close(self) -> None:
        pass

    def commit(self) -> None:
        self._fs.pipe_file(self._path, self.getvalue())


def take_back(inner: Any) -> None:
    """Take back what an inner file has; nothing of it shall be written when it is collected."""
    if hasattr(inner, "discard"):
        inner.discard()
        # The files of the local file system say by themselves whether they are closed.
        with contextlib.suppress(AttributeError):
            inner.closed = True
    else:
        inner.close()


class DecryptingFile(AbstractBufferedFile):  # type: ignore[misc]
    """A readable, seekable file over an object. Its cache holds plaintext, as ``fsspec`` has it."""

    def __init__(
        self,
        fs: KeyfoldFileSystem,
        path: str,
        source: StoredObject,
        opening: Opening,
        **options: Any,
    ) -> None:
        self._source, self._opening = source, opening
        self._proven = False
        # Some caches read ahead in a thread.
        self._reading = threading.Lock()
        super().__init__(fs, path, mode="rb", size=opening.plaintext_length, **options)

    def _fetch_range(self, start: int, end: int) -> bytes:
        with self._reading:
            if end >= self.size:
                # Past it, which proves it.
                end = self.size + 1
                self._proven = True
            return self._opening.read_at(start, end - start)

    def verify_length(self) -> int:
        """Prove the end; answer the length of the plaintext in bytes."""
        with self._reading:
            if not self._proven:
                self._source.fetch(max(0, self._source.size - _TAIL), self._source.size)
                self._opening.verify_length()
                self._proven = True
        return int(self.size)

    def seek(self, loc: int, whence: int = 0) -> int:
        """Go to a place; counted from the end, the end is proven first."""
        if whence == io.SEEK_END:
            self.verify_length()
        return int(super().seek(loc, whence))

    def close(self) -> None:
        """Close it."""
        if not self.closed:
            super().close()
            self._opening.close()


class EncryptingFile(io.BufferedIOBase):
    """A writable file that becomes an object when it is closed, or at the end of a transaction.

    :meth:`discard` gives it up, and so does a ``with`` block that an exception leaves, a
    :meth:`close` while an exception is handled that came after the file was opened (which is how
    libraries close their files when they fail), and the garbage collector.
    """

    def __init__(self, writer: EncryptingWriter, inner: Any, autocommit: bool) -> None:
        self._writer, self._inner = writer, inner
        self._autocommit = autocommit
        self._handled = sys.exc_info()[1]

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Buffer, /) -> int:
        """Encrypt and write all of it; answer how many bytes that were."""
        return self._writer.write(data)

    def flush(self) -> None:
        """Hand on what is complete; the rest goes at the end."""
        if not self._writer.closed:
            self._writer.flush()

    def tell(self) -> int:
        """How many bytes of plaintext were written."""
        return self._writer.tell()

    def close(self) -> None:
        """Write the end. The object appears, unless a transaction is under way."""
        if self.closed:
            return
        failure = sys.exc_info()[1]
        if failure is not None and failure is not self._handled:
            self.discard()
            warnings.warn(
                f"a file was closed while {type(failure).__name__} was handled: it is given up",
                RuntimeWarning,
                stacklevel=2,
            )
            return
        try:
            self._writer.close()
            self._inner.close()
            if self._autocommit:
                self.commit()
        except BaseException:
            self.discard()
            raise
        super().close()

    def commit(self) -> None:
        """Let the object appear; for transactions."""
        # Those that show an object when they are closed have done so.
        if hasattr(self._inner, "commit") and not getattr(self._inner, "autocommit", False):
            self._inner.commit()

    def discard(self) -> None:
        """Give up."""
        self._writer.abort()
        take_back(self._inner)
        if not self.closed:
            super().close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:
        # A file that nobody closed is not complete.
        if hasattr(self, "_handled") and not self.closed:
            self.discard()
            warnings.warn("a file was never closed", ResourceWarning, stacklevel=2, source=self)


class TextFile(io.TextIOWrapper):
    """Text over a file that is written; given up where the file would be."""

    def __exit__(self, *failure: Any) -> None:
        if failure[0] is None:
            self.close()
        else:
            self._give_up()

    def __del__(self) -> None:
        if not self.closed:
            self._give_up()
            warnings.warn("a file was never closed", ResourceWarning, stacklevel=2, source=self)

    def _give_up(self) -> None:
        file = self.buffer
        if isinstance(file, EncryptingFile):
            file.discard()
        else:
            self.close()
