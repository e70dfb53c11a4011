"""The AWS Encryption SDK for Python over our server: keyrings, master keys, refusals."""

import logging
import sys
import unittest

import aws_encryption_sdk
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.models import (
    CreateAwsKmsDiscoveryKeyringInput,
    CreateAwsKmsKeyringInput,
    CreateAwsKmsMrkKeyringInput,
    CreateMultiKeyringInput,
    DiscoveryFilter,
)
from aws_encryption_sdk import CommitmentPolicy
from aws_encryption_sdk.key_providers.kms import (
    DiscoveryAwsKmsMasterKeyProvider,
    KMSMasterKey,
    KMSMasterKeyConfig,
    StrictAwsKmsMasterKeyProvider,
)

from support import Case

POLICY = CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
CONTEXT = {"purpose": "interop", "mandant": "Zoë", "鍵": "値"}
PLAINTEXT = bytes(range(256)) * 55
COUNTS = {"messages": 0, "refused": 0}


class Esdk(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # It logs every refusal with its trace.
        logging.getLogger("aws_encryption_sdk").setLevel(logging.CRITICAL)
        cls.mpl = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())
        cls.esdk = aws_encryption_sdk.EncryptionSDKClient(commitment_policy=POLICY)
        cls.arn = cls.kms.create_key()["KeyMetadata"]["Arn"]
        cls.other = cls.kms.create_key()["KeyMetadata"]["Arn"]

    def keyring(self, arn):
        request = CreateAwsKmsKeyringInput(kms_key_id=arn, kms_client=self.kms)
        return self.mpl.create_aws_kms_keyring(input=request)

    def discovery(self, account=None):
        account = account or self.arn.split(":")[4]
        request = CreateAwsKmsDiscoveryKeyringInput(
            kms_client=self.kms,
            discovery_filter=DiscoveryFilter(partition="aws", account_ids=[account]),
        )
        return self.mpl.create_aws_kms_discovery_keyring(input=request)

    def seal(self, **source):
        sealed, _ = self.esdk.encrypt(source=PLAINTEXT, encryption_context=CONTEXT, **source)
        return sealed

    def check(self, sealed, **source):
        plain, header = self.esdk.decrypt(source=sealed, **source)
        self.assertEqual(plain, PLAINTEXT)
        self.assertLessEqual(CONTEXT.items(), header.encryption_context.items())
        COUNTS["messages"] += 1
        return header

    def refused(self, sealed, **source):
        with self.assertRaises(Exception) as raised:
            self.esdk.decrypt(source=sealed, **source)
        COUNTS["refused"] += 1
        return raised.exception

    def test_keyring(self):
        keyring = self.keyring(self.arn)
        sealed = self.seal(keyring=keyring)
        header = self.check(sealed, keyring=keyring, encryption_context=CONTEXT)
        # The signing suite puts its public key into the context, and our server binds it.
        self.assertIn("aws-crypto-public-key", header.encryption_context)
        self.check(sealed, keyring=self.discovery())

    def test_wrong_context_and_wrong_key(self):
        sealed = self.seal(keyring=self.keyring(self.arn))
        wrong = {**CONTEXT, "purpose": "other"}
        self.refused(sealed, keyring=self.keyring(self.arn), encryption_context=wrong)
        self.refused(sealed, keyring=self.keyring(self.other))
        self.refused(sealed, keyring=self.discovery(account="999999999999"))
        at = sealed.index(b"interop")
        altered = sealed[:at] + b"Interop" + sealed[at + 7 :]
        for keyring in (self.keyring(self.arn), self.discovery()):
            self.refused(altered, keyring=keyring)
        self.refused(sealed[:-1] + bytes([sealed[-1] ^ 1]), keyring=self.discovery())

    def test_several_keyrings(self):
        request = CreateMultiKeyringInput(
            generator=self.keyring(self.arn), child_keyrings=[self.keyring(self.other)]
        )
        both = self.mpl.create_multi_keyring(input=request)
        sealed = self.seal(keyring=both)
        for keyring in (self.keyring(self.arn), self.keyring(self.other), both, self.discovery()):
            self.check(sealed, keyring=keyring)

    def test_multi_region_keyring_with_a_key_of_one_region(self):
        request = CreateAwsKmsMrkKeyringInput(kms_key_id=self.arn, kms_client=self.kms)
        keyring = self.mpl.create_aws_kms_mrk_keyring(input=request)
        self.check(self.seal(keyring=keyring), keyring=keyring)

    def test_master_key_and_providers(self):
        master = KMSMasterKey(config=KMSMasterKeyConfig(key_id=self.arn, client=self.kms))
        sealed = self.seal(key_provider=master)
        self.check(sealed, key_provider=master)
        # These make clients of their own, from the environment.
        strict = StrictAwsKmsMasterKeyProvider(key_ids=[self.arn, self.other])
        discovery = DiscoveryAwsKmsMasterKeyProvider()
        for provider in (strict, discovery):
            self.check(sealed, key_provider=provider)
        # What one generation of the library seals, the other opens.
        self.check(sealed, keyring=self.keyring(self.arn))
        sealed = self.seal(key_provider=strict)
        self.check(sealed, keyring=self.keyring(self.other))
        self.check(self.seal(keyring=self.keyring(self.arn)), key_provider=strict)

    def test_disabled_key(self):
        key = self.make_key()["Arn"]
        keyring = self.keyring(key)
        master = KMSMasterKey(config=KMSMasterKeyConfig(key_id=key, client=self.kms))
        sealed = self.seal(keyring=keyring)
        self.kms.disable_key(KeyId=key)
        for opener in (keyring, self.discovery()):
            causes = repr(self.refused(sealed, keyring=opener).__context__)
            self.assertIn("is disabled", causes)
        self.refused(sealed, key_provider=master)
        for source in ({"keyring": keyring}, {"key_provider": master}):
            with self.assertRaises(Exception):
                self.seal(**source)
            COUNTS["refused"] += 1
        self.kms.enable_key(KeyId=key)
        self.check(sealed, keyring=keyring)

    def test_rotated_key(self):
        key = self.make_key()["Arn"]
        keyring = self.keyring(key)
        sealed = [self.seal(keyring=keyring)]
        for _ in range(2):
            self.kms.rotate_key_on_demand(KeyId=key)
            sealed.append(self.seal(keyring=keyring))
        for message in sealed:
            self.check(message, keyring=keyring)


if __name__ == "__main__":
    program = unittest.main(exit=False, verbosity=1)
    print(f"aws-encryption-sdk: {COUNTS['messages']} messages opened, {COUNTS['refused']} refused")
    sys.exit(0 if program.result.wasSuccessful() else 1)
