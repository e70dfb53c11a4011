"""A file system of ``fsspec`` that keeps everything encrypted in another one.

Install it with ``pip install keyfold[fsspec]``. Everything that reads and writes through
``fsspec`` then reads and writes envelopes: pandas, pyarrow, dask, xarray::

    df.to_parquet("keyfold::s3://bucket/table.parquet", storage_options={"client": client})

    fs = keyfold.fsspec.KeyfoldFileSystem(fs=s3fs.S3FileSystem(), client=client)
    with fs.open("bucket/report", "rb") as file:
        file.seek(1_000_000)
        part = file.read(4096)  # fetches the segments of this place, not the file

What it promises:

- A read fetches the segments it touches (16 KiB each) and what the cache of the file adds to
  them, and yields nothing that is not authentic. The end of a file is proven before a position
  counted from it, or a read up to it, is answered.
- An object appears when its writer is closed, complete. One that an exception leaves, or that is
  closed while an exception is handled that came after it was opened, is given up: where the inner
  file system cannot take it back, what it has does not open.
- Names, folders, times and the number of bytes are those of the inner file system and not secret.
  Sizes are told by the length of the object and by its header, one small read for each object that
  is new; they are proven only by reading.

Objects cannot be appended to, nor changed in place. Copies and moves leave the envelopes as they
are: a copy is encrypted under the same data key.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from fsspec.asyn import AsyncFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.chained import ChainedFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import filesystem
from fsspec.spec import AbstractFileSystem
from fsspec.utils import tokenize

from ._fsspec_files import (
    DecryptingFile,
    EncryptingFile,
    HeldTarget,
    LocalTarget,
    StoredObject,
    TextFile,
    take_back,
)
from ._host import find_client
from ._keyfold import inspect
from .exceptions import InvalidArgument, KeyfoldError, Truncated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from typing_extensions import Buffer

    from ._host import AnyClient
    from ._keyfold import Opening
    from ._types import Context, Keys, Suite

__all__ = ["DecryptingFile", "EncryptingFile", "KeyfoldFileSystem"]

#: What is read of an object to know its plaintext's length; few headers are longer.
_PROBE = 4096
#: The longest header there is.
_HEADER = 65536
#: What is read at first of an object that is opened: the header, and all of a small object.
_HEAD = 32 * 1024
#: A length up to the end and past it, so that the end is proven.
_TO_THE_END = 1 << 62
#: How many lengths are remembered.
_REMEMBERED = 65536


class KeyfoldFileSystem(ChainedFileSystem):  # type: ignore[misc]
    """Everything in another file system, encrypted.

    Args:
        target_protocol: The protocol of the inner file system, such as ``"s3"``.
        target_options: Its options.
        fs: The inner file system itself, instead of both.
        fo: A path in the inner file system, by which ``fsspec`` names it in a chain.
        client: A :class:`~keyfold.Client`, a function that gets one, or where one of both is
            found, as ``"package.module:name"``. It is pickled with the file system: a function is
            pickled by its name.
        keys: The KMS keys; those of the client where absent.
        context: The encryption context of every object; that of the client where absent.
        suite: The cipher of what is written.
        unproven_signature: Read objects that are signed, with their signature unproven.
        exact_sizes: Whether listings tell the length of the plaintext, which costs one small read
            for each object that is new; otherwise they tell that of the envelope. ``info`` always
            tells that of the plaintext.
        block_size: What a file reads at a time, in bytes of plaintext; 5 MiB where absent.
        cache_type: How a file reads ahead, one of ``fsspec.caching``.
        **storage_options: As for every file system of ``fsspec``.

    Raises:
        InvalidArgument: Nothing says which file system is meant, or the client is none.

    In listings ``size`` is the length of the plaintext and ``sealed_size`` that of the envelope;
    what is no envelope has no ``sealed_size``, and does not open.

    """

    protocol = "keyfold"
    # Instances would be shared by the text of their options, and that of a client does not say
    # under which keys it encrypts.
    cachable = False

    def __init__(
        self,
        target_protocol: str | None = None,
        target_options: Mapping[str, Any] | None = None,
        fs: AbstractFileSystem | None = None,
        fo: str | None = None,
        *,
        client: AnyClient,
        keys: Keys | None = None,
        context: Context | None = None,
        suite: Suite | None = None,
        unproven_signature: bool = False,
        exact_sizes: bool = True,
        block_size: int | None = None,
        cache_type: str = "readahead",
        **storage_options: Any,
    ) -> None:
        super().__init__(**storage_options)
        if fs is None and target_protocol is not None:
            fs = filesystem(target_protocol, **(target_options or {}))
        elif fs is None and fo is not None:
            fs, _ = url_to_fs(fo, **(target_options or {}))
        if fs is None:
            raise InvalidArgument("the inner file system is missing: fs or target_protocol")
        self.fs = fs
        self.client = find_client(client)
        self._keys, self._context, self._suite = keys, context, suite
        self._unproven = unproven_signature
        self._exact = exact_sizes
        self._block_size = block_size or self.blocksize
        self._cache_type = cache_type
        self._lengths: dict[str, tuple[tuple[Any, ...], int | None]] = {}

        def _strip_protocol(path: Any) -> Any:
            if isinstance(path, list):
                return [_strip_protocol(one) for one in path]
            return fs._strip_protocol(type(self)._strip_protocol(path))

        # Paths are those of the inner file system.
        self._strip_protocol = _strip_protocol  # type: ignore[method-assign]
        self.root_marker = fs.root_marker

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        path = str(path)
        for prefix in ("keyfold://", "keyfold::"):
            if path.startswith(prefix):
                return path[len(prefix) :]
        return path

    def _parent(self, path: str) -> Any:
        return self.fs._parent(self._strip_protocol(path))

    def unstrip_protocol(self, name: str) -> str:
        """The chained URL of a path."""
        return f"keyfold::{self.fs.unstrip_protocol(self._strip_protocol(name))}"

    @property
    def fsid(self) -> str:
        """The name of the inner file system, marked."""
        return f"keyfold_{self.fs.fsid}"

    @property
    def _fs_token(self) -> str:
        try:
            client: object = pickle.dumps(self.client)
        except Exception:
            client = id(self.client)
        return str(
            tokenize(type(self), self.fs._fs_token, client, self._keys, self._context, self._suite)
        )

    # Reading.

    def _object(self, path: str, head: bytes | None = None) -> StoredObject:
        source = StoredObject(self.fs, path, self._sealed_size(path))
        if head is None:
            source.fetch(0, min(_HEAD, source.size))
        else:
            source.keep(0, head)
        return source

    def _sealed_size(self, path: str) -> int:
        entry = self.fs.info(path)
        if entry["type"] == "directory":
            raise IsADirectoryError(path)
        return int(entry["size"])

    def _opening(self, source: StoredObject) -> Opening:
        return self.client._open_reader(source, self._keys, self._context, None, self._unproven)

    def open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        cache_options: dict[str, Any] | None = None,
        compression: str | None = None,
        **options: Any,
    ) -> Any:
        """Open a file, as every file system of ``fsspec`` does.

        ``"r"``, ``"w"`` and ``"x"`` are the modes, in text or binary. A writer may be given
        ``length``, how many bytes will be written: only then its data key may come from the cache.

        Raises:
            KeyfoldError: As for :meth:`keyfold.Client.open_reader` and ``open_writer``.
            NotImplementedError: The mode is another.

        """
        if "r" not in mode and compression is not None:
            raise NotImplementedError("fsspec.open() compresses: it closes both of the files")
        if "b" in mode or "r" in mode:
            return super().open(path, mode, block_size, cache_options, compression, **options)
        names = ("encoding", "errors", "newline")
        text = {name: options.pop(name) for name in names if name in options}
        binary = mode.replace("t", "") + "b"
        file = super().open(path, binary, block_size, cache_options, **options)
        return TextFile(file, **text)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: dict[str, Any] | None = None,
        cache_type: str | None = None,
        length: int | None = None,
        **options: Any,
    ) -> DecryptingFile | EncryptingFile:
        if mode == "rb":
            source = self._object(path)
            return DecryptingFile(
                self,
                path,
                source,
                self._opening(source),
                block_size=block_size or self._block_size,
                cache_type=cache_type or self._cache_type,
                cache_options=cache_options,
            )
        if mode not in ("wb", "xb"):
            raise NotImplementedError("an envelope can be read or written anew, not changed")
        if mode == "xb" and self.fs.exists(path):
            raise FileExistsError(path)
        inner = self._open_inner(path, mode, autocommit, **options)
        try:
            writer = self.client.open_writer(
                inner.path if isinstance(inner, LocalTarget) else inner,
                keys=self._keys,
                context=self._context,
                suite=self._suite,
                length=length,
            )
        except BaseException:
            take_back(inner)
            raise
        return EncryptingFile(writer, inner, autocommit)

    def _open_inner(self, path: str, mode: str, autocommit: bool, **options: Any) -> Any:
        """A file of the inner file system, which appears only when it is complete."""
        if isinstance(self.fs, MemoryFileSystem):
            return HeldTarget(self.fs, path)
        if type(self.fs) is LocalFileSystem and autocommit:
            if self.fs.auto_mkdir:
                self.fs.makedirs(self.fs._parent(path), exist_ok=True)
            return LocalTarget(path)
        # Object stores show an object when it is closed; the files of others wait to be told.
        autocommit = autocommit and isinstance(self.fs, AsyncFileSystem)
        inner = self.fs.open(path, mode, autocommit=autocommit, **options)
        if not autocommit:
            # It is ours to commit, in no transaction of the inner file system.
            files = self.fs.transaction.files
            if inner in files:
                files.remove(inner)
        return inner

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **options: Any
    ) -> bytes:
        """Read a file, or a part of it; numbers below 0 count from the end."""
        opening = self._opening(self._object(self._strip_protocol(path)))
        return opening.read_at(*_part(opening, start, end))

    def cat_ranges(
        self,
        paths: Sequence[str],
        starts: int | Sequence[int | None] | None,
        ends: int | Sequence[int | None] | None,
        max_gap: int | None = None,
        on_error: str = "return",
        **options: Any,
    ) -> list[bytes | Exception]:
        """Read many parts of many files: the inner file system gets all of its reads at once.

        Args:
            paths: A path for each part.
            starts: Where each begins, or all.
            ends: Where each ends, or all.
            max_gap: Not used.
            on_error: Whether failures are answered in their places, or the first is raised
                (``"raise"``).
            **options: Not used.

        """
        if not isinstance(starts, (list, tuple)):
            starts = [starts] * len(paths)  # type: ignore[list-item]
        if not isinstance(ends, (list, tuple)):
            ends = [ends] * len(paths)  # type: ignore[list-item]
        if not len(paths) == len(starts) == len(ends):
            raise ValueError("as many starts and ends are needed as paths")
        paths = [self._strip_protocol(path) for path in paths]
        names = list(dict.fromkeys(paths))
        heads = self.fs.cat_ranges(names, 0, _HEAD, on_error="return") if names else []
        opened: dict[str, Any] = {}
        for name, head in zip(names, heads):
            try:
                if isinstance(head, Exception):
                    raise head
                source = self._object(name, head)
                opened[name] = (source, self._opening(source))
            except Exception as failure:
                opened[name] = failure
        answers: list[Any] = [None] * len(paths)
        wanted: list[tuple[int, int, int, int, int]] = []
        for place, (path, start, end) in enumerate(zip(paths, starts, ends)):
            try:
                if isinstance(opened[path], Exception):
                    raise opened[path]
                _, opening = opened[path]
                part = _part(opening, start, end)
                wanted.append((place, *part, *opening.sealed_range(*part)))
            except Exception as failure:
                answers[place] = failure
        fetched = self.fs.cat_ranges(
            [paths[place] for place, *_ in wanted],
            [first for *_, first, _ in wanted],
            [after for *_, after in wanted],
            on_error="return",
        )
        for (place, offset, length, first, _), sealed in zip(wanted, fetched):
            source, opening = opened[paths[place]]
            try:
                if isinstance(sealed, Exception):
                    raise sealed
                source.keep(first, sealed)
                answers[place] = opening.read_at(offset, length)
            except Exception as failure:
                answers[place] = failure
        if on_error != "return":
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
        return answers

    # Sizes.

    def _plain(self, entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Entries of the inner file system, with the lengths of their plaintexts."""
        # Copies: the inner file system may keep its own.
        plain = [dict(entry) for entry in entries]
        unknown = []
        for entry in plain:
            if entry["type"] == "file" and entry.get("size"):
                known = self._lengths.get(entry["name"])
                if known is None or known[0] != _version(entry):
                    unknown.append(entry)
        for probe in (_PROBE, _HEADER):
            unknown = self._probe(unknown, probe)
        for entry in plain:
            _, length = self._lengths.get(entry["name"], (None, None))
            if entry["type"] == "file" and length is not None:
                entry["sealed_size"], entry["size"] = entry["size"], length
        return plain

    def _probe(self, entries: list[dict[str, Any]], probe: int) -> list[dict[str, Any]]:
        """Learn lengths from so many first bytes; answer the entries that need more."""
        if not entries:
            return []
        names = [entry["name"] for entry in entries]
        more = []
        if len(self._lengths) + len(entries) > _REMEMBERED:
            self._lengths.clear()
        heads = self.fs.cat_ranges(names, 0, probe, on_error="return")
        for entry, head in zip(entries, heads):
            length = None
            try:
                if not isinstance(head, Exception):
                    length = inspect(head, size=entry["size"]).plaintext_length
            except Truncated:
                if probe < min(_HEADER, entry["size"]):
                    more.append(entry)
            except KeyfoldError:
                pass
            self._lengths[entry["name"]] = (_version(entry), length)
        return more

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """What is known of a file or folder; ``size`` is the length of the plaintext."""
        return self._plain([self.fs.info(self._strip_protocol(path), **options)])[0]

    def _listed(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return self._plain(entries) if self._exact else entries

    def ls(self, path: str, detail: bool = True, **options: Any) -> Any:
        """What is in a folder: names, or what is known of each."""
        path = self._strip_protocol(path)
        if not detail:
            return self.fs.ls(path, detail=False, **options)
        return self._listed(self.fs.ls(path, detail=True, **options))

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        **options: Any,
    ) -> Any:
        """All files below a folder."""
        path = self._strip_protocol(path)
        found = self.fs.find(path, maxdepth=maxdepth, withdirs=withdirs, detail=detail, **options)
        return self._with_names(found) if detail else found

    def glob(self, path: str, maxdepth: int | None = None, **options: Any) -> Any:
        """All files whose names match."""
        found = self.fs.glob(self._strip_protocol(path), maxdepth=maxdepth, **options)
        return self._with_names(found) if isinstance(found, dict) else found

    def _with_names(self, found: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return dict(zip(found, self._listed(list(found.values()))))

    def walk(self, path: str, *args: Any, detail: bool = False, **options: Any) -> Iterator[Any]:
        """Folder by folder."""
        if detail:
            return super().walk(path, *args, detail=True, **options)  # type: ignore[no-any-return]
        walk: Iterator[Any] = self.fs.walk(self._strip_protocol(path), *args, **options)
        return walk

    # Writing.

    def pipe_file(self, path: str, value: Buffer, mode: str = "overwrite", **options: Any) -> None:
        """Write a whole value. Its data key may come from the cache."""
        path = self._strip_protocol(path)
        if mode == "create" and self.fs.exists(path):
            raise FileExistsError(path)
        if type(self.fs) is LocalFileSystem:
            with self._open(path, "wb", length=memoryview(value).nbytes) as file:
                file.write(value)
            return
        sealed = self.client.encrypt(
            value, keys=self._keys, context=self._context, suite=self._suite
        )
        self.fs.pipe_file(path, sealed, **options)

    def touch(self, path: str, truncate: bool = True, **options: Any) -> None:
        """Make an empty file, or set the time of one."""
        path = self._strip_protocol(path)
        if truncate or not self.fs.exists(path):
            self.pipe_file(path, b"", **options)
        else:
            self.fs.touch(path, truncate=False, **options)

    # What concerns names only is the inner file system's.

    def exists(self, path: str, **options: Any) -> bool:
        """Whether there is such a file or folder."""
        return bool(self.fs.exists(self._strip_protocol(path), **options))

    def isfile(self, path: str) -> bool:
        """Whether it is a file."""
        return bool(self.fs.isfile(self._strip_protocol(path)))

    def isdir(self, path: str) -> bool:
        """Whether it is a folder."""
        return bool(self.fs.isdir(self._strip_protocol(path)))

    def mkdir(self, path: str, create_parents: bool = True, **options: Any) -> None:
        """Make a folder."""
        self.fs.mkdir(self._strip_protocol(path), create_parents=create_parents, **options)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Make a folder and those above it."""
        self.fs.makedirs(self._strip_protocol(path), exist_ok=exist_ok)

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        self.fs.rmdir(self._strip_protocol(path))

    def rm(self, path: str | list[str], recursive: bool = False, maxdepth: Any = None) -> None:
        """Remove files, and folders with all that is in them."""
        self.fs.rm(self._strip_protocol(path), recursive=recursive, maxdepth=maxdepth)

    def rm_file(self, path: str) -> None:
        """Remove a file."""
        self.fs.rm_file(self._strip_protocol(path))

    def _rm(self, path: str) -> None:
        self.rm_file(path)

    def cp_file(self, path1: str, path2: str, **options: Any) -> None:
        """Copy a file, envelope and all."""
        paths = self._strip_protocol(path1), self._strip_protocol(path2)
        self.fs.cp_file(*paths, **options)

    def mv(self, path1: str, path2: str, **options: Any) -> None:
        """Move files."""
        self.fs.mv(self._strip_protocol(path1), self._strip_protocol(path2), **options)

    def created(self, path: str) -> Any:
        """When a file was made."""
        return self.fs.created(self._strip_protocol(path))

    def modified(self, path: str) -> Any:
        """When a file was last written."""
        return self.fs.modified(self._strip_protocol(path))

    def ukey(self, path: str) -> str:
        """What changes with the envelope."""
        return str(self.fs.ukey(self._strip_protocol(path)))

    def checksum(self, path: str) -> Any:
        """What changes with the envelope."""
        return self.fs.checksum(self._strip_protocol(path))

    def invalidate_cache(self, path: str | None = None) -> None:
        """Forget listings and lengths."""
        self._lengths.clear()
        self.fs.invalidate_cache(path)


def _part(opening: Opening, start: int | None, end: int | None) -> tuple[int, int]:
    """The place and the length of a part as ``fsspec`` names it."""
    start = start or 0
    if start < 0 or (end is not None and end < 0):
        length = opening.verify_length()
        start = max(0, start + length) if start < 0 else start
        end = end + length if end is not None and end < 0 else end
    return start, _TO_THE_END if end is None else max(0, end - start)


def _version(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """What changes when an object does, as its file system tells it."""
    names = ("size", "ETag", "etag", "LastModified", "mtime", "created", "generation", "md5Hash")
    return tuple(str(entry.get(name)) for name in names)
