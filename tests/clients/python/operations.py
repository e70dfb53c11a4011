"""The operations that the server offers."""

KMS = """
CreateKey DescribeKey ListKeys EnableKey DisableKey UpdateKeyDescription ScheduleKeyDeletion
CancelKeyDeletion
CreateAlias UpdateAlias DeleteAlias ListAliases
TagResource UntagResource ListResourceTags
GetKeyPolicy PutKeyPolicy ListKeyPolicies
Encrypt Decrypt ReEncrypt GenerateDataKey GenerateDataKeyWithoutPlaintext GenerateRandom
Sign Verify GetPublicKey
EnableKeyRotation DisableKeyRotation GetKeyRotationStatus RotateKeyOnDemand ListKeyRotations
CreateGrant ListGrants ListRetirableGrants RetireGrant RevokeGrant
""".split()

SECRETS = """
CreateSecret GetSecretValue PutSecretValue UpdateSecret UpdateSecretVersionStage DescribeSecret
ListSecrets ListSecretVersionIds DeleteSecret RestoreSecret GetRandomPassword
TagResource UntagResource
""".split()

OFFERED = {"kms": KMS, "secretsmanager": SECRETS}
assert (len(KMS), len(SECRETS)) == (37, 13)
