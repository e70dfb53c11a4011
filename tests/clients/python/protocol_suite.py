"""Sends every malformed request to the server and looks at what becomes of it.

Each must be answered with 4xx, a JSON body whose `__type` is the name of an error, and a request
id; none may change anything that the API can show.

    protocol_suite.py prepare FILE     makes a world and notes its whole requests
    protocol_suite.py attack FILE      sends what is malformed, and compares the world
"""

import base64
import collections
import hashlib
import http.client
import json
import os
import sys
import time
import urllib.parse

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from malformed import make
from operations import OFFERED
from support import COMMON_ERRORS, REGION, client, names_of_errors
from world import NOBODY, OTHER_TOKEN, TOKEN

ENDPOINT = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL_KMS"])
CREDENTIALS = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
TARGETS = {"kms": "TrentService", "secretsmanager": "secretsmanager"}
# A whole minute for one answer would be a hang.
TIMEOUT = 60


def b64(data):
    return base64.b64encode(data).decode()


def prepare():
    """Makes a world, and for every operation a request that would be performed in it."""
    kms, secrets = client("kms"), client("secretsmanager")
    key, other, off, pending, signing = (
        kms.create_key(**arguments)["KeyMetadata"]["Arn"]
        for arguments in ({}, {}, {}, {}, {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"})
    )
    kms.disable_key(KeyId=off)
    kms.schedule_key_deletion(KeyId=pending, PendingWindowInDays=7)
    kms.create_alias(AliasName="alias/fuzz", TargetKeyId=key)
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": "a", "TagValue": "b"}])
    grant = kms.create_grant(
        KeyId=key, GranteePrincipal=NOBODY, RetiringPrincipal=NOBODY, Operations=["Decrypt"]
    )
    blob = b64(kms.encrypt(KeyId=key, Plaintext=b"p")["CiphertextBlob"])
    message = {"KeyId": signing, "SigningAlgorithm": "ECDSA_SHA_256"}
    signature = b64(kms.sign(Message=b"m", **message)["Signature"])
    message["Message"] = b64(b"m")
    secret = secrets.create_secret(Name="fuzz", SecretString="1", ClientRequestToken=TOKEN)["ARN"]
    secrets.put_secret_value(SecretId=secret, SecretString="2", ClientRequestToken=OTHER_TOKEN)
    secrets.create_secret(Name="fuzz/deleted", SecretString="1")
    secrets.delete_secret(SecretId="fuzz/deleted")
    policy = kms.get_key_policy(KeyId=key)["Policy"]

    of, named = {"KeyId": key}, {"SecretId": secret}
    wholes = {
        "kms": {
            "CreateKey": {"Description": "d"},
            "DescribeKey": of,
            "ListKeys": {"Limit": 1},
            "EnableKey": {"KeyId": off},
            "DisableKey": of,
            "UpdateKeyDescription": {**of, "Description": "changed"},
            "ScheduleKeyDeletion": {**of, "PendingWindowInDays": 7},
            "CancelKeyDeletion": {"KeyId": pending},
            "CreateAlias": {"AliasName": "alias/new", "TargetKeyId": key},
            "UpdateAlias": {"AliasName": "alias/fuzz", "TargetKeyId": other},
            "DeleteAlias": {"AliasName": "alias/fuzz"},
            "ListAliases": {"Limit": 1},
            "TagResource": {**of, "Tags": [{"TagKey": "a", "TagValue": "changed"}]},
            "UntagResource": {**of, "TagKeys": ["a"]},
            "ListResourceTags": of,
            "GetKeyPolicy": of,
            "PutKeyPolicy": {**of, "Policy": policy + " "},
            "ListKeyPolicies": of,
            "Encrypt": {**of, "Plaintext": b64(b"p")},
            "Decrypt": {"CiphertextBlob": blob},
            "ReEncrypt": {"CiphertextBlob": blob, "DestinationKeyId": other},
            "GenerateDataKey": {**of, "KeySpec": "AES_256"},
            "GenerateDataKeyWithoutPlaintext": {**of, "KeySpec": "AES_256"},
            "GenerateRandom": {"NumberOfBytes": 1},
            "Sign": message,
            "Verify": {**message, "Signature": signature},
            "GetPublicKey": {"KeyId": signing},
            "EnableKeyRotation": of,
            "DisableKeyRotation": of,
            "GetKeyRotationStatus": of,
            "RotateKeyOnDemand": of,
            "ListKeyRotations": of,
            "CreateGrant": {**of, "GranteePrincipal": NOBODY, "Operations": ["Encrypt"]},
            "ListGrants": of,
            "ListRetirableGrants": {"RetiringPrincipal": NOBODY},
            "RetireGrant": {**of, "GrantId": grant["GrantId"]},
            "RevokeGrant": {**of, "GrantId": grant["GrantId"]},
        },
        "secretsmanager": {
            "CreateSecret": {"Name": "fuzz/new", "SecretString": "s"},
            "GetSecretValue": named,
            "PutSecretValue": {**named, "SecretString": "3"},
            "UpdateSecret": {**named, "Description": "changed"},
            "UpdateSecretVersionStage": {
                **named,
                "VersionStage": "mine",
                "MoveToVersionId": TOKEN,
            },
            "DescribeSecret": named,
            "ListSecrets": {"MaxResults": 1},
            "ListSecretVersionIds": named,
            "DeleteSecret": named,
            "RestoreSecret": {"SecretId": "fuzz/deleted"},
            "GetRandomPassword": {"PasswordLength": 32},
            "TagResource": {**named, "Tags": [{"Key": "a", "Value": "b"}]},
            "UntagResource": {**named, "TagKeys": ["a"]},
        },
    }
    for service, operations in wholes.items():
        assert operations.keys() == set(OFFERED[service])
    return wholes


def portrait():
    """A digest of everything that the API shows."""
    kms, secrets = client("kms"), client("secretsmanager")
    seen = []

    def note(answer):
        answer.pop("ResponseMetadata", None)
        seen.append(json.dumps(answer, sort_keys=True, default=str))

    def pages(of, operation, **arguments):
        note(of.get_paginator(operation).paginate(**arguments).build_full_result())

    for key in kms.get_paginator("list_keys").paginate().build_full_result()["Keys"]:
        named = {"KeyId": key["KeyId"]}
        described = kms.describe_key(**named)
        symmetric = described["KeyMetadata"]["KeySpec"] == "SYMMETRIC_DEFAULT"
        note(described)
        note(kms.get_key_policy(**named))
        pages(kms, "list_resource_tags", **named)
        pages(kms, "list_grants", **named)
        if symmetric:
            note(kms.get_key_rotation_status(**named))
            pages(kms, "list_key_rotations", IncludeKeyMaterial="ALL_KEY_MATERIAL", **named)
    pages(kms, "list_aliases")
    listed = secrets.get_paginator("list_secrets").paginate(IncludePlannedDeletion=True)
    for secret in listed.build_full_result()["SecretList"]:
        named = {"SecretId": secret["ARN"]}
        note(secrets.describe_secret(**named))
        note(secrets.list_secret_version_ids(IncludeDeprecated=True, **named))
        if "DeletedDate" not in secret:
            note(secrets.get_secret_value(**named))
    return hashlib.sha256("\n".join(seen).encode()).hexdigest(), len(seen)


class Attack:
    def __init__(self):
        self.connection = None

    def send(self, case):
        """Status, headers and body of the answer."""
        headers = {
            "Content-Type": case.content_type,
            "X-Amz-Target": f"{TARGETS[case.service]}.{case.operation}",
        }
        url = f"{ENDPOINT.scheme}://{ENDPOINT.netloc}/"
        request = AWSRequest("POST", url, data=case.body, headers=headers)
        if case.signed:
            SigV4Auth(CREDENTIALS, case.service, REGION).add_auth(request)
        for fresh in (False, True):
            # The server may have closed the last connection on us; a new one it may not.
            if self.connection is None or fresh:
                self.connection = http.client.HTTPConnection(ENDPOINT.netloc, timeout=TIMEOUT)
            try:
                self.connection.request("POST", "/", body=case.body, headers=dict(request.headers))
                response = self.connection.getresponse()
                return response.status, response.headers, response.read()
            except (ConnectionError, http.client.RemoteDisconnected):
                self.connection.close()
                if fresh:
                    raise
        raise AssertionError("unreachable")


def attack(wholes):
    begun = time.monotonic()
    session = botocore.session.get_session()
    portrait()  # The first reads of a day note the day.
    before, entries = portrait()
    kinds, types = collections.Counter(), collections.Counter()
    problems, attacker = [], Attack()
    for service in OFFERED:
        model = session.get_service_model(service)
        known = names_of_errors(model) | COMMON_ERRORS
        for case in make(model, wholes[service]):
            kinds[case.kind] += 1
            status, headers, body = attacker.send(case)
            problem = problem_of(status, headers, body, known)
            if problem is None:
                types[json.loads(body)["__type"]] += 1
            else:
                where = f"{case.operation} {case.member or '(whole)'}: {case.kind}"
                problems.append(f"{where}: {problem}; sent {case.body[:160]!r}")
    after, _ = portrait()
    print(f"{'kind':<24} cases")
    for kind, count in sorted(kinds.items()):
        print(f"{kind:<24} {count:>5}")
    print(f"\n{'answer':<40} cases")
    for name, count in types.most_common():
        print(f"{name:<40} {count:>5}")
    for problem in problems:
        print(f"PROBLEM {problem}")
    if before != after:
        problems.append("the world changed")
        print("PROBLEM the world changed")
    total = kinds.total()
    print(
        f"\nprotocol: {total} malformed requests, {total - sum(types.values())} answered wrongly, "
        f"{entries} answers of the world compared, {time.monotonic() - begun:.0f} s"
    )
    if total < 900:
        print("PROBLEM fewer than 900 requests")
        return 1
    return 1 if problems else 0


def problem_of(status, headers, body, known):
    """What is wrong with an answer to a malformed request."""
    if not 400 <= status < 500:
        return f"status {status} {body[:200]!r}"
    if not headers.get("x-amzn-requestid"):
        return "no request id"
    if not headers.get("content-type", "").startswith("application/x-amz-json-1."):
        return f"content type {headers.get('content-type')}"
    try:
        answer = json.loads(body)
    except ValueError:
        return f"no JSON: {body[:200]!r}"
    if answer.get("__type") not in known:
        return f"unknown __type {answer.get('__type')!r}"
    if not isinstance(answer.get("message", answer.get("Message")), str):
        return "no message"
    return None


def main():
    task, file = sys.argv[1:]
    if task == "prepare":
        with open(file, "w", encoding="utf-8") as out:
            json.dump(prepare(), out)
        return 0
    with open(file, encoding="utf-8") as wholes:
        return attack(json.load(wholes))


if __name__ == "__main__":
    sys.exit(main())
