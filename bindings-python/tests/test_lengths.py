"""What the beginning of an envelope and its size tell, and which bytes a range is read from."""

from __future__ import annotations

import io

import keyfold
import pytest
from keyfold import exceptions

SEGMENT = 16384


@pytest.mark.parametrize("length", [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 5 * SEGMENT + 77])
def test_the_beginning_tells_the_length(client, length):
    sealed = client.encrypt(bytes(length))
    whole = keyfold.inspect(sealed)
    assert whole.plaintext_length == length
    for head in (whole.header_length, whole.header_length + 40, len(sealed)):
        assert keyfold.inspect(sealed[:head], size=len(sealed)) == whole


def test_a_beginning_that_is_too_short(client):
    sealed = client.encrypt(b"x" * 100_000)
    header = keyfold.inspect(sealed).header_length
    with pytest.raises(exceptions.Truncated):
        keyfold.inspect(sealed[: header - 1], size=len(sealed))
    with pytest.raises(exceptions.Truncated):
        keyfold.inspect(sealed[:header], size=header + 71)
    with pytest.raises(exceptions.InvalidArgument):
        keyfold.inspect(sealed, size=len(sealed) - 1)


def test_the_bytes_behind_a_range(client):
    sealed = client.encrypt(bytes(3 * SEGMENT + 5))
    body = keyfold.inspect(sealed).header_length
    opening = client._open_reader(io.BytesIO(sealed))
    assert opening.plaintext_length == 3 * SEGMENT + 5
    first = body + 56
    assert opening.sealed_range(0, 1) == (first, first + SEGMENT + 16)
    assert opening.sealed_range(SEGMENT - 1, 2) == (first, first + 2 * (SEGMENT + 16))
    # Past the end, and so with the end.
    assert opening.sealed_range(3 * SEGMENT, 100) == (first + 3 * (SEGMENT + 16), len(sealed))


class Pipe:
    """What can be read from its start only."""

    def __init__(self, data):
        self.read = io.BytesIO(data).read


def test_a_stream_has_no_places(client):
    opening = client._open_reader(Pipe(client.encrypt(b"x")))
    assert opening.plaintext_length is None
    with pytest.raises(exceptions.InvalidArgument):
        opening.sealed_range(0, 1)
