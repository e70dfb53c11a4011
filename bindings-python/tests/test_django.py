"""keyfold.django: fields that are encrypted, over SQLite."""

from __future__ import annotations

import pickle
import sys
import uuid

import keyfold
import pytest
from keyfold import exceptions

django = pytest.importorskip("django", reason="requirements-extras.txt is not installed")

from django.apps import AppConfig  # noqa: E402
from django.conf import settings  # noqa: E402

if not settings.configured:
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[AppConfig("tests", sys.modules[__name__])],
        USE_TZ=True,
    )
    django.setup()

from django.core import serializers  # noqa: E402
from django.core.exceptions import (  # noqa: E402
    FieldError,
    ImproperlyConfigured,
    ValidationError,
)
from django.core.serializers.json import DjangoJSONEncoder  # noqa: E402
from django.db import connection, migrations, models  # noqa: E402
from django.db.migrations.state import ProjectState  # noqa: E402
from django.db.migrations.writer import MigrationWriter  # noqa: E402
from django.forms import modelform_factory  # noqa: E402
from django.test.utils import override_settings  # noqa: E402
from keyfold.django import (  # noqa: E402
    EncryptedBinaryField,
    EncryptedJSONField,
    EncryptedTextField,
    Sealed,
)


class Stamped(models.Model):
    stamp = EncryptedTextField(null=True)

    class Meta:
        abstract = True
        app_label = "tests"


class Person(Stamped):
    """Counted up by the database: bound to table and column."""

    email = EncryptedTextField(blank=True)
    other = EncryptedTextField(null=True, db_column="autre")
    photo = EncryptedBinaryField(null=True)
    extra = EncryptedJSONField(null=True, encoder=DjangoJSONEncoder, using="second")

    class Meta:
        app_label = "tests"


class Note(Stamped):
    """With a key of Python's: bound to the row too."""

    # Not the first column.
    text = EncryptedTextField(null=True)
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    data = EncryptedJSONField(null=True)
    blob = EncryptedBinaryField(null=True)
    loose = EncryptedTextField(null=True, bind_row=False)

    class Meta:
        app_label = "tests"


class Remark(Note):
    """A table of its own, whose key is that of its parent."""

    remark = EncryptedTextField()

    class Meta:
        app_label = "tests"


MODELS = [Person, Note, Remark]


@pytest.fixture
def client(counting, key):
    return keyfold.Client(counting, keys=key)


@pytest.fixture
def database(client, key):
    chosen = {
        "default": {"CLIENT": client, "KEYS": key},
        "second": {"CLIENT": lambda: client, "CONTEXT": {"app": "tests"}},
    }
    with override_settings(KEYFOLD=chosen):
        with connection.schema_editor() as editor:
            for model in MODELS:
                editor.create_model(model)
        yield
        with connection.schema_editor() as editor:
            for model in reversed(MODELS):
                editor.delete_model(model)


pytestmark = pytest.mark.usefixtures("database")


def raw(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [row[0] for row in cursor.fetchall()] if cursor.description else None


def test_there_and_back():
    Person.objects.create(email="a@b.c", photo=b"\0\xff", extra={"a": [1, None]}, stamp="s")
    person = Person.objects.get()
    assert (person.email, person.photo, person.stamp) == ("a@b.c", b"\0\xff", "s")
    assert (person.extra, person.other) == ({"a": [1, None]}, None)
    (sealed,) = raw("select email from tests_person")
    assert b"a@b.c" not in sealed
    assert keyfold.inspect(sealed).context == {"table": "tests_person", "column": "email"}
    (sealed,) = raw("select extra from tests_person")
    assert keyfold.inspect(sealed).context["app"] == "tests"
    assert raw("select autre from tests_person") == [None]
    person.email, person.extra = "", [uuid.UUID(int=1)]
    person.save()
    person.refresh_from_db()
    assert (person.email, person.extra) == ("", [str(uuid.UUID(int=1))])
    assert Person().email == ""
    assert list(Person.objects.values_list("email", "stamp")) == [("", "s")]
    Person.objects.update(email="all")
    Person.objects.bulk_update([Person(pk=person.pk, other="bulk")], ["other"])
    person = Person.objects.defer("email").get()
    assert (person.email, person.other) == ("all", "bulk")


def test_moved_to_another_column_or_table():
    Person.objects.create(email="secret", other="mine", stamp="s")
    Note.objects.create(stamp="t", loose="l")
    raw("update tests_person set autre = email")
    with pytest.raises(exceptions.ContextMismatch):
        Person.objects.get()
    raw("update tests_note set loose = (select stamp from tests_person)")
    with pytest.raises(exceptions.ContextMismatch):
        Note.objects.get()


def test_the_row_is_bound():
    one = Note.objects.create(text="one", data={"n": 1}, blob=b"1")
    two = Note(text="two")
    assert two.text == "two"
    two.save()
    assert (two.text, two.data) == ("two", None)
    sealed = raw("select text from tests_note where id = %s", one.pk.hex)[0]
    assert keyfold.inspect(sealed).context == {
        "table": "tests_note", "column": "text", "row": str(one.pk),
    }  # fmt: skip
    one = Note.objects.get(pk=one.pk)
    assert isinstance(one.__dict__["text"], Sealed)
    assert (one.text, one.data, one.blob) == ("one", {"n": 1}, b"1")
    assert one.__dict__["text"] == "one"
    raw("update tests_note set text = %s", sealed)
    assert Note.objects.get(pk=one.pk).text == "one"
    moved = Note.objects.get(pk=two.pk)
    with pytest.raises(exceptions.ContextMismatch):
        _ = moved.text
    raw("update tests_note set data = text")
    with pytest.raises(exceptions.ContextMismatch):
        _ = Note.objects.get(pk=one.pk).data


def test_what_nobody_asked_for_is_saved_as_it_is(counting):
    note = Note.objects.create(text="one")
    before = raw("select text from tests_note")
    note = Note.objects.get()
    note.data = {"new": 1}
    note.save()
    assert raw("select text from tests_note") == before
    assert Note.objects.get().data == {"new": 1}
    # A copy under another key is another row.
    note = Note.objects.get()
    note.pk = uuid.uuid4()
    note._state.adding = True
    note.save()
    assert [one.text for one in Note.objects.all()] == ["one", "one"]
    assert len(set(raw("select text from tests_note"))) == 2


def test_rows_in_bulk_and_in_part():
    notes = Note.objects.bulk_create([Note(text=str(n)) for n in range(5)])
    assert [Note.objects.get(pk=note.pk).text for note in notes] == list("01234")
    for pk, sealed in Note.objects.values_list("pk", "text"):
        assert isinstance(sealed, Sealed)
        assert sealed.open(pk) in "01234"
        assert bytes(sealed)[:3] == b"KFE"
        assert repr(sealed) == "<Sealed: text>"
        with pytest.raises(exceptions.ContextMismatch):
            sealed.open(uuid.uuid4())
    assert {note.text for note in Note.objects.only("pk")} == set("01234")
    with pytest.raises(FieldError, match="row"):
        Note.objects.update(text="all")
    with pytest.raises(FieldError, match="row"):
        Note.objects.bulk_update([Note(pk=notes[0].pk, text="x")], ["text"])
    Note.objects.update(text=None, loose="fine")
    assert {(note.text, note.loose) for note in Note.objects.all()} == {(None, "fine")}


def test_a_child_has_the_key_of_its_parent():
    made = Remark.objects.create(text="text", remark="remark")
    child = Remark.objects.get()
    assert (child.text, child.remark) == ("text", "remark")
    assert Note.objects.get().text == "text"
    sealed = raw("select remark from tests_remark")[0]
    assert keyfold.inspect(sealed).context["row"] == str(made.pk)
    child.text = "changed"
    child.save()
    assert Note.objects.get().text == "changed"
    assert Note.objects.select_related("remark").get().remark.remark == "remark"


@pytest.mark.parametrize("lookup", ["exact", "iexact", "contains", "in", "gt", "regex", "range"])
def test_lookups_are_refused(lookup):
    for model, field in ((Person, "email"), (Note, "text"), (Note, "data")):
        with pytest.raises(FieldError, match="isnull"):
            model.objects.filter(**{f"{field}__{lookup}": ["x"]})
    with pytest.raises(FieldError, match="isnull"):
        Note.objects.filter(data__key=1)
    with pytest.raises(FieldError, match="isnull"):
        Note.objects.exclude(text="x")


def test_null_is_looked_up():
    Note.objects.create(text="x")
    Note.objects.create()
    assert Note.objects.filter(text__isnull=True).count() == 1
    assert Note.objects.filter(text=None).count() == 1
    assert Note.objects.exclude(text=None).get().text == "x"


def test_few_calls_of_the_kms(counting):
    Note.objects.bulk_create([Note(text=str(n)) for n in range(50)])
    assert counting.calls == ["GenerateDataKey"]
    assert {note.text for note in Note.objects.all()} == {str(n) for n in range(50)}
    assert len(counting.calls) <= 2


def test_checks():
    class Wrong(models.Model):
        unique = EncryptedTextField(unique=True)
        bound = EncryptedTextField(bind_row=True)

        class Meta:
            app_label = "wrong"

    assert {error.id for error in Wrong.check()} >= {"keyfold.E001", "keyfold.E002"}
    assert Person.check() == []
    assert Note.check() == []
    with pytest.raises(exceptions.InvalidArgument, match="row key"):
        Wrong(bound="x")._meta.get_field("bound").pre_save(Wrong(bound="x"), add=True)


def test_settings():
    with override_settings(KEYFOLD={}), pytest.raises(ImproperlyConfigured, match="default"):
        Person.objects.create(email="x")
    named = {"CLIENT": f"{__name__}.named_client", "CONTEXT": {"by": "name"}}
    kms = keyfold.EmbeddedKms.in_memory()
    global named_client
    named_client = keyfold.Client(kms, keys=kms.create_key())
    with override_settings(KEYFOLD={"default": named}):
        Person.objects.create(email="x")
        assert Person.objects.defer("extra").get().email == "x"
    with pytest.raises(exceptions.ContextMismatch):
        Person.objects.get()
    with override_settings(KEYFOLD={"default": {**named, "CONTEXT": {"row": "1"}}}):
        with pytest.raises(exceptions.InvalidArgument):
            Person.objects.create(email="x")


def test_errors_do_not_tell_the_value(kms, key, client):
    for wrong in ({"extra": {"private": object()}}, {"photo": "a private text"}):
        with pytest.raises((ValidationError, exceptions.InvalidArgument)) as refused:
            Person.objects.create(**wrong)
        assert "private" not in f"{refused.value!r}"
    kms.disable_key(key)
    client.clear_cache()
    with pytest.raises(exceptions.KmsKeyUnavailable):
        Person.objects.create(email="x")


def test_migrations():
    field = EncryptedTextField(null=True, using="second", bind_row=False, table="t", column="c")
    _, path, args, options = field.deconstruct()
    assert (path, args) == ("keyfold.django.EncryptedTextField", [])
    assert options == {
        "null": True, "using": "second", "bind_row": False, "table": "t", "column": "c",
    }  # fmt: skip
    again = EncryptedTextField(*args, **options)
    assert again.deconstruct()[1:] == (path, args, options)
    assert EncryptedBinaryField().deconstruct()[3] == {}
    assert EncryptedBinaryField(editable=True).deconstruct()[3] == {"editable": True}
    options = EncryptedJSONField(encoder=DjangoJSONEncoder).deconstruct()[3]
    assert options == {"encoder": DjangoJSONEncoder}

    made = migrations.CreateModel(
        "Old", [("id", models.BigAutoField(primary_key=True)), ("kept", EncryptedTextField())]
    )
    added = migrations.AddField("old", "added", EncryptedTextField(default="given"))
    renamed = migrations.RenameField("old", "kept", "new")
    pinned = migrations.AlterField("old", "new", EncryptedTextField(column="kept"))

    class Steps(migrations.Migration):
        operations = [made, added, renamed, pinned]  # noqa: RUF012

    text = MigrationWriter(Steps("0001_initial", "moving")).as_string()
    assert "keyfold.django.EncryptedTextField(column='kept')" in text

    state = ProjectState()
    with connection.schema_editor() as editor:
        for number, operation in enumerate([made, added, renamed, pinned]):
            before = state.clone()
            operation.state_forwards("moving", state)
            operation.database_forwards("moving", editor, before, state)
            if number == 0:
                state.apps.get_model("moving", "Old").objects.create(kept="kept")
    old = state.apps.get_model("moving", "Old").objects.get()
    assert (old.new, old.added) == ("kept", "given")
    with connection.schema_editor() as editor:
        editor.delete_model(type(old))


def test_forms_and_serializers():
    form = modelform_factory(Note, fields=["text", "data"])({"text": "typed", "data": '{"a": 1}'})
    assert form.is_valid(), form.errors
    assert "<textarea" in str(form["text"])
    note = form.save()
    note = Note.objects.get(pk=note.pk)
    assert (note.text, note.data) == ("typed", {"a": 1})
    Person.objects.create(email="dumped", photo=b"\1\2", extra={"a": 1})
    dumped = serializers.serialize("json", Person.objects.all())
    assert "dumped" in dumped
    Person.objects.all().delete()
    for loaded in serializers.deserialize("json", dumped):
        loaded.save()
    person = Person.objects.get()
    assert (person.email, person.photo, person.extra) == ("dumped", b"\1\2", {"a": 1})


def test_instances_are_pickled():
    Note.objects.create(text="x")
    note = pickle.loads(pickle.dumps(Note.objects.get()))
    assert note.text == "x"
