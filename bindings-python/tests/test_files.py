"""From path to path."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading

import keyfold
import pytest
from keyfold import exceptions as errors


@pytest.mark.parametrize("size", [0, 1, 16_384, 600_000, 5_000_000])
@pytest.mark.parametrize("threads", [1, 2])
def test_files_come_back(kms, key, tmp_path, size, threads):
    client = keyfold.Client(kms, keys=key, threads=threads)
    plain, sealed, back = (tmp_path / name for name in ["plain", "sealed.kf", "back"])
    plain.write_bytes(os.urandom(size))
    assert client.encrypt_file(plain, sealed) == size
    assert client.decrypt_file(str(sealed), str(back)) == size
    assert back.read_bytes() == plain.read_bytes()
    assert client.decrypt(sealed.read_bytes()) == plain.read_bytes()


def test_a_file_has_the_permissions_of_its_source(client, tmp_path):
    plain = tmp_path / "plain"
    plain.write_bytes(b"data")
    plain.chmod(0o600)
    client.encrypt_file(plain, tmp_path / "sealed")
    assert stat.S_IMODE((tmp_path / "sealed").stat().st_mode) == 0o600


def test_progress_is_told_and_ends_with_all(client, tmp_path):
    plain = tmp_path / "plain"
    plain.write_bytes(bytes(3_000_000))
    told = []
    client.encrypt_file(plain, tmp_path / "s", progress=lambda *told_: told.append(told_))
    assert told[-1] == (3_000_000, 3_000_000)
    assert told == sorted(told)
    told.clear()
    client.decrypt_file(tmp_path / "s", tmp_path / "p", progress=lambda *t: told.append(t))
    assert told[-1][0] == told[-1][1]


def test_an_exception_of_progress_ends_the_work(client, tmp_path):
    (tmp_path / "plain").write_bytes(bytes(100_000))

    def enough(done, total):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        client.encrypt_file(tmp_path / "plain", tmp_path / "sealed", progress=enough)
    assert [entry.name for entry in tmp_path.iterdir()] == ["plain"]


def test_what_the_system_refuses(client, tmp_path):
    (tmp_path / "plain").write_bytes(b"data")
    with pytest.raises(OSError) as raised:
        client.encrypt_file(tmp_path / "missing", tmp_path / "x")
    assert isinstance(raised.value, errors.IoError)
    assert isinstance(raised.value, FileNotFoundError)
    assert isinstance(raised.value.__cause__, FileNotFoundError)
    assert raised.value.errno == raised.value.__cause__.errno
    for source, target in [
        (tmp_path, tmp_path / "x"),
        (tmp_path / "plain", tmp_path),
        (tmp_path / "plain", tmp_path / "no" / "folder"),
    ]:
        with pytest.raises(errors.IoError):
            client.encrypt_file(source, target)
    with pytest.raises(errors.InvalidArgument, match="is the input"):
        client.encrypt_file(tmp_path / "plain", tmp_path / "plain")
    (tmp_path / "there").write_bytes(b"before")
    with pytest.raises(errors.IoError):
        client.encrypt_file(tmp_path / "plain", tmp_path / "there", overwrite=False)
    assert (tmp_path / "there").read_bytes() == b"before"
    with pytest.raises(TypeError):
        client.encrypt_file(b"data", tmp_path / "x")


def test_a_file_that_does_not_open_leaves_nothing(client, tmp_path):
    (tmp_path / "plain").write_bytes(os.urandom(2_000_000))
    client.encrypt_file(tmp_path / "plain", tmp_path / "sealed")
    broken = bytearray((tmp_path / "sealed").read_bytes())
    broken[-1] ^= 1
    (tmp_path / "sealed").write_bytes(broken)
    with pytest.raises(errors.AuthenticationFailed):
        client.decrypt_file(tmp_path / "sealed", tmp_path / "back")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["plain", "sealed"]


def test_links_are_followed_and_stay(client, tmp_path):
    (tmp_path / "plain").write_bytes(b"data")
    (tmp_path / "real").write_bytes(b"before")
    (tmp_path / "link").symlink_to("real")
    client.encrypt_file(tmp_path / "plain", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert client.decrypt((tmp_path / "real").read_bytes()) == b"data"


def test_signed_files(client, kms, tmp_path):
    release = kms.create_key("alias/release", spec="ECC_NIST_P384")
    (tmp_path / "plain").write_bytes(b"data" * 100_000)
    client.encrypt_file(tmp_path / "plain", tmp_path / "sealed", signer=release)
    public = client.public_key(release)
    client.decrypt_file(tmp_path / "sealed", tmp_path / "back", signers=public)
    with pytest.raises(errors.InvalidArgument):
        client.decrypt_file(tmp_path / "sealed", tmp_path / "back2")
    assert not (tmp_path / "back2").exists()


def test_a_pipe_is_read_to_its_end(client, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    data = os.urandom(1_000_000)
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(data,))
    writer.start()
    assert client.encrypt_file(tmp_path / "pipe", tmp_path / "sealed") == len(data)
    writer.join()
    assert client.decrypt((tmp_path / "sealed").read_bytes()) == data


@pytest.mark.parametrize("source", ["endless", "silent"])
def test_ctrl_c_ends_the_work_and_leaves_nothing(tmp_path, source):
    """In a process of its own; on data without end, and on a pipe that never says anything."""
    os.mkfifo(tmp_path / "silent")
    script = f"""
        import keyfold, os, signal
        # Whoever runs the tests in the background may have had it ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        kms = keyfold.EmbeddedKms.in_memory()
        client = keyfold.Client(kms, keys=kms.create_key("alias/docs"))
        os.chdir({str(tmp_path)!r})
        hold = os.open("silent", os.O_RDWR)
        print("begins", flush=True)
        try:
            client.encrypt_file({"/dev/zero" if source == "endless" else "silent"!r}, "sealed")
        except KeyboardInterrupt:
            print("ended", flush=True)
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "begins\n"
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.3)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=20)
    assert out == "ended\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["silent"]
