"""A world of keys, aliases, grants and secrets in every state that a refusal needs."""

NOBODY = "arn:aws:iam::000000000000:user/nobody"
MISSING_KEY = "00000000-0000-4000-8000-000000000000"
MISSING_GRANT = "0" * 64
BAD_ARN = "arn:aws:sns:us-east-1:000000000000:topic"
TOKEN = "0" * 32
OTHER_TOKEN = "1" * 32
MAX_ALIASES = 50
MAX_ROTATIONS = 25


class World:
    """What the requests of `errors.py` name. Nothing of it changes by being refused."""

    def __init__(self, kms, secrets):
        self.kms = kms
        self.enabled = self.key()
        self.other = self.key()
        self.disabled = self.key()
        self.pending = self.key()
        self.rsa = self.key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
        self.signing = self.key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
        self.signing_disabled = self.key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
        self.signing_pending = self.key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
        self.alias = "alias/world/enabled"
        kms.create_alias(AliasName=self.alias, TargetKeyId=self.enabled)
        self.crowded = self.key()
        for number in range(MAX_ALIASES):
            kms.create_alias(AliasName=f"alias/world/crowd-{number}", TargetKeyId=self.crowded)
        self.tagged = self.key()
        tags = [{"TagKey": f"tag-{number}", "TagValue": ""} for number in range(50)]
        kms.tag_resource(KeyId=self.tagged, Tags=tags)
        self.rotated = self.key()
        for _ in range(MAX_ROTATIONS):
            kms.rotate_key_on_demand(KeyId=self.rotated)

        self.blob = self.encrypt(self.enabled)
        self.blob_of_disabled = self.encrypt(self.disabled)
        self.blob_of_pending = self.encrypt(self.pending)
        self.grant = kms.create_grant(
            KeyId=self.enabled, GranteePrincipal=NOBODY, Operations=["Decrypt"]
        )
        message = {"Message": b"m", "SigningAlgorithm": "ECDSA_SHA_256"}
        self.signature = kms.sign(KeyId=self.signing, **message)["Signature"]
        self.message = message

        sealing = self.key()
        secrets.create_secret(
            Name="world/sealed", SecretString="s", KmsKeyId=sealing, ClientRequestToken=TOKEN
        )
        self.version = secrets.create_secret(
            Name="world/live", SecretString="s", ClientRequestToken=TOKEN
        )["VersionId"]
        labels = [f"label-{number}" for number in range(19)]
        secrets.create_secret(Name="world/labelled", SecretString="s", ClientRequestToken=TOKEN)
        secrets.put_secret_value(
            SecretId="world/labelled",
            SecretString="t",
            ClientRequestToken=OTHER_TOKEN,
            VersionStages=["AWSCURRENT", *labels],
        )
        secrets.create_secret(Name="world/empty")
        secrets.create_secret(Name="world/deleted", SecretString="s")
        secrets.delete_secret(SecretId="world/deleted")

        for key in (self.disabled, self.signing_disabled, sealing):
            kms.disable_key(KeyId=key)
        for key in (self.pending, self.signing_pending):
            kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)

    def key(self, **arguments):
        return self.kms.create_key(**arguments)["KeyMetadata"]["Arn"]

    def encrypt(self, key, **arguments):
        return self.kms.encrypt(KeyId=key, Plaintext=b"p", **arguments)["CiphertextBlob"]
