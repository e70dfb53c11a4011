"""Tencent Cloud's own kit against the emulator: every action, then what must be refused."""

import hashlib
import json
import os

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from tencentcloud.common import credential, retry
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.kms.v20190118 import kms_client, models
from tencentcloud.ssm.v20190923 import models as ssm_models
from tencentcloud.ssm.v20190923 import ssm_client

import emulator
from emulator import OAEP, b64, unb64

REGION = os.environ["TENCENTCLOUD_REGION"]
CONTEXT = '{"app":"keyfold","tenant":"acme"}'


class Patient(retry.StandardRetryer):
    """Tries again at once. The kit's own loop (3.1.195) keeps the first refusal in mind and raises
    it at the end, though a later try has succeeded."""

    def send_request(self, fn):
        for _ in range(self._max_attempts):
            try:
                return fn()
            except TencentCloudSDKException as error:
                if not self.should_retry(None, error):
                    raise
                refusal = error
        raise refusal


class Client:
    """Calls actions by their names, with members as keywords."""

    def __init__(self, client, requests, **settings):
        http = HttpProfile(protocol="http", endpoint=emulator.HOST)
        profile = ClientProfile(httpProfile=http)
        for name, value in settings.pop("profile", {}).items():
            setattr(profile, name, value)
        http.reqMethod = settings.pop("method", "POST")
        id = settings.pop("id", os.environ["TENCENTCLOUD_SECRET_ID"])
        key = settings.pop("key", os.environ["TENCENTCLOUD_SECRET_KEY"])
        who = credential.Credential(id, key, settings.pop("token", None))
        region = settings.pop("region", REGION)
        assert not settings, settings
        self.client, self.requests = client(who, region, profile), requests

    def __getattr__(self, action):
        def call(**members):
            request = getattr(self.requests, f"{action}Request")()
            request.from_json_string(json.dumps(members))
            return getattr(self.client, action)(request)

        return call


def kms(**settings):
    return Client(kms_client.KmsClient, models, **settings)


def ssm(**settings):
    return Client(ssm_client.SsmClient, ssm_models, **settings)


def refused(code):
    return emulator.refused(TencentCloudSDKException, code, lambda error: error.get_code())


def keys(client):
    made = client.CreateKey(Alias="docs", Description="documents")
    key = made.KeyId
    assert (made.Alias, made.KeyState, made.KeyUsage) == ("docs", "Enabled", "ENCRYPT_DECRYPT")
    assert len(key) == 36 and made.CreateTime > 1_700_000_000
    described = client.DescribeKey(KeyId=key).KeyMetadata
    assert (described.KeyId, described.Origin, described.Type) == (key, "TENCENT_KMS", 2)
    client.UpdateAlias(KeyId=key, Alias="papers")
    client.UpdateKeyDescription(KeyId=key, Description="all papers")
    other = client.CreateKey(Alias="other").KeyId
    both = client.DescribeKeys(KeyIds=[key, other]).KeyMetadatas
    assert [(found.Alias, found.Description) for found in both] == [
        ("papers", "all papers"),
        ("other", ""),
    ]

    client.DisableKey(KeyId=key)
    assert client.DescribeKey(KeyId=key).KeyMetadata.KeyState == "Disabled"
    with refused("ResourceUnavailable.CmkDisabled"):
        client.Encrypt(KeyId=key, Plaintext=b64(b"x"))
    client.EnableKey(KeyId=key)
    client.DisableKeys(KeyIds=[key, other])
    client.EnableKeys(KeyIds=[key])
    with refused("InvalidParameter.InvalidPendingWindowInDays"):
        client.ScheduleKeyDeletion(KeyId=other, PendingWindowInDays=6)
    with refused("ResourceUnavailable.CmkShouldBeDisabled"):
        client.ScheduleKeyDeletion(KeyId=key, PendingWindowInDays=7)
    scheduled = client.ScheduleKeyDeletion(KeyId=other, PendingWindowInDays=7)
    assert scheduled.KeyId == other and scheduled.DeletionDate > made.CreateTime + 6 * 86400
    found = client.DescribeKey(KeyId=other).KeyMetadata
    assert (found.KeyState, found.DeletionDate) == ("PendingDelete", scheduled.DeletionDate)
    with refused("ResourceUnavailable.KeyPendingDelete"):
        client.EnableKey(KeyId=other)
    client.CancelKeyDeletion(KeyId=other)
    assert client.DescribeKey(KeyId=other).KeyMetadata.KeyState == "Disabled"
    with refused("ResourceUnavailable.CmkNotPendingDelete"):
        client.CancelKeyDeletion(KeyId=other)

    assert client.GetKeyRotationStatus(KeyId=key).KeyRotationEnabled is False
    client.EnableKeyRotation(KeyId=key, RotateDays=90)
    assert client.GetKeyRotationStatus(KeyId=key).KeyRotationEnabled is True
    assert client.DescribeKey(KeyId=key).KeyMetadata.RotateDays == 90
    before = client.Encrypt(KeyId=key, Plaintext=b64(b"before")).CiphertextBlob
    assert client.RotateKey(KeyId=key).TaskId
    assert unb64(client.Decrypt(CiphertextBlob=before).Plaintext) == b"before"
    client.DisableKeyRotation(KeyId=key)

    client.ArchiveKey(KeyId=key)
    assert client.DescribeKey(KeyId=key).KeyMetadata.KeyState == "Archived"
    assert unb64(client.Decrypt(CiphertextBlob=before).Plaintext) == b"before"
    with refused("ResourceUnavailable.CmkArchived"):
        client.Encrypt(KeyId=key, Plaintext=b64(b"x"))
    client.CancelKeyArchive(KeyId=key)

    for number in range(9):
        client.CreateKey(Alias=f"many-{number}")
    listed, offset = [], 0
    while True:
        found = client.ListKeys(Offset=offset, Limit=4, Role=0)
        listed += [entry.KeyId for entry in found.Keys]
        offset += 4
        if offset >= found.TotalCount:
            break
    assert len(listed) == len(set(listed)) == found.TotalCount == 11
    details = client.ListKeyDetail(KeyState=2, KeyUsage="ALL")
    assert [found.KeyId for found in details.KeyMetadatas] == [other]
    assert client.ListKeyDetail(SearchKeyAlias="many-3").TotalCount == 1
    return key


def encryption(client, key):
    sealed = client.Encrypt(KeyId=key, Plaintext=b64(b"attack at dawn"), EncryptionContext=CONTEXT)
    assert sealed.KeyId == key
    opened = client.Decrypt(CiphertextBlob=sealed.CiphertextBlob, EncryptionContext=CONTEXT)
    assert (opened.KeyId, unb64(opened.Plaintext)) == (key, b"attack at dawn")
    # The same object in another text is another context.
    for wrong in ('{"tenant":"acme","app":"keyfold"}', '{"app":"other"}', ""):
        with refused("FailedOperation.DecryptError"):
            client.Decrypt(CiphertextBlob=sealed.CiphertextBlob, EncryptionContext=wrong)
    with refused("InvalidParameterValue.InvalidCiphertext"):
        client.Decrypt(CiphertextBlob=b64(b"something else"))
    with refused("InvalidParameterValue"):
        client.Encrypt(KeyId=key, Plaintext=b64(b"x"), EncryptionContext="not JSON")
    client.Encrypt(KeyId=key, Plaintext=b64(b"x" * 4096))
    with refused("InvalidParameterValue.InvalidPlaintext"):
        client.Encrypt(KeyId=key, Plaintext=b64(b"x" * 4097))

    to = client.CreateKey(Alias="destination").KeyId
    moved = client.ReEncrypt(
        CiphertextBlob=sealed.CiphertextBlob,
        DestinationKeyId=to,
        SourceEncryptionContext=CONTEXT,
        DestinationEncryptionContext='{"app":"moved"}',
    )
    assert (moved.SourceKeyId, moved.KeyId, moved.ReEncrypted) == (key, to, True)
    opened = client.Decrypt(
        CiphertextBlob=moved.CiphertextBlob, EncryptionContext='{"app":"moved"}'
    )
    assert unb64(opened.Plaintext) == b"attack at dawn"

    lengths = {32: {"KeySpec": "AES_256"}, 16: {"KeySpec": "AES_128"}, 77: {"NumberOfBytes": 77}}
    for length, wanted in lengths.items():
        made = client.GenerateDataKey(KeyId=key, EncryptionContext=CONTEXT, **wanted)
        assert len(unb64(made.Plaintext)) == length
        opened = client.Decrypt(CiphertextBlob=made.CiphertextBlob, EncryptionContext=CONTEXT)
        assert opened.Plaintext == made.Plaintext
    with refused("MissingParameter"):
        client.GenerateDataKey(KeyId=key)

    # A reply that only the holder of a key can read.
    reader = rsa.generate_private_key(65537, 2048)
    pem = reader.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for algorithm, form in OAEP.items():
        sealing = {"EncryptionPublicKey": pem.decode(), "EncryptionAlgorithm": algorithm}
        made = client.GenerateDataKey(KeyId=key, KeySpec="AES_256", **sealing)
        data_key = reader.decrypt(unb64(made.Plaintext), form)
        assert len(data_key) == 32
        opened = client.Decrypt(CiphertextBlob=made.CiphertextBlob, **sealing)
        assert reader.decrypt(unb64(opened.Plaintext), form) == data_key
        assert unb64(client.Decrypt(CiphertextBlob=made.CiphertextBlob).Plaintext) == data_key
    assert len(unb64(client.GenerateRandom(NumberOfBytes=33).Plaintext)) == 33


def signatures(client):
    message = b"report"
    digest = hashlib.sha256(message).digest()
    usages = {
        "ASYMMETRIC_SIGN_VERIFY_ECC": ["ECC_P256_R1"],
        "ASYMMETRIC_SIGN_VERIFY_ECDSA384": ["ECC_P384_R1"],
        "ASYMMETRIC_SIGN_VERIFY_RSA_2048": ["RSA_PSS_SHA_256", "RSA_PKCS1_SHA_256"],
    }
    offered = client.ListAlgorithms()
    named = {entry.Algorithm for entry in offered.AsymmetricSignVerifyAlgorithms}
    assert named == {name for names in usages.values() for name in names}
    for usage, algorithms in usages.items():
        key = client.CreateKey(Alias=f"sign-{usage}", KeyUsage=usage).KeyId
        public = client.GetPublicKey(KeyId=key)
        spki = serialization.load_der_public_key(unb64(public.PublicKey))
        assert serialization.load_pem_public_key(public.PublicKeyPem.encode()) == spki
        for algorithm in algorithms:
            forms = [("RAW", message)] + [("DIGEST", digest)] * (algorithm != "ECC_P384_R1")
            for kind, what in forms:
                asked = {"KeyId": key, "Algorithm": algorithm, "MessageType": kind}
                made = client.SignByAsymmetricKey(Message=b64(what), **asked).Signature
                checked = {"SignatureValue": made, **asked}
                assert client.VerifyByAsymmetricKey(Message=b64(what), **checked).SignatureValid
                wrong = hashlib.sha256(b"another").digest()
                assert not client.VerifyByAsymmetricKey(
                    Message=b64(wrong), **checked
                ).SignatureValid
                signature = unb64(made)
                if algorithm == "ECC_P256_R1":
                    spki.verify(signature, message, ec.ECDSA(hashes.SHA256()))
                elif algorithm == "ECC_P384_R1":
                    spki.verify(signature, message, ec.ECDSA(hashes.SHA384()))
                elif algorithm == "RSA_PSS_SHA_256":
                    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
                    spki.verify(signature, digest, pss, Prehashed(hashes.SHA256()))
                else:
                    spki.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    with refused("InvalidParameterValue"):
        asked = {"KeyId": key, "Algorithm": "RSA_PSS_SHA_256", "MessageType": "DIGEST"}
        client.SignByAsymmetricKey(Message=b64(b"x" * 48), **asked)
    with refused("UnsupportedOperation.UnsupportedKeyUsageInCurrentRegion"):
        client.CreateKey(Alias="sm2", KeyUsage="ASYMMETRIC_SIGN_VERIFY_SM2")

    key = client.CreateKey(Alias="open", KeyUsage="ASYMMETRIC_DECRYPT_RSA_2048").KeyId
    spki = serialization.load_der_public_key(unb64(client.GetPublicKey(KeyId=key).PublicKey))
    for algorithm, form in OAEP.items():
        sealed = b64(spki.encrypt(b"secret", form))
        opened = client.AsymmetricRsaDecrypt(KeyId=key, Ciphertext=sealed, Algorithm=algorithm)
        assert unb64(opened.Plaintext) == b"secret"
    with refused("UnsupportedOperation"):
        client.AsymmetricSm2Decrypt(KeyId=key, Ciphertext=b64(b"x"))


def imports(client):
    key = client.CreateKey(Alias="external", Type=2).KeyId
    assert client.DescribeKey(KeyId=key).KeyMetadata.KeyState == "PendingImport"
    with refused("ResourceUnavailable.CmkStateNotSupport"):
        client.Encrypt(KeyId=key, Plaintext=b64(b"x"))
    wrapping = {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
    given = client.GetParametersForImport(KeyId=key, **wrapping)
    spki = serialization.load_der_public_key(unb64(given.PublicKey))

    def give(material):
        wrapped = b64(spki.encrypt(material, OAEP["RSAES_OAEP_SHA_256"]))
        client.ImportKeyMaterial(
            KeyId=key, ImportToken=given.ImportToken, EncryptedKeyMaterial=wrapped, ValidTo=0
        )

    give(b"m" * 32)
    sealed = client.Encrypt(KeyId=key, Plaintext=b64(b"x")).CiphertextBlob
    client.DeleteImportedKeyMaterial(KeyId=key)
    with refused("ResourceUnavailable.CmkStateNotSupport"):
        client.Decrypt(CiphertextBlob=sealed)
    with refused("InvalidParameterValue.MaterialNotMatch"):
        give(b"n" * 32)
    give(b"m" * 32)
    assert unb64(client.Decrypt(CiphertextBlob=sealed).Plaintext) == b"x"
    with refused("UnsupportedOperation.ExternalCmkCanNotRotate"):
        client.RotateKey(KeyId=key)


def secrets(client, key):
    assert client.GetServiceStatus().ServiceEnabled and REGION in client.GetRegions().Regions
    made = client.CreateSecret(
        SecretName="db", VersionId="v1", SecretString="correct horse", KmsKeyId=key
    )
    assert (made.SecretName, made.VersionId) == ("db", "v1")
    with refused("ResourceInUse.SecretExists"):
        client.CreateSecret(SecretName="db", VersionId="v1", SecretString="x")
    client.PutSecretValue(SecretName="db", VersionId="v2", SecretBinary=b64(b"\0\xff"))
    with refused("ResourceInUse.VersionIdExists"):
        client.PutSecretValue(SecretName="db", VersionId="v2", SecretString="x")
    read = client.GetSecretValue(SecretName="db", VersionId="v1")
    assert (read.SecretString, read.SecretBinary) == ("correct horse", None)
    assert unb64(client.GetSecretValue(SecretName="db", VersionId="v2").SecretBinary) == b"\0\xff"
    with refused("MissingParameter"):
        client.GetSecretValue(SecretName="db")
    client.UpdateSecret(SecretName="db", VersionId="v1", SecretString="battery staple")
    assert client.GetSecretValue(SecretName="db", VersionId="v1").SecretString == "battery staple"
    client.UpdateDescription(SecretName="db", Description="of the database")
    described = client.DescribeSecret(SecretName="db")
    assert (described.Description, described.Status) == ("of the database", "Enabled")
    assert described.KmsKeyId == key
    versions = client.ListSecretVersionIds(SecretName="db").Versions
    assert [version.VersionId for version in versions] == ["v1", "v2"]
    client.DeleteSecretVersion(SecretName="db", VersionId="v2")
    with refused("ResourceNotFound.SecretNotExist"):
        client.GetSecretValue(SecretName="db", VersionId="v2")
    client.DisableSecret(SecretName="db")
    with refused("ResourceUnavailable.ResourceDisabled"):
        client.GetSecretValue(SecretName="db", VersionId="v1")
    client.DeleteSecret(SecretName="db", RecoveryWindowInDays=3)
    with refused("ResourceUnavailable.ResourcePendingDeleted"):
        client.GetSecretValue(SecretName="db", VersionId="v1")
    client.RestoreSecret(SecretName="db")
    client.EnableSecret(SecretName="db")
    for number in range(5):
        client.CreateSecret(SecretName=f"s-{number}", VersionId="1", SecretString="x")
    pages = [client.ListSecrets(Offset=offset, Limit=4) for offset in (0, 4)]
    names = [entry.SecretName for page in pages for entry in page.SecretMetadatas]
    assert (len(set(names)), pages[0].TotalCount) == (6, 6)
    client.DisableSecret(SecretName="db")
    client.DeleteSecret(SecretName="db", RecoveryWindowInDays=0)
    with refused("ResourceNotFound.SecretNotExist"):
        client.DescribeSecret(SecretName="db")


def refusals(client, key):
    with refused("AuthFailure.SignatureFailure"):
        kms(key=emulator.WRONG).ListKeys()
    with refused("AuthFailure.SecretIdNotFound"):
        kms(id="AKIDnobody").ListKeys()
    for offset in (400, -400):
        with emulator.clock(offset), refused("AuthFailure.SignatureExpire"):
            client.ListKeys()
    with emulator.clock(200):
        client.ListKeys()
    with refused("ResourceUnavailable.CmkNotFound"):
        client.DescribeKey(KeyId="23e80852-1e38-11e9-b129-5cb9019b4b01")
    with refused("UnsupportedRegion"):
        kms(region="nowhere").ListKeys()
    with refused("InvalidAction"):
        client.client.call_json("NoSuchAction", {})
    with refused("UnknownParameter"):
        client.client.call_json("ListKeys", {"Colour": "green"})

    temporary = {
        "id": os.environ["EMULATOR_TEMPORARY_SECRET_ID"],
        "key": os.environ["EMULATOR_TEMPORARY_SECRET_KEY"],
    }
    token = os.environ["EMULATOR_TEMPORARY_TOKEN"]
    kms(token=token, **temporary).ListKeys()
    with refused("AuthFailure.TokenFailure"):
        kms(token="another", **temporary).ListKeys()
    emulator.expire_tokens()
    with refused("AuthFailure.TokenFailure"):
        kms(token=token, **temporary).ListKeys()

    emulator.throttle(1)
    with refused("RequestLimitExceeded"):
        client.DescribeKey(KeyId=key)
    patient = Patient(max_attempts=3)
    before = emulator.calls("DescribeKey")
    emulator.throttle(2)
    kms(profile={"retryer": patient}).DescribeKey(KeyId=key)
    assert emulator.calls("DescribeKey") == before + 3
    emulator.fault("unavailable")
    with refused("InternalError"):
        client.DescribeKey(KeyId=key)


def main():
    client = kms()
    assert client.GetServiceStatus().ServiceEnabled
    assert REGION in client.GetRegions().Regions
    key = keys(client)
    encryption(client, key)
    signatures(client)
    imports(client)
    secrets(ssm(), key)
    # What else the signature may cover.
    assert kms(method="GET").ListKeys(Limit=1).TotalCount > 1
    assert kms(profile={"unsignedPayload": True}).ListKeys().TotalCount > 1
    refusals(client, key)


if __name__ == "__main__":
    main()
