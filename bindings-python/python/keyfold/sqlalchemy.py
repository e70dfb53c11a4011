"""Columns of SQLAlchemy that are encrypted in the application.

Install it with ``pip install keyfold[sqlalchemy]``; it needs SQLAlchemy 2. The database gets
envelopes, in columns of bytes; Python sees ``str``, ``bytes`` or what JSON has::

    class Patient(Base):
        __tablename__ = "patient"
        id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)

        # Bound to the table and the column.
        email: Mapped[str | None] = mapped_column(EncryptedString(client, keys=docs))

        # Bound to the row too.
        sealed_note: Mapped[bytes | None] = mapped_column("note", LargeBinary)
        note = RowEncryptedString("sealed_note", client, keys=docs)

What is bound, in the encryption context of every envelope: ``table`` (with its schema, where the
model names one), ``column``, for the second form ``row`` (the primary key, or the attributes that
``row_key`` names), and further pairs of your own. An envelope that is moved to another column does
not open, nor, in the second form, to another row; in the first form whoever writes to the database
can swap the values of one column between rows. Context and lengths are not secret.

The row key must be known before the row is inserted: one that Python makes, such as a UUID. A key
that the database counts up is not; use the first form then, or a second, unique column
(``row_key="uid"``).

Without ``keys`` those of the client are used. Then the KMS is asked once for each row that is
bound, unless the client's keyring is made with ``bind_only=["table", "column"]``; with ``keys`` the
row is bound by the envelope alone, and one data key serves many rows.

Encryption is randomised: a column cannot be compared, searched, sorted or unique; ``is_(None)`` and
``is_not(None)`` work. ``None`` is stored as NULL, also by JSON, whose ``null`` it is.

Make the engine with ``hide_parameters=True``: when another column's value cannot be bound,
SQLAlchemy's error shows all values of the statement as Python has them.

Values are encrypted and decrypted where they are bound and read, which may wait for the KMS: with
``AsyncSession`` too, whose event loop waits with it.

Migrations: the type in the database is that of ``LargeBinary``; write that in migration scripts.
An existing column of plaintext is encrypted by adding one of bytes, copying the values through the
model, and dropping the old one. When a table or column is renamed, keep the name that its envelopes
were made under: ``EncryptedString(client, table="patient", column="email")``. Rewrapping touches
the header of an envelope only: :meth:`keyfold.Client.rewrap` on the column's bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from sqlalchemy import Column, LargeBinary, event, inspect
from sqlalchemy.exc import DontWrapMixin, InvalidRequestError
from sqlalchemy.orm.attributes import flag_dirty
from sqlalchemy.sql import ColumnElement, operators
from sqlalchemy.sql.elements import Null
from sqlalchemy.types import TypeDecorator

from ._columns import BYTES, OWN, TEXT, Codec, ColumnCipher, json_codec, row_name
from ._host import check_extra
from .exceptions import ContextMismatch, InvalidArgument, KeyfoldError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.orm import Mapper
    from sqlalchemy.sql.base import SchemaEventTarget

    from ._host import AnyClient
    from ._types import Keys

__all__ = [
    "EncryptedBytes",
    "EncryptedJSON",
    "EncryptedString",
    "RowEncryptedBytes",
    "RowEncryptedJSON",
    "RowEncryptedString",
]

_T = TypeVar("_T")
_E = TypeVar("_E", bound="_Encrypted[Any]")

#: How a column can be compared with NULL.
_WITH_NULL = (operators.is_, operators.is_not, operators.eq, operators.ne)

_NO_COMPARISON = (
    "an encrypted column cannot be compared, searched or sorted: the same value is encrypted"
    " differently each time. is_(None) and is_not(None) work"
)


def _keep(keys: Keys | None) -> Keys | None:
    """Keys that can be hashed, as SQLAlchemy's statement cache needs them."""
    return tuple(keys) if isinstance(keys, list) else keys


def _names(column: Column[Any], table: str | None, name: str | None) -> tuple[str, str]:
    if table is None:
        if column.table is None:
            raise InvalidArgument("an encrypted column belongs to a table")
        table = getattr(column.table, "fullname", None) or column.table.description
    return table, name or column.name


def _unwrapped(error: KeyfoldError) -> KeyfoldError:
    """An error that SQLAlchemy raises as it is: its own would have all values of the statement."""
    kind = type(error)
    if not issubclass(kind, DontWrapMixin):
        members = {
            "__module__": kind.__module__,
            "__doc__": kind.__doc__,
            # It is pickled as what it is elsewhere.
            "__reduce__": lambda self: (kind, self.args, self.__dict__),
        }
        error.__class__ = type(kind.__name__, (kind, DontWrapMixin), members)
    return error


class _Encrypted(TypeDecorator[_T], Generic[_T]):
    """A column whose values are envelopes, bound to its table and its name."""

    impl = LargeBinary
    cache_ok = True
    _codec: Codec[_T]

    class Comparator(TypeDecorator.Comparator[Any]):
        """Lets columns be compared with NULL only."""

        def operate(self, op: Any, *other: Any, **options: Any) -> ColumnElement[Any]:
            if len(other) == 1 and op in _WITH_NULL:
                # SQLAlchemy itself finds columns in dictionaries, by their hash and then by ==.
                itself = isinstance(other[0], ColumnElement) and hash(other[0]) == hash(self.expr)
                if itself or other[0] is None or isinstance(other[0], Null):
                    return super().operate(op, *other, **options)
            raise InvalidRequestError(_NO_COMPARISON)

        def reverse_operate(self, op: Any, other: Any, **options: Any) -> ColumnElement[Any]:
            raise InvalidRequestError(_NO_COMPARISON)

    comparator_factory = Comparator

    def __init__(
        self,
        client: AnyClient,
        *,
        keys: Keys | None = None,
        context: Mapping[str, str] | None = None,
        table: str | None = None,
        column: str | None = None,
    ) -> None:
        super().__init__()
        self.client = client
        self.keys = _keep(keys)
        self.context = check_extra(context, OWN)
        self.table, self.column = table, column
        self._column: Column[Any] | None = None
        self._cipher: ColumnCipher | None = None
        self._is_copy = False

    def _set_parent(self, parent: SchemaEventTarget, outer: bool = False, **options: Any) -> None:
        super()._set_parent(parent, outer=outer, **options)
        # Columns of aliases and subqueries have the type of the column that they stand for.
        if isinstance(parent, Column) and not parent._proxies:
            if not self._is_copy and self._column is not None and self._column is not parent:
                raise InvalidArgument("an encrypted type belongs to one column: make another")
            self._column, self._cipher, self._is_copy = parent, None, False

    def copy(self: _E, **options: Any) -> _E:
        """A type for a dialect, or for another column."""
        copy = super().copy(**options)
        copy._is_copy = True
        return copy

    @property
    def _static_cache_key(self) -> Any:
        # The same type at another column is another.
        return (*super()._static_cache_key, self._column)  # type: ignore[misc]

    def _bound(self) -> ColumnCipher:
        if self._cipher is None:
            if self._column is None:
                raise InvalidArgument("an encrypted type is used without its column")
            table, column = _names(self._column, self.table, self.column)
            self._cipher = ColumnCipher(self.client, self.keys, self.context, table, column)
        return self._cipher

    def process_bind_param(self, value: _T | None, dialect: Dialect) -> bytes | None:
        """The envelope of a value."""
        if value is None:
            return None
        try:
            return self._bound().seal(self._codec.encode(value))
        except KeyfoldError as error:
            _unwrapped(error)
            raise
        except Exception as error:
            raise _unwrapped(
                InvalidArgument(f"a value cannot be encrypted: {type(error).__name__}")
            ) from None

    def process_result_value(self, value: Any, dialect: Dialect) -> _T | None:
        """The value in an envelope."""
        return None if value is None else self._codec.decode(self._bound().open(value))

    def process_literal_param(self, value: _T | None, dialect: Dialect) -> str:
        """Refuse to write a value into the text of a statement."""
        raise InvalidRequestError("an encrypted value cannot be rendered as a literal")

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class EncryptedBytes(_Encrypted[bytes]):
    """A column of ``bytes``, encrypted, bound to its table and its name.

    Args:
        client: A :class:`keyfold.Client`, a function that gets one, called when it is first
            needed, or where one of both is found, as ``"package.module:name"``.
        keys: The KMS keys; those of the client where absent.
        context: Further pairs for the encryption context.
        table: The name of the table that is bound, where it is not the table's.
        column: The name of the column that is bound, likewise.

    Raises:
        KeyfoldError: When a value is written or read, as for :meth:`keyfold.Client.encrypt` and
            ``decrypt``; SQLAlchemy does not wrap it.
        InvalidArgument: The type is given to two columns, a pair's name is one of its own, or a
            value cannot be encoded.

    """

    cache_ok = True
    _codec = BYTES


class EncryptedString(_Encrypted[str]):
    """A column of ``str``, encrypted; otherwise as :class:`EncryptedBytes`."""

    cache_ok = True
    _codec = TEXT


class EncryptedJSON(_Encrypted[Any]):
    """A column of what JSON has, encrypted; otherwise as :class:`EncryptedBytes`.

    A change inside a value is seen only where it is made to be seen:
    ``MutableDict.as_mutable(EncryptedJSON(client))``.
    """

    cache_ok = True
    _codec = json_codec()


class _ClassSide(Generic[_T]):
    """What a class has where its instances have the values."""

    def __init__(self, attribute: _RowEncrypted[_T], owner: type[Any]) -> None:
        self._attribute, self._owner = attribute, owner

    def seal(self, row: object, value: _T) -> bytes:
        """The envelope of a value, for statements: ``insert(Patient).values(note=…)``.

        Args:
            row: The row key; a tuple where it is of several columns.
            value: What is encrypted.

        """
        attribute = self._attribute
        return attribute._cipher(self._owner).seal(attribute._codec.encode(value), row_name(row))

    def open(self, row: object, sealed: bytes) -> _T:
        """The value in the envelope of a row.

        Raises:
            ContextMismatch: It is of another row, column or table.

        """
        attribute = self._attribute
        return attribute._codec.decode(attribute._cipher(self._owner).open(sealed, row_name(row)))

    def _refuse(self, *other: Any) -> Any:
        raise InvalidRequestError(_NO_COMPARISON + " on the column of bytes")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    is_ = is_not = in_ = not_in = like = ilike = contains = startswith = endswith = _refuse
    asc = desc = __clause_element__ = _refuse
    __hash__ = object.__hash__


class _RowEncrypted(Generic[_T]):
    """An attribute of a mapped class whose value is in a column of bytes, bound to its row."""

    _codec: Codec[_T]

    def __init__(
        self,
        sealed: str,
        client: AnyClient,
        *,
        keys: Keys | None = None,
        context: Mapping[str, str] | None = None,
        row_key: str | Sequence[str] | None = None,
        table: str | None = None,
        column: str | None = None,
    ) -> None:
        self._sealed = sealed
        self._client, self._keys = client, _keep(keys)
        self._extra = check_extra(context, OWN)
        self._row_key = (row_key,) if isinstance(row_key, str) else row_key
        self._table, self._column = table, column
        self._ciphers: dict[type[Any], ColumnCipher] = {}
        self._waiting = ""

    def __set_name__(self, owner: type[Any], name: str) -> None:
        # Where a value waits until its row is flushed.
        self._waiting = f"_{name}_not_sealed"
        for kind, hook in (
            ("before_insert", self._before_insert),
            ("before_update", self._before_update),
            ("after_insert", self._after_flush),
            ("after_update", self._after_flush),
            ("expire", self._expire),
        ):
            event.listen(owner, kind, hook, propagate=True)

    def _cipher(self, owner: type[Any]) -> ColumnCipher:
        cipher = self._ciphers.get(owner)
        if cipher is None:
            column = inspect(owner).attrs[self._sealed].columns[0]
            table, name = _names(column, self._table, self._column)
            cipher = ColumnCipher(self._client, self._keys, self._extra, table, name)
            self._ciphers[owner] = cipher
        return cipher

    def _key_names(self, mapper: Mapper[Any]) -> Sequence[str]:
        if self._row_key is not None:
            return self._row_key
        return [mapper.get_property_by_column(column).key for column in mapper.primary_key]

    def _row(self, instance: Any) -> str:
        names = self._key_names(inspect(instance).mapper)
        key = tuple(getattr(instance, name) for name in names)
        return row_name(key[0] if len(key) == 1 else key)

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> _ClassSide[_T]: ...

    @overload
    def __get__(self, instance: object, owner: type[Any]) -> _T | None: ...

    def __get__(self, instance: Any, owner: type[Any]) -> _ClassSide[_T] | _T | None:
        if instance is None:
            return _ClassSide(self, owner)
        if self._waiting in instance.__dict__:
            waiting: _T = instance.__dict__[self._waiting]
            return waiting
        sealed = getattr(instance, self._sealed)
        if sealed is None:
            return None
        return self._codec.decode(self._cipher(type(instance)).open(sealed, self._row(instance)))

    def __set__(self, instance: Any, value: _T | None) -> None:
        if value is None:
            instance.__dict__.pop(self._waiting, None)
            setattr(instance, self._sealed, None)
        else:
            instance.__dict__[self._waiting] = value
            flag_dirty(instance)

    def _seal(self, instance: Any, check: bool) -> None:
        """Seal what waits; where nothing does, check that what is there is of this row."""
        if self._waiting in instance.__dict__:
            plain = self._codec.encode(instance.__dict__[self._waiting])
            sealed = self._cipher(type(instance)).seal(plain, self._row(instance))
            setattr(instance, self._sealed, sealed)
        elif check:
            try:
                self.__get__(instance, type(instance))
            except (ContextMismatch, InvalidArgument):
                raise InvalidRequestError(
                    f"{self._sealed!r} is of another row, or the row key was changed:"
                    " assign the value again"
                ) from None

    def _before_insert(self, mapper: Mapper[Any], connection: Any, instance: Any) -> None:
        if self._waiting in instance.__dict__:
            for name in self._key_names(mapper):
                # What Python makes anyway is made a moment earlier.
                default = mapper.attrs[name].columns[0].default
                if getattr(instance, name) is None and default is not None:
                    if default.is_callable:
                        setattr(instance, name, default.arg(None))
                    elif default.is_scalar:
                        setattr(instance, name, default.arg)
        self._seal(instance, check=True)

    def _before_update(self, mapper: Mapper[Any], connection: Any, instance: Any) -> None:
        attributes = inspect(instance).attrs
        names = [*self._key_names(mapper), self._sealed]
        changed = any(attributes[name].history.has_changes() for name in names)
        self._seal(instance, check=changed)

    def _after_flush(self, mapper: Mapper[Any], connection: Any, instance: Any) -> None:
        instance.__dict__.pop(self._waiting, None)

    def _expire(self, instance: Any, attributes: Iterable[str] | None) -> None:
        if attributes is None or self._sealed in attributes:
            instance.__dict__.pop(self._waiting, None)


class RowEncryptedBytes(_RowEncrypted[bytes]):
    """An attribute of ``bytes``, encrypted and bound to its row: see the module.

    On an instance it is the value or None. A value is decrypted each time it is asked for, and
    encrypted when its object is flushed. On the class it has ``seal(row, value)`` and
    ``open(row, sealed)``, for statements that go without objects. A row key may change when the
    value is assigned again; otherwise the flush is refused.

    Args:
        sealed: The name of the mapped attribute with the column of bytes.
        client: As for :class:`EncryptedBytes`.
        keys: The KMS keys; those of the client where absent.
        context: Further pairs for the encryption context.
        row_key: The attributes that make the row key; the primary key where absent.
        table: The name of the table that is bound, where it is not the table's.
        column: The name of the column that is bound, likewise.

    Raises:
        ContextMismatch: When it is read: the value is of another row, column or table.
        InvalidArgument: When it is written: the row key is not known yet.
        KeyfoldError: As for :meth:`keyfold.Client.encrypt` and ``decrypt``.

    """

    _codec = BYTES


class RowEncryptedString(_RowEncrypted[str]):
    """An attribute of ``str``, bound to its row; otherwise as :class:`RowEncryptedBytes`."""

    _codec = TEXT


class RowEncryptedJSON(_RowEncrypted[Any]):
    """An attribute of what JSON has, bound to its row; otherwise as :class:`RowEncryptedBytes`.

    Each read makes a value anew: assign it again to change it.
    """

    _codec = json_codec()
