"""File objects: over paths, over other file objects, over sources that are read at any place."""

from __future__ import annotations

import io
import random
import shutil

import keyfold
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keyfold import exceptions as errors

DATA = random.Random(7).randbytes(200_000)


def write(client, target, data=DATA, **options):
    with client.open_writer(target, **options) as writer:
        writer.write(data)


@pytest.fixture
def sealed(client, tmp_path):
    path = tmp_path / "data.kf"
    write(client, path)
    return path


def test_what_is_written_is_one_envelope(client, sealed):
    assert client.decrypt(sealed.read_bytes()) == DATA


def test_the_protocol_of_writers(client, tmp_path):
    writer = client.open_writer(tmp_path / "out.kf")
    assert isinstance(writer, io.BufferedIOBase)
    assert writer.writable()
    assert not writer.readable()
    assert not writer.seekable()
    assert not writer.closed
    assert writer.write(memoryview(DATA)[:70_000]) == 70_000
    assert writer.tell() == 70_000
    writer.flush()
    assert writer.tell() == 70_000
    for refused in [writer.read, lambda: writer.seek(0), writer.fileno]:
        with pytest.raises((OSError, io.UnsupportedOperation)):
            refused()
    writer.close()
    writer.close()
    assert writer.closed
    with pytest.raises(ValueError, match="closed"):
        writer.write(b"x")
    assert client.decrypt((tmp_path / "out.kf").read_bytes()) == DATA[:70_000]


def test_the_protocol_of_readers(client, sealed):
    with client.open_reader(sealed) as reader:
        assert isinstance(reader, io.BufferedIOBase)
        assert reader.readable()
        assert reader.seekable()
        assert not reader.writable()
        assert reader.read(10) == DATA[:10]
        assert reader.tell() == 10
        assert reader.seek(-5, io.SEEK_CUR) == 5
        assert reader.peek(1)[:1] == DATA[5:6]
        buffer = bytearray(20)
        assert reader.readinto(buffer) == 20
        assert buffer == DATA[5:25]
        assert reader.seek(-7, io.SEEK_END) == len(DATA) - 7
        assert reader.read() == DATA[-7:]
        assert reader.read() == b""
        assert reader.seek(len(DATA) + 100) == len(DATA) + 100
        assert reader.read(1) == b""
        assert reader.seek(100_000) == 100_000
        assert reader.read1(4096) == DATA[100_000:104_096]
        with pytest.raises((OSError, ValueError)):
            reader.seek(-1)
        with pytest.raises((OSError, io.UnsupportedOperation)):
            reader.write(b"")
    assert reader.closed
    with pytest.raises(ValueError, match="closed"):
        reader.read()


def test_lines_and_text(client, tmp_path):
    path = tmp_path / "lines.kf"
    with io.TextIOWrapper(client.open_writer(path), encoding="utf-8") as text:
        text.writelines(f"line {number} é\n" for number in range(5000))
    with io.TextIOWrapper(client.open_reader(path), encoding="utf-8") as text:
        assert list(text) == [f"line {number} é\n" for number in range(5000)]


def test_a_file_appears_only_when_it_is_complete(client, tmp_path):
    path = tmp_path / "out.kf"
    with client.open_writer(path) as writer:
        writer.write(DATA)
        writer.flush()
        assert not path.exists()
    assert path.exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.kf"]


def test_an_exception_leaves_no_file(client, tmp_path):
    path = tmp_path / "out.kf"
    path.write_bytes(b"before")
    with pytest.raises(ZeroDivisionError), client.open_writer(path) as writer:
        writer.write(DATA)
        1 / 0  # noqa: B018
    assert writer.closed
    assert path.read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_writer_that_nobody_closes_leaves_no_file(client, tmp_path):
    writer = client.open_writer(tmp_path / "out.kf")
    writer.write(DATA)
    with pytest.warns(ResourceWarning, match="unclosed"):
        del writer
    assert list(tmp_path.iterdir()) == []


def test_an_exception_leaves_no_complete_envelope_in_a_file_object(client):
    sink = io.BytesIO()
    with pytest.raises(ZeroDivisionError), client.open_writer(sink) as writer:
        writer.write(DATA)
        1 / 0  # noqa: B018
    assert not sink.closed
    with pytest.raises((errors.Truncated, errors.AuthenticationFailed)):
        client.decrypt(sink.getvalue())


def test_files_may_be_kept(client, sealed):
    with pytest.raises(FileExistsError) as raised:
        client.open_writer(sealed, overwrite=False)
    assert raised.value.code == "io"
    assert client.decrypt(sealed.read_bytes()) == DATA


class Once(io.RawIOBase):
    """A source that can only be read on, a few bytes at a time."""

    def __init__(self, data, step=777):
        self.inner, self.step = io.BytesIO(data), step

    def readable(self):
        return True

    def readinto(self, out):
        return self.inner.readinto(memoryview(out)[: self.step])


def test_a_source_that_is_read_once(client, sealed):
    with client.open_reader(Once(sealed.read_bytes())) as reader:
        assert not reader.seekable()
        with pytest.raises(io.UnsupportedOperation):
            reader.seek(0)
        with pytest.raises(errors.InvalidArgument):
            reader.read_at(0, 1)
        assert reader.read() == DATA


def test_a_file_object_that_stands_somewhere(client, sealed):
    inner = io.BytesIO(b"something before" + sealed.read_bytes())
    inner.seek(len(b"something before"))
    with client.open_reader(inner) as reader:
        assert reader.read_at(150_000, 10) == DATA[150_000:150_010]
        assert reader.read() == DATA
    assert not inner.closed


class Ranged:
    """An object of a store."""

    def __init__(self, data):
        self.data, self.reads = data, []
        self.size = len(data)

    def read_at(self, offset, length):
        self.reads.append((offset, length))
        return self.data[offset : offset + length]


def test_a_range_reads_only_its_segments(client, sealed):
    source = Ranged(sealed.read_bytes())
    with client.open_reader(source) as reader:
        before = len(source.reads)
        assert reader.read_at(100_000, 10) == DATA[100_000:100_010]
        (read,) = source.reads[before:]
        assert read[1] == 16_400
        assert reader.verify_length() == len(DATA)
        assert sum(length for _, length in source.reads) < len(source.data) / 2


def test_the_size_of_a_source_may_be_a_method(client, sealed):
    class Method(Ranged):
        def __init__(self, data):
            self.data, self.reads = data, []

        def size(self):
            return len(self.data)

    with client.open_reader(Method(sealed.read_bytes())) as reader:
        assert reader.read() == DATA


def test_the_end_is_proven_when_it_is_read(client, sealed):
    whole = sealed.read_bytes()
    with pytest.raises(errors.Truncated):
        client.open_reader(io.BytesIO(whole[: -(200_000 % 16_384) - 16]))
    cut = whole[:-100]
    with client.open_reader(io.BytesIO(cut)) as reader:
        assert reader.read_at(0, 10) == DATA[:10]
        for prove in [reader.verify_length, lambda: reader.seek(0, io.SEEK_END)]:
            with pytest.raises(errors.AuthenticationFailed):
                prove()
    with client.open_reader(io.BytesIO(cut)) as reader, pytest.raises(errors.KeyfoldError):
        reader.read()
    with client.open_reader(Once(cut)) as reader, pytest.raises(errors.KeyfoldError):
        reader.read()


def test_signed_files_are_proven_at_their_end(client, tmp_path):
    signer = keyfold.SigningKey.generate("ECC_NIST_P256")
    path = tmp_path / "signed.kf"
    write(client, path, signer=signer)
    with client.open_reader(path, signers=signer.public_key) as reader:
        assert not reader.seekable()
        assert reader.read() == DATA
    with pytest.raises(errors.InvalidArgument):
        client.open_reader(path)
    with client.open_reader(path, unproven_signature=True) as reader:
        assert reader.read_at(5, 5) == DATA[5:10]
    broken = bytearray(path.read_bytes())
    broken[-1] ^= 1
    with client.open_reader(io.BytesIO(broken), signers=signer.public_key) as reader:
        with pytest.raises(errors.SignatureInvalid):
            reader.read()
    stranger = keyfold.SigningKey.generate().public_key
    with client.open_reader(path, signers=[stranger]) as reader:
        with pytest.raises(errors.SignatureInvalid):
            reader.read()


class Failing(io.RawIOBase):
    """Fails after so many bytes."""

    def __init__(self, good, data=b""):
        self.good, self.inner = good, io.BytesIO(data)

    def writable(self):
        return True

    def readable(self):
        return True

    def write(self, data):
        self.good -= len(data)
        if self.good < 0:
            raise OSError(28, "No space left on device")
        return len(data)

    def readinto(self, out):
        if self.inner.tell() > self.good:
            raise ConnectionResetError("gone")
        return self.inner.readinto(out)


@pytest.mark.parametrize("good", [0, 100, 50_000, 200_000])
def test_a_sink_that_fails(client, good):
    with pytest.raises(OSError) as raised, client.open_writer(Failing(good)) as writer:
        for start in range(0, len(DATA), 1000):
            writer.write(DATA[start : start + 1000])
    assert raised.value.code == "io"
    assert isinstance(raised.value.__cause__, OSError)
    assert raised.value.__cause__.errno == 28


def test_a_source_that_fails(client, sealed):
    source = Failing(100_000, sealed.read_bytes())
    source.seekable = lambda: False
    with client.open_reader(source) as reader, pytest.raises(OSError) as raised:
        reader.read()
    assert isinstance(raised.value.__cause__, ConnectionResetError)


def test_a_source_that_answers_nonsense(client, sealed):
    class Nonsense(Ranged):
        def read_at(self, offset, length):
            return self.data[offset : offset + length] + b"more than was asked for"

    with pytest.raises(keyfold.KeyfoldError):
        client.open_reader(Nonsense(sealed.read_bytes()))

    class Text:
        def seekable(self):
            return False

        def read(self, size):
            return "text"

    with pytest.raises(keyfold.KeyfoldError):
        client.open_reader(Text())


def test_copying_as_everybody_does(client, tmp_path):
    (tmp_path / "plain").write_bytes(DATA)
    with (tmp_path / "plain").open("rb") as source:
        with client.open_writer(tmp_path / "copy.kf") as target:
            shutil.copyfileobj(source, target)
    with client.open_reader(tmp_path / "copy.kf") as source:
        with (tmp_path / "back").open("wb") as target:
            shutil.copyfileobj(source, target)
    assert (tmp_path / "back").read_bytes() == DATA


def test_a_stream_of_known_length_uses_the_cache(counting, key, tmp_path):
    client = keyfold.Client(counting, keys=key)
    for length in [None, None, len(DATA), len(DATA)]:
        write(client, tmp_path / "out.kf", length=length)
    assert counting.calls == ["GenerateDataKey"] * 3


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, len(DATA)), max_size=12))
def test_any_division_gives_the_same_plaintext(cuts):
    sink = io.BytesIO()
    with SHARED.open_writer(sink) as writer:
        edges = [0, *sorted(cuts), len(DATA)]
        for start, end in zip(edges, edges[1:]):
            writer.write(DATA[start:end])
    assert SHARED.decrypt(sink.getvalue()) == DATA


@settings(max_examples=60, deadline=None)
@given(offset=st.integers(0, len(DATA) + 50_000), length=st.integers(0, 60_000))
def test_any_range(offset, length):
    with SHARED.open_reader(io.BytesIO(SEALED)) as reader:
        assert reader.read_at(offset, length) == DATA[offset : offset + length]
        reader.seek(offset)
        assert reader.read(length) == DATA[offset : offset + length]


def _shared():
    kms = keyfold.EmbeddedKms.in_memory()
    return keyfold.Client(kms, keys=kms.create_key("alias/docs"))


SHARED = _shared()
SEALED = SHARED.encrypt(DATA)
