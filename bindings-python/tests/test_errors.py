"""The tree of exceptions against the table of codes."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import keyfold
import pytest
from keyfold import exceptions

TABLE = Path(__file__).resolve().parents[2] / "docs" / "spec" / "errors.md"
ROWS = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
IDIOM = {
    "invalid_argument": ValueError,
    "malformed_envelope": ValueError,
    "unsupported_version": ValueError,
    "unsupported_suite": ValueError,
    "limit_exceeded": ValueError,
    "truncated": EOFError,
    "context_mismatch": ValueError,
    "no_usable_key": LookupError,
    "authentication_failed": ValueError,
    "signature_invalid": ValueError,
    "kms_denied": PermissionError,
    "kms_key_unavailable": LookupError,
    "kms_throttled": ConnectionError,
    "kms_unavailable": ConnectionError,
    "kms_protocol": ConnectionError,
    "secret_not_found": LookupError,
    "version_conflict": Exception,
    "cancelled": Exception,
    "io": OSError,
    "internal": RuntimeError,
}


def test_every_code_has_its_class():
    classes = {cls.code: cls for cls in keyfold.KeyfoldError.__subclasses__()}
    assert len(ROWS) >= 20
    assert sorted(classes) == sorted(code for code, _ in ROWS) == sorted(IDIOM)
    names = {cls.__name__ for cls in [*classes.values(), *exceptions.IoError.__subclasses__()]}
    assert set(exceptions.__all__) == names | {"KeyfoldError", "UnsupportedOperation"}


class Raising:
    """A KMS that raises what it was told to."""

    def __init__(self, error):
        self.error = error

    def call(self, request):
        raise self.error


@pytest.mark.parametrize(("code", "retry"), ROWS)
def test_every_code_comes_through_the_core_and_back(code, retry):
    """From an exception in a KMS of one's own, over the core's error, to an exception."""
    (cls,) = (c for c in keyfold.KeyfoldError.__subclasses__() if c.code == code)
    assert cls.retry == retry
    assert issubclass(cls, IDIOM[code])
    told = cls("what happened")
    with pytest.raises(cls) as raised:
        keyfold.Client(Raising(told)).secrets.get("name")
    error = raised.value
    assert type(error) is cls
    assert (error.code, error.retry, str(error)) == (code, retry, "what happened")
    assert error.retryable == (retry == "later")
    assert error.retry_after is None
    assert error.__cause__ is told
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.code, copy.retry, str(copy)) == (cls, code, retry, str(error))


def test_retry_can_be_told():
    told = exceptions.KmsThrottled("slow down")
    told.retry_after = 2.5
    with pytest.raises(exceptions.KmsThrottled) as raised:
        keyfold.Client(Raising(told)).secrets.get("name")
    assert raised.value.retry_after == 2.5
    told = exceptions.KmsDenied("wait for the policy")
    told.retry = "later"
    with pytest.raises(exceptions.KmsDenied) as raised:
        keyfold.Client(Raising(told)).secrets.get("name")
    assert raised.value.retryable


def test_any_other_exception_is_the_cause():
    with pytest.raises(exceptions.KmsUnavailable) as raised:
        keyfold.Client(Raising(ZeroDivisionError("boo"))).secrets.get("name")
    assert raised.value.retryable
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    assert "boo" not in str(raised.value)
    with pytest.raises(exceptions.NoUsableKey) as raised:
        sealed = _sealed()
        keyfold.Client(Raising(ZeroDivisionError("boo")), keys=sealed[1]).decrypt(sealed[0])
    assert raised.value.retryable
    assert isinstance(raised.value.__cause__, exceptions.KmsUnavailable)
    assert isinstance(raised.value.__cause__.__cause__, ZeroDivisionError)


def _sealed():
    kms = keyfold.EmbeddedKms.in_memory()
    key = kms.create_key()
    return keyfold.Client(kms, keys=key).encrypt(b""), key


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_a_program_passes_as_it_is(ending):
    with pytest.raises(ending):
        keyfold.Client(Raising(ending())).secrets.get("name")
