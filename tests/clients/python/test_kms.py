"""The 37 operations on keys, as boto3 sends them and reads their answers."""

import datetime
import json

from support import Case, REGION
from world import NOBODY

CONTEXT = {"tenant": "Zoë GmbH", "鍵": "値 \U0001f511", "": "", "nul": "\x00"}


class Keys(Case):
    def test_life(self):
        kms = self.kms
        made = self.make_key(Description="life", Tags=[{"TagKey": "a", "TagValue": "b"}])
        arn, key_id = made["Arn"], made["KeyId"]
        self.assertRegex(arn, f"^arn:aws:kms:{REGION}:[0-9]{{12}}:key/{key_id}$")
        self.assertEqual(made["KeyState"], "Enabled")
        self.assertEqual(made["Enabled"], True)
        self.assertEqual(made["Description"], "life")
        self.assertEqual(made["KeySpec"], made["CustomerMasterKeySpec"])
        self.assertEqual(made["EncryptionAlgorithms"], ["SYMMETRIC_DEFAULT"])
        self.assertEqual((made["MultiRegion"], made["Origin"]), (False, "AWS_KMS"))
        self.assertEqual(made["KeyManager"], "CUSTOMER")
        self.assertRegex(made["CurrentKeyMaterialId"], "^[0-9a-f]{64}$")
        self.assertNotIn("DeletionDate", made)
        now = datetime.datetime.now(datetime.timezone.utc)
        self.assertIsInstance(made["CreationDate"], datetime.datetime)
        self.assertLess(abs(now - made["CreationDate"]), datetime.timedelta(minutes=1))
        self.assertEqual(kms.describe_key(KeyId=key_id)["KeyMetadata"], made)

        kms.update_key_description(KeyId=arn, Description="ein anderes Leben: ∞")
        described = kms.describe_key(KeyId=arn)["KeyMetadata"]
        self.assertEqual(described["Description"], "ein anderes Leben: ∞")
        for _ in range(2):
            kms.disable_key(KeyId=key_id)
        described = kms.describe_key(KeyId=arn)["KeyMetadata"]
        self.assertEqual((described["KeyState"], described["Enabled"]), ("Disabled", False))
        for _ in range(2):
            kms.enable_key(KeyId=key_id)
        self.assertEqual(kms.describe_key(KeyId=arn)["KeyMetadata"]["Enabled"], True)

        gone = kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
        self.assertEqual((gone["KeyId"], gone["KeyState"]), (arn, "PendingDeletion"))
        self.assertEqual(gone["PendingWindowInDays"], 7)
        days = (gone["DeletionDate"] - now).total_seconds() / 86400
        self.assertAlmostEqual(days, 7, delta=0.01)
        described = kms.describe_key(KeyId=arn)["KeyMetadata"]
        self.assertEqual(described["DeletionDate"], gone["DeletionDate"])
        self.assertEqual(kms.cancel_key_deletion(KeyId=key_id)["KeyId"], arn)
        described = kms.describe_key(KeyId=arn)["KeyMetadata"]
        self.assertEqual(described["KeyState"], "Disabled")
        self.assertNotIn("DeletionDate", described)

    def test_specs(self):
        for spec, usage, algorithms in (
            ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", ["SYMMETRIC_DEFAULT"]),
            ("RSA_2048", "ENCRYPT_DECRYPT", ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"]),
            ("ECC_NIST_P256", "SIGN_VERIFY", ["ECDSA_SHA_256"]),
            ("ECC_NIST_P384", "SIGN_VERIFY", ["ECDSA_SHA_384"]),
            ("ECC_NIST_P521", "SIGN_VERIFY", ["ECDSA_SHA_512"]),
            ("ECC_SECG_P256K1", "SIGN_VERIFY", ["ECDSA_SHA_256"]),
        ):
            with self.subTest(spec=spec):
                made = self.make_key(KeySpec=spec, KeyUsage=usage)
                self.assertEqual((made["KeySpec"], made["KeyUsage"]), (spec, usage))
                lists = [name for name in made if name.endswith("Algorithms")]
                self.assertEqual(len(lists), 1, "exactly one list of algorithms")
                self.assertEqual(made[lists[0]], algorithms)
                self.assertEqual("CurrentKeyMaterialId" in made, spec == "SYMMETRIC_DEFAULT")

    def test_pages_of_keys(self):
        made = {self.make_key()["KeyId"] for _ in range(7)}
        pages = list(self.kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 3}))
        self.assertGreater(len(pages), 2)
        self.assertTrue(all(len(page["Keys"]) <= 3 for page in pages))
        self.assertEqual([page["Truncated"] for page in pages], [True] * (len(pages) - 1) + [False])
        keys = [key["KeyId"] for page in pages for key in page["Keys"]]
        self.assertEqual(len(keys), len(set(keys)))
        self.assertLessEqual(made, set(keys))
        self.assertTrue(all(k["KeyArn"].endswith(k["KeyId"]) for p in pages for k in p["Keys"]))


class Names(Case):
    def test_aliases(self):
        kms = self.kms
        first, second = self.make_key(), self.make_key()
        for number in range(5):
            kms.create_alias(AliasName=f"alias/names/{number}", TargetKeyId=first["KeyId"])
        paginator = kms.get_paginator("list_aliases")
        pages = list(paginator.paginate(KeyId=first["KeyId"], PaginationConfig={"PageSize": 2}))
        self.assertEqual([len(page["Aliases"]) for page in pages], [2, 2, 1])
        entry = pages[0]["Aliases"][0]
        self.assertEqual(entry["TargetKeyId"], first["KeyId"])
        self.assertTrue(entry["AliasArn"].endswith(":alias/names/0"))
        self.assertIsInstance(entry["LastUpdatedDate"], datetime.datetime)
        kms.update_alias(AliasName="alias/names/0", TargetKeyId=second["Arn"])
        for name in ("alias/names/0", entry["AliasArn"]):
            self.assertEqual(kms.describe_key(KeyId=name)["KeyMetadata"]["Arn"], second["Arn"])
        kms.delete_alias(AliasName="alias/names/0")
        self.assert_refused(kms, "NotFoundException", "DescribeKey", KeyId="alias/names/0")
        everything = paginator.paginate().build_full_result()["Aliases"]
        self.assertLessEqual({f"alias/names/{n}" for n in range(1, 5)}, {a["AliasName"] for a in everything})
        # Managing a key takes its id or ARN only.
        for operation in ("DisableKey", "GetKeyPolicy", "ListResourceTags"):
            self.assert_refused(kms, "NotFoundException", operation, KeyId="alias/names/1")

    def test_tags(self):
        kms, key = self.kms, self.make_key()["KeyId"]
        tags = [{"TagKey": f"schlüssel {n}", "TagValue": f"wert {n}"} for n in range(5)]
        kms.tag_resource(KeyId=key, Tags=tags)
        kms.tag_resource(KeyId=key, Tags=[{"TagKey": "schlüssel 0", "TagValue": "neu"}])
        kms.untag_resource(KeyId=key, TagKeys=["schlüssel 1", "none"])
        paginator = kms.get_paginator("list_resource_tags")
        pages = list(paginator.paginate(KeyId=key, PaginationConfig={"PageSize": 3}))
        self.assertEqual([len(page["Tags"]) for page in pages], [3, 1])
        found = {tag["TagKey"]: tag["TagValue"] for page in pages for tag in page["Tags"]}
        self.assertEqual(found["schlüssel 0"], "neu")
        self.assertNotIn("schlüssel 1", found)

    def test_policies(self):
        kms, made = self.kms, self.make_key()
        key = made["KeyId"]
        self.assertEqual(kms.list_key_policies(KeyId=key)["PolicyNames"], ["default"])
        names = kms.get_paginator("list_key_policies").paginate(KeyId=key).build_full_result()
        self.assertEqual(names["PolicyNames"], ["default"])
        got = kms.get_key_policy(KeyId=key, PolicyName="default")
        policy = json.loads(got["Policy"])
        policy["Statement"].append(
            {
                "Sid": "reading",
                "Effect": "Allow",
                "Principal": {"AWS": NOBODY},
                "Action": ["kms:DescribeKey"],
                "Resource": "*",
            }
        )
        kms.put_key_policy(KeyId=key, Policy=json.dumps(policy))
        self.assertEqual(json.loads(kms.get_key_policy(KeyId=key)["Policy"]), policy)


class Cryptography(Case):
    def test_encrypt_and_decrypt(self):
        kms, key = self.kms, self.make_key()
        kms.create_alias(AliasName="alias/cryptography", TargetKeyId=key["KeyId"])
        for name in (key["KeyId"], key["Arn"], "alias/cryptography"):
            for plaintext in (b"\x00", bytes(range(256)) * 16):
                sealed = kms.encrypt(KeyId=name, Plaintext=plaintext, EncryptionContext=CONTEXT)
                self.assertEqual(sealed["KeyId"], key["Arn"])
                self.assertEqual(sealed["EncryptionAlgorithm"], "SYMMETRIC_DEFAULT")
                blob = sealed["CiphertextBlob"]
                self.assertLessEqual(len(blob), 6144)
                opened = kms.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT)
                self.assertEqual(opened["Plaintext"], plaintext)
                self.assertEqual(opened["KeyId"], key["Arn"])
                self.assertEqual(opened["KeyMaterialId"], key["CurrentKeyMaterialId"])
        blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p", EncryptionContext={"a": "bc"})
        for context in ({"ab": "c"}, {"a": "bc", "x": ""}, {"A": "bc"}, {}):
            self.assert_refused(
                kms,
                "InvalidCiphertextException",
                "Decrypt",
                CiphertextBlob=blob["CiphertextBlob"],
                EncryptionContext=context,
            )
        composed, decomposed = {"é": "1"}, {"e\u0301": "1"}
        sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p", EncryptionContext=composed)
        self.assert_refused(
            kms,
            "InvalidCiphertextException",
            "Decrypt",
            CiphertextBlob=sealed["CiphertextBlob"],
            EncryptionContext=decomposed,
        )

    def test_data_keys(self):
        kms, key = self.kms, self.make_key()
        for size, length in (
            ({"KeySpec": "AES_256"}, 32),
            ({"KeySpec": "AES_128"}, 16),
            ({"NumberOfBytes": 1}, 1),
            ({"NumberOfBytes": 1024}, 1024),
        ):
            made = kms.generate_data_key(KeyId=key["KeyId"], EncryptionContext=CONTEXT, **size)
            self.assertEqual(len(made["Plaintext"]), length)
            self.assertEqual(made["KeyId"], key["Arn"])
            self.assertEqual(made["KeyMaterialId"], key["CurrentKeyMaterialId"])
            blob = made["CiphertextBlob"]
            opened = kms.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT)
            self.assertEqual(opened["Plaintext"], made["Plaintext"])
            made = kms.generate_data_key_without_plaintext(KeyId=key["KeyId"], **size)
            self.assertNotIn("Plaintext", made)
            opened = kms.decrypt(CiphertextBlob=made["CiphertextBlob"])
            self.assertEqual(len(opened["Plaintext"]), length)
        randoms = {kms.generate_random(NumberOfBytes=1024)["Plaintext"] for _ in range(3)}
        self.assertEqual({len(random) for random in randoms}, {1024})
        self.assertEqual(len(randoms), 3)

    def test_re_encrypt(self):
        kms, old, new = self.kms, self.make_key(), self.make_key()
        blob = kms.encrypt(KeyId=old["KeyId"], Plaintext=b"p", EncryptionContext={"a": "b"})
        moved = kms.re_encrypt(
            CiphertextBlob=blob["CiphertextBlob"],
            SourceEncryptionContext={"a": "b"},
            DestinationKeyId=new["KeyId"],
            DestinationEncryptionContext={"c": "d"},
        )
        self.assertEqual((moved["SourceKeyId"], moved["KeyId"]), (old["Arn"], new["Arn"]))
        self.assertEqual(moved["SourceKeyMaterialId"], old["CurrentKeyMaterialId"])
        self.assertEqual(moved["DestinationKeyMaterialId"], new["CurrentKeyMaterialId"])
        opened = kms.decrypt(CiphertextBlob=moved["CiphertextBlob"], EncryptionContext={"c": "d"})
        self.assertEqual((opened["Plaintext"], opened["KeyId"]), (b"p", new["Arn"]))

    def test_signatures(self):
        kms = self.kms
        key = self.make_key(KeySpec="ECC_NIST_P384", KeyUsage="SIGN_VERIFY")
        message = {"KeyId": key["KeyId"], "Message": b"m" * 4096, "SigningAlgorithm": "ECDSA_SHA_384"}
        signed = kms.sign(**message)
        self.assertEqual((signed["KeyId"], signed["SigningAlgorithm"]), (key["Arn"], "ECDSA_SHA_384"))
        verified = kms.verify(Signature=signed["Signature"], **message)
        self.assertEqual((verified["SignatureValid"], verified["KeyId"]), (True, key["Arn"]))
        public = kms.get_public_key(KeyId=key["Arn"])
        self.assertEqual(public["KeyId"], key["Arn"])
        self.assertEqual(public["SigningAlgorithms"], ["ECDSA_SHA_384"])
        self.assertEqual(public["PublicKey"][:1], b"\x30")


class Rotation(Case):
    def test_rotation(self):
        kms, key = self.kms, self.make_key()["Arn"]
        blobs = [kms.encrypt(KeyId=key, Plaintext=b"0")["CiphertextBlob"]]
        for number in (1, 2, 3):
            self.assertEqual(kms.rotate_key_on_demand(KeyId=key)["KeyId"], key)
            plaintext = str(number).encode()
            blobs.append(kms.encrypt(KeyId=key, Plaintext=plaintext)["CiphertextBlob"])
        materials = []
        for number, blob in enumerate(blobs):
            opened = kms.decrypt(CiphertextBlob=blob)
            self.assertEqual(opened["Plaintext"], str(number).encode())
            materials.append(opened["KeyMaterialId"])
        self.assertEqual(len(set(materials)), 4)
        paginator = kms.get_paginator("list_key_rotations")
        pages = list(paginator.paginate(KeyId=key, PaginationConfig={"PageSize": 2}))
        rotations = [rotation for page in pages for rotation in page["Rotations"]]
        self.assertEqual([len(page["Rotations"]) for page in pages], [2, 1])
        self.assertEqual([rotation["KeyMaterialId"] for rotation in rotations], materials[1:])
        self.assertEqual({rotation["RotationType"] for rotation in rotations}, {"ON_DEMAND"})
        self.assertTrue(all(isinstance(r["RotationDate"], datetime.datetime) for r in rotations))
        everything = kms.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")
        states = [entry["KeyMaterialState"] for entry in everything["Rotations"]]
        self.assertEqual(states, ["NON_CURRENT"] * 3 + ["CURRENT"])
        self.assertNotIn("RotationDate", everything["Rotations"][0])

    def test_schedule(self):
        kms, key = self.kms, self.make_key()["Arn"]
        status = kms.get_key_rotation_status(KeyId=key)
        self.assertEqual((status["KeyRotationEnabled"], status["KeyId"]), (False, key))
        kms.enable_key_rotation(KeyId=key)
        self.assertEqual(kms.get_key_rotation_status(KeyId=key)["RotationPeriodInDays"], 365)
        kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=90)
        status = kms.get_key_rotation_status(KeyId=key)
        self.assertEqual((status["KeyRotationEnabled"], status["RotationPeriodInDays"]), (True, 90))
        days = status["NextRotationDate"] - datetime.datetime.now(datetime.timezone.utc)
        self.assertAlmostEqual(days.total_seconds() / 86400, 90, delta=0.01)
        kms.disable_key_rotation(KeyId=key)
        self.assertEqual(kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"], False)


class Grants(Case):
    def test_grants(self):
        kms, key = self.kms, self.make_key()["Arn"]
        grant = {
            "KeyId": key,
            "GranteePrincipal": NOBODY,
            "RetiringPrincipal": NOBODY,
            "Operations": ["Decrypt", "GenerateDataKey"],
            "Constraints": {"EncryptionContextSubset": {"tenant": "Zoë"}},
            "Name": "the-only-one",
        }
        made, again = kms.create_grant(**grant), kms.create_grant(**grant)
        self.assertEqual(made["GrantId"], again["GrantId"])
        self.assertNotEqual(made["GrantToken"], again["GrantToken"])
        self.assertRegex(made["GrantId"], "^[0-9a-f]{64}$")
        [entry] = kms.list_grants(KeyId=key, GrantId=made["GrantId"])["Grants"]
        self.assertEqual((entry["KeyId"], entry["Name"]), (key, "the-only-one"))
        self.assertEqual(entry["Constraints"], grant["Constraints"])
        self.assertEqual(sorted(entry["Operations"]), grant["Operations"])
        self.assertIsInstance(entry["CreationDate"], datetime.datetime)

        token = [made["GrantToken"]]
        kms.generate_data_key(KeyId=key, KeySpec="AES_256", GrantTokens=token)
        unnamed = {**grant, "Operations": ["Encrypt"]}
        del unnamed["Name"]
        ids = {kms.create_grant(**unnamed)["GrantId"] for _ in range(4)}
        self.assertEqual(len(ids), 4)
        paginator = kms.get_paginator("list_grants")
        pages = list(paginator.paginate(KeyId=key, PaginationConfig={"PageSize": 2}))
        self.assertEqual([len(page["Grants"]) for page in pages], [2, 2, 1])
        retirable = kms.get_paginator("list_retirable_grants")
        pages = retirable.paginate(RetiringPrincipal=NOBODY, PaginationConfig={"PageSize": 2})
        found = {entry["GrantId"] for page in pages for entry in page["Grants"]}
        self.assertLessEqual(ids | {made["GrantId"]}, found)

        kms.retire_grant(GrantToken=made["GrantToken"])
        first, *rest = sorted(ids)
        kms.retire_grant(KeyId=key, GrantId=first)
        for grant_id in rest:
            kms.revoke_grant(KeyId=key, GrantId=grant_id)
        self.assertEqual(kms.list_grants(KeyId=key)["Grants"], [])

    def test_a_grant_lets_a_stranger_in_until_it_is_revoked(self):
        from support import client

        import os

        stranger = client("kms", stranger=True)
        kms, key = self.kms, self.make_key()["Arn"]
        blob = kms.encrypt(KeyId=key, Plaintext=b"p", EncryptionContext={"a": "b"})
        sealed = {"CiphertextBlob": blob["CiphertextBlob"], "EncryptionContext": {"a": "b"}}
        self.assert_refused(stranger, "AccessDeniedException", "Decrypt", **sealed)
        made = kms.create_grant(
            KeyId=key,
            GranteePrincipal=os.environ["KEYFOLD_STRANGER_ARN"],
            Operations=["Decrypt"],
            Constraints={"EncryptionContextEquals": {"a": "b"}},
        )
        self.assertEqual(stranger.decrypt(**sealed)["Plaintext"], b"p")
        self.assert_refused(stranger, "AccessDeniedException", "DescribeKey", KeyId=key)
        kms.revoke_grant(KeyId=key, GrantId=made["GrantId"])
        self.assert_refused(stranger, "AccessDeniedException", "Decrypt", **sealed)
