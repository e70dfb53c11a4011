"""Keys, names, and the password safe, managed."""

from __future__ import annotations

import json
import pickle

import keyfold
import pytest
from keyfold import exceptions as errors


def test_the_life_of_a_key(kms, client, key):
    sealed = client.encrypt(b"data")
    about = kms.describe_key("keyfold:alias/docs")
    assert about.key == key
    assert (about.spec, about.usage) == ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
    assert about.enabled
    assert about.deletion is None
    kms.disable_key(key)
    assert kms.describe_key(key).state == "Disabled"
    fresh = keyfold.Client(kms, keys=key, context={"tenant": "acme"})
    with pytest.raises(errors.KmsKeyUnavailable):
        fresh.encrypt(b"")
    kms.enable_key("keyfold:alias/docs")
    kms.rotate_key(key)
    assert fresh.decrypt(sealed) == b"data"
    end = kms.schedule_key_deletion(key, days=7)
    assert kms.describe_key(key).deletion == pytest.approx(end)
    kms.cancel_key_deletion(key)
    assert not kms.describe_key(key).enabled


def test_names_of_a_key(kms, key):
    other = kms.create_key()
    assert kms.list_keys() == [key, other] or kms.list_keys() == [other, key]
    kms.create_alias("alias/second", "keyfold:alias/docs")
    assert set(kms.list_aliases(key)) == {"alias/docs", "alias/second"}
    kms.update_alias("alias/second", other)
    assert kms.describe_key("keyfold:alias/second").key == other
    kms.delete_alias("alias/second")
    assert set(kms.list_aliases()) == {"alias/docs"}
    with pytest.raises(errors.VersionConflict):
        kms.create_key("alias/docs")
    assert len(kms.list_keys()) == 2
    with pytest.raises(errors.InvalidArgument):
        kms.create_key("docs")


def test_many_keys_are_all_listed(kms):
    made = {kms.create_key() for _ in range(120)}
    assert set(kms.list_keys()) == made


def test_settings_of_a_key(kms):
    key = kms.create_key(description="documents", tags={"team": "a"})
    kms.tag_key(key, {"cost": "7"})
    assert kms.list_tags(key) == {"team": "a", "cost": "7"}
    kms.untag_key(key, ["team"])
    assert kms.list_tags(key) == {"cost": "7"}
    assert kms.describe_key(key).description == "documents"
    kms.set_description(key, "others")
    assert kms.describe_key(key).description == "others"
    kms.set_rotation(key, days=90)
    kms.set_rotation(key, days=None)
    policy = kms.get_key_policy(key)
    assert json.loads(policy)["Statement"]
    kms.put_key_policy(key, policy)
    with pytest.raises(errors.InvalidArgument):
        kms.put_key_policy(key, "{")
    with pytest.raises(errors.InvalidArgument):
        kms.create_key(spec="ROT13")
    with pytest.raises(errors.InvalidArgument, match="another KMS"):
        kms.describe_key("aws:alias/docs")


def test_secrets(client):
    safe = client.secrets
    first = safe.put("db/password", "correct horse")
    second = safe.put("db/password", keyfold.Secret(b"battery staple"))
    assert safe.get("db/password").expose() == b"battery staple"
    assert safe.get("db/password").version == second
    assert safe.get_version("db/password", first).expose_text() == "correct horse"
    assert safe.get_version("db/password", stage="AWSPREVIOUS").expose() == b"correct horse"
    assert [secret.name for secret in safe.list()] == ["db/password"]
    assert {version.id: version.stages for version in safe.versions("db/password")} == {
        second: ("AWSCURRENT",),
        first: ("AWSPREVIOUS",),
    }
    safe.delete("db/password", days=7)
    assert safe.list() == []
    assert [secret.deletion is not None for secret in safe.list(all=True)] == [True]
    with pytest.raises(errors.SecretNotFound):
        safe.get("db/password")
    safe.restore("db/password")
    assert safe.get("db/password").expose() == b"battery staple"
    safe.delete("db/password", now=True)
    for missing in ["db/password", "never"]:
        with pytest.raises(LookupError):
            safe.get(missing)


def test_a_secret_hides_and_ends():
    with keyfold.Secret("hush") as secret:
        assert (repr(secret), str(secret), f"{secret}") == ("Secret(..)",) * 3
        assert len(secret) == 4
        assert bool(keyfold.Secret(""))
        assert secret == keyfold.Secret(b"hush")
        assert secret != keyfold.Secret(b"hash")
        assert secret != b"hush"
        with pytest.raises(TypeError):
            hash(secret)
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(secret)
        with pytest.raises(TypeError):
            json.dumps({"secret": secret})
    with pytest.raises(errors.InvalidArgument, match="wiped"):
        secret.expose()
    secret.wipe()
    with pytest.raises(errors.InvalidArgument):
        keyfold.Secret(b"\xff").expose_text()


def test_a_folder_is_opened_again(tmp_path):
    folder = tmp_path / "kms"
    with pytest.raises(errors.KmsUnavailable, match="create=True"):
        keyfold.EmbeddedKms(folder)
    kms = keyfold.EmbeddedKms(folder, create=True)
    assert kms.path == folder
    assert folder.stat().st_mode & 0o777 == 0o700
    key = kms.create_key("alias/docs")
    sealed = keyfold.Client(kms, keys=key).encrypt(b"data")
    again = keyfold.EmbeddedKms(str(folder), create=True)
    assert keyfold.Client(again, keys=key).decrypt(sealed) == b"data"
    moved = tmp_path / "elsewhere.key"
    (folder / "root.key").rename(moved)
    with pytest.raises(errors.KmsDenied):
        keyfold.EmbeddedKms(folder)
    third = keyfold.EmbeddedKms(folder, root_key=moved)
    assert keyfold.Client(third, keys=key).decrypt(sealed) == b"data"


def test_the_folder_of_the_command_line(tmp_path, monkeypatch):
    monkeypatch.setenv("KEYFOLD_HOME", str(tmp_path / "home"))
    keyfold.EmbeddedKms(create=True)
    assert (tmp_path / "home" / "store.db").exists()
    assert (tmp_path / "home" / "root.key").exists()


def test_a_passphrase_opens(tmp_path):
    asked = []

    def ask():
        asked.append(1)
        return "correct horse"

    keyfold.EmbeddedKms(tmp_path / "kms", passphrase="correct horse", create=True)
    assert not (tmp_path / "kms" / "root.key").exists()
    for right in ["correct horse", b"correct horse", keyfold.Secret("correct horse"), ask]:
        keyfold.EmbeddedKms(tmp_path / "kms", passphrase=right)
    assert asked == [1]
    for wrong in ["wrong", None]:
        with pytest.raises(errors.KmsDenied):
            keyfold.EmbeddedKms(tmp_path / "kms", passphrase=wrong)
    with pytest.raises(errors.KmsDenied) as raised:
        keyfold.EmbeddedKms(tmp_path / "kms", passphrase=lambda: 1 / 0)
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
