"""The 13 operations on secrets, as boto3 sends them and reads their answers."""

import datetime
import uuid

from support import Case, REGION


class Secrets(Case):
    def test_life(self):
        secrets = self.secrets
        name = "life/db-password"
        made = self.make_secret(
            name,
            SecretString="pässwörd \U0001f511",
            Description="ein Geheimnis",
            Tags=[{"Key": "team", "Value": "α"}],
        )
        pattern = f"^arn:aws:secretsmanager:{REGION}:[0-9]{{12}}:secret:{name}-[A-Za-z0-9]{{6}}$"
        self.assertRegex(made["ARN"], pattern)
        self.assertEqual(made["Name"], name)
        for secret_id in (name, made["ARN"], made["ARN"][:-7]):
            got = secrets.get_secret_value(SecretId=secret_id)
            self.assertEqual(got["SecretString"], "pässwörd \U0001f511")
            self.assertEqual(got["VersionId"], made["VersionId"])
            self.assertEqual(got["VersionStages"], ["AWSCURRENT"])
            self.assertNotIn("SecretBinary", got)
            self.assertIsInstance(got["CreatedDate"], datetime.datetime)

        binary = bytes(range(256)) * 256
        put = secrets.put_secret_value(SecretId=name, SecretBinary=binary)
        self.assertEqual(put["VersionStages"], ["AWSCURRENT"])
        self.assertEqual(secrets.get_secret_value(SecretId=name)["SecretBinary"], binary)
        previous = secrets.get_secret_value(SecretId=name, VersionStage="AWSPREVIOUS")
        self.assertEqual(previous["VersionId"], made["VersionId"])
        both = {"VersionId": made["VersionId"], "VersionStage": "AWSPREVIOUS"}
        secrets.get_secret_value(SecretId=name, **both)

        updated = secrets.update_secret(SecretId=name, SecretString="3", Description="anders")
        described = secrets.describe_secret(SecretId=name)
        self.assertEqual(described["Description"], "anders")
        self.assertEqual(described["Tags"], [{"Key": "team", "Value": "α"}])
        self.assertEqual(
            described["VersionIdsToStages"],
            {updated["VersionId"]: ["AWSCURRENT"], put["VersionId"]: ["AWSPREVIOUS"]},
        )
        for date in ("CreatedDate", "LastChangedDate", "LastAccessedDate"):
            self.assertIsInstance(described[date], datetime.datetime)

        moved = secrets.update_secret_version_stage(
            SecretId=name,
            VersionStage="AWSCURRENT",
            RemoveFromVersionId=updated["VersionId"],
            MoveToVersionId=put["VersionId"],
        )
        self.assertEqual((moved["ARN"], moved["Name"]), (made["ARN"], name))
        current = secrets.get_secret_value(SecretId=name)
        self.assertEqual(current["VersionId"], put["VersionId"])

        deleted = secrets.delete_secret(SecretId=name, RecoveryWindowInDays=7)
        days = deleted["DeletionDate"] - datetime.datetime.now(datetime.timezone.utc)
        self.assertAlmostEqual(days.total_seconds() / 86400, 7, delta=0.01)
        self.assert_refused(secrets, "InvalidRequestException", "GetSecretValue", SecretId=name)
        self.assertIn("DeletedDate", secrets.describe_secret(SecretId=name))
        self.assertEqual(secrets.restore_secret(SecretId=name)["ARN"], made["ARN"])
        self.assertEqual(secrets.get_secret_value(SecretId=name)["SecretBinary"], binary)
        for _ in range(2):
            secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
        self.assert_refused(secrets, "ResourceNotFoundException", "GetSecretValue", SecretId=name)

    def test_tokens_make_calls_idempotent(self):
        secrets, token = self.secrets, str(uuid.uuid4())
        request = {"Name": "again", "SecretString": "s", "ClientRequestToken": token}
        first, second = secrets.create_secret(**request), secrets.create_secret(**request)
        for answer in (first, second):
            answer.pop("ResponseMetadata")
        self.assertEqual(first, second)
        self.assertEqual(first["VersionId"], token)
        request = {"SecretId": "again", "SecretString": "t", "ClientRequestToken": str(uuid.uuid4())}
        first = secrets.put_secret_value(**request)["VersionId"]
        self.assertEqual(secrets.put_secret_value(**request)["VersionId"], first)
        versions = secrets.list_secret_version_ids(SecretId="again")["Versions"]
        self.assertEqual(len(versions), 2)

    def test_pages(self):
        secrets = self.secrets
        names = [f"pages/{number}" for number in range(7)]
        for name in names:
            self.make_secret(name, Tags=[{"Key": "kind", "Value": name}])
        paginator = secrets.get_paginator("list_secrets")
        filters = [{"Key": "name", "Values": ["pages/"]}]
        for order, expected in (("asc", names), ("desc", names[::-1])):
            pages = paginator.paginate(
                Filters=filters, SortOrder=order, PaginationConfig={"PageSize": 3}
            )
            pages = [[entry["Name"] for entry in page["SecretList"]] for page in pages]
            self.assertEqual([name for page in pages for name in page], expected)
            self.assertTrue(all(len(page) <= 3 for page in pages))
        secrets.delete_secret(SecretId=names[0])
        listed = paginator.paginate(Filters=filters).build_full_result()["SecretList"]
        self.assertEqual([entry["Name"] for entry in listed], names[1:])
        listed = paginator.paginate(Filters=filters, IncludePlannedDeletion=True)
        listed = listed.build_full_result()["SecretList"]
        self.assertEqual([entry["Name"] for entry in listed], names)
        self.assertIn("DeletedDate", listed[0])

        for number in range(5):
            secrets.put_secret_value(SecretId=names[1], SecretString=str(number))
        # boto3 has no paginator for these.
        asked, sizes = {"SecretId": names[1], "IncludeDeprecated": True, "MaxResults": 4}, []
        while asked:
            page = secrets.list_secret_version_ids(**asked)
            sizes.append(len(page["Versions"]))
            asked = {**asked, "NextToken": page["NextToken"]} if "NextToken" in page else None
        self.assertEqual(sizes, [4, 2])
        self.assertEqual(len(secrets.list_secret_version_ids(SecretId=names[1])["Versions"]), 2)

    def test_tags(self):
        secrets = self.secrets
        self.make_secret("tagged")
        secrets.tag_resource(SecretId="tagged", Tags=[{"Key": k, "Value": k} for k in "abc"])
        secrets.tag_resource(SecretId="tagged", Tags=[{"Key": "a", "Value": "ä"}])
        secrets.untag_resource(SecretId="tagged", TagKeys=["b", "none"])
        tags = secrets.describe_secret(SecretId="tagged")["Tags"]
        self.assertEqual({tag["Key"]: tag["Value"] for tag in tags}, {"a": "ä", "c": "c"})

    def test_the_key_of_a_secret(self):
        secrets, kms = self.secrets, self.kms
        key = self.make_key()["Arn"]
        self.make_secret("under-a-key", KmsKeyId=key)
        self.assertEqual(secrets.describe_secret(SecretId="under-a-key")["KmsKeyId"], key)
        kms.disable_key(KeyId=key)
        self.assert_refused(secrets, "DecryptionFailure", "GetSecretValue", SecretId="under-a-key")
        kms.enable_key(KeyId=key)
        got = secrets.get_secret_value(SecretId="under-a-key")
        self.assertEqual(got["SecretString"], "correct horse")

    def test_passwords(self):
        get = self.secrets.get_random_password
        self.assertEqual(len(get()["RandomPassword"]), 32)
        password = get(PasswordLength=4096, ExcludePunctuation=True)["RandomPassword"]
        self.assertTrue(password.isalnum())
        self.assertEqual(len(password), 4096)
        self.assertEqual(len({get()["RandomPassword"] for _ in range(5)}), 5)
