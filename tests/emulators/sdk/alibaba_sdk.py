"""Alibaba Cloud's own kit against the emulator: every action, then what must be refused."""

import hashlib
import os

from alibabacloud_kms20160120 import models
from alibabacloud_kms20160120.client import Client as KmsClient
from alibabacloud_tea_openapi import utils as openapi_utils
from alibabacloud_tea_openapi.utils_models import Config
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from darabonba.exceptions import DaraException

import emulator
from emulator import OAEP, b64, unb64

CONTEXT = {"app": "keyfold", "tenant": "acme"}


class Client:
    """Calls actions by their names, with parameters as keywords."""

    def __init__(self, **settings):
        names = {
            "access_key_id": os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],
            "access_key_secret": os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
            "region_id": os.environ["ALIBABA_CLOUD_REGION_ID"],
            "endpoint": emulator.HOST,
            "protocol": "HTTP",
        }
        self.client = KmsClient(Config(**names | settings))

    def __getattr__(self, action):
        def call(**parameters):
            words = "".join(word.capitalize() for word in action.split("_"))
            request = getattr(models, f"{words}Request", None)
            answer = getattr(self.client, action)
            if request is None:
                return answer().body
            request = request(**parameters)
            for name, value in parameters.items():
                assert getattr(request, name) == value, name
            return answer(request).body

        return call


def refused(code):
    return emulator.refused(DaraException, code, lambda error: error.code)


def keys(client):
    made = client.create_key(description="documents").key_metadata
    key = made.key_id
    assert (made.key_state, made.key_spec, made.key_usage) == (
        "Enabled",
        "Aliyun_AES_256",
        "ENCRYPT/DECRYPT",
    )
    client.update_key_description(key_id=key, description="all papers")
    found = client.describe_key(key_id=made.arn).key_metadata
    assert (found.key_id, found.description, found.origin) == (key, "all papers", "Aliyun_KMS")
    other = client.create_key().key_metadata.key_id
    client.disable_key(key_id=key)
    with refused("Rejected.Disabled"):
        client.encrypt(key_id=key, plaintext=b64(b"x"))
    assert client.describe_key(key_id=key).key_metadata.key_state == "Disabled"
    client.enable_key(key_id=key)
    with refused("InvalidParameter"):
        client.schedule_key_deletion(key_id=other, pending_window_in_days=6)
    client.schedule_key_deletion(key_id=other, pending_window_in_days=366)
    gone = client.describe_key(key_id=other).key_metadata
    assert gone.key_state == "PendingDeletion" and gone.delete_date
    with refused("Rejected.PendingDeletion"):
        client.encrypt(key_id=other, plaintext=b64(b"x"))
    client.cancel_key_deletion(key_id=other)
    assert client.describe_key(key_id=other).key_metadata.key_state == "Enabled"

    rotating = {"enable_automatic_rotation": True, "rotation_interval": "30d"}
    client.update_rotation_policy(key_id=key, **rotating)
    assert client.describe_key(key_id=key).key_metadata.automatic_rotation == "Enabled"
    client.update_rotation_policy(key_id=key, enable_automatic_rotation=False)
    before = client.encrypt(key_id=key, plaintext=b64(b"before"))
    version = client.create_key_version(key_id=key).key_version.key_version_id
    after = client.encrypt(key_id=key, plaintext=b64(b"after"))
    assert (before.key_version_id, after.key_version_id) == (made.primary_key_version, version)
    for sealed, text in ((before, b"before"), (after, b"after")):
        opened = client.decrypt(ciphertext_blob=sealed.ciphertext_blob)
        assert (unb64(opened.plaintext), opened.key_version_id) == (text, sealed.key_version_id)
    listed = client.list_key_versions(key_id=key)
    assert [found.key_version_id for found in listed.key_versions.key_version] == [
        made.primary_key_version,
        version,
    ]
    named = client.describe_key_version(key_id=key, key_version_id=version).key_version
    assert (named.key_id, named.key_version_id) == (key, version)

    client.create_alias(key_id=key, alias_name="alias/docs")
    with refused("Rejected.ResourceExist"):
        client.create_alias(key_id=other, alias_name="alias/docs")
    assert client.describe_key(key_id="alias/docs").key_metadata.key_id == key
    client.update_alias(key_id=other, alias_name="alias/docs")
    assert client.describe_key(key_id="alias/docs").key_metadata.key_id == other
    assert client.list_aliases_by_key_id(key_id=key).total_count == 0
    assert client.list_aliases().aliases.alias[0].alias_name == "alias/docs"
    client.delete_alias(alias_name="alias/docs")
    with refused("Forbidden.AliasNotFound"):
        client.describe_key(key_id="alias/docs")

    for _ in range(5):
        client.create_key()
    pages = [client.list_keys(page_number=number, page_size=3) for number in (1, 2, 3)]
    listed = [found.key_id for page in pages for found in page.keys.key]
    assert len(listed) == len(set(listed)) == pages[0].total_count == 7
    assert client.describe_regions().regions.region
    return key


def encryption(client, key):
    sealed = client.encrypt(
        key_id=key, plaintext=b64(b"attack at dawn"), encryption_context=CONTEXT
    )
    assert sealed.key_id == key
    same = dict(reversed(CONTEXT.items()))
    opened = client.decrypt(ciphertext_blob=sealed.ciphertext_blob, encryption_context=same)
    assert (opened.key_id, unb64(opened.plaintext)) == (key, b"attack at dawn")
    for wrong in ({"encryption_context": {"app": "other"}}, {}):
        with refused("InvalidParameter"):
            client.decrypt(ciphertext_blob=sealed.ciphertext_blob, **wrong)
    with refused("InvalidParameter"):
        client.decrypt(ciphertext_blob=b64(b"something else"))
    longest = client.encrypt(key_id=key, plaintext=b64(b"x" * 6144))
    assert unb64(client.decrypt(ciphertext_blob=longest.ciphertext_blob).plaintext) == b"x" * 6144
    with refused("InvalidParameter"):
        client.encrypt(key_id=key, plaintext=b64(b"x" * 6145))

    to = client.create_key().key_metadata.key_id
    moved = client.re_encrypt(
        ciphertext_blob=sealed.ciphertext_blob,
        destination_key_id=to,
        source_encryption_context=CONTEXT,
        destination_encryption_context={"app": "moved"},
    )
    again = {"encryption_context": {"app": "moved"}}
    assert moved.key_id == to
    assert client.decrypt(ciphertext_blob=moved.ciphertext_blob, **again).key_id == to

    bound = {"key_id": key, "encryption_context": CONTEXT}
    lengths = {32: {"key_spec": "AES_256"}, 16: {"key_spec": "AES_128"}, 77: {"number_of_bytes": 77}}
    for length, wanted in lengths.items():
        made = client.generate_data_key(**bound, **wanted)
        assert len(unb64(made.plaintext)) == length
        opened = client.decrypt(ciphertext_blob=made.ciphertext_blob, encryption_context=CONTEXT)
        assert opened.plaintext == made.plaintext
        alone = client.generate_data_key_without_plaintext(**bound, **wanted)
        opened = client.decrypt(ciphertext_blob=alone.ciphertext_blob, encryption_context=CONTEXT)
        assert len(unb64(opened.plaintext)) == length

    reader = rsa.generate_private_key(65537, 2048)
    der = reader.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for algorithm, form in OAEP.items():
        to_reader = {
            "public_key_blob": b64(der),
            "wrapping_key_spec": "RSA_2048",
            "wrapping_algorithm": algorithm,
        }
        made = client.generate_and_export_data_key(key_spec="AES_256", **bound, **to_reader)
        data_key = reader.decrypt(unb64(made.exported_data_key), form)
        assert len(data_key) == 32
        blob = {"ciphertext_blob": made.ciphertext_blob, "encryption_context": CONTEXT}
        assert unb64(client.decrypt(**blob).plaintext) == data_key
        again = client.export_data_key(**blob, **to_reader).exported_data_key
        assert reader.decrypt(unb64(again), form) == data_key


def signatures(client):
    message = b"report"
    digest = hashlib.sha256(message).digest()
    specs = {
        "EC_P256": ["ECDSA_SHA_256"],
        "EC_P256K": ["ECDSA_SHA_256"],
        "RSA_2048": ["RSA_PSS_SHA_256", "RSA_PKCS1_SHA_256"],
        "RSA_3072": ["RSA_PSS_SHA_256"],
    }
    for spec, algorithms in specs.items():
        made = client.create_key(key_spec=spec, key_usage="SIGN/VERIFY").key_metadata
        named = {"key_id": made.key_id, "key_version_id": made.primary_key_version}
        spki = serialization.load_pem_public_key(client.get_public_key(**named).public_key.encode())
        for algorithm in algorithms:
            asked = {"algorithm": algorithm, "digest": b64(digest), **named}
            value = client.asymmetric_sign(**asked).value
            assert client.asymmetric_verify(value=value, **asked).value is True
            wrong = asked | {"digest": b64(digest[::-1])}
            assert client.asymmetric_verify(value=value, **wrong).value is False
            signature = unb64(value)
            if algorithm == "ECDSA_SHA_256":
                spki.verify(signature, message, ec.ECDSA(hashes.SHA256()))
            elif algorithm == "RSA_PSS_SHA_256":
                pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
                spki.verify(signature, digest, pss, Prehashed(hashes.SHA256()))
            else:
                spki.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    with refused("MissingParameter"):
        client.asymmetric_sign(key_id=made.key_id, algorithm=algorithm, digest=b64(digest))
    with refused("UnsupportedOperation"):
        client.create_key(key_spec="EC_SM2", key_usage="SIGN/VERIFY")

    made = client.create_key(key_spec="RSA_2048").key_metadata
    named = {"key_id": made.key_id, "key_version_id": made.primary_key_version}
    spki = serialization.load_pem_public_key(client.get_public_key(**named).public_key.encode())
    for algorithm, form in OAEP.items():
        asked = {"algorithm": algorithm, **named}
        for sealed in (
            b64(spki.encrypt(b"secret", form)),
            client.asymmetric_encrypt(plaintext=b64(b"secret"), **asked).ciphertext_blob,
        ):
            opened = client.asymmetric_decrypt(ciphertext_blob=sealed, **asked)
            assert unb64(opened.plaintext) == b"secret"


def imports(client):
    key = client.create_key(origin="EXTERNAL").key_metadata
    assert key.key_state == "PendingImport"
    key = key.key_id
    with refused("Rejected.PendingImport"):
        client.encrypt(key_id=key, plaintext=b64(b"x"))
    given = client.get_parameters_for_import(
        key_id=key, wrapping_algorithm="RSAES_OAEP_SHA_256", wrapping_key_spec="RSA_2048"
    )
    spki = serialization.load_der_public_key(unb64(given.public_key))

    def give(material):
        client.import_key_material(
            key_id=key,
            import_token=given.import_token,
            encrypted_key_material=b64(spki.encrypt(material, OAEP["RSAES_OAEP_SHA_256"])),
            key_material_expire_unix=0,
        )

    give(b"m" * 32)
    client.encrypt(key_id=key, plaintext=b64(b"x"))
    client.delete_key_material(key_id=key)
    with refused("Rejected.ResourceExist"):
        give(b"n" * 32)
    give(b"m" * 32)


def secrets(client, key):
    long = "correct horse/+~é " * 100
    made = client.create_secret(
        secret_name="prod/db", version_id="v1", secret_data=long, encryption_key_id=key
    )
    assert (made.secret_name, made.version_id) == ("prod/db", "v1")
    with refused("Rejected.ResourceExist"):
        client.create_secret(secret_name="prod/db", version_id="v1", secret_data="x")
    read = client.get_secret_value(secret_name="prod/db")
    assert (read.secret_data, read.secret_data_type, read.version_id) == (long, "text", "v1")
    added = client.put_secret_value(
        secret_name="prod/db",
        version_id="v2",
        secret_data=b64(b"\0\xff"),
        secret_data_type="binary",
        version_stages='["ACSCurrent","blue"]',
    )
    assert added.version_stages.version_stage == ["ACSCurrent", "blue"]
    with refused("Rejected.ResourceExist"):
        client.put_secret_value(secret_name="prod/db", version_id="v2", secret_data="x")
    assert client.get_secret_value(secret_name="prod/db", version_stage="blue").version_id == "v2"
    old = client.get_secret_value(secret_name="prod/db", version_stage="ACSPrevious")
    assert old.version_id == "v1"
    client.update_secret_version_stage(
        secret_name="prod/db", version_stage="ACSCurrent", move_to_version="v1"
    )
    assert client.get_secret_value(secret_name="prod/db").secret_data == long
    assert client.get_secret_value(secret_name="prod/db", version_id="v2").version_id == "v2"
    listed = client.list_secret_version_ids(secret_name="prod/db")
    assert [found.version_id for found in listed.version_ids.version_id] == ["v1", "v2"]
    client.update_secret(secret_name="prod/db", description="of the database")
    described = client.describe_secret(secret_name="prod/db")
    assert (described.description, described.encryption_key_id) == ("of the database", key)
    entry = models.BatchGetSecretValueRequestSecretsList
    both = client.batch_get_secret_value(
        secrets_list=[entry(secret_name="prod/db"), entry(secret_name="none")]
    )
    assert both.secret_values[0].secret_data == long
    assert both.errors[0].code == "Forbidden.ResourceNotFound"
    for number in range(4):
        client.create_secret(secret_name=f"s-{number}", version_id="1", secret_data="x")
    pages = [client.list_secrets(page_number=number, page_size=3) for number in (1, 2)]
    assert pages[0].total_count == 5
    assert len({found.secret_name for page in pages for found in page.secret_list.secret}) == 5
    client.delete_secret(secret_name="prod/db", recovery_window_in_days="7")
    with refused("Rejected.PendingDeletion"):
        client.get_secret_value(secret_name="prod/db")
    client.restore_secret(secret_name="prod/db")
    client.delete_secret(secret_name="prod/db", force_delete_without_recovery="true")
    with refused("Forbidden.ResourceNotFound"):
        client.get_secret_value(secret_name="prod/db")
    assert len(client.get_random_password(password_length="20").random_password) == 20


def refusals(client, key, skewed, **settings):
    """What every style of signing must refuse."""
    with refused("SignatureDoesNotMatch"):
        Client(access_key_secret=emulator.WRONG, **settings).list_keys()
    with refused("InvalidAccessKeyId.NotFound"):
        Client(access_key_id="LTAInobody", **settings).list_keys()
    for offset in (1000, -1000):
        with emulator.clock(offset), refused(skewed):
            client.list_keys()
    with emulator.clock(600):
        client.list_keys()
    # A nonce may be used once.
    made, openapi_utils.Utils.get_nonce = openapi_utils.Utils.get_nonce, lambda: f"once-{skewed}"
    try:
        client.list_keys()
        with refused("SignatureNonceUsed"):
            client.list_keys()
    finally:
        openapi_utils.Utils.get_nonce = made
    with refused("Forbidden.KeyNotFound"):
        client.describe_key(key_id="key-hzz62f1cb66fa42qo0001")
    with refused("MissingParameter"):
        client.encrypt(key_id=key)
    with refused("InvalidAction.NotFound"):
        client.open_kms_service()
    temporary = {
        "access_key_id": os.environ["EMULATOR_TEMPORARY_ACCESS_KEY_ID"],
        "access_key_secret": os.environ["EMULATOR_TEMPORARY_ACCESS_KEY_SECRET"],
        **settings,
    }
    Client(security_token=os.environ["EMULATOR_SECURITY_TOKEN"], **temporary).list_keys()
    with refused("InvalidSecurityToken.Malformed"):
        Client(security_token="another", **temporary).list_keys()

    emulator.throttle(1)
    with refused("Rejected.Throttling"):
        client.describe_key(key_id=key)
    before = emulator.calls("DescribeKey")
    emulator.throttle(2)
    for _ in range(3):
        try:
            found = client.describe_key(key_id=key)
        except DaraException as error:
            assert (error.status_code, error.retry_after) == (429, 1), error
    assert found.key_metadata.key_id == key
    assert emulator.calls("DescribeKey") == before + 3
    emulator.fault("unavailable")
    with refused("ServiceUnavailableTemporary"):
        client.describe_key(key_id=key)


def main():
    # As the kit is: ACS3. As it was: RPC v1.
    acs3, rpc = Client(), Client(signature_algorithm="v2")
    for client in (acs3,):
        key = keys(client)
        signatures(client)
        imports(client)
    for client in (acs3, rpc):
        encryption(client, key)
        for number in range(4):
            if client is rpc:
                client.delete_secret(
                    secret_name=f"s-{number}", force_delete_without_recovery="true"
                )
        secrets(client, key)
    refusals(acs3, key, "InvalidTimeStamp.Expired")
    refusals(rpc, key, "IllegalTimestamp", signature_algorithm="v2")
    emulator.expire_tokens()
    with refused("InvalidSecurityToken.Expired"):
        Client(
            access_key_id=os.environ["EMULATOR_TEMPORARY_ACCESS_KEY_ID"],
            access_key_secret=os.environ["EMULATOR_TEMPORARY_ACCESS_KEY_SECRET"],
            security_token=os.environ["EMULATOR_SECURITY_TOKEN"],
        ).list_keys()


if __name__ == "__main__":
    main()
