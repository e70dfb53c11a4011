"""Fields of Django models that are encrypted in the application.

Install it with ``pip install keyfold[django]``. The settings say who encrypts, for each name that
a field may use::

    KEYFOLD = {
        "default": {
            "CLIENT": "project.keys.client",   # a keyfold.Client, or a function that gets one
            "KEYS": "keyfold:alias/app",       # the client's own where absent
            "CONTEXT": {"app": "clinic"},      # further pairs, none where absent
        },
    }

and models have fields::

    class Patient(models.Model):
        id = models.UUIDField(primary_key=True, default=uuid.uuid4)
        note = keyfold.django.EncryptedTextField()

What is bound, in the encryption context of every envelope: ``table``, ``column``, and ``row``, the
primary key, where that is known before a row is inserted: a UUID that Python makes, a key of your
own, a one-to-one key. An automatic key is not known then; the fields of such a model are bound to
table and column only, so that whoever writes to the database can swap values of a column between
rows. Which of both it is follows from the model (or is said by ``bind_row``), never from what is
read: an envelope of another column, or another row, does not open.

What follows from that:

- Only ``isnull`` is a lookup, and ``exact`` with None: encryption is randomised. Others are refused
  with ``FieldError``. Sorting is by ciphertext and means nothing.
- A field that is bound to its row is written by ``save()``, ``create()`` and ``bulk_create()``;
  ``update()``, ``bulk_update()`` and fixtures do not know the row and are refused. Its value is
  decrypted when it is asked for; ``values()`` and ``values_list()`` answer a :class:`Sealed`.
- Without ``KEYS`` the KMS is asked once for each row that is bound, unless the client's keyring is
  made with ``bind_only=["table", "column"]``; with them one data key serves many rows.
- Fixtures and serializers have plaintext.

Migrations: the column is one of bytes. A column of plaintext is encrypted by adding a field with
``null=True``, copying through objects, and dropping the old one. When a table or column is renamed,
or the kind of its primary key changes, keep what its envelopes were made under by ``table=``,
``column=``, ``bind_row=``.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django import forms
from django.conf import settings
from django.core import checks
from django.core.exceptions import FieldError, ImproperlyConfigured, ValidationError
from django.core.signals import setting_changed
from django.db import models
from django.db.models import signals
from django.db.models.lookups import Exact
from django.db.models.query_utils import DeferredAttribute
from django.utils.module_loading import import_string

from ._columns import BYTES, OWN, TEXT, Codec, ColumnCipher, json_codec, row_name
from ._host import check_extra
from .exceptions import InvalidArgument

if TYPE_CHECKING:
    import json
    from collections.abc import Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

    _Field = models.Field[Any, Any]
else:
    _Field = models.Field

__all__ = ["EncryptedBinaryField", "EncryptedJSONField", "EncryptedTextField", "Sealed"]

_T = TypeVar("_T")

#: Grows when the settings change.
_settings_age = 0


def _settings_changed(*, setting: str, **_options: Any) -> None:
    global _settings_age
    if setting == "KEYFOLD":
        _settings_age += 1


setting_changed.connect(_settings_changed)


def _configured(using: str) -> dict[str, Any]:
    try:
        chosen: dict[str, Any] = settings.KEYFOLD[using]
        if "CLIENT" not in chosen:
            raise KeyError
    except (AttributeError, KeyError, TypeError):
        raise ImproperlyConfigured(
            f"the setting KEYFOLD needs an entry {using!r} with a CLIENT"
        ) from None
    return chosen


class Sealed:
    """A value that is encrypted still, of a field that is bound to its row."""

    __slots__ = ("_field", "_row", "_sealed")

    def __init__(self, field: _EncryptedField[Any], sealed: bytes, row: str | None) -> None:
        self._field, self._sealed, self._row = field, sealed, row

    def open(self, pk: object) -> Any:
        """The value, in the row of this primary key.

        Raises:
            ContextMismatch: It is of another row, column or table.
            KeyfoldError: As for :meth:`keyfold.Client.decrypt`.

        """
        return self._field._decode(self._sealed, row_name(pk))

    def __bytes__(self) -> bytes:
        return self._sealed

    def __repr__(self) -> str:
        return f"<Sealed: {self._field.name}>"


class _Attribute(DeferredAttribute):
    """Decrypts what is bound to its row when it is asked for."""

    field: _EncryptedField[Any]

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        value = super().__get__(instance, owner)
        if isinstance(value, Sealed):
            row = value._row or self.field._row(instance)
            value = self.field._decode(value._sealed, row)
            instance.__dict__[self.field.attname] = value
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.field.attname] = value


class _NullOnly(Exact):
    """What makes ``filter(field=None)`` mean ``isnull``."""

    def get_prep_lookup(self) -> Any:
        if self.rhs is not None:
            raise FieldError(_NO_LOOKUP)
        return None


_NO_LOOKUP = (
    "an encrypted field has no lookup but isnull: the same value is encrypted differently each time"
)


class _EncryptedField(_Field, Generic[_T]):
    """A field whose values are envelopes, bound to table, column, and row where that is known."""

    descriptor_class = _Attribute
    _codec: Codec[_T]

    def __init__(
        self,
        *args: Any,
        using: str = "default",
        bind_row: bool | None = None,
        table: str | None = None,
        column: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.using, self.bind_row = using, bind_row
        self.bound_table, self.bound_column = table, column
        self._cipher: tuple[int, ColumnCipher] | None = None

    def deconstruct(self) -> Any:
        """As for every field."""
        name, path, args, options = super().deconstruct()
        own = {
            "using": None if self.using == "default" else self.using,
            "bind_row": self.bind_row,
            "table": self.bound_table,
            "column": self.bound_column,
        }
        options.update({name: value for name, value in own.items() if value is not None})
        return name, path, args, options

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        """As for every field."""
        super().contribute_to_class(cls, name, private_only)
        self._cipher = None
        if not cls._meta.abstract:
            signals.post_init.connect(self._remember_row, sender=cls)

    def _remember_row(self, instance: Any, **_options: Any) -> None:
        # The primary key may be changed before the value is asked for.
        value = instance.__dict__.get(self.attname)
        if isinstance(value, Sealed) and value._row is None:
            instance.__dict__[self.attname] = Sealed(self, value._sealed, self._row(instance))

    def check(self, **options: Any) -> list[checks.CheckMessage]:
        """Refuse what needs comparison."""
        errors = super().check(**options)
        refused = ("unique", "db_index", "unique_for_date", "unique_for_month", "unique_for_year")
        if any(getattr(self, option, None) for option in refused):
            errors.append(
                checks.Error(
                    "An encrypted field can be neither unique nor a key nor an index.",
                    obj=self,
                    id="keyfold.E001",
                )
            )
        if self.bind_row and not _known_before_insert(self.model._meta.pk):
            errors.append(
                checks.Error(
                    "A field cannot be bound to a row whose primary key the database makes.",
                    hint="Use a UUIDField with a default as the primary key, or bind_row=False.",
                    obj=self,
                    id="keyfold.E002",
                )
            )
        return errors

    def get_internal_type(self) -> str:
        """A column of bytes."""
        return "BinaryField"

    # Lookups.

    def get_lookup(self, lookup_name: str) -> Any:
        """``isnull``, and ``exact`` for None."""
        if lookup_name == "exact":
            return _NullOnly
        if lookup_name != "isnull":
            raise FieldError(f"{_NO_LOOKUP} (asked for: {lookup_name})")
        return super().get_lookup(lookup_name)

    def get_transform(self, lookup_name: str) -> Any:
        """None."""
        raise FieldError(f"{_NO_LOOKUP} (asked for: {lookup_name})")

    # Values.

    @property
    def binds_row(self) -> bool:
        """Whether values are bound to their row."""
        if self.bind_row is not None:
            return self.bind_row
        return _known_before_insert(self.model._meta.pk)

    def _row(self, instance: Any) -> str:
        # That of the model which has the field: a child is saved after its parent.
        return row_name(getattr(instance, self.model._meta.pk.attname))

    def _column_cipher(self) -> ColumnCipher:
        if self._cipher is None or self._cipher[0] != _settings_age:
            chosen = _configured(self.using)
            client = chosen["CLIENT"]
            if isinstance(client, str):
                client = import_string(client)
            cipher = ColumnCipher(
                client,
                chosen.get("KEYS"),
                check_extra(chosen.get("CONTEXT"), OWN),
                self.bound_table or self.model._meta.db_table,
                self.bound_column or str(self.column),
            )
            self._cipher = _settings_age, cipher
        return self._cipher[1]

    def _encode(self, value: Any, row: str | None) -> bytes:
        try:
            plain = self._codec.encode(value)
        except (TypeError, ValueError, InvalidArgument) as error:
            # Without its text: that may have the value.
            raise ValidationError(
                f"the value of {self.name} cannot be encrypted: {type(error).__name__}"
            ) from None
        return self._column_cipher().seal(plain, row)

    def _decode(self, sealed: bytes, row: str | None) -> Any:
        return self._codec.decode(self._column_cipher().open(sealed, row))

    def from_db_value(self, value: Any, _expression: Any, _connection: Any) -> Any:
        """The value, or what its instance decrypts when it is asked for it."""
        if value is None:
            return None
        # psycopg answers a memoryview.
        sealed = bytes(value)
        return Sealed(self, sealed, None) if self.binds_row else self._decode(sealed, None)

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        """The value of an instance, bound to its row."""
        if not self.binds_row:
            return super().pre_save(model_instance, add)
        value = model_instance.__dict__.get(self.attname)
        if isinstance(value, Sealed) and value._row == self._row(model_instance):
            # Nobody has asked for it, and so nobody has changed it.
            return value
        value = getattr(model_instance, self.attname)
        if value is None or hasattr(value, "resolve_expression"):
            return value
        row = self._row(model_instance)
        return Sealed(self, self._encode(value, row), row)

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        """The envelope of a value."""
        if value is None or hasattr(value, "as_sql"):
            return value
        if isinstance(value, Sealed):
            sealed = value._sealed
        elif self.binds_row:
            raise FieldError(
                f"{self.name} is bound to its row, which is not known here: save objects instead"
            )
        else:
            sealed = self._encode(value, None)
        binary: Any = connection.Database.Binary(sealed)  # type: ignore[attr-defined]
        return binary

    def get_db_prep_value(
        self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False
    ) -> Any:
        """The envelope of a value."""
        return self.get_db_prep_save(value, connection)


def _known_before_insert(pk: Any) -> bool:
    """Whether Python knows the primary key of a row before the database has it."""
    parts: Sequence[Any] = getattr(pk, "fields", None) or [pk]
    return not any(
        isinstance(part, models.AutoField)
        or getattr(part, "generated", False)
        or getattr(part, "db_default", models.NOT_PROVIDED) is not models.NOT_PROVIDED
        for part in parts
    )


class EncryptedTextField(_EncryptedField[str]):
    """Text, encrypted.

    Args:
        *args: As for every field.
        using: Which entry of the setting ``KEYFOLD`` encrypts it.
        bind_row: Whether values are bound to their row; where absent, they are if the model's
            primary key is known before a row is inserted.
        table: The name of the table that is bound, where it is not the table's.
        column: The name of the column that is bound, likewise.
        **options: As for every field; ``unique``, ``db_index`` and ``primary_key`` are refused.

    Raises:
        KeyfoldError: When it is written or read, as for :meth:`keyfold.Client.encrypt` and
            ``decrypt``.
        FieldError: It is looked up, or written where its row is not known.
        ImproperlyConfigured: The settings do not say who encrypts it.

    """

    description = "Encrypted text"
    _codec = TEXT

    def to_python(self, value: Any) -> Any:
        """A str."""
        # Migrations give an empty column of bytes an empty value of bytes.
        return "" if value == b"" else value if value is None else str(value)

    def _encode(self, value: Any, row: str | None) -> bytes:
        return super()._encode(self.to_python(value), row)

    def formfield(self, **options: Any) -> Any:
        """An area of text."""
        return super().formfield(**{"widget": forms.Textarea, **options})


class EncryptedBinaryField(_EncryptedField[bytes]):
    """Bytes, encrypted; otherwise as :class:`EncryptedTextField`."""

    description = "Encrypted bytes"
    empty_values = [None, b""]  # noqa: RUF012 (so it is with Django)
    _codec = BYTES

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("editable", False)
        super().__init__(*args, **options)

    def deconstruct(self) -> Any:
        """As for every field."""
        name, path, args, options = super().deconstruct()
        if options.pop("editable", True):
            options["editable"] = True
        return name, path, args, options

    def get_default(self) -> Any:
        """Empty bytes where nothing else is said."""
        default = super().get_default()
        return b"" if default == "" else default

    def to_python(self, value: Any) -> Any:
        """Bytes; text is Base64, as serializers have it."""
        return base64.b64decode(value) if isinstance(value, str) else value

    def value_to_string(self, obj: Any) -> str:
        """In Base64, for serializers."""
        return base64.b64encode(self.value_from_object(obj)).decode()


class EncryptedJSONField(_EncryptedField[Any]):
    """What JSON has, encrypted; otherwise as :class:`EncryptedTextField`.

    Args:
        *args: As for every field.
        encoder: A ``json.JSONEncoder`` for what JSON has not.
        decoder: A ``json.JSONDecoder``.
        **options: As for :class:`EncryptedTextField`.

    None is NULL: that of the database, not that of JSON.

    """

    description = "Encrypted JSON"
    empty_strings_allowed = False

    def __init__(
        self,
        *args: Any,
        encoder: type[json.JSONEncoder] | None = None,
        decoder: type[json.JSONDecoder] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.encoder, self.decoder = encoder, decoder
        self._codec = json_codec(encoder, decoder)

    def deconstruct(self) -> Any:
        """As for every field."""
        name, path, args, options = super().deconstruct()
        own = {"encoder": self.encoder, "decoder": self.decoder}
        options.update({name: value for name, value in own.items() if value is not None})
        return name, path, args, options

    def value_to_string(self, obj: Any) -> Any:
        """As it is, for serializers."""
        return self.value_from_object(obj)

    def formfield(self, **options: Any) -> Any:
        """A field of JSON."""
        own = {"form_class": forms.JSONField, "encoder": self.encoder, "decoder": self.decoder}
        return super().formfield(**{**own, **options})
