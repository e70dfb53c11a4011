"""Every error that an operation has in botocore's model: how it comes about, or why it cannot.

`cases(world)` are requests, each with the error that answers it. `NEVER` says of every other
modelled error why no request of a client can bring it about. `test_errors.py` holds both against
the model: together they must be exactly it.
"""

from world import BAD_ARN, MISSING_GRANT, MISSING_KEY, NOBODY, OTHER_TOKEN, TOKEN

BAD_TOKENS = ["not a token"]
LONG_KEY = "k" * 2049
LONG_SECRET = "s" * 2049
# A principal that is not the owner's and so cannot change the policy afterwards.
LOCKED_OUT = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"%s"},'
    '"Action":"kms:*","Resource":"*"}]}' % NOBODY
)


def _on_keys(world):
    """Operations that take a key, and what about the key each refuses."""
    no_arguments = {}
    management = {
        "CancelKeyDeletion": no_arguments,
        "CreateGrant": {"GranteePrincipal": NOBODY, "Operations": ["Decrypt"]},
        "DescribeKey": no_arguments,
        "DisableKey": no_arguments,
        "DisableKeyRotation": no_arguments,
        "EnableKey": no_arguments,
        "EnableKeyRotation": no_arguments,
        "GetKeyPolicy": no_arguments,
        "GetKeyRotationStatus": no_arguments,
        "GetPublicKey": no_arguments,
        "ListGrants": no_arguments,
        "ListKeyPolicies": no_arguments,
        "ListKeyRotations": no_arguments,
        "ListResourceTags": no_arguments,
        "PutKeyPolicy": {"Policy": LOCKED_OUT, "BypassPolicyLockoutSafetyCheck": True},
        "RevokeGrant": {"GrantId": MISSING_GRANT},
        "RotateKeyOnDemand": no_arguments,
        "ScheduleKeyDeletion": no_arguments,
        "TagResource": {"Tags": [{"TagKey": "a", "TagValue": "b"}]},
        "UntagResource": {"TagKeys": ["a"]},
        "UpdateKeyDescription": {"Description": "d"},
        "ListAliases": no_arguments,
        "RetireGrant": {"GrantId": MISSING_GRANT},
    }
    for operation, arguments in management.items():
        yield operation, "NotFoundException", {**arguments, "KeyId": MISSING_KEY}
        yield operation, "InvalidArnException", {**arguments, "KeyId": BAD_ARN}
        yield operation, "ValidationException", {**arguments, "KeyId": LONG_KEY}

    data_key = {"KeySpec": "AES_256"}
    signature = {**world.message, "Signature": world.signature}
    use = {
        "Encrypt": {"Plaintext": b"p"},
        "GenerateDataKey": data_key,
        "GenerateDataKeyWithoutPlaintext": data_key,
        "Sign": world.message,
        "Verify": signature,
    }
    for operation, arguments in use.items():
        signs = "SigningAlgorithm" in arguments
        fit, misfit = (world.signing, world.enabled) if signs else (world.enabled, world.signing)
        disabled = world.signing_disabled if signs else world.disabled
        pending = world.signing_pending if signs else world.pending
        for error, changed in {
            "NotFoundException": {"KeyId": MISSING_KEY},
            "DisabledException": {"KeyId": disabled},
            "KMSInvalidStateException": {"KeyId": pending},
            "InvalidKeyUsageException": {"KeyId": misfit},
            "InvalidGrantTokenException": {"KeyId": fit, "GrantTokens": BAD_TOKENS},
            "DryRunOperationException": {"KeyId": fit, "DryRun": True},
            "ValidationException": {"KeyId": LONG_KEY},
        }.items():
            yield operation, error, {**arguments, **changed}

    # What holds a key that is pending deletion, and what does not fit it.
    pending = {"KeyId": world.pending}
    for operation in ("CreateGrant", "DisableKey", "DisableKeyRotation", "EnableKey"):
        yield operation, "KMSInvalidStateException", {**management[operation], **pending}
    for operation in ("EnableKeyRotation", "RotateKeyOnDemand", "ScheduleKeyDeletion"):
        yield operation, "KMSInvalidStateException", pending
    for operation in ("TagResource", "UntagResource", "UpdateKeyDescription"):
        yield operation, "KMSInvalidStateException", {**management[operation], **pending}
    disabled = {"KeyId": world.disabled}
    for operation in ("CreateGrant", "DisableKeyRotation", "EnableKeyRotation"):
        yield operation, "DisabledException", {**management[operation], **disabled}
    yield "RotateKeyOnDemand", "DisabledException", disabled
    yield "GetPublicKey", "DisabledException", {"KeyId": world.signing_disabled}
    yield "GetPublicKey", "KMSInvalidStateException", {"KeyId": world.signing_pending}
    yield "GetPublicKey", "UnsupportedOperationException", {"KeyId": world.enabled}
    tokens = {"KeyId": world.signing, "GrantTokens": BAD_TOKENS}
    yield "GetPublicKey", "InvalidGrantTokenException", tokens
    for operation in (
        "DisableKeyRotation",
        "EnableKeyRotation",
        "GetKeyRotationStatus",
        "ListKeyRotations",
        "RotateKeyOnDemand",
    ):
        yield operation, "UnsupportedOperationException", {"KeyId": world.rsa}
    yield "RotateKeyOnDemand", "LimitExceededException", {"KeyId": world.rotated}
    yield "CancelKeyDeletion", "KMSInvalidStateException", {"KeyId": world.enabled}
    for operation in ("ListAliases", "ListGrants", "ListKeyPolicies", "ListKeyRotations"):
        yield operation, "InvalidMarkerException", {"KeyId": world.enabled, "Marker": "x"}
    yield "ListResourceTags", "InvalidMarkerException", {"KeyId": world.enabled, "Marker": "x"}
    yield "ListKeys", "InvalidMarkerException", {"Marker": "x"}
    yield "ListKeys", "ValidationException", {"Limit": 1001}
    overfull = [{"TagKey": "one more", "TagValue": ""}]
    reserved = [{"TagKey": "aws:x", "TagValue": ""}]
    yield "TagResource", "LimitExceededException", {"KeyId": world.tagged, "Tags": overfull}
    yield "TagResource", "TagException", {"KeyId": world.enabled, "Tags": reserved}
    for policy in ("{}", LOCKED_OUT):
        arguments = {"KeyId": world.enabled, "Policy": policy}
        yield "PutKeyPolicy", "MalformedPolicyDocumentException", arguments

    yield "CreateKey", "MalformedPolicyDocumentException", {"Policy": "{}"}
    yield "CreateKey", "UnsupportedOperationException", {"Origin": "EXTERNAL"}
    yield "CreateKey", "UnsupportedOperationException", {"MultiRegion": True}
    hmac = {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"}
    yield "CreateKey", "UnsupportedOperationException", hmac
    many = [{"TagKey": f"t{number}", "TagValue": ""} for number in range(51)]
    yield "CreateKey", "LimitExceededException", {"Tags": many}
    yield "CreateKey", "TagException", {"Tags": reserved}
    yield "CreateKey", "ValidationException", {"Description": "d" * 8193}
    yield "CreateKey", "ValidationException", {"KeySpec": "RSA_2048"}
    yield "GenerateRandom", "UnsupportedOperationException", {
        "NumberOfBytes": 1,
        "CustomKeyStoreId": "cks-0123456789",
    }
    yield "GenerateRandom", "UnsupportedOperationException", {
        "NumberOfBytes": 1,
        "Recipient": {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b"a"},
    }
    yield "GenerateRandom", "ValidationException", {"NumberOfBytes": 1025}
    yield "GenerateRandom", "ValidationException", {}


def _on_ciphertexts(world):
    garbage = b"KF" + b"\x00" * 200
    altered = world.blob[:-1] + bytes([world.blob[-1] ^ 1])
    to = {"DestinationKeyId": world.other}
    for operation, source, fixed in (("Decrypt", "KeyId", {}), ("ReEncrypt", "SourceKeyId", to)):
        of = {"CiphertextBlob": world.blob, **fixed}
        for error, changed in (
            ("NotFoundException", {source: MISSING_KEY}),
            ("InvalidCiphertextException", {"CiphertextBlob": garbage}),
            ("InvalidCiphertextException", {"CiphertextBlob": altered}),
            ("InvalidCiphertextException", {"CiphertextBlob": altered, source: world.enabled}),
            ("InvalidCiphertextException", {f"{source[:-5]}EncryptionContext": {"a": "b"}}),
            ("IncorrectKeyException", {source: world.other}),
            ("InvalidKeyUsageException", {source: world.signing}),
            ("InvalidGrantTokenException", {"GrantTokens": BAD_TOKENS}),
            ("DryRunOperationException", {"DryRun": True}),
            ("DisabledException", {"CiphertextBlob": world.blob_of_disabled}),
            ("KMSInvalidStateException", {"CiphertextBlob": world.blob_of_pending}),
            ("ValidationException", {"CiphertextBlob": b"x" * 6145}),
        ):
            yield operation, error, {**of, **changed}
    of = {"CiphertextBlob": world.blob}
    yield "ReEncrypt", "NotFoundException", {**of, "DestinationKeyId": MISSING_KEY}
    yield "ReEncrypt", "DisabledException", {**of, "DestinationKeyId": world.disabled}
    yield "ReEncrypt", "KMSInvalidStateException", {**of, "DestinationKeyId": world.pending}
    yield "ReEncrypt", "InvalidKeyUsageException", {**of, "DestinationKeyId": world.signing}
    forged = {**world.message, "Message": b"n", "Signature": world.signature}
    yield "Verify", "KMSInvalidSignatureException", {**forged, "KeyId": world.signing}
    for plaintext in (b"x" * 4097,):
        yield "Encrypt", "ValidationException", {"KeyId": world.enabled, "Plaintext": plaintext}
    rsa = {"KeyId": world.rsa, "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
    yield "Encrypt", "ValidationException", {**rsa, "Plaintext": b"x" * 191}
    in_context = {**rsa, "Plaintext": b"x", "EncryptionContext": {"a": "b"}}
    yield "Encrypt", "ValidationException", in_context
    large = {"KeyId": world.enabled, "Plaintext": b"x", "EncryptionContext": {"a": "b" * 8192}}
    yield "Encrypt", "ValidationException", large
    both = {"KeyId": world.enabled, "KeySpec": "AES_256", "NumberOfBytes": 32}
    for operation in ("GenerateDataKey", "GenerateDataKeyWithoutPlaintext"):
        yield operation, "ValidationException", both
        yield operation, "ValidationException", {"KeyId": world.enabled}


def _on_names(world):
    to = {"TargetKeyId": world.enabled}
    for operation in ("CreateAlias", "UpdateAlias"):
        name = "alias/world/new" if operation == "CreateAlias" else world.alias
        of = {"AliasName": name}
        yield operation, "NotFoundException", {**of, "TargetKeyId": MISSING_KEY}
        yield operation, "LimitExceededException", {**of, "TargetKeyId": world.crowded}
        yield operation, "KMSInvalidStateException", {**of, "TargetKeyId": world.pending}
        yield operation, "ValidationException", {**of, "TargetKeyId": LONG_KEY}
    yield "CreateAlias", "AlreadyExistsException", {**to, "AliasName": world.alias}
    for name in ("world", "alias/aws/mine", "alias/a b", "alias/a:b"):
        yield "CreateAlias", "InvalidAliasNameException", {**to, "AliasName": name}
    yield "UpdateAlias", "NotFoundException", {**to, "AliasName": "alias/world/none"}
    other_kind = {"AliasName": world.alias, "TargetKeyId": world.rsa}
    yield "UpdateAlias", "InvalidKeyUsageException", other_kind
    yield "DeleteAlias", "NotFoundException", {"AliasName": "alias/world/none"}
    yield "DeleteAlias", "ValidationException", {"AliasName": "alias/" + "x" * 251}

    grant = {"KeyId": world.enabled, "GranteePrincipal": NOBODY, "Operations": ["Decrypt"]}
    for error, changed in (
        ("InvalidGrantTokenException", {"GrantTokens": BAD_TOKENS}),
        ("DryRunOperationException", {"DryRun": True}),
        ("InvalidArnException", {"GranteePrincipal": "somebody"}),
        ("ValidationException", {"Operations": ["Sign"]}),
        ("ValidationException", {"GranteeServicePrincipal": "lambda.amazonaws.com"}),
        ("UnsupportedOperationException", {"Constraints": {"SourceArn": BAD_ARN}}),
    ):
        yield "CreateGrant", error, {**grant, **changed}
    yield "ListGrants", "InvalidGrantIdException", {"KeyId": world.enabled, "GrantId": "x"}
    retiring = {"RetiringPrincipal": NOBODY}
    yield "ListRetirableGrants", "InvalidMarkerException", {**retiring, "Marker": "x"}
    yield "ListRetirableGrants", "InvalidArnException", {"RetiringPrincipal": "somebody"}
    yield "ListRetirableGrants", "ValidationException", {**retiring, "Limit": 101}
    named = {"KeyId": world.enabled, "GrantId": world.grant["GrantId"]}
    for operation in ("RetireGrant", "RevokeGrant"):
        yield operation, "InvalidGrantIdException", {**named, "GrantId": "x"}
        yield operation, "NotFoundException", {**named, "GrantId": MISSING_GRANT}
        yield operation, "DryRunOperationException", {**named, "DryRun": True}
    yield "RetireGrant", "InvalidGrantTokenException", {"GrantToken": "x"}


def _on_secrets(_):
    missing, deleted = {"SecretId": "world/none"}, {"SecretId": "world/deleted"}
    live, long = {"SecretId": "world/live"}, {"SecretId": LONG_SECRET}
    value = {"SecretString": "s"}
    tags = {"Tags": [{"Key": "a", "Value": "b"}]}
    stage = {"VersionStage": "mine", "MoveToVersionId": TOKEN}
    by_id = {
        "DeleteSecret": {},
        "DescribeSecret": {},
        "GetSecretValue": {},
        "ListSecretVersionIds": {},
        "PutSecretValue": value,
        "RestoreSecret": {},
        "TagResource": tags,
        "UntagResource": {"TagKeys": ["a"]},
        "UpdateSecret": value,
        "UpdateSecretVersionStage": stage,
    }
    for operation, arguments in by_id.items():
        yield operation, "ResourceNotFoundException", {**arguments, **missing}
        yield operation, "InvalidParameterException", {**arguments, **long}
        if operation not in ("DescribeSecret", "ListSecretVersionIds", "RestoreSecret"):
            yield operation, "InvalidRequestException", {**arguments, **deleted}
    yield "RestoreSecret", "InvalidRequestException", live
    for operation, name in (
        ("GetSecretValue", "VersionId"),
        ("UpdateSecretVersionStage", "MoveToVersionId"),
    ):
        other = {**by_id[operation], **live, name: OTHER_TOKEN}
        yield operation, "ResourceNotFoundException", other
    staged = {**live, "VersionStage": "none"}
    yield "GetSecretValue", "ResourceNotFoundException", staged

    sealed = {"SecretId": "world/sealed"}
    yield "GetSecretValue", "DecryptionFailure", sealed
    again = {**value, "ClientRequestToken": TOKEN}
    yield "PutSecretValue", "DecryptionFailure", {**sealed, **again}
    yield "PutSecretValue", "EncryptionFailure", {**sealed, **value}
    yield "UpdateSecret", "EncryptionFailure", {**sealed, **value}
    yield "UpdateSecret", "DecryptionFailure", {**sealed, "KmsKeyId": "alias/world/enabled"}
    no_key = {**value, "KmsKeyId": "alias/world/none"}
    yield "CreateSecret", "EncryptionFailure", {**no_key, "Name": "world/new"}
    yield "CreateSecret", "DecryptionFailure", {**again, "Name": "world/sealed"}
    other = {"SecretString": "t", "ClientRequestToken": TOKEN}
    yield "CreateSecret", "ResourceExistsException", {**value, "Name": "world/live"}
    yield "CreateSecret", "ResourceExistsException", {**other, "Name": "world/live"}
    yield "PutSecretValue", "ResourceExistsException", {**live, **other}
    yield "UpdateSecret", "ResourceExistsException", {**live, **again}
    yield "CreateSecret", "InvalidRequestException", {**value, "Name": "world/deleted"}
    replicas = [{"Region": "eu-west-1"}]
    elsewhere = {**value, "Name": "world/new", "AddReplicaRegions": replicas}
    yield "CreateSecret", "UnsupportedOperationException", elsewhere
    yield "CreateSecret", "InvalidParameterException", {**value, "Name": "no blanks"}
    yield "CreateSecret", "InvalidParameterException", {"Name": "n", "SecretString": "s" * 65537}
    both = {"SecretString": "s", "SecretBinary": b"s"}
    yield "CreateSecret", "InvalidParameterException", {"Name": "n", **both}
    full = {"SecretId": "world/labelled", "VersionStage": "mine", "MoveToVersionId": OTHER_TOKEN}
    yield "UpdateSecretVersionStage", "LimitExceededException", full
    labels = {"VersionStages": [f"label-{number}" for number in range(20)]}
    empty = {"SecretId": "world/empty", **value, **labels}
    yield "PutSecretValue", "LimitExceededException", empty
    window = {**live, "RecoveryWindowInDays": 7, "ForceDeleteWithoutRecovery": True}
    yield "DeleteSecret", "InvalidParameterException", window
    yield "DeleteSecret", "InvalidParameterException", {**live, "RecoveryWindowInDays": 31}
    yield "GetRandomPassword", "InvalidParameterException", {"PasswordLength": 3}
    yield "ListSecrets", "InvalidParameterException", {"MaxResults": 101}
    yield "ListSecrets", "InvalidNextTokenException", {"NextToken": "x"}
    yield "ListSecretVersionIds", "InvalidNextTokenException", {**live, "NextToken": "x"}


def cases(world):
    """Every refusal: service, operation, error, request."""
    for part in (_on_keys, _on_ciphertexts, _on_names):
        for operation, error, request in part(world):
            yield "kms", operation, error, request
    for operation, error, request in _on_secrets(world):
        yield "secretsmanager", operation, error, request


SERVER_FAULTS = {
    "DependencyTimeoutException",
    "InternalServiceError",
    "KMSInternalException",
    "KeyUnavailableException",
}

_STORES = "custom key stores are not offered: UnsupportedOperationException"
_READABLE = "reading and changing this is allowed in every state of the key"

# What the model lists and no request brings about.
NEVER = {
    ("kms", "CreateGrant", "LimitExceededException"): "takes 50,000 grants on one key",
    ("kms", "CreateKey", "CustomKeyStoreNotFoundException"): _STORES,
    ("kms", "CreateKey", "CustomKeyStoreInvalidStateException"): _STORES,
    ("kms", "CreateKey", "CloudHsmClusterInvalidConfigurationException"): _STORES,
    ("kms", "CreateKey", "XksKeyInvalidConfigurationException"): _STORES,
    ("kms", "CreateKey", "XksKeyAlreadyInUseException"): _STORES,
    ("kms", "CreateKey", "XksKeyNotFoundException"): _STORES,
    ("kms", "CreateKey", "InvalidArnException"): "a new key is not named by an ARN",
    ("kms", "DeleteAlias", "KMSInvalidStateException"): _READABLE,
    ("kms", "EnableKey", "LimitExceededException"): "disabled keys count against the limit too",
    ("kms", "GenerateRandom", "CustomKeyStoreNotFoundException"): _STORES,
    ("kms", "GenerateRandom", "CustomKeyStoreInvalidStateException"): _STORES,
    ("kms", "GetKeyPolicy", "KMSInvalidStateException"): _READABLE,
    ("kms", "GetKeyRotationStatus", "KMSInvalidStateException"): _READABLE,
    ("kms", "GetPublicKey", "InvalidKeyUsageException"): "any usage may read the public key",
    ("kms", "ListGrants", "KMSInvalidStateException"): _READABLE,
    ("kms", "ListKeyPolicies", "KMSInvalidStateException"): _READABLE,
    ("kms", "ListKeyRotations", "KMSInvalidStateException"): _READABLE,
    ("kms", "ListRetirableGrants", "NotFoundException"): "an unknown principal has no grants",
    ("kms", "PutKeyPolicy", "KMSInvalidStateException"): _READABLE,
    ("kms", "PutKeyPolicy", "LimitExceededException"): (
        "a policy that is too long is MalformedPolicyDocumentException"
    ),
    ("kms", "PutKeyPolicy", "UnsupportedOperationException"): "every key has a policy",
    ("kms", "RetireGrant", "KMSInvalidStateException"): _READABLE,
    ("kms", "RevokeGrant", "KMSInvalidStateException"): _READABLE,
    ("kms", "RotateKeyOnDemand", "ConflictException"): (
        "needs a key that rotates by itself within 20 minutes; the shortest period is 90 days"
    ),
    ("kms", "UntagResource", "TagException"): "a tag key that cannot exist is not there",
    ("secretsmanager", "CreateSecret", "LimitExceededException"): "there is no such limit",
    ("secretsmanager", "CreateSecret", "MalformedPolicyDocumentException"): "takes no policy",
    ("secretsmanager", "CreateSecret", "PreconditionNotMetException"): "nothing is replicated",
    ("secretsmanager", "CreateSecret", "ResourceNotFoundException"): (
        "a KMS key that is not there is EncryptionFailure"
    ),
    ("secretsmanager", "GetRandomPassword", "InvalidRequestException"): "it has no state",
    ("secretsmanager", "ListSecrets", "InvalidRequestException"): "it has no state",
    ("secretsmanager", "UpdateSecret", "LimitExceededException"): "sets no version stage by name",
    ("secretsmanager", "UpdateSecret", "MalformedPolicyDocumentException"): "takes no policy",
    ("secretsmanager", "UpdateSecret", "PreconditionNotMetException"): "nothing is replicated",
}
