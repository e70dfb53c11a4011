"""keyfold's own server and the command line, over the same keys."""

from __future__ import annotations

import asyncio
import os

import keyfold
import pytest
from keyfold import aio
from keyfold import exceptions as errors

from home import Home, needs_command

pytestmark = needs_command


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    home.run("init")
    return home


@pytest.fixture
def server(home):
    with home.serve() as url:
        yield url


def test_all_tasks_over_the_network(home, server):
    remote = keyfold.RemoteKms(server, credentials=home.access_key())
    key = remote.create_key("alias/docs", description="documents")
    client = keyfold.Client(remote, keys="keyfold:alias/docs", context={"tenant": "acme"})
    sealed = client.encrypt(b"data" * 10_000)
    assert client.decrypt(sealed) == b"data" * 10_000
    assert client.cache_stats.misses == 2
    other = remote.create_key("alias/other")
    moved = client.rewrap(sealed, to_keys=[other, key])
    assert client.decrypt(moved, keys=other) == b"data" * 10_000
    signer = remote.create_key(spec="ECC_NIST_P256")
    client.public_key(signer).verify(b"message", client.sign(b"message", key=signer))
    version = client.secrets.put("db/password", "correct horse")
    assert client.secrets.get("db/password").version == version
    assert [secret.name for secret in client.secrets.list()] == ["db/password"]
    assert client.decrypt_small(client.encrypt_small(b"small")) == b"small"
    remote.rotate_key(key)
    remote.disable_key(key)
    assert not remote.describe_key(key).enabled
    # And the one that the safe has made for itself.
    assert set(remote.list_keys()) > {key, other, signer}
    with pytest.raises(errors.KmsKeyUnavailable):
        keyfold.Client(remote, keys=key).encrypt(b"")
    with pytest.raises(errors.SecretNotFound):
        client.secrets.get("missing")


def test_whoever_may_nothing_is_refused(home, server):
    stranger = home.access_key("--user", "stranger", "--allow-nothing")
    remote = keyfold.RemoteKms(server, credentials=stranger)
    with pytest.raises(PermissionError) as raised:
        remote.create_key("alias/docs")
    assert raised.value.code == "kms_denied"
    wrong = keyfold.AccessKey("KFAAAAAAAAAAAAAAAAAA", "wrong")
    with pytest.raises(errors.KmsDenied):
        keyfold.RemoteKms(server, credentials=wrong).list_keys()


def test_asyncio_over_the_network(home, server):
    remote = keyfold.RemoteKms(server, credentials=home.access_key())
    key = remote.create_key("alias/docs")

    async def main():
        client = aio.Client(remote, keys=key)
        sealed = await asyncio.gather(
            *(client.encrypt(b"%d" % n, context={"n": str(n % 5)}) for n in range(50))
        )
        assert client.cache_stats.misses == 5
        for number, envelope in enumerate(sealed):
            opened = await client.decrypt(envelope, context={"n": str(number % 5)})
            assert opened == b"%d" % number

    asyncio.run(main())


def test_a_child_of_a_fork_connects_anew(home, server):
    remote = keyfold.RemoteKms(server, credentials=home.access_key())
    client = keyfold.Client(remote, keys=remote.create_key())
    sealed = client.encrypt(b"data")
    child = os.fork()
    if child == 0:
        try:
            assert client.decrypt(sealed) == b"data"
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert client.decrypt(sealed) == b"data"


def test_python_and_the_command_line_open_each_others_files(home, tmp_path):
    kms = keyfold.EmbeddedKms(home.folder)
    key = kms.create_key("alias/docs")
    client = keyfold.Client(kms, keys=key, context={"tenant": "acme"})
    (tmp_path / "plain").write_bytes(b"data" * 100_000)
    client.encrypt_file(tmp_path / "plain", tmp_path / "a.kf")
    pair = ("--context", "tenant=acme")
    home.run("decrypt", *pair, "-o", str(tmp_path / "a"), str(tmp_path / "a.kf"))
    assert (tmp_path / "a").read_bytes() == b"data" * 100_000
    command = ("encrypt", "--key", "alias/docs", *pair)
    home.run(*command, "-o", str(tmp_path / "b.kf"), str(tmp_path / "plain"))
    client.decrypt_file(tmp_path / "b.kf", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"data" * 100_000
