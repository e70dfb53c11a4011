"""Whole values, and what a client falls back on."""

from __future__ import annotations

import os

import keyfold
import pytest
from cryptography.cobblestone import Cobblestone256Decryptor
from hypothesis import given, settings
from hypothesis import strategies as st
from keyfold import exceptions as errors

SIZES = [0, 1, 16_383, 16_384, 16_385, 100_000, 1 << 20]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("suite", ["AES-256-GCM", "ChaCha20-Poly1305", 1, 2])
def test_values_of_any_length_come_back(client, size, suite):
    data = os.urandom(size)
    sealed = client.encrypt(data, suite=suite)
    assert client.decrypt(sealed) == data
    about = keyfold.inspect(sealed)
    assert about.plaintext_length == size
    assert about.header_length + about.body_length == len(sealed)
    assert len(sealed) <= keyfold.max_encrypted_len(size)


@pytest.mark.parametrize("threads", [1, 2, "auto"])
def test_threads_change_nothing_but_time(kms, key, threads):
    client = keyfold.Client(kms, keys=key, threads=threads)
    data = os.urandom(3_000_000)
    assert client.decrypt(client.encrypt(data)) == data


def test_keys_and_context_of_a_call_count_more_than_those_of_the_client(client, kms, key):
    other = kms.create_key("alias/other")
    sealed = client.encrypt(b"data", keys=other, context={"tenant": "globex"})
    about = keyfold.inspect(sealed)
    assert [recipient.key for recipient in about.recipients] == [other]
    assert about.context == {"tenant": "globex"}
    assert client.decrypt(sealed, keys=other, context={"tenant": "globex"}) == b"data"
    with pytest.raises(errors.ContextMismatch):
        client.decrypt(sealed, keys=other)
    with pytest.raises(errors.NoUsableKey):
        client.decrypt(sealed, context={"tenant": "globex"})


def test_every_key_of_a_list_opens(client, kms, key):
    backup = kms.create_key("alias/backup")
    for keys in [[key, backup], (key, backup), keyfold.Keyring(key, [backup])]:
        sealed = client.encrypt(b"data", keys=keys)
        assert client.decrypt(sealed, keys=key) == b"data"
        assert client.decrypt(sealed, keys=backup) == b"data"
        assert client.decrypt(sealed, keys="keyfold:alias/backup") == b"data"
        assert client.decrypt(sealed, keys=keyfold.Keyring.unwrap_with([backup])) == b"data"
        assert client.decrypt(sealed, keys=keyfold.Keyring.discover()) == b"data"


def test_a_part_of_the_context_is_enough_where_it_is_asked_for(client):
    sealed = client.encrypt(b"data", context={"tenant": "acme", "doc": "42"})
    part = keyfold.ContextContains({"tenant": "acme"})
    assert client.decrypt(sealed, context=part) == b"data"
    with pytest.raises(errors.ContextMismatch):
        client.decrypt(sealed, context=keyfold.ContextContains({"tenant": "globex"}))
    assert "acme" not in repr(part)


def test_one_data_key_serves_many_messages(counting, key):
    client = keyfold.Client(counting, keys=key)
    sealed = [client.encrypt(b"%d" % number) for number in range(10)]
    assert [client.decrypt(envelope) for envelope in sealed] == [b"%d" % n for n in range(10)]
    assert counting.calls == ["GenerateDataKey", "Unwrap"]
    assert (client.cache_stats.misses, client.cache_stats.hits) == (2, 18)
    with client:
        pass
    client.decrypt(sealed[0])
    assert counting.calls[2:] == ["Unwrap"]


def test_without_a_cache_every_message_asks(counting, key):
    client = keyfold.Client(counting, keys=key, cache=None)
    for _ in range(3):
        client.decrypt(client.encrypt(b""))
    assert counting.calls == ["GenerateDataKey", "Unwrap"] * 3


def test_a_cache_ends_after_its_messages(counting, key):
    limits = keyfold.CacheLimits(max_messages=2)
    assert limits.max_age == 300.0
    client = keyfold.Client(counting, keys=key, cache=limits)
    for _ in range(6):
        client.encrypt(b"")
    assert counting.calls == ["GenerateDataKey"] * 3


def test_bound_pairs_alone_decide_about_the_data_key(counting, key):
    ring = keyfold.Keyring(key, bind_only=["tenant"])
    client = keyfold.Client(counting, keys=ring)
    for number in range(5):
        context = {"tenant": "acme", "doc": str(number)}
        assert client.decrypt(client.encrypt(b"x", context=context), context=context) == b"x"
    assert counting.calls == ["GenerateDataKey", "Unwrap"]


def test_header_and_body_may_lie_apart(client, kms):
    header, body = client.encrypt_detached(b"data")
    assert client.decrypt(body, header=header) == b"data"
    assert client.decrypt(header + body) == b"data"
    other = kms.create_key("alias/other")
    moved = client.rewrap(header, to_keys=other)
    assert client.decrypt(body, header=moved, keys=other) == b"data"
    assert keyfold.inspect(header).plaintext_length is None


def test_fewer_suites_may_be_accepted(kms, key):
    client = keyfold.Client(kms, keys=key, suites=["AES-256-GCM"])
    assert client.decrypt(client.encrypt(b"")) == b""
    with pytest.raises(errors.UnsupportedSuite):
        client.decrypt(client.encrypt(b"", suite="ChaCha20-Poly1305"))


def test_the_body_is_cobblestone(key, kms):
    """An independent implementation opens what the wheel seals."""

    class Knowing:
        def call(self, request):
            answer = kms.call(request)
            if type(request).__name__ == "GenerateDataKey":
                self.data_key = answer.data_key.expose()
            return answer

    knowing = Knowing()
    header, body = keyfold.Client(knowing, keys=key).encrypt_detached(b"data" * 10_000)
    stable = stable_part(header)
    opener = Cobblestone256Decryptor(knowing.data_key, stable)
    assert opener.update(body) + opener.finalize() == b"data" * 10_000


def stable_part(header):
    """Magic, version, suite, flags, and the context with its length."""
    length = int.from_bytes(header[7:9], "big")
    return header[: 9 + length]


@settings(max_examples=60, deadline=None)
@given(
    data=st.binary(max_size=40_000),
    context=st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=5),
)
def test_any_data_under_any_context(data, context):
    sealed = SHARED.encrypt(data, context=context)
    assert SHARED.decrypt(sealed, context=context) == data
    assert keyfold.inspect(sealed).context == context
    altered = dict(context, another="pair")
    with pytest.raises(errors.ContextMismatch):
        SHARED.decrypt(sealed, context=altered)


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=300), at=st.integers(min_value=0), bit=st.integers(0, 7))
def test_no_flipped_bit_goes_unseen(data, at, bit):
    sealed = bytearray(SHARED.encrypt(data))
    sealed[at % len(sealed)] ^= 1 << bit
    with pytest.raises(keyfold.KeyfoldError):
        SHARED.decrypt(sealed)


def _shared():
    kms = keyfold.EmbeddedKms.in_memory()
    return keyfold.Client(kms, keys=kms.create_key("alias/docs"))


SHARED = _shared()


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda c: c.encrypt("text"), TypeError),
        (lambda c: c.encrypt(b"", keys=[]), errors.InvalidArgument),
        (lambda c: c.encrypt(b"", keys=7), TypeError),
        (lambda c: c.encrypt(b"", keys="no scheme"), errors.InvalidArgument),
        (lambda c: c.encrypt(b"", keys="keyfold:alias/none"), errors.KmsKeyUnavailable),
        (lambda c: c.encrypt(b"", keys="aws:alias/docs"), errors.InvalidArgument),
        (lambda c: c.encrypt(b"", context={"a": 1}), TypeError),
        (lambda c: c.encrypt(b"", context=[("a", "b")]), TypeError),
        (lambda c: c.encrypt(b"", context={"a": "b" * 9000}), errors.LimitExceeded),
        (lambda c: c.encrypt(b"", context={"a": "\ud800"}), UnicodeEncodeError),
        (lambda c: c.encrypt(b"", suite=3), errors.UnsupportedSuite),
        (lambda c: c.encrypt(b"", suite="ROT13"), errors.InvalidArgument),
        (lambda c: c.encrypt(), TypeError),
        (lambda c: c.encrypt(b"", b""), TypeError),
        (lambda c: c.decrypt(b""), errors.Truncated),
        (lambda c: c.decrypt(b"no envelope at all"), errors.MalformedEnvelope),
        (lambda c: c.decrypt(c.encrypt(b""), signers="any"), errors.SignatureInvalid),
        (lambda c: c.encrypt(b"", keys=["keyfold:k"] * 17), errors.LimitExceeded),
    ],
)
def test_bad_calls_are_refused(client, call, error):
    with pytest.raises(error):
        call(client)


def test_a_client_without_keys_wants_some(kms):
    with pytest.raises(errors.InvalidArgument, match="name a key"):
        keyfold.Client(kms).encrypt(b"")


@pytest.mark.parametrize("arguments", [{"threads": 0}, {"threads": "many"}, {"cache": 3}])
def test_bad_configurations_are_refused(kms, arguments):
    with pytest.raises((TypeError, ValueError)):
        keyfold.Client(kms, **arguments)
    with pytest.raises(TypeError):
        keyfold.Client(object())


def test_names_of_keys():
    key = keyfold.KeyUri("keyfold:alias/docs")
    assert (key.scheme, key.name, key.is_alias) == ("keyfold", "alias/docs", True)
    assert key == "keyfold:alias/docs"
    for wrong in ["", "docs", "Keyfold:docs", "keyfold:", "keyfold:a b"]:
        with pytest.raises(errors.InvalidArgument):
            keyfold.KeyUri(wrong)
    with pytest.raises(errors.LimitExceeded):
        keyfold.KeyUri("keyfold:" + "x" * 2048)


def test_no_repr_tells_a_context_or_a_secret(kms, key):
    client = keyfold.Client(kms, keys=key, context={"tenant": "hush-hush"})
    about = keyfold.inspect(client.encrypt(b"top secret"))
    secret = keyfold.Secret("top secret")
    access = keyfold.AccessKey("AKIA1", "top-secret", "top-secret")
    for shown in [client, about, secret, access, keyfold.SigningKey.generate()]:
        assert "hush-hush" not in repr(shown)
        assert "top" not in repr(shown)
