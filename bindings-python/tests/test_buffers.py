"""Anything with the buffer protocol goes in, and what is writable takes the result."""

from __future__ import annotations

import array
import ctypes
import mmap

import keyfold
import pytest
from keyfold import exceptions as errors

np = pytest.importorskip("numpy", reason="numpy has no release for this Python")

DATA = bytes(range(256)) * 100


def views(path):
    path.write_bytes(DATA)
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return [
        DATA,
        bytearray(DATA),
        memoryview(DATA),
        memoryview(b"x" + DATA + b"x")[1:-1],
        array.array("B", DATA),
        array.array("d", DATA),
        np.frombuffer(DATA, dtype=np.uint8),
        np.frombuffer(DATA, dtype=np.float32).reshape(80, 80),
        (ctypes.c_ubyte * len(DATA)).from_buffer_copy(DATA),
        mapped,
    ]


def test_every_kind_of_memory_is_read(client, tmp_path):
    for view in views(tmp_path / "data"):
        assert client.decrypt(client.encrypt(view)) == DATA, type(view)


def test_every_kind_of_memory_is_decrypted(client, tmp_path):
    sealed = client.encrypt(DATA)
    padding = -len(sealed) % 8
    for view in [bytearray(sealed), memoryview(sealed), np.frombuffer(sealed, np.uint8)]:
        assert client.decrypt(view) == DATA
    assert padding < 8


@pytest.mark.parametrize(
    "view",
    [
        memoryview(DATA)[::2],
        np.frombuffer(DATA, np.uint8).reshape(160, 160).T,
        np.frombuffer(DATA, np.uint8)[::-1],
    ],
    ids=["slices", "transposed", "reversed"],
)
def test_memory_that_is_not_contiguous_is_refused(client, view):
    with pytest.raises((BufferError, ValueError)):
        client.encrypt(view)
    with pytest.raises(TypeError):
        client.encrypt_into(b"", view)


@pytest.mark.parametrize("size", [0, 5, 16_384, 100_000])
def test_results_go_into_the_callers_buffer(client, size):
    data = DATA * 4
    data = data[:size]
    out = np.zeros(keyfold.max_encrypted_len(size), np.uint8)
    written = client.encrypt_into(data, out)
    back = bytearray(size + 10)
    assert client.decrypt_into(out[:written], back) == size
    assert back[:size] == data
    assert back[size:] == bytes(10)
    exact = bytearray(written)
    assert client.encrypt_into(data, exact) == written


def test_a_short_buffer_is_refused_and_stays_clean(client):
    sealed = client.encrypt(DATA)
    for out in [bytearray(), bytearray(len(DATA) - 1)]:
        with pytest.raises(errors.InvalidArgument, match="too short"):
            client.decrypt_into(sealed, out)
        assert not any(out)
        with pytest.raises(errors.InvalidArgument, match="too short"):
            client.encrypt_into(DATA, out)


def test_a_read_only_buffer_is_refused(client):
    for out in [b"x" * 1000, memoryview(b"x" * 1000), 7, None]:
        with pytest.raises(TypeError):
            client.encrypt_into(b"data", out)


def test_input_and_output_may_not_overlap(client):
    memory = bytearray(4096)
    with pytest.raises(errors.InvalidArgument, match="share memory"):
        client.encrypt_into(memoryview(memory)[:10], memoryview(memory)[5:])
    halves = memoryview(memory)
    written = client.encrypt_into(halves[:10], halves[10:])
    assert client.decrypt(halves[10 : 10 + written]) == bytes(10)


def test_after_an_error_nothing_of_the_plaintext_is_there(client):
    sealed = bytearray(client.encrypt(DATA * 4))
    sealed[-1] ^= 1
    out = bytearray(len(DATA) * 4)
    with pytest.raises(errors.AuthenticationFailed):
        client.decrypt_into(sealed, out)
    assert not any(out)


def test_memory_is_given_back(client):
    data = bytearray(DATA)
    sealed = client.encrypt(data)
    data.extend(b"a buffer in use could not grow")
    out = bytearray(len(DATA))
    client.decrypt_into(sealed, out)
    out.clear()
    with pytest.raises(errors.MalformedEnvelope):
        client.decrypt(data)
    data.clear()
