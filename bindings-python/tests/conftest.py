"""What the tests share. They run against the installed wheel, never against the source tree."""

from __future__ import annotations

from pathlib import Path

import keyfold
import pytest

SOURCE = Path(__file__).resolve().parent.parent


def pytest_configure(config):
    installed = Path(keyfold.__file__).resolve()
    if SOURCE / "python" in installed.parents:
        raise pytest.UsageError(f"the tests want the installed wheel, not {installed}")


@pytest.fixture
def kms():
    return keyfold.EmbeddedKms.in_memory()


@pytest.fixture
def key(kms):
    return kms.create_key("alias/docs")


@pytest.fixture
def client(kms, key):
    return keyfold.Client(kms, keys=key, context={"tenant": "acme"})


class Counting:
    """Counts the calls of another KMS, by their kind."""

    def __init__(self, inner):
        self.inner = inner
        self.calls = []

    def call(self, request):
        self.calls.append(type(request).__name__)
        return self.inner.call(request)


@pytest.fixture
def counting(kms):
    return Counting(kms)
