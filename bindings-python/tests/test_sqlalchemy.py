"""keyfold.sqlalchemy: columns that are encrypted, over SQLite."""

from __future__ import annotations

import datetime
import pickle
import uuid

import keyfold
import pytest
from keyfold import exceptions

sa = pytest.importorskip("sqlalchemy", reason="requirements-extras.txt is not installed")

from keyfold.sqlalchemy import (  # noqa: E402
    EncryptedBytes,
    EncryptedJSON,
    EncryptedString,
    RowEncryptedBytes,
    RowEncryptedJSON,
    RowEncryptedString,
)
from sqlalchemy import orm  # noqa: E402
from sqlalchemy.ext.mutable import MutableDict  # noqa: E402


@pytest.fixture
def engine():
    engine = sa.create_engine("sqlite://")
    yield engine
    engine.dispose()


@pytest.fixture
def client(counting, key):
    return keyfold.Client(counting, keys=key)


@pytest.fixture
def models(client, key, engine):
    class Base(orm.DeclarativeBase):
        pass

    class Stamped:
        # In a mixin: each class gets a copy.
        stamp: orm.Mapped[str | None] = orm.mapped_column(EncryptedString(client))

    class Person(Stamped, Base):
        __tablename__ = "person"
        id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
        email: orm.Mapped[str | None] = orm.mapped_column(EncryptedString(lambda: client))
        photo: orm.Mapped[bytes | None] = orm.mapped_column(
            EncryptedBytes(client, context={"tenant": "acme"})
        )
        extra: orm.Mapped[dict | None] = orm.mapped_column(
            MutableDict.as_mutable(EncryptedJSON(client, keys=[key]))
        )
        other: orm.Mapped[str | None] = orm.mapped_column("autre", EncryptedString(client))

    class Note(Stamped, Base):
        __tablename__ = "note"
        id: orm.Mapped[uuid.UUID] = orm.mapped_column(primary_key=True, default=uuid.uuid4)
        number: orm.Mapped[int | None]
        sealed_text: orm.Mapped[bytes | None] = orm.mapped_column("text", sa.LargeBinary)
        text = RowEncryptedString("sealed_text", client, keys=key)
        sealed_data: orm.Mapped[bytes | None] = orm.mapped_column(sa.LargeBinary)
        data = RowEncryptedJSON("sealed_data", client, keys=key, context={"tenant": "acme"})
        sealed_blob: orm.Mapped[bytes | None] = orm.mapped_column(sa.LargeBinary)
        blob = RowEncryptedBytes("sealed_blob", client, keys=key, row_key=["id", "number"])

    class Counted(Base):
        __tablename__ = "counted"
        id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
        sealed: orm.Mapped[bytes | None] = orm.mapped_column(sa.LargeBinary)
        value = RowEncryptedString("sealed", client)

    Base.metadata.create_all(engine)
    return {"Person": Person, "Note": Note, "Counted": Counted, "Base": Base}


@pytest.fixture
def person(models):
    return models["Person"]


@pytest.fixture
def note(models):
    return models["Note"]


@pytest.fixture
def session(engine, models):
    with orm.Session(engine) as session:
        yield session


def raw(session, statement, **values):
    return session.execute(sa.text(statement), values)


def test_there_and_back(session, person, client):
    session.add(person(id=1, email="a@b.c", photo=b"\0\xff", extra={"a": [1, None]}, stamp="s"))
    session.add(person(id=2))
    session.commit()
    one = session.get(person, 1)
    assert (one.email, one.photo, one.extra, one.stamp) == (
        "a@b.c",
        b"\0\xff",
        {"a": [1, None]},
        "s",
    )
    two = session.get(person, 2)
    assert (two.email, two.photo, two.extra, two.stamp) == (None, None, None, None)
    (sealed,) = raw(session, "select email from person where id = 1").one()
    assert b"a@b.c" not in sealed
    assert keyfold.inspect(sealed).context == {"table": "person", "column": "email"}
    (sealed,) = raw(session, "select photo from person where id = 1").one()
    assert keyfold.inspect(sealed).context["tenant"] == "acme"
    assert raw(session, "select email from person where id = 2").scalar_one() is None
    one.email, one.extra["b"] = "", 5
    session.commit()
    assert session.get(person, 1).email == ""
    assert session.get(person, 1).extra == {"a": [1, None], "b": 5}


def test_statements(session, person):
    session.execute(sa.insert(person), [{"id": n, "email": f"{n}@x"} for n in range(10)])
    session.execute(sa.update(person).where(person.id == 3).values(email="three"))
    emails = session.scalars(sa.select(person.email).order_by(person.id)).all()
    assert emails[2:5] == ["2@x", "three", "4@x"]
    again = orm.aliased(person)
    joined = sa.select(person.email, again.email).join(again, again.id == person.id + 1)
    assert session.execute(joined.where(person.id == 3)).one() == ("three", "4@x")
    inner = sa.select(person.id, person.email).subquery()
    assert session.scalars(sa.select(inner.c.email).where(inner.c.id == 4)).one() == "4@x"
    union = sa.select(person.email).where(person.id == 3).union_all(
        sa.select(person.email).where(person.id == 4)
    )  # fmt: skip
    assert session.scalars(union).all() == ["three", "4@x"]
    assert (
        session.scalars(sa.select(sa.literal_column("1")).where(person.email.is_(None))).all() == []
    )
    assert len(session.scalars(sa.select(person.id).where(person.email.is_not(None))).all()) == 10
    assert len(session.scalars(sa.select(person.id).where(person.email != None)).all()) == 10  # noqa: E711


@pytest.mark.parametrize(
    "compare",
    [
        lambda column: column == "x",
        lambda column: column != "x",
        lambda column: "x" == column,  # noqa: SIM300
        lambda column: column.in_(["x"]),
        lambda column: column.like("x%"),
        lambda column: column > "x",
        lambda column: column + "x",
        lambda column: column.desc(),
        lambda column: column == sa.literal("x"),
    ],
)
def test_comparisons_are_refused(person, note, compare):
    with pytest.raises(sa.exc.InvalidRequestError, match="encrypted"):
        compare(person.email)
    with pytest.raises((sa.exc.InvalidRequestError, TypeError)):
        compare(note.text)


def test_moved_to_another_column_or_table(session, person, note):
    session.add(person(id=1, email="secret", other="mine", stamp="s"))
    identity = uuid.uuid4()
    session.add(note(id=identity, stamp="t"))
    session.commit()
    raw(session, "update person set autre = email")
    with pytest.raises(exceptions.ContextMismatch):
        session.scalars(sa.select(person.other)).all()
    sealed = raw(session, "select stamp from person").scalar_one()
    raw(session, "update note set stamp = :sealed", sealed=sealed)
    with pytest.raises(exceptions.ContextMismatch):
        session.scalars(sa.select(note.stamp)).all()
    raw(session, "update person set autre = :cut", cut=sealed[:-1])
    with pytest.raises(exceptions.KeyfoldError):
        session.scalars(sa.select(person.other)).all()


def test_the_row_is_bound(session, note):
    one, two = note(text="one", data={"n": 1}, blob=b"1", number=7), note(text="two")
    assert (one.text, one.data, one.sealed_text, one.id) == ("one", {"n": 1}, None, None)
    session.add_all([one, two])
    session.commit()
    assert isinstance(one.id, uuid.UUID)
    assert (one.text, one.data, one.blob, two.text) == ("one", {"n": 1}, b"1", "two")
    assert (two.data, two.blob) == (None, None)
    assert keyfold.inspect(one.sealed_text).context == {
        "table": "note", "column": "text", "row": str(one.id),
    }  # fmt: skip
    session.expire_all()
    raw(session, "update note set text = (select text from note where id = :id)", id=one.id.hex)
    assert one.text == "one"
    with pytest.raises(exceptions.ContextMismatch):
        _ = two.text
    raw(session, "update note set sealed_data = text")
    session.expire_all()
    with pytest.raises(exceptions.ContextMismatch):
        _ = one.data


def test_the_row_is_bound_on_change(session, note):
    one = note(text="one", number=1, blob=b"x")
    session.add(one)
    session.commit()
    one.text = "changed"
    assert one.text == "changed"
    one.data = None
    session.commit()
    assert session.scalars(sa.select(note)).one().text == "changed"
    one.text = None
    session.commit()
    assert one.text is None
    assert one.sealed_text is None
    # A part of the row key of one attribute changes.
    one.number = 2
    with pytest.raises(sa.exc.InvalidRequestError, match="row key"):
        session.commit()
    session.rollback()
    one.blob = b"forgotten"
    session.rollback()
    assert one.blob == b"x"
    one.number = 2
    one.blob = b"y"
    session.commit()
    session.expire_all()
    assert (one.blob, one.number) == (b"y", 2)
    session.refresh(one)
    session.add(note(id=uuid.uuid4(), number=2, sealed_blob=one.sealed_blob))
    with pytest.raises(sa.exc.InvalidRequestError, match="another row"):
        session.commit()


def test_a_flush_that_fails_leaves_the_value(session, note):
    identity = uuid.uuid4()
    session.add(note(id=identity, text="first"))
    session.commit()
    session.expunge_all()
    second = note(id=identity, text="second")
    session.add(second)
    with pytest.raises(sa.exc.IntegrityError):
        session.commit()
    session.rollback()
    assert second.text == "second"
    second.id = uuid.uuid4()
    session.add(second)
    session.commit()
    session.expire_all()
    assert second.text == "second"


def test_statements_with_rows(session, note):
    ids = [uuid.uuid4() for _ in range(3)]
    values = [{"id": i, "sealed_text": note.text.seal(i, f"text {n}")} for n, i in enumerate(ids)]
    session.execute(sa.insert(note), values)
    assert [session.get(note, i).text for i in ids] == ["text 0", "text 1", "text 2"]
    row = session.execute(sa.select(note.id, note.sealed_text).where(note.id == ids[1])).one()
    assert note.text.open(*row) == "text 1"
    with pytest.raises(exceptions.ContextMismatch):
        note.text.open(ids[0], row.sealed_text)


def test_a_row_key_that_is_counted_up(session, models):
    counted = models["Counted"]
    session.add(counted(value="x"))
    with pytest.raises(exceptions.InvalidArgument, match="row key"):
        session.commit()
    session.rollback()
    session.add(counted(id=5, value="x"))
    session.commit()
    session.expire_all()
    assert session.get(counted, 5).value == "x"


def test_few_calls_of_the_kms(session, person, note, counting, client):
    session.add_all([person(id=n, email=str(n)) for n in range(50)])
    session.add_all([note(text=str(n)) for n in range(50)])
    session.commit()
    # One for each column, though each of the notes has a context of its own.
    assert counting.calls == ["GenerateDataKey"] * 2
    session.expunge_all()
    assert len(session.scalars(sa.select(person)).all()) == 50
    assert {one.text for one in session.scalars(sa.select(note))} == {str(n) for n in range(50)}
    assert len(counting.calls) <= 4
    sealed = raw(session, "select text from note limit 1").scalar_one()
    assert "context" in keyfold.inspect(sealed).recipients[0].parameters


def test_errors_have_their_cause(session, person, kms, key, client):
    kms.disable_key(key)
    session.add(person(id=1, email="private"))
    with pytest.raises(exceptions.KmsKeyUnavailable) as refused:
        session.commit()
    assert "private" not in f"{refused.value!r} {refused.value}"
    assert type(pickle.loads(pickle.dumps(refused.value))) is exceptions.KmsKeyUnavailable
    session.rollback()
    kms.enable_key(key)
    for wrong in ({"private"}, 1.5, "\ud800"):
        session.add(person(id=1, email=wrong, extra={"a": "private"}))
        with pytest.raises(exceptions.InvalidArgument) as refused:
            session.commit()
        assert "private" not in f"{refused.value!r} {refused.value} {refused.value.__context__!r}"
        session.rollback()
    session.add(person(id=1, extra={"a": object()}))
    with pytest.raises(exceptions.InvalidArgument, match="TypeError"):
        session.commit()


def test_the_type_belongs_to_one_column(client, engine):
    shared = EncryptedString(client)
    metadata = sa.MetaData()
    table = sa.Table("t", metadata, sa.Column("a", shared))
    with pytest.raises(exceptions.InvalidArgument):
        sa.Column("b", shared)
    with pytest.raises(exceptions.InvalidArgument):
        EncryptedString(client, context={"row": "1"})
    with pytest.raises(exceptions.InvalidArgument, match="column"), engine.connect() as connection:
        connection.execute(sa.select(sa.bindparam("x", "v", EncryptedString(client))))
    copied = table.to_metadata(sa.MetaData(), schema="other", name="copy")
    assert copied.c.a.type is not table.c.a.type
    assert copied.c.a.type._bound()._context == {"table": "other.copy", "column": "a"}
    assert repr(shared) == "EncryptedString()"
    with pytest.raises(sa.exc.CompileError):
        str(table.insert().values(a="x").compile(engine, compile_kwargs={"literal_binds": True}))


def test_a_table_is_renamed(client, engine):
    metadata = sa.MetaData()
    before = sa.Table("before", metadata, sa.Column("a", EncryptedString(client)))
    pinned = EncryptedString(client, table="before", column="a")
    after = sa.Table("after", metadata, sa.Column("b", pinned))
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(before.insert().values(a="kept"))
        connection.execute(sa.text("insert into after select a from before"))
        assert connection.scalar(sa.select(after.c.b)) == "kept"
    assert isinstance(pinned.compile(engine.dialect), str)
    assert pinned.compile(engine.dialect) == "BLOB"


def test_statements_are_cached(engine, client, models):
    person = models["Person"]
    one = sa.select(person.email).where(person.id == 1)
    two = sa.select(person.email).where(person.id == 2)
    assert one._generate_cache_key() is not None
    assert one._generate_cache_key() == two._generate_cache_key()
    assert person.__table__.c.email.type._static_cache_key != (
        person.__table__.c.autre.type._static_cache_key
    )
    other = EncryptedString(keyfold.Client(client.kms), context={"a": "b"})
    same = other.copy()
    assert other._static_cache_key == same._static_cache_key
    assert other._static_cache_key != EncryptedString(client)._static_cache_key


def test_row_keys(client):
    from keyfold._columns import row_name

    assert row_name(5) == "5"
    assert row_name("5") == "5"
    assert row_name(b"\x01\xff") == "01ff"
    assert row_name((1, "a,b")) == '["1", "a,b"]'
    assert row_name(datetime.date(2026, 1, 2)) == "2026-01-02"
    for wrong in (None, 1.5, True, object()):
        with pytest.raises(exceptions.InvalidArgument):
            row_name(wrong)
