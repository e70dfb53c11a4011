"""Threads, forks, pickles, memory, and what an import costs."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import keyfold
import pytest
from keyfold import aio
from keyfold import exceptions as errors


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "kms"


@pytest.fixture
def stored(folder):
    kms = keyfold.EmbeddedKms(folder, create=True)
    return keyfold.Client(kms, keys=kms.create_key("alias/docs"), context={"tenant": "acme"})


def python(script):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_sixteen_threads_on_one_client(counting, key):
    client = keyfold.Client(counting, keys=key)
    start = threading.Barrier(16)

    def work(number):
        start.wait()
        for size in [10, 20_000, 300_000]:
            data = os.urandom(size)
            assert client.decrypt(client.encrypt(data)) == data
        return number

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(work, range(16))) == list(range(16))
    assert counting.calls == ["GenerateDataKey", "Unwrap"]
    assert client.cache_stats.hits == 16 * 6 - 2


def test_other_threads_run_while_the_kms_is_asked(kms, key):
    """The KMS answers only once another thread has run Python code."""
    asked, may = threading.Event(), threading.Event()

    class Slow:
        def call(self, request):
            asked.set()
            assert may.wait(60)
            return kms.call(request)

    client = keyfold.Client(Slow(), keys=key)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(client.encrypt, b"1")
        assert asked.wait(60)
        second = pool.submit(client.encrypt, b"2")
        may.set()
        assert client.decrypt(first.result(60)) == b"1"
        assert client.decrypt(second.result(60)) == b"2"


def test_one_stream_is_of_one_thread_at_a_time(client):
    entered, may = threading.Event(), threading.Event()

    class Slow:
        first = True

        def write(self, data):
            if not self.first:
                entered.set()
                assert may.wait(60)
            self.first = False

    writer = client._open_writer(Slow())
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(writer.write, bytes(100_000))
        assert entered.wait(60)
        with pytest.raises(errors.InvalidArgument):
            writer.write(b"x")
        may.set()
        busy.result(60)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_starts_anew(stored):
    sealed = stored.encrypt(b"data")
    stored.decrypt(sealed)
    assert stored.cache_stats.misses == 2
    child = os.fork()
    if child == 0:
        try:
            assert stored.cache_stats.misses == 0
            assert stored.decrypt(sealed) == b"data"
            assert stored.decrypt(stored.encrypt(b"child")) == b"child"
            assert stored.kms.describe_key("keyfold:alias/docs").enabled
            # The parent's envelope, a data key of its own, and the envelope under that one.
            assert stored.cache_stats.misses == 3
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert stored.decrypt(sealed) == b"data"
    assert stored.cache_stats.misses == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_kms_in_memory_does_not_cross_a_fork(client):
    child = os.fork()
    if child == 0:
        try:
            with pytest.raises(errors.InvalidArgument, match="does not cross a fork"):
                client.encrypt(b"")
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_connection_is_made_anew_in_a_child():
    remote = keyfold.RemoteKms("keyfold+http://127.0.0.1:9", token="t.o.k", retries=0)
    with pytest.raises(errors.KmsUnavailable):
        remote.list_keys()
    child = os.fork()
    if child == 0:
        try:
            with pytest.raises(errors.KmsUnavailable):
                remote.list_keys()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def _in_child(argument):
    client, sealed = argument
    return client.decrypt(sealed)


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_pools_of_processes(stored, method):
    sealed = [stored.encrypt(b"%d" % number) for number in range(4)]
    with multiprocessing.get_context(method).Pool(2) as pool:
        opened = pool.map(_in_child, [(stored, envelope) for envelope in sealed])
    assert opened == [b"0", b"1", b"2", b"3"]


def passphrase():
    return "correct horse"


def token():
    return "to.ke.n"


class Transport:
    def send(self, method, url, headers, body):
        raise ConnectionResetError


def test_configurations_are_pickled(stored, folder, tmp_path):
    sealed = stored.encrypt(b"data")
    copy = pickle.loads(pickle.dumps(stored))
    assert copy.decrypt(sealed) == b"data"
    assert copy.cache_stats.misses == 1
    assert repr(copy) == repr(stored)
    other = keyfold.EmbeddedKms(tmp_path / "other", passphrase=passphrase, create=True)
    assert pickle.loads(pickle.dumps(other)).list_keys() == []
    ring = keyfold.Keyring("keyfold:alias/docs", bind_only=["tenant"])
    limits = keyfold.CacheLimits(max_messages=3)
    client = keyfold.Client(stored.kms, keys=ring, cache=limits, threads=2, suites=[1])
    copy = pickle.loads(pickle.dumps(client))
    assert copy._config()["keys"] == ring
    assert copy._config()["cache"] == limits
    assert (copy._config()["threads"], copy._config()["suites"]) == (2, [1])
    assert (
        pickle.loads(pickle.dumps(keyfold.Client(stored.kms, cache=None)))._config()["cache"]
        is None
    )
    assert isinstance(pickle.loads(pickle.dumps(aio.Client(stored.kms))), aio.Client)
    remote = keyfold.RemoteKms(
        "aws://eu-west-1", token=token, transport=Transport(), timeout=5, retries=7
    )
    copy = pickle.loads(pickle.dumps(remote))
    assert copy.url == "aws://eu-west-1"
    assert (copy._config()["timeout"], copy._config()["retries"]) == (5.0, 7)


def test_secrets_are_not_pickled(kms, tmp_path):
    sealed = keyfold.EmbeddedKms(tmp_path / "kms", passphrase="correct horse", create=True)
    access = keyfold.AccessKey("AKIATEST", "secret")
    remote = "keyfold://kms.example.com"
    for secret in [
        kms,
        keyfold.Client(kms),
        sealed,
        keyfold.RemoteKms(remote, token="to.ke.n", transport=Transport()),
        keyfold.RemoteKms(remote, credentials=access, transport=Transport()),
        access,
    ]:
        with pytest.raises(TypeError, match=r"pickled"):
            pickle.dumps(secret)


def test_an_import_is_light_and_starts_no_thread():
    loaded = python("""
        import sys
        before = set(sys.modules)
        import keyfold
        print(*sorted(set(sys.modules) - before))
        import threading
        kms = keyfold.EmbeddedKms.in_memory()
        client = keyfold.Client(kms, keys=kms.create_key("alias/docs"))
        client.decrypt(client.encrypt(b"x"))
        assert len(open("/proc/self/stat").read()) > 0 if sys.platform == "linux" else True
        import os
        if sys.platform == "linux":
            assert len(os.listdir("/proc/self/task")) == 1
    """).split()
    heavy = {"asyncio", "dataclasses", "typing", "pathlib", "inspect", "json", "keyfold.aio"}
    assert "keyfold._keyfold" in loaded
    assert not heavy & set(loaded)


def test_lazy_modules():
    python("""
        import keyfold
        assert keyfold.aio.Client and keyfold.kms.Kms
        assert "aio" in dir(keyfold)
        try:
            keyfold.nothing
        except AttributeError as error:
            assert "nothing" in str(error)
        else:
            raise AssertionError
    """)


def test_memory_stays_flat_over_a_hundred_thousand_messages():
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux tells how much memory a process uses")
    grown = python("""
        import gc, keyfold
        kms = keyfold.EmbeddedKms.in_memory()
        client = keyfold.Client(kms, keys=kms.create_key("alias/docs"))

        def resident():
            gc.collect()
            return int(open("/proc/self/statm").read().split()[1]) * 4096

        def work(count):
            for _ in range(count):
                sealed = client.encrypt(b"x" * 1024, context={"tenant": "acme"})
                client.decrypt(sealed, context={"tenant": "acme"})
                try:
                    client.decrypt(sealed[:-1], context={"tenant": "acme"})
                except keyfold.KeyfoldError:
                    pass

        work(5_000)
        before = resident()
        work(100_000)
        print(resident() - before)
    """)
    assert int(grown) < 1 << 20, f"{int(grown)} bytes more"


def test_operations_of_asyncio_are_given_back():
    grown = (
        python("""
        import asyncio, gc, os, keyfold
        from keyfold import aio

        class Later:
            def __init__(self, inner):
                self.inner = inner
            async def call(self, request):
                await asyncio.sleep(0)
                return self.inner.call(request)

        def resident():
            gc.collect()
            return int(open("/proc/self/statm").read().split()[1]) * 4096

        async def work(client, count):
            for _ in range(count):
                await client.decrypt(await client.encrypt(b"x"))
                task = asyncio.ensure_future(client.encrypt(b"x"))
                await asyncio.sleep(0)
                task.cancel()

        async def main():
            kms = keyfold.EmbeddedKms.in_memory()
            key = kms.create_key("alias/docs")
            client = aio.Client(Later(kms), keys=key, cache=None)
            await work(client, 300)
            before = resident()
            await work(client, 1500)
            print(resident() - before)

        asyncio.run(main())
    """)
        if sys.platform.startswith("linux")
        else "0"
    )
    # The embedded KMS in memory keeps its audit chain: some hundred bytes for each call.
    assert int(grown) < 8 << 20, f"{int(grown)} bytes more"


def test_subinterpreters_are_refused():
    """One interpreter for each process: said clearly, not found out."""
    out = python("""
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        import keyfold
        made = interpreters.create()
        code = '''
        try:
            import keyfold
        except ImportError as error:
            print("refused:", error, flush=True)
        '''
        import textwrap
        run = getattr(interpreters, "exec", None) or interpreters.run_string
        run(made, textwrap.dedent(code))
    """)
    assert out.startswith("refused:")
    assert "interpreter" in out
