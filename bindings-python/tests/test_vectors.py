"""The shared vectors of the format, through the wheel."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import keyfold
import keyfold.kms as k
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "vectors"


def load(name):
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


class Knowing:
    """A KMS that unwraps every wrapped key to the data key of a vector."""

    def __init__(self, data_key):
        self.data_key = bytes.fromhex(data_key)

    def call(self, request):
        assert isinstance(request, k.Unwrap)
        return k.Unwrapped(self.data_key)


def plaintext(vector):
    if "plaintext" in vector:
        return bytes.fromhex(vector["plaintext"])
    seed, length = bytes.fromhex(vector["plaintext_seed"]), vector["plaintext_len"]
    blocks = range(length // 32 + 1)
    made = b"".join(hashlib.sha256(seed + n.to_bytes(8, "big")).digest() for n in blocks)[:length]
    assert hashlib.sha256(made).hexdigest() == vector["plaintext_sha256"]
    return made


def opener(vector):
    client = keyfold.Client(
        Knowing(vector["data_key"]),
        context=vector.get("expected_context", vector["context"]),
        cache=None,
        suites=vector.get("accepted_suites"),
    )
    signers = None
    if vector.get("any_signer"):
        signers = "any"
    elif "signers" in vector:
        try:
            signers = [keyfold.PublicKey.from_der(bytes.fromhex(s)) for s in vector["signers"]]
        except keyfold.KeyfoldError as error:
            # keyfold takes keys for signers: such bytes cannot even be named.
            raise keyfold.exceptions.SignatureInvalid("not a signer") from error
    return client, signers


def parts(vector):
    header = bytes.fromhex(vector["header"])
    body = bytes.fromhex(vector["body"] + vector.get("trailer", ""))
    return (header, body) if vector.get("detached") else (None, header + body)


def ring(vector):
    """All the recipients there are, whatever their KMS; any other where that cannot be read."""
    try:
        about = keyfold.inspect(bytes.fromhex(vector["header"]))
        return keyfold.Keyring.unwrap_with([recipient.key for recipient in about.recipients])
    except keyfold.KeyfoldError:
        return "keyfold:any"


def whole(vector):
    client, signers = opener(vector)
    header, data = parts(vector)
    keys = ring(vector)
    return client.decrypt(data, keys=keys, signers=signers, header=header)


def into(vector):
    client, signers = opener(vector)
    header, data = parts(vector)
    keys = ring(vector)
    out = bytearray(len(data))
    try:
        length = client.decrypt_into(data, out, keys=keys, signers=signers, header=header)
    except keyfold.KeyfoldError:
        assert not any(out)
        raise
    return bytes(out[:length])


class Once(io.RawIOBase):
    def __init__(self, data):
        self.inner = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, out):
        return self.inner.readinto(memoryview(out)[:1234])


def stream(vector):
    client, signers = opener(vector)
    _, data = parts(vector)
    with client.open_reader(Once(data), keys=ring(vector), signers=signers) as reader:
        return reader.read()


def file(vector, folder):
    client, signers = opener(vector)
    _, data = parts(vector)
    (folder / "sealed").write_bytes(data)
    target = folder / "opened"
    try:
        client.decrypt_file(folder / "sealed", target, keys=ring(vector), signers=signers)
    except keyfold.KeyfoldError:
        assert not target.exists()
        raise
    opened = target.read_bytes()
    target.unlink()
    return opened


def ways(vector, folder):
    yield whole
    yield into
    if not vector.get("detached"):
        yield stream
        yield lambda vector: file(vector, folder)


def test_valid_vectors_open(tmp_path):
    vectors = load("valid")
    assert len(vectors) >= 80
    for vector in vectors:
        for way in ways(vector, tmp_path):
            assert way(vector) == plaintext(vector), vector["name"]
        header, data = parts(vector)
        assert keyfold.inspect(data if header is None else header).suite == vector["suite"]


def test_ranges_of_valid_vectors():
    read = 0
    for vector in load("valid"):
        if vector.get("detached"):
            continue
        client, _ = opener(vector)
        _, data = parts(vector)
        expected = plaintext(vector)
        with client.open_reader(
            io.BytesIO(data), keys=ring(vector), unproven_signature=True
        ) as reader:
            for start in [0, 1, len(expected) // 2, max(0, len(expected) - 1), len(expected)]:
                assert reader.read_at(start, 5000) == expected[start : start + 5000]
            assert reader.verify_length() == len(expected)
        read += 1
    assert read >= 70


@pytest.mark.parametrize("vector", load("hostile"), ids=lambda vector: vector["name"])
def test_hostile_vectors_are_refused_with_their_code(vector, tmp_path):
    for way in ways(vector, tmp_path):
        with pytest.raises(keyfold.KeyfoldError) as raised:
            way(vector)
        assert raised.value.code == vector["expect"]
