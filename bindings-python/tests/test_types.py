"""The stub against the module; type checkers over the package and over what users write."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import keyfold
import pytest

PACKAGE = Path(keyfold.__file__).resolve().parent
HERE = Path(__file__).resolve().parent

USER = '''
"""What users write; each line with the type that it must have."""
import asyncio
import io
from pathlib import Path

from typing_extensions import assert_type

import keyfold
from keyfold import aio, exceptions, kms


class Own:
    def call(self, request: kms.Request) -> kms.Response:
        if isinstance(request, kms.ResolveKey):
            return kms.Key(request.key)
        raise exceptions.InvalidArgument("no")


class OwnLater:
    async def call(self, request: kms.Request) -> kms.Response:
        return kms.Key("own:1")


class Network:
    def send(
        self, method: str, url: str, headers: "object", body: bytes
    ) -> "tuple[int, list[tuple[str, str]], bytes]":
        return 200, [], b""


def sync(path: Path) -> None:
    embedded = keyfold.EmbeddedKms.in_memory()
    key = assert_type(embedded.create_key("alias/docs"), keyfold.KeyUri)
    client = keyfold.Client(embedded, keys=[key], context={"a": "b"}, threads="auto")
    keyfold.Client(Own(), cache=None)
    keyfold.RemoteKms("aws://eu-west-1", token=lambda: "token", transport=Network())
    sealed = assert_type(client.encrypt(bytearray(5), suite="AES-256-GCM"), bytes)
    assert_type(client.decrypt(memoryview(sealed), signers="any"), bytes)
    assert_type(client.encrypt_into(b"", bytearray(500)), int)
    assert_type(client.rewrap(sealed, to_keys=key), bytes)
    assert_type(client.encrypt_file(path, "out", progress=print), int)
    with client.open_writer(path) as writer:
        assert_type(writer.write(b"x"), int)
    with client.open_reader(io.BytesIO(sealed)) as reader:
        assert_type(reader.read_at(0, 5), bytes)
    with client.secrets.get("name") as secret:
        assert_type(secret.expose_text(), str)
    about = keyfold.inspect(path)
    assert_type(about.context, "dict[str, str]")
    try:
        client.sign(b"", key=key)
    except exceptions.KmsUnavailable as error:
        assert_type(error.retry_after, "float | None")
        assert_type(error.errno, "int | None")


async def later() -> None:
    async with aio.Client(OwnLater(), keys="own:1") as client:
        sealed = assert_type(await client.encrypt(b""), bytes)
        assert_type(await client.decrypt(sealed), bytes)
        async with await client.open_reader("path") as reader:
            assert_type(await reader.read(), bytes)


asyncio.run(later())
'''

WRONG = """
import keyfold

client = keyfold.Client(keyfold.EmbeddedKms.in_memory())
client.encrypt("text")
client.encrypt(b"", suite="ROT13")
client.encrypt(b"", context={"a": 1})
keyfold.Client(object())
client.secrets.get("name").upper()
"""


#: Modules on libraries that need not be here: test_extras.py checks them where they are.
EXTRAS = ["_fsspec_files", "django", "fsspec", "parquet", "sqlalchemy"]


def check(*command, cwd):
    return subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, cwd=cwd, timeout=300
    )


def test_the_stub_is_of_the_module(tmp_path):
    pytest.importorskip("mypy", reason="mypy is not installed")
    done = check("mypy.stubtest", "keyfold._keyfold", cwd=tmp_path)
    assert done.returncode == 0, done.stdout


def test_mypy_is_content(tmp_path):
    pytest.importorskip("mypy", reason="mypy is not installed")
    (tmp_path / "user.py").write_text(USER)
    names = ",".join(f"keyfold.{name}" for name in EXTRAS)
    (tmp_path / "mypy.ini").write_text(f"[mypy]\n[mypy-{names}]\nignore_errors = true\n")
    for target in [["-p", "keyfold"], ["user.py"]]:
        done = check("mypy", "--strict", *target, cwd=tmp_path)
        assert done.returncode == 0, done.stdout
    (tmp_path / "wrong.py").write_text(WRONG)
    done = check("mypy", "--strict", "wrong.py", cwd=tmp_path)
    assert "Found 5 errors" in done.stdout, done.stdout


def test_pyright_is_content(tmp_path):
    pytest.importorskip("pyright", reason="pyright is not installed")
    (tmp_path / "user.py").write_text(USER)
    # A copy: pyright does not report on what is installed.
    left_out = ["*.so", "__pycache__", *(f"{name}.py" for name in EXTRAS)]
    shutil.copytree(PACKAGE, tmp_path / "keyfold", ignore=shutil.ignore_patterns(*left_out))
    done = check("pyright", "--pythonpath", sys.executable, "user.py", "keyfold", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
