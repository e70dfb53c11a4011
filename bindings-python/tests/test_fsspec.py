"""keyfold.fsspec through the real libraries: fsspec, s3fs, pandas, pyarrow, dask."""

from __future__ import annotations

import io
import os
import pickle
import socket
import subprocess
import sys
import time
import urllib.request

import hypothesis
import keyfold
import pytest
from hypothesis import strategies as st

fsspec = pytest.importorskip("fsspec", reason="requirements-extras.txt is not installed")
pd = pytest.importorskip("pandas", reason="requirements-extras.txt is not installed")
pytest.importorskip("s3fs", reason="requirements-extras.txt is not installed")

from keyfold.fsspec import KeyfoldFileSystem  # noqa: E402

SEGMENT = 16384
BIG = bytes(range(256)) * 8192  # 2 MiB

#: A client as a configuration file names it.
_FOUND: list[keyfold.Client] = []


def find_client():
    return _FOUND[0]


@pytest.fixture
def memory():
    fs = fsspec.filesystem("memory", skip_instance_cache=True)
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    return fs


class Counted:
    """Counts the reads of a file system, with how many bytes each is."""

    def __init__(self, fs):
        self.reads = []
        self.listed = []
        cat_file, info = fs.cat_file, fs.info

        def counting(path, start=None, end=None, **options):
            data = cat_file(path, start=start, end=end, **options)
            self.reads.append((start, len(data)))
            return data

        def counting_info(path, **options):
            self.listed.append(path)
            return info(path, **options)

        fs.cat_file, fs.info = counting, counting_info


@pytest.fixture(scope="module")
def s3_server():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/moto-api/", timeout=5).close()
                break
            except OSError:
                assert server.poll() is None, "moto_server ended"
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture
def s3_options(s3_server):
    urllib.request.urlopen(
        urllib.request.Request(f"{s3_server}/moto-api/reset", method="POST"), timeout=10
    ).close()
    options = {"key": "test", "secret": "test", "endpoint_url": s3_server}
    fsspec.filesystem("s3", skip_instance_cache=True, **options).mkdir("bucket")
    return options


@pytest.fixture(params=["local", "memory", "s3"])
def place(request, client, tmp_path):
    """A file system of keyfold's over each kind, and a folder in it."""
    if request.param == "local":
        yield KeyfoldFileSystem("file", {"auto_mkdir": True}, client=client), str(tmp_path / "d")
    elif request.param == "memory":
        inner = request.getfixturevalue("memory")
        yield KeyfoldFileSystem(fs=inner, client=client), "/d"
    else:
        options = request.getfixturevalue("s3_options")
        inner = fsspec.filesystem("s3", skip_instance_cache=True, **options)
        yield KeyfoldFileSystem(fs=inner, client=client), "bucket/d"


def test_what_is_written_is_read_everywhere(place, client):
    fs, folder = place
    fs.makedirs(folder, exist_ok=True)
    path = f"{folder}/file"
    with fs.open(path, "wb") as file:
        file.write(BIG[:70_000])
        file.write(BIG[70_000:])
        assert file.tell() == len(BIG)
    sealed = fs.fs.cat_file(path)
    assert BIG[:64] not in sealed
    assert client.decrypt(sealed) == BIG
    assert fs.cat_file(path) == BIG
    assert fs.cat_file(path, 5, 25) == BIG[5:25]
    assert fs.cat_file(path, -10) == BIG[-10:]
    assert fs.cat_file(path, -10, -3) == BIG[-10:-3]
    assert fs.cat_file(path, len(BIG) + 5) == b""
    with fs.open(path) as file:
        assert file.seek(1_000_000) == 1_000_000
        assert file.read(4096) == BIG[1_000_000:1_004_096]
        assert file.seek(-100, io.SEEK_END) == len(BIG) - 100
        assert file.read() == BIG[-100:]
    with fs.open(f"{folder}/text", "w", encoding="utf-8") as file:
        file.write("žluť\n" * 3)
    with fs.open(f"{folder}/text", "r", encoding="utf-8") as file:
        assert file.readlines() == ["žluť\n"] * 3


def test_sizes_are_those_of_the_plaintext(place):
    fs, folder = place
    fs.makedirs(folder, exist_ok=True)
    lengths = {"none": 0, "one": 1, "segment": SEGMENT, "more": 3 * SEGMENT + 7}
    for name, length in lengths.items():
        fs.pipe_file(f"{folder}/{name}", b"x" * length)
    fs.fs.pipe_file(f"{folder}/plain", b"no envelope")
    listed = {entry["name"].rsplit("/", 1)[1]: entry for entry in fs.ls(folder, detail=True)}
    assert {name: listed[name]["size"] for name in lengths} == lengths
    assert all(listed[name]["sealed_size"] > lengths[name] for name in lengths)
    assert listed["plain"]["size"] == 11
    assert "sealed_size" not in listed["plain"]
    for name, length in lengths.items():
        assert fs.info(f"{folder}/{name}")["size"] == length
        assert fs.size(f"{folder}/{name}") == length
    assert fs.du(folder) == sum(lengths.values()) + 11
    assert fs.du(folder, total=False)[_names(fs, folder)["more"]] == lengths["more"]
    found = fs.find(folder, detail=True)
    assert sorted(entry["size"] for entry in found.values()) == sorted([*lengths.values(), 11])
    assert fs.glob(f"{folder}/*e", detail=True)[_names(fs, folder)["one"]]["size"] == 1
    with pytest.raises(keyfold.exceptions.MalformedEnvelope):
        fs.cat_file(f"{folder}/plain")
    # The same length, another header: what was learned belongs to the object that was.
    fs.pipe_file(f"{folder}/one", b"22")
    assert fs.info(f"{folder}/one")["size"] == 2


def _names(fs, folder):
    return {name.rsplit("/", 1)[1]: name for name in fs.ls(folder, detail=False)}


def test_listings_can_do_without_reads(memory, client):
    fs = KeyfoldFileSystem(fs=memory, client=client, exact_sizes=False)
    fs.pipe_file("/d/a", b"x" * 10)
    counted = Counted(memory)
    assert fs.ls("/d")[0]["size"] == len(memory.cat_file("/d/a"))
    assert fs.info("/d/a")["size"] == 10
    counted.reads.clear()
    exact = KeyfoldFileSystem(fs=memory, client=client)
    for name in "bcde":
        exact.pipe_file(f"/d/{name}", b"x" * 10)
    assert exact.du("/d") == 50
    assert len(counted.reads) == 5
    assert exact.du("/d") == 50
    assert len(counted.reads) == 5, "lengths are remembered"
    assert len(exact.ls("/d", detail=False)) == 5
    assert len(list(exact.walk("/d"))) == 1
    assert len(counted.reads) == 5


def test_a_range_reads_its_segments_only(memory, client):
    fs = KeyfoldFileSystem(fs=memory, client=client, cache_type="none")
    fs.pipe_file("/big", BIG)
    sealed = memory.info("/big")["size"]
    counted = Counted(memory)
    with fs.open("/big") as file:
        file.seek(40 * SEGMENT + 100)
        assert file.read(200) == BIG[40 * SEGMENT + 100 :][:200]
        # The beginning with the header, and one segment.
        assert [length for _, length in counted.reads] == [32 * 1024, SEGMENT + 16]
        file.seek(50 * SEGMENT - 1)
        assert file.read(2) == BIG[50 * SEGMENT - 1 :][:2]
        assert counted.reads[2:] == [(counted.reads[2][0], 2 * (SEGMENT + 16))]
        file.seek(-200, io.SEEK_END)
        assert counted.reads[3:] == [(sealed - 128 * 1024, 128 * 1024)]
        assert file.read() == BIG[-200:]
        assert len(counted.reads) == 4, "the end is read once"
        file.seek(0)
        assert file.read(100) == BIG[:100]
        assert len(counted.reads) == 4, "the beginning is read once"
    assert len(counted.listed) == 1
    counted.reads.clear()
    assert fs.cat_file("/big", 10 * SEGMENT, 10 * SEGMENT + 5) == BIG[10 * SEGMENT :][:5]
    assert len(counted.reads) == 2
    # A small object is read once, whole.
    fs.pipe_file("/small", b"small")
    counted.reads.clear()
    assert fs.cat_file("/small") == b"small"
    assert len(counted.reads) == 1


def test_reading_ahead_spares_requests(memory, client):
    fs = KeyfoldFileSystem(fs=memory, client=client, block_size=1 << 20)
    fs.pipe_file("/big", BIG)
    counted = Counted(memory)
    with fs.open("/big") as file:
        assert b"".join(iter(lambda: file.read(1000), b"")) == BIG
    assert len(counted.reads) <= 4
    for kind in ("bytes", "blockcache", "background", "all", "mmap", "first"):
        with fs.open("/big", cache_type=kind) as file:
            file.seek(1_500_000)
            assert file.read(10) == BIG[1_500_000:][:10]
            file.seek(3)
            assert file.read(10) == BIG[3:13]


def test_many_ranges_are_fetched_at_once(place):
    fs, folder = place
    fs.makedirs(folder, exist_ok=True)
    one, two = f"{folder}/one", f"{folder}/two"
    fs.pipe_file(one, BIG)
    fs.pipe_file(two, b"second")
    calls = []
    inner = fs.fs.cat_ranges
    fs.fs.cat_ranges = lambda *args, **options: calls.append(args) or inner(*args, **options)
    starts, ends = [0, 1_000_000, -7, 0, 0, None], [3, 1_000_100, None, 99, 5, 6]
    paths = [one, one, one, two, f"{folder}/missing", two]
    parts = fs.cat_ranges(paths, starts, ends)
    assert parts[:4] == [BIG[:3], BIG[1_000_000:1_000_100], BIG[-7:], b"second"]
    assert isinstance(parts[4], FileNotFoundError)
    assert parts[5] == b"second"
    assert len(calls) == 2, "the headers, then all ranges"
    with pytest.raises(FileNotFoundError):
        fs.cat_ranges(paths, starts, ends, on_error="raise")
    assert fs.cat_ranges([one, two], 1, 4) == [BIG[1:4], b"eco"]
    assert fs.cat_ranges([], [], []) == []


class Broken(Exception):
    pass


def test_an_exception_leaves_no_object(place):
    fs, folder = place
    fs.makedirs(folder, exist_ok=True)
    path = f"{folder}/file"

    with pytest.raises(Broken), fs.open(path, "wb") as file:
        file.write(BIG)
        raise Broken
    assert not fs.exists(path)

    with pytest.raises(Broken), fs.open(path, "w") as file:
        file.write("text")
        raise Broken
    assert not fs.exists(path)

    # fsspec.open() closes its files without a word about the exception; so do many libraries.
    def opened():
        with fsspec.core.OpenFile(fs, path, mode="wb") as file:
            file.write(BIG)
            raise Broken

    with pytest.warns(RuntimeWarning, match="Broken"), pytest.raises(Broken):
        opened()
    assert not fs.exists(path)

    def failing():
        file = fs.open(path, "wb")
        try:
            file.write(BIG)
            raise Broken
        finally:
            file.close()

    with pytest.warns(RuntimeWarning, match="Broken"), pytest.raises(Broken):
        failing()
    assert not fs.exists(path)

    # One that is handled when the file is opened is nothing to it.
    try:
        raise Broken
    except Broken:
        with fs.open(path, "wb") as file:
            file.write(b"good")
        file = fs.open(f"{path}2", "wb")
        file.write(b"good too")
        file.close()
    assert fs.cat([path, f"{path}2"]) == {
        fs._strip_protocol(path): b"good",
        fs._strip_protocol(f"{path}2"): b"good too",
    }

    # What was there stays.
    with pytest.raises(Broken), fs.open(path, "wb") as file:
        file.write(BIG)
        raise Broken
    assert fs.cat_file(path) == b"good"

    with pytest.warns(ResourceWarning, match="never closed"):
        fs.open(f"{path}3", "wb").write(b"lost")
    assert not fs.exists(f"{path}3")


def test_an_upload_in_parts(client, s3_options):
    part = 5 << 20
    inner = fsspec.filesystem("s3", skip_instance_cache=True, default_block_size=part, **s3_options)
    fs = KeyfoldFileSystem(fs=inner, client=client)

    with pytest.raises(Broken), fs.open("bucket/parts", "wb") as file:
        for _ in range(6):
            file.write(BIG)
        assert len(inner.list_multipart_uploads("bucket")) == 1
        raise Broken
    assert inner.list_multipart_uploads("bucket") == []
    assert not fs.exists("bucket/parts")

    with fs.open("bucket/parts", "wb") as file:
        for _ in range(6):
            file.write(BIG)
    assert fs.size("bucket/parts") == 6 * len(BIG)
    assert fs.cat_file("bucket/parts", -len(BIG)) == BIG


def test_what_was_there_stays_until_the_end(client, tmp_path):
    fs = KeyfoldFileSystem("file", client=client)
    path = str(tmp_path / "file")
    fs.pipe_file(path, b"old")
    with fs.open(path, "wb") as file:
        file.write(BIG)
        assert fs.cat_file(path) == b"old"
    assert fs.cat_file(path) == BIG
    assert os.listdir(tmp_path) == ["file"]


PLACES = st.one_of(st.none(), st.integers(-5 * SEGMENT, 5 * SEGMENT))


@hypothesis.settings(deadline=None, max_examples=200)
@hypothesis.given(length=st.integers(0, 4 * SEGMENT), start=PLACES, end=PLACES)
def test_any_range(length, start, end):
    kms = keyfold.EmbeddedKms.in_memory()
    inner = fsspec.filesystem("memory")
    fs = KeyfoldFileSystem(fs=inner, client=keyfold.Client(kms, keys=kms.create_key()))
    fs.pipe_file("/any", BIG[:length])
    assert fs.cat_file("/any", start, end) == BIG[:length][start:end]
    assert fs.cat_ranges(["/any"], [start], [end]) == [BIG[:length][start:end]]


def test_transactions(place):
    fs, folder = place
    fs.makedirs(folder, exist_ok=True)
    path = f"{folder}/file"
    with fs.transaction:
        with fs.open(path, "wb") as file:
            file.write(b"later")
        assert not fs.exists(path)
    fs.invalidate_cache()
    assert fs.cat_file(path) == b"later"
    with pytest.raises(Broken), fs.transaction:
        with fs.open(f"{path}2", "wb") as file:
            file.write(b"never")
        raise Broken
    fs.invalidate_cache()
    assert not fs.exists(f"{path}2")


def test_names_are_those_of_the_inner_file_system(place, tmp_path):
    fs, folder = place
    fs.makedirs(f"{folder}/sub", exist_ok=True)
    fs.pipe({f"{folder}/a": b"1", f"{folder}/sub/b": b"22"})
    assert fs.isfile(f"{folder}/a")
    assert fs.isdir(f"{folder}/sub")
    assert len(fs.find(folder)) == 2
    fs.copy(f"{folder}/a", f"{folder}/c")
    fs.mv(f"{folder}/c", f"{folder}/d")
    assert fs.cat_file(f"{folder}/d") == b"1"
    fs.touch(f"{folder}/empty")
    assert fs.cat_file(f"{folder}/empty") == b""
    fs.get(f"{folder}/sub/b", str(tmp_path / "got"))
    assert (tmp_path / "got").read_bytes() == b"22"
    fs.put(str(tmp_path / "got"), f"{folder}/put")
    assert fs.cat_file(f"{folder}/put") == b"22"
    fs.rm(f"{folder}/sub", recursive=True)
    assert not fs.exists(f"{folder}/sub/b")
    assert fs.modified(f"{folder}/a") is not None
    with pytest.raises(NotImplementedError):
        fs.open(f"{folder}/a", "ab")
    with pytest.raises(FileExistsError):
        fs.open(f"{folder}/a", "xb")
    with pytest.raises(FileExistsError):
        fs.pipe_file(f"{folder}/a", b"", mode="create")
    with pytest.raises(FileNotFoundError):
        fs.open(f"{folder}/missing")
    with pytest.raises(NotImplementedError, match=r"fsspec\.open"):
        fs.open(f"{folder}/z", "wb", compression="gzip")


def test_an_altered_object_does_not_open(memory, client):
    fs = KeyfoldFileSystem(fs=memory, client=client)
    fs.pipe_file("/big", BIG)
    sealed = bytearray(memory.cat_file("/big"))
    sealed[1_000_000] ^= 1
    memory.pipe_file("/altered", bytes(sealed))
    with fs.open("/altered", cache_type="none") as file:
        assert file.read(5) == BIG[:5]
        file.seek(999_000)
        with pytest.raises(keyfold.exceptions.AuthenticationFailed):
            file.read(5000)
    # Cut after a segment and a bit: the length is possible, but the end is not there.
    memory.pipe_file("/cut", bytes(memory.cat_file("/big")[: 100 * (SEGMENT + 16)]))
    with fs.open("/cut", cache_type="none") as file, pytest.raises(keyfold.KeyfoldError):
        file.seek(0, io.SEEK_END)
    with pytest.raises(keyfold.KeyfoldError):
        fs.cat_file("/cut")


def test_a_key_that_is_missing(memory, kms, client):
    fs = KeyfoldFileSystem(fs=memory, client=client)
    fs.pipe_file("/file", b"hello")
    other = KeyfoldFileSystem(fs=memory, client=client, keys=kms.create_key("alias/other"))
    with pytest.raises(keyfold.exceptions.NoUsableKey):
        other.cat_file("/file")
    with pytest.raises(keyfold.exceptions.ContextMismatch):
        KeyfoldFileSystem(fs=memory, client=client, context={"tenant": "x"}).cat_file("/file")
    assert other != fs
    assert fs == KeyfoldFileSystem(fs=memory, client=client)
    assert hash(fs) == hash(KeyfoldFileSystem(fs=memory, client=client))


def test_chained_urls(client, tmp_path, s3_options):
    for inner, options in (
        (f"file://{tmp_path}/chained", {}),
        ("memory://chained/file", {}),
        ("s3://bucket/chained", {"s3": s3_options}),
    ):
        url = f"keyfold::{inner}"
        with fsspec.open(url, "wb", client=client, **options) as file:
            file.write(b"chained")
        with fsspec.open(url, "rb", keyfold={"client": client}, **options) as file:
            assert file.read() == b"chained"
        fs, path = fsspec.core.url_to_fs(url, client=client, **options)
        assert isinstance(fs, KeyfoldFileSystem)
        assert fs.info(path)["size"] == 7
        again = fsspec.core.url_to_fs(fs.unstrip_protocol(path), client=client, **options)
        assert again == (fs, path)
        assert client.decrypt(fs.fs.cat_file(path)) == b"chained"
    url = f"keyfold::file://{tmp_path}/part-*.csv"
    for number in range(3):
        fsspec.open(url.replace("*", str(number)), "wb", client=client).open().close()
    files = fsspec.open_files(url, "rb", client=client)
    assert len(files) == 3
    fsspec.filesystem("memory").rm("/chained", recursive=True)


def test_it_is_pickled(tmp_path):
    kms = keyfold.EmbeddedKms(tmp_path / "keys", create=True)
    client = keyfold.Client(kms, keys=kms.create_key("alias/docs"))
    fs = KeyfoldFileSystem("file", client=client, context={"a": "b"}, cache_type="bytes")
    path = str(tmp_path / "file")
    fs.pipe_file(path, BIG)
    copy = pickle.loads(pickle.dumps(fs))
    assert copy.cat_file(path, 7, 9) == BIG[7:9]
    assert copy == fs
    with fs.open(path) as file:
        file.seek(1_000_000)
        again = pickle.loads(pickle.dumps(file))
        assert again.read(5) == BIG[1_000_000:][:5]
    code = "import pickle, sys; fs, path = pickle.load(sys.stdin.buffer); print(fs.size(path))"
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps((fs, path)), capture_output=True
    )
    assert done.stdout.strip() == str(len(BIG)).encode(), done.stderr


def test_a_client_is_found(memory, client, kms):
    _FOUND[:] = [client]
    fs = KeyfoldFileSystem(fs=memory, client=find_client)
    fs.pipe_file("/a", b"1")
    named = f"{find_client.__module__}:find_client"
    assert KeyfoldFileSystem(fs=memory, client=named).cat_file("/a") == b"1"
    fs = KeyfoldFileSystem("memory", client=named)
    assert isinstance(fsspec.AbstractFileSystem.from_json(fs.to_json()), KeyfoldFileSystem)
    for wrong in (kms, "nothing", lambda: None, None):
        with pytest.raises(keyfold.exceptions.InvalidArgument):
            KeyfoldFileSystem(fs=memory, client=wrong)
    with pytest.raises(keyfold.exceptions.InvalidArgument):
        KeyfoldFileSystem(client=client)


def test_small_objects_share_a_data_key(memory, counting, key):
    client = keyfold.Client(counting, keys=key)
    fs = KeyfoldFileSystem(fs=memory, client=client)
    for number in range(20):
        fs.pipe_file(f"/d/{number}", b"x")
    fs.du("/d")
    assert counting.calls == ["GenerateDataKey"]
    fs.cat("/d/*")
    assert len(counting.calls) <= 2


FRAME = {"a": list(range(50_000)), "b": [f"name {n}" for n in range(50_000)]}


def test_pandas(client, s3_options, tmp_path):
    frame = pd.DataFrame(FRAME)
    for inner, options in (("s3://bucket/t", {"s3": s3_options}), (f"file://{tmp_path}/t", {})):
        options = {"client": client, **options}
        url = f"keyfold::{inner}"
        frame.to_parquet(f"{url}.parquet", storage_options=options)
        back = pd.read_parquet(f"{url}.parquet", storage_options=options, columns=["a"])
        assert back["a"].equals(frame["a"])
        frame.to_csv(f"{url}.csv", index=False, storage_options=options)
        assert pd.read_csv(f"{url}.csv", storage_options=options).equals(frame)
        frame.to_csv(f"{url}.csv.gz", index=False, storage_options=options)
        assert pd.read_csv(f"{url}.csv.gz", storage_options=options).equals(frame)
        fs, path = fsspec.core.url_to_fs(f"{url}.parquet", **options)
        assert fs.fs.cat_file(path)[:3] == b"KFE"


def test_pandas_fails_in_the_middle(client, tmp_path):
    class Unprintable:
        def __str__(self):
            raise Broken

    frame = pd.DataFrame({"a": [*range(100_000), Unprintable()]})
    with pytest.warns(RuntimeWarning), pytest.raises(Broken):
        frame.to_csv(f"keyfold::file://{tmp_path}/t.csv", storage_options={"client": client})
    assert os.listdir(tmp_path) == []


def test_pyarrow(client, memory, s3_options):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    table = pa.table(FRAME)
    inner = fsspec.filesystem("s3", skip_instance_cache=True, **s3_options)
    for fs, folder in (
        (KeyfoldFileSystem(fs=memory, client=client), "/t"),
        (KeyfoldFileSystem(fs=inner, client=client), "bucket/t"),
    ):
        arrow = PyFileSystem(FSSpecHandler(fs))
        fs.makedirs(folder, exist_ok=True)
        pq.write_table(table, f"{folder}/one.parquet", filesystem=arrow, row_group_size=5000)
        assert pq.read_table(f"{folder}/one.parquet", filesystem=arrow) == table
        ds.write_dataset(
            table, f"{folder}/set", filesystem=arrow, format="parquet", max_rows_per_file=20_000,
            max_rows_per_group=20_000,
        )  # fmt: skip
        back = ds.dataset(f"{folder}/set", filesystem=arrow, format="parquet")
        assert len(back.files) == 3
        assert back.to_table(columns=["a"]).sort_by("a") == table.select(["a"])
        assert back.count_rows(filter=ds.field("a") < 10) == 10


def test_a_column_of_parquet_is_a_range(client, memory):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    fs = KeyfoldFileSystem(fs=memory, client=client, cache_type="none")
    wide = pa.table({f"c{n}": [os.urandom(1000) for _ in range(500)] for n in range(10)})
    with fs.open("/wide.parquet", "wb") as file:
        pq.write_table(wide, file, compression="none", use_dictionary=False)
    sealed = memory.info("/wide.parquet")["size"]
    assert sealed > 5_000_000
    counted = Counted(memory)
    with fs.open("/wide.parquet") as file:
        assert pq.read_table(file, columns=["c5"], pre_buffer=False)["c5"] == wide["c5"]
    assert sum(length for _, length in counted.reads) < sealed / 4
    from fsspec.parquet import open_parquet_file

    with open_parquet_file("/wide.parquet", fs=fs, columns=["c5"], engine="pyarrow") as file:
        assert pq.read_table(file, columns=["c5"])["c5"] == wide["c5"]


def test_dask(tmp_path):
    dd = pytest.importorskip("dask.dataframe", reason="requirements-extras.txt is not installed")
    kms = keyfold.EmbeddedKms(tmp_path / "keys", create=True)
    options = {"client": keyfold.Client(kms, keys=kms.create_key("alias/docs"))}
    url = f"keyfold::file://{tmp_path}/frames"
    frame = dd.from_pandas(pd.DataFrame(FRAME), npartitions=3)
    frame.to_parquet(url, storage_options=options)
    back = dd.read_parquet(url, storage_options=options).compute(scheduler="processes")
    assert back["a"].sum() == sum(FRAME["a"])
