"""What each operation answers in each state of a key that this server has."""

from support import Case, call
from world import NOBODY

D = "DisabledException"
S = "KMSInvalidStateException"
OK = None

# Enabled, Disabled, PendingDeletion.
TABLE = {
    "Encrypt": (OK, D, S),
    "Decrypt": (OK, D, S),
    "ReEncrypt from": (OK, D, S),
    "ReEncrypt to": (OK, D, S),
    "GenerateDataKey": (OK, D, S),
    "GenerateDataKeyWithoutPlaintext": (OK, D, S),
    "Sign": (OK, D, S),
    "Verify": (OK, D, S),
    "GetPublicKey": (OK, D, S),
    "DescribeKey": (OK, OK, OK),
    "GetKeyPolicy": (OK, OK, OK),
    "PutKeyPolicy": (OK, OK, OK),
    "ListKeyPolicies": (OK, OK, OK),
    "ListAliases": (OK, OK, OK),
    "ListGrants": (OK, OK, OK),
    "ListResourceTags": (OK, OK, OK),
    "ListKeyRotations": (OK, OK, OK),
    "CreateGrant": (OK, D, S),
    "RetireGrant": (OK, OK, OK),
    "RevokeGrant": (OK, OK, OK),
    "CreateAlias": (OK, OK, S),
    "UpdateAlias away": (OK, OK, OK),
    "UpdateAlias here": (OK, OK, S),
    "DeleteAlias": (OK, OK, OK),
    "TagResource": (OK, OK, S),
    "UntagResource": (OK, OK, S),
    "UpdateKeyDescription": (OK, OK, S),
    "EnableKey": (OK, OK, S),
    "DisableKey": (OK, OK, S),
    "EnableKeyRotation": (OK, D, S),
    "DisableKeyRotation": (OK, D, S),
    "GetKeyRotationStatus": (OK, OK, OK),
    "RotateKeyOnDemand": (OK, D, S),
    "ScheduleKeyDeletion": (OK, OK, S),
    "CancelKeyDeletion": (S, S, OK),
}
STATES = ("Enabled", "Disabled", "PendingDeletion")
# No operation of the table, since it is about no key in any state.
WITHOUT_KEY = {"CreateKey", "ListKeys", "GenerateRandom", "ListRetirableGrants"}


class States(Case):
    """A key of its own for every cell, so that one answer does not bear on the next."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = cls.kms.create_key()["KeyMetadata"]["Arn"]
        cls.count = 0

    def request(self, row):
        """A key, and a request about it that succeeds while the key is enabled."""
        operation, _, role = row.partition(" ")
        kms, number = self.kms, type(self).count
        type(self).count += 1
        message = {"Message": b"m", "SigningAlgorithm": "ECDSA_SHA_256"}
        if operation in ("Sign", "Verify", "GetPublicKey"):
            key = self.make_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["Arn"]
            if operation == "Verify":
                message["Signature"] = kms.sign(KeyId=key, **message)["Signature"]
            return key, {"KeyId": key, **(message if operation != "GetPublicKey" else {})}
        key = self.make_key()["Arn"]
        named = {"KeyId": key}
        alias = f"alias/state-{number}"
        match operation, role:
            case "Encrypt", _:
                return key, {**named, "Plaintext": b"p"}
            case ("Decrypt", _) | ("ReEncrypt", "from"):
                blob = kms.encrypt(KeyId=key, Plaintext=b"p")["CiphertextBlob"]
                to = {"DestinationKeyId": self.other} if role else {}
                return key, {"CiphertextBlob": blob, **to}
            case "ReEncrypt", "to":
                blob = kms.encrypt(KeyId=self.other, Plaintext=b"p")["CiphertextBlob"]
                return key, {"CiphertextBlob": blob, "DestinationKeyId": key}
            case ("GenerateDataKey" | "GenerateDataKeyWithoutPlaintext"), _:
                return key, {**named, "KeySpec": "AES_256"}
            case "PutKeyPolicy", _:
                return key, {**named, "Policy": kms.get_key_policy(KeyId=key)["Policy"]}
            case "CreateGrant", _:
                return key, {**named, "GranteePrincipal": NOBODY, "Operations": ["Decrypt"]}
            case ("RetireGrant" | "RevokeGrant"), _:
                made = kms.create_grant(
                    KeyId=key, GranteePrincipal=NOBODY, Operations=["Decrypt"]
                )
                return key, {**named, "GrantId": made["GrantId"]}
            case "CreateAlias", _:
                return key, {"AliasName": alias, "TargetKeyId": key}
            case "UpdateAlias", _:
                old, new = (key, self.other) if role == "away" else (self.other, key)
                kms.create_alias(AliasName=alias, TargetKeyId=old)
                return key, {"AliasName": alias, "TargetKeyId": new}
            case "DeleteAlias", _:
                kms.create_alias(AliasName=alias, TargetKeyId=key)
                return key, {"AliasName": alias}
            case "TagResource", _:
                return key, {**named, "Tags": [{"TagKey": "a", "TagValue": "b"}]}
            case "UntagResource", _:
                return key, {**named, "TagKeys": ["a"]}
            case "UpdateKeyDescription", _:
                return key, {**named, "Description": "d"}
            case _:
                return key, named

    def test_every_cell(self):
        for row, answers in TABLE.items():
            operation = row.partition(" ")[0]
            for state, answer in zip(STATES, answers, strict=True):
                with self.subTest(row=row, state=state):
                    key, request = self.request(row)
                    if state == "Disabled":
                        self.kms.disable_key(KeyId=key)
                    elif state == "PendingDeletion":
                        self.kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
                    found = self.kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
                    self.assertEqual(found, state)
                    if answer is OK:
                        call(self.kms, operation, **request)
                    else:
                        self.assert_refused(self.kms, answer, operation, **request)

    def test_every_operation_has_its_row(self):
        from operations import KMS

        rows = {row.partition(" ")[0] for row in TABLE}
        self.assertEqual(rows | WITHOUT_KEY, set(KMS))

    def test_deletion_hides_the_rotation_and_its_end_shows_it_again(self):
        key = self.make_key()["Arn"]
        self.kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=90)
        self.kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
        status = self.kms.get_key_rotation_status(KeyId=key)
        self.assertEqual(status["KeyRotationEnabled"], False)
        self.assertNotIn("NextRotationDate", status)
        self.kms.cancel_key_deletion(KeyId=key)
        self.assertEqual(self.kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"], "Disabled")
        status = self.kms.get_key_rotation_status(KeyId=key)
        self.assertEqual((status["KeyRotationEnabled"], status["RotationPeriodInDays"]), (True, 90))
