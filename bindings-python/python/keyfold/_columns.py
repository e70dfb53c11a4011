"""What the SQLAlchemy types and the Django fields share: a value of a column as an envelope."""

from __future__ import annotations

import datetime
import json
import uuid
from typing import Any, Callable, Generic, TypeVar

from ._host import AnyClient, find_client
from ._keyfold import Keyring
from .exceptions import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._client import Client
    from ._types import Keys

_T = TypeVar("_T")

#: The names of the pairs that are made here.
OWN = ("table", "column", "row")


class Codec(Generic[_T]):
    """How a value becomes bytes, and comes of them."""

    def __init__(
        self, kind: str, encode: Callable[[_T], bytes], decode: Callable[[bytes], _T]
    ) -> None:
        self.kind, self.encode, self.decode = kind, encode, decode

    def __repr__(self) -> str:
        return f"Codec({self.kind!r})"


def _bytes(value: bytes) -> bytes:
    # bytes(7) would be seven zeros.
    return memoryview(value).tobytes()


def _text(value: str) -> bytes:
    if not isinstance(value, str):
        raise InvalidArgument("the value of an encrypted column of text is a str")
    return value.encode()


BYTES: Codec[bytes] = Codec("bytes", _bytes, bytes)
TEXT: Codec[str] = Codec("text", _text, bytes.decode)


def json_codec(
    encoder: type[json.JSONEncoder] | None = None, decoder: type[json.JSONDecoder] | None = None
) -> Codec[Any]:
    """JSON, as compact as it goes."""
    return Codec(
        "json",
        lambda value: json.dumps(value, cls=encoder, separators=(",", ":")).encode(),
        lambda data: json.loads(data, cls=decoder),
    )


def row_name(key: object) -> str:
    """The one text by which a row key is bound.

    Raises:
        InvalidArgument: The key is not known yet, or of a kind without such a text.

    """
    if isinstance(key, tuple):
        return json.dumps([row_name(part) for part in key])
    if isinstance(key, int) and not isinstance(key, bool):
        return str(int(key))
    if isinstance(key, str):
        return str(key)
    if isinstance(key, uuid.UUID):
        return str(key)
    if isinstance(key, (bytes, bytearray, memoryview)):
        return bytes(key).hex()
    if isinstance(key, (datetime.date, datetime.time)):
        return key.isoformat()
    if key is None:
        raise InvalidArgument("the row key must be known before a value can be bound to its row")
    raise InvalidArgument(f"a value cannot be bound to a row key of type {type(key).__name__}")


class ColumnCipher:
    """Encrypts the values of one column: the context has its table, its name, and the row."""

    def __init__(
        self,
        client: AnyClient,
        keys: Keys | None,
        extra: tuple[tuple[str, str], ...],
        table: str,
        column: str,
    ) -> None:
        self._given = client
        self._client: Client | None = None
        self._context = {**dict(extra), "table": table, "column": column}
        self._keys = keys
        if isinstance(keys, str):
            keys = (keys,)
        if keys is not None and not isinstance(keys, Keyring):
            # The KMS learns of all pairs but the row, so that one data key serves many rows.
            self._keys = Keyring(keys[0], keys[1:], bind_only=sorted(self._context))

    def _find(self) -> Client:
        if self._client is None:
            self._client = find_client(self._given)
        return self._client

    def _of(self, row: str | None) -> dict[str, str]:
        return self._context if row is None else {**self._context, "row": row}

    def seal(self, plain: bytes, row: str | None = None) -> bytes:
        """The envelope of a value."""
        return self._find().encrypt(plain, keys=self._keys, context=self._of(row))

    def open(self, sealed: bytes, row: str | None = None) -> bytes:
        """The value in an envelope of this column, and this row."""
        return self._find().decrypt(sealed, keys=self._keys, context=self._of(row))
