"""What lies below the operations: retries, request ids, numbers of attempts, credentials."""

import os

import boto3
import botocore.exceptions
from botocore.config import Config

from support import Case, RECORD, REGION, client


class Wire(Case):
    def test_what_the_client_did_wrong_is_sent_once(self):
        for retries in ("legacy", "standard", "adaptive"):
            kms = client("kms", retries=retries)
            for name in ("no-such-key", "alias/none"):
                before = RECORD.sent
                with self.assertRaises(kms.exceptions.NotFoundException):
                    kms.describe_key(KeyId=name)
                self.assertEqual(RECORD.sent - before, 1, f"{retries}: sent again")

    def test_headers(self):
        metadata = self.kms.list_keys()["ResponseMetadata"]
        headers = metadata["HTTPHeaders"]
        self.assertEqual(metadata["HTTPStatusCode"], 200)
        self.assertEqual(metadata["RetryAttempts"], 0)
        self.assertEqual(headers["content-type"], "application/x-amz-json-1.1")
        self.assertEqual(headers["cache-control"], "no-store")
        self.assertIn("date", headers)
        self.assertEqual(metadata["RequestId"], headers["x-amzn-requestid"])
        other = self.kms.list_keys()["ResponseMetadata"]["RequestId"]
        self.assertNotEqual(other, metadata["RequestId"])

    def test_no_operation_has_a_waiter(self):
        # Nothing to wait for: every change is done when it is answered.
        self.assertEqual(self.kms.waiter_names, [])
        self.assertEqual(self.secrets.waiter_names, [])

    def refused(self, name, **credentials):
        options = {
            "aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
            "region_name": REGION,
            **credentials,
        }
        kms = RECORD.watch(boto3.client("kms", config=Config(retries={"mode": "legacy"}), **options))
        with self.assertRaises(botocore.exceptions.ClientError) as raised:
            kms.list_keys()
        response = raised.exception.response
        self.assertEqual(response["Error"]["Code"], name)
        self.assertEqual(response["ResponseMetadata"]["HTTPStatusCode"], 400)
        self.assertEqual(response["ResponseMetadata"]["RetryAttempts"], 0)

    def test_credentials(self):
        self.refused("InvalidSignatureException", aws_secret_access_key="x" * 40)
        self.refused("UnrecognizedClientException", aws_access_key_id="AKIAXXXXXXXXXXXXXXXX")

    def test_an_operation_that_is_not_offered(self):
        with self.assertRaises(botocore.exceptions.ClientError) as raised:
            self.kms.describe_custom_key_stores()
        self.assertEqual(raised.exception.response["Error"]["Code"], "UnknownOperationException")
        with self.assertRaises(botocore.exceptions.ClientError) as raised:
            self.secrets.batch_get_secret_value(SecretIdList=["a"])
        self.assertEqual(raised.exception.response["Error"]["Code"], "UnknownOperationException")

    def test_dates_have_milliseconds(self):
        made = [self.make_key()["CreationDate"].microsecond for _ in range(5)]
        self.assertTrue(any(micros % 1_000_000 for micros in made))
        self.assertTrue(all(micros % 1_000 == 0 for micros in made))
