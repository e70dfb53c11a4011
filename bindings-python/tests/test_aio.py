"""The client for asyncio, on its own loop and on uvloop."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import threading
import time

import keyfold
import keyfold.kms as k
import pytest
from keyfold import aio
from keyfold import exceptions as errors
from stand_in import perform


def loops():
    yield pytest.param(asyncio.new_event_loop, id="asyncio")
    try:
        import uvloop
    except ImportError:
        mark = pytest.mark.skip(reason="uvloop is not installed")
        yield pytest.param(None, id="uvloop", marks=mark)
    else:
        yield pytest.param(uvloop.new_event_loop, id="uvloop")


@pytest.fixture(params=loops())
def run(request):
    loop = request.param()
    yield loop.run_until_complete
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


class Later:
    """A KMS of coroutines; it notes on which thread, and what was cancelled."""

    def __init__(self, inner, pause=0.0):
        self.inner, self.pause = inner, pause
        self.calls, self.cancelled, self.threads = 0, 0, set()

    async def call(self, request):
        self.calls += 1
        self.threads.add(threading.get_ident())
        try:
            await asyncio.sleep(self.pause)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.inner.call(request)


class Plain:
    """A KMS of plain functions; it notes on which threads."""

    def __init__(self, inner):
        self.inner, self.threads = inner, set()

    def call(self, request):
        self.threads.add(threading.get_ident())
        return self.inner.call(request)


@pytest.fixture(params=["embedded", "plain", "coroutines"])
def any_kms(request, kms):
    return {"embedded": lambda: kms, "plain": lambda: Plain(kms), "coroutines": lambda: Later(kms)}[
        request.param
    ]()


def test_all_tasks(run, any_kms, kms, key, tmp_path):
    async def main():
        other = kms.create_key("alias/other")
        signer = kms.create_key("alias/sign", spec="ECC_NIST_P256")
        async with aio.Client(any_kms, keys=key, context={"tenant": "acme"}) as client:
            for size in [0, 5, 300_000, 3_000_000]:
                data = os.urandom(size)
                sealed = await client.encrypt(data)
                assert await client.decrypt(sealed) == data
                out = bytearray(keyfold.max_encrypted_len(size))
                written = await client.encrypt_into(data, out)
                back = bytearray(size)
                assert await client.decrypt_into(memoryview(out)[:written], back) == size
                assert back == data
            header, body = await client.encrypt_detached(b"data")
            assert await client.decrypt(body, header=header) == b"data"
            moved = await client.rewrap(sealed, to_keys=other)
            assert await client.decrypt(moved, keys=other) == data
            both = await client.add_recipients(sealed, keys=other)
            assert (
                await client.decrypt(await client.remove_recipients(both, keys=[key]), keys=other)
                == data
            )
            signature = await client.sign(b"message", key=signer)
            await client.verify(b"message", signature, key=signer)
            public = await client.public_key(signer)
            with pytest.raises(errors.SignatureInvalid):
                await client.verify(b"another", signature, key=signer)
            signed = await client.encrypt(data, signer=signer)
            assert await client.decrypt(signed, signers=public) == data
            assert await client.resolve("keyfold:alias/docs") == key
            small = await client.encrypt_small(b"small")
            assert await client.decrypt_small(small) == b"small"
            version = await client.secrets.put("name", "value")
            assert (await client.secrets.get("name")).version == version
            assert (await client.secrets.get_version("name", version)).expose() == b"value"
            (tmp_path / "plain").write_bytes(data)
            told = []
            await client.encrypt_file(
                tmp_path / "plain", tmp_path / "sealed", progress=lambda *t: told.append(t)
            )
            assert told[-1] == (3_000_000, 3_000_000)
            assert await client.decrypt_file(tmp_path / "sealed", tmp_path / "back") == 3_000_000
            assert await client.rewrap(tmp_path / "sealed", to_keys=other) is None
            local = keyfold.SigningKey.generate()
            async with await client.open_writer(tmp_path / "w.kf", signer=local) as writer:
                await writer.write(data)
            async with await client.open_reader(
                tmp_path / "w.kf", signers=local.public_key
            ) as reader:
                assert await reader.read() == data
            async with await client.open_reader(tmp_path / "sealed", keys=other) as reader:
                assert await reader.read_at(5, 5) == data[5:10]
                assert await reader.verify_length() == 3_000_000
                assert await reader.seek(-3, io.SEEK_END) == 2_999_997
                assert await reader.read(10) == data[-3:]
            with pytest.raises(ZeroDivisionError):
                async with await client.open_writer(tmp_path / "no.kf") as writer:
                    await writer.write(b"x" * 100_000)
                    1 / 0  # noqa: B018
            assert not (tmp_path / "no.kf").exists()
            with pytest.raises(errors.MalformedEnvelope):
                await client.decrypt(b"no envelope at all")
        assert threading.active_count() < 40

    run(main())


def test_coroutines_run_on_the_loop_and_functions_beside_it(run, kms, key):
    async def main():
        here = threading.get_ident()
        later, plain = Later(kms), Plain(kms)
        await aio.Client(later, keys=key).encrypt(b"")
        await aio.Client(plain, keys=key).encrypt(b"")
        assert later.threads == {here}
        assert here not in plain.threads

    run(main())


def test_concurrent_misses_make_one_call(run, kms, key):
    async def main():
        later = Later(kms, 0.01)
        client = aio.Client(later, keys=key)
        sealed = await asyncio.gather(*(client.encrypt(b"%d" % n) for n in range(50)))
        assert later.calls == 1
        assert await asyncio.gather(*(client.decrypt(e) for e in sealed)) == [
            b"%d" % n for n in range(50)
        ]
        assert later.calls == 2
        assert (client.cache_stats.misses, client.cache_stats.hits) == (2, 98)

    run(main())


def test_a_cancelled_task_cancels_its_call(run, kms, key):
    async def main():
        later = Later(kms, 60)
        client = aio.Client(later, keys=key)
        task = asyncio.ensure_future(client.encrypt(b""))
        while not later.calls:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for _ in range(10):
            await asyncio.sleep(0)
        assert later.cancelled == 1

    run(main())


def test_who_waits_for_a_cancelled_call_makes_it_anew(run, kms, key):
    async def main():
        later = Later(kms, 0.05)
        client = aio.Client(later, keys=key)
        first = asyncio.ensure_future(client.encrypt(b"1"))
        others = [asyncio.ensure_future(client.encrypt(b"2")) for _ in range(5)]
        while not later.calls:
            await asyncio.sleep(0)
        first.cancel()
        for sealed in await asyncio.gather(*others):
            assert await client.decrypt(sealed) == b"2"
        assert (later.calls, later.cancelled) == (3, 1)
        assert first.cancelled()

    run(main())


def test_a_timeout_ends_a_wait(run, kms, key):
    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(aio.Client(Later(kms, 60), keys=key).encrypt(b""), 0.05)

    run(main())


def test_a_cancelled_file_leaves_nothing(run, kms, key, tmp_path):
    async def main():
        client = aio.Client(kms, keys=key)
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(
            client.encrypt_file(
                "/dev/zero",
                tmp_path / "out",
                progress=lambda *_: loop.call_soon_threadsafe(begun.set),
            )
        )
        await asyncio.wait_for(begun.wait(), 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    # The thread notices within a tenth of a second, and then removes what it has written.
    for _ in range(600):
        if not list(tmp_path.iterdir()):
            return
        time.sleep(0.05)
    raise AssertionError(list(tmp_path.iterdir()))


def test_exceptions_are_causes(run, key):
    class Bad:
        async def call(self, request):
            await asyncio.sleep(0)
            raise ZeroDivisionError

    class Refusing:
        async def call(self, request):
            raise errors.KmsDenied("not you")

    async def main():
        with pytest.raises(errors.KmsUnavailable) as raised:
            await aio.Client(Bad(), keys=key).encrypt(b"")
        assert isinstance(raised.value.__cause__, ZeroDivisionError)
        with pytest.raises(errors.KmsDenied, match="not you"):
            await aio.Client(Refusing(), keys=key).encrypt(b"")

    run(main())


class Loopback:
    """A transport of coroutines, with an embedded KMS behind it."""

    def __init__(self, kms, fail=0):
        self.kms, self.fail, self.sends = kms, fail, 0

    async def send(self, method, url, headers, body):
        self.sends += 1
        await asyncio.sleep(0)
        if self.sends <= self.fail:
            raise ConnectionResetError
        target = {name.lower(): value for name, value in headers}["x-amz-target"]
        return 200, [], perform(self.kms, target.partition(".")[2], body)


def test_a_transport_and_a_token_of_coroutines(run, kms, key):
    async def token():
        await asyncio.sleep(0)
        return "to.ke.n"

    async def main():
        transport = Loopback(kms, fail=2)
        remote = keyfold.RemoteKms("keyfold://kms.example.com", token=token, transport=transport)
        client = aio.Client(remote, keys=key)
        assert await client.decrypt(await client.encrypt(b"data")) == b"data"
        assert transport.sends == 4

    run(main())


def test_the_built_in_transport_waits_beside_the_loop(run, key):
    async def main():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.001)

        ticking = asyncio.ensure_future(tick())
        remote = keyfold.RemoteKms("keyfold+http://127.0.0.1:9", token="t.o.k", retries=1)
        with pytest.raises(errors.KmsUnavailable):
            await aio.Client(remote, keys=key).encrypt(b"")
        ticking.cancel()
        assert ticks > 1

    run(main())


def test_one_client_on_two_loops(kms, key):
    client = aio.Client(Later(kms, 0.001), keys=key)
    results = []

    def work():
        async def main():
            sealed = await asyncio.gather(
                *(client.encrypt(b"x", context={"n": str(n)}) for n in range(30))
            )
            return [await client.decrypt(e, context={"n": str(n)}) for n, e in enumerate(sealed)]

        results.append(asyncio.run(main()))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [[b"x"] * 30] * 2


def test_many_tasks_over_a_blocking_kms(run, kms, key):
    """Wakes and polls from many threads at once: nothing waits for ever."""

    async def main():
        client = aio.Client(Plain(kms), keys=key, cache=keyfold.CacheLimits(max_messages=2))
        sealed = await asyncio.gather(*(client.encrypt(b"%d" % n) for n in range(300)))
        opened = await asyncio.gather(*(client.decrypt(envelope) for envelope in sealed))
        assert opened == [b"%d" % n for n in range(300)]

    run(main())


def test_protocols(kms):
    assert isinstance(kms, k.Kms)
    assert isinstance(Loopback(kms), k.AsyncTransport)
    assert sys.modules["keyfold.aio"] is keyfold.aio
