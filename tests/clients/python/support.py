"""What the suites share: clients of the server under test, and a record of all they were answered.

The server and the credentials come from the environment, where every AWS SDK looks for them.
"""

import collections
import os
import unittest

import boto3
import botocore.exceptions
from botocore.config import Config

REGION = os.environ["AWS_REGION"]
SERVICES = ("kms", "secretsmanager")

# Names of errors that no model lists for the service, or for every operation: boto3 raises those
# that it does not know as ClientError.
COMMON_ERRORS = {
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "RequestEntityTooLargeException",
    "RequestTimeoutException",
    "SerializationException",
    "ThrottlingException",
    "UnknownOperationException",
    "UnrecognizedClientException",
    "UnsupportedMediaTypeException",
    # Secrets Manager has no such error; KMS has.
    "UnsupportedOperationException",
    "ValidationException",
}


class Record:
    """Which operations were answered how, and how often anything was sent for it."""

    def __init__(self):
        self.answers = collections.Counter()
        self.sent = 0

    def watch(self, client):
        service = client.meta.service_model.service_name

        def before_send(**_):
            self.sent += 1

        def after_call(model, parsed, **_):
            answer = parsed.get("Error", {}).get("Code", "ok")
            self.answers[(service, model.name, answer)] += 1

        client.meta.events.register("before-send", before_send)
        client.meta.events.register("after-call", after_call)
        return client


RECORD = Record()


def client(service, stranger=False, retries="legacy"):
    """A client for one service; the stranger's principal may do nothing by its own role."""
    options = {"config": Config(retries={"mode": retries}, connect_timeout=5, read_timeout=60)}
    if stranger:
        options["aws_access_key_id"] = os.environ["KEYFOLD_STRANGER_ACCESS_KEY_ID"]
        options["aws_secret_access_key"] = os.environ["KEYFOLD_STRANGER_SECRET_ACCESS_KEY"]
    return RECORD.watch(boto3.client(service, region_name=REGION, **options))


def names_of_errors(service_model):
    """What boto3 has a class of exceptions for."""
    return {shape.name for shape in service_model.error_shapes}


def call(of, operation, **arguments):
    """Calls an operation by its name on the wire."""
    return getattr(of, botocore.xform_name(operation))(**arguments)


class Case(unittest.TestCase):
    """A test with clients of both services."""

    longMessage = True

    @classmethod
    def setUpClass(cls):
        cls.kms = client("kms")
        cls.secrets = client("secretsmanager")

    def assert_refused(self, of, name, operation, **arguments):
        """The call fails with this error, as the class that boto3 has for it, without a retry."""
        before = RECORD.sent
        expected = of.exceptions.from_code(name)
        if name not in names_of_errors(of.meta.service_model):
            self.assertIn(name, COMMON_ERRORS, "no such exception")
            self.assertIs(expected, botocore.exceptions.ClientError)
        with self.assertRaises(botocore.exceptions.ClientError) as raised:
            call(of, operation, **arguments)
        error = raised.exception
        self.assertEqual(error.response["Error"]["Code"], name, f"{operation}: {error}")
        self.assertIs(type(error), expected)
        metadata = error.response["ResponseMetadata"]
        self.assertEqual(metadata["HTTPStatusCode"], 400)
        self.assertRegex(metadata["RequestId"], "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
        self.assertEqual(RECORD.sent - before, 1, f"{operation} was sent again after {name}")
        self.assertTrue(error.response["Error"]["Message"], "an error says something")
        return error

    def make_key(self, **arguments):
        return self.kms.create_key(**arguments)["KeyMetadata"]

    def make_secret(self, name, **arguments):
        arguments.setdefault("SecretString", "correct horse")
        return self.secrets.create_secret(Name=name, **arguments)
