"""Who can open an envelope, what is public in it; signatures; small data."""

from __future__ import annotations

import pickle

import keyfold
import pytest
from keyfold import exceptions as errors


@pytest.fixture
def other(kms):
    return kms.create_key("alias/other")


def keys_of(envelope):
    return [recipient.key for recipient in keyfold.inspect(envelope).recipients]


def test_rewrapping_touches_no_body(client, counting, key, other):
    client = keyfold.Client(counting, keys=key)
    sealed = client.encrypt(b"data" * 10_000)
    moved = client.rewrap(sealed, to_keys=other)
    assert keys_of(moved) == [other]
    body = keyfold.inspect(sealed).body_length
    assert moved[-body:] == sealed[-body:]
    assert counting.calls == ["GenerateDataKey", "Rewrap"]
    assert client.decrypt(moved, keys=other) == b"data" * 10_000
    with pytest.raises(errors.NoUsableKey):
        client.decrypt(moved)


def test_a_file_is_rewrapped_in_its_place(client, other, tmp_path):
    path = tmp_path / "data.kf"
    path.write_bytes(client.encrypt(b"data" * 100_000))
    path.chmod(0o640)
    assert client.rewrap(path, to_keys=other) is None
    assert keys_of(path) == [other]
    assert path.stat().st_mode & 0o777 == 0o640
    assert client.decrypt(path.read_bytes(), keys=other) == b"data" * 100_000
    assert len(list(tmp_path.iterdir())) == 1


def test_recipients_come_and_go(client, key, other):
    sealed = client.encrypt(b"data")
    both = client.add_recipients(sealed, keys=[other])
    assert keys_of(both) == [key, other]
    assert client.decrypt(both, keys=other) == b"data"
    left = client.remove_recipients(both, keys=[key])
    assert keys_of(left) == [other]
    for refused in [key, [other]]:
        with pytest.raises(errors.InvalidArgument):
            client.remove_recipients(left, keys=refused)


def test_what_cannot_be_rewrapped_stays(client, other, tmp_path):
    path = tmp_path / "data.kf"
    sealed = client.encrypt(b"data", keys=other)
    path.write_bytes(sealed)
    with pytest.raises(errors.NoUsableKey):
        client.rewrap(path, to_keys=other)
    assert path.read_bytes() == sealed
    with pytest.raises(errors.IoError):
        client.rewrap(tmp_path / "missing", to_keys=other)


def test_what_is_public(client, key, tmp_path):
    signer = keyfold.SigningKey.generate()
    sealed = client.encrypt(b"data", signer=signer)
    (tmp_path / "x.kf").write_bytes(sealed)
    for about in [
        keyfold.inspect(sealed),
        keyfold.inspect(tmp_path / "x.kf"),
        keyfold.inspect(str(tmp_path / "x.kf")),
    ]:
        assert (about.version, about.suite, about.cipher) == (1, 1, "AES-256-GCM")
        assert about.context == {"tenant": "acme"}
        assert about.plaintext_length == 4
        assert (about.signed, about.signature_algorithm) == (True, "ED25519_SHA_512")
        assert about.signer_spec == "ECC_NIST_EDWARDS25519"
        assert about.signer == signer.public_key.to_der()
        (recipient,) = about.recipients
        assert recipient.key == key
        assert recipient.wrapped_key_length > 32
        assert recipient.parameters == []
    assert keyfold.inspect(sealed) == keyfold.inspect(tmp_path / "x.kf")
    unsigned = keyfold.inspect(client.encrypt(b""))
    assert (unsigned.signed, unsigned.signer, unsigned.signature_algorithm) == (False, None, None)


SPECS = ["ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1", "RSA_2048"]


@pytest.mark.parametrize("spec", [*SPECS, "ECC_NIST_EDWARDS25519"])
def test_signatures_by_the_kms(client, kms, spec):
    key = kms.create_key(spec=spec, usage="SIGN_VERIFY")
    for message in [b"", b"short", b"x" * 4096]:
        if not message and spec == "ECC_NIST_EDWARDS25519":
            continue
        signature = client.sign(message, key=key)
        client.verify(message, signature, key=key)
        public = client.public_key(key)
        public.verify(message, signature)
        for wrong in [message + b"x", b"another"]:
            with pytest.raises(errors.SignatureInvalid):
                client.verify(wrong, signature, key=key)
            with pytest.raises(errors.SignatureInvalid):
                public.verify(wrong, signature)
    assert public.spec == spec
    assert set(kms.describe_key(key).signing_algorithms) <= set(public.algorithms)


def test_long_messages_are_hashed_here(counting, kms):
    key = kms.create_key(spec="ECC_NIST_P256")
    client = keyfold.Client(counting)
    signature = client.sign(b"x" * 1_000_000, key=key, algorithm="ECDSA_SHA_256")
    assert counting.calls == ["Sign"]
    hasher = keyfold.MessageHasher("ECDSA_SHA_256")
    for _ in range(100):
        hasher.update(b"x" * 10_000)
    digest = hasher.finish()
    with pytest.raises(errors.InvalidArgument):
        hasher.finish()
    client.verify(b"x" * 1_000_000, signature, key=key)
    again = client.sign_digest(digest, key=key, algorithm="ECDSA_SHA_256")
    client.verify(b"x" * 1_000_000, again, key=key)


def test_forms_of_keys():
    signer = keyfold.SigningKey.generate("ECC_NIST_P256")
    again = keyfold.SigningKey.from_pem(signer.to_pem())
    assert keyfold.SigningKey.from_der(signer.to_der().expose()).public_key == again.public_key
    public = signer.public_key
    assert public == again.public_key
    assert keyfold.PublicKey.from_der(public.to_der()) == public
    assert keyfold.PublicKey.from_pem(public.to_pem()) == public
    assert keyfold.PublicKey.from_jwk(public.to_jwk()) == public
    assert pickle.loads(pickle.dumps(public)) == public
    assert len({public, again.public_key}) == 1
    public.verify(b"message", signer.sign(b"message"))
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(signer)
    for wrong in [b"", b"x" * 100]:
        with pytest.raises(keyfold.KeyfoldError):
            keyfold.PublicKey.from_der(wrong)


def test_signed_envelopes(client, kms):
    release = kms.create_key("alias/release", spec="ECC_NIST_P256")
    local = keyfold.SigningKey.generate()
    for signer, public in [(release, client.public_key(release)), (local, local.public_key)]:
        for size in [3, 300_000]:
            sealed = client.encrypt(b"x" * size, signer=signer)
            assert client.decrypt(sealed, signers=public) == b"x" * size
            assert client.decrypt(sealed, signers=[public]) == b"x" * size
            assert client.decrypt(sealed, signers="any") == b"x" * size
        with pytest.raises(errors.InvalidArgument):
            client.decrypt(sealed)
        with pytest.raises(errors.SignatureInvalid):
            client.decrypt(sealed, signers=keyfold.SigningKey.generate().public_key)
        header, body = client.encrypt_detached(b"data", signer=signer)
        assert client.decrypt(body, header=header, signers=public) == b"data"
    with pytest.raises(TypeError):
        client.decrypt(sealed, signers="somebody")
    with pytest.raises(errors.KmsKeyUnavailable):
        client.encrypt(b"", signer=kms.create_key(spec="RSA_2048", usage="ENCRYPT_DECRYPT"))


def test_small_data(client, key):
    sealed = client.encrypt_small(b"+49 30 1234567")
    assert client.decrypt_small(sealed) == b"+49 30 1234567"
    assert client.decrypt_small(sealed, key=key) == b"+49 30 1234567"
    with pytest.raises(errors.AuthenticationFailed):
        client.decrypt_small(sealed, context={})
    with pytest.raises(errors.LimitExceeded):
        client.encrypt_small(bytes(4097))
    with pytest.raises(errors.InvalidArgument):
        keyfold.Client(client.kms).encrypt_small(b"x")


def test_keyrings_are_values(key):
    ring = keyfold.Keyring(key, ["aws:alias/b"], also_unwrap=["aws:alias/c"], bind_only=["tenant"])
    same = keyfold.Keyring(key, ["aws:alias/b"], also_unwrap=["aws:alias/c"], bind_only=["tenant"])
    assert ring == same
    assert len({ring, same, keyfold.Keyring.discover("aws")}) == 2
    for made in [ring, keyfold.Keyring.discover("aws"), keyfold.Keyring.unwrap_with([key])]:
        assert pickle.loads(pickle.dumps(made)) == made
        assert eval(repr(made), {"Keyring": keyfold.Keyring}) == made
    with pytest.raises(errors.InvalidArgument):
        keyfold.Client(keyfold.EmbeddedKms.in_memory(), keys=keyfold.Keyring.discover()).encrypt(
            b""
        )
