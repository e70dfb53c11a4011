"""What stands in for a server where a test has a transport of its own."""

from __future__ import annotations

import base64
import json

import keyfold.kms as k


def perform(kms, operation, body):
    """Performs an operation of the KMS API at an embedded KMS, as a server does; errors are raised.

    What uses keys and values is a request of `keyfold.kms`; the embedded KMS knows only the
    management of keys and secrets in this form.
    """
    if operation not in USES:
        return kms._ask(operation, body)
    return json.dumps(USES[operation](kms, json.loads(body))).encode()


def _base64(data):
    return base64.b64encode(data).decode()


def _generate_data_key(kms, members):
    key, context = "keyfold:" + members["KeyId"], members.get("EncryptionContext", {})
    made = kms.call(k.GenerateDataKey(key, context))
    return {
        "KeyId": made.wrapped.key.partition(":")[2],
        "CiphertextBlob": _base64(made.wrapped.ciphertext),
        "Plaintext": _base64(made.data_key.expose()),
    }


def _decrypt(kms, members):
    key, context = "keyfold:" + members["KeyId"], members.get("EncryptionContext", {})
    opened = kms.call(k.Decrypt(base64.b64decode(members["CiphertextBlob"]), context, key))
    return {
        "KeyId": opened.key.partition(":")[2],
        "Plaintext": _base64(opened.plaintext.expose()),
    }


def _create_secret(kms, members):
    token = members["ClientRequestToken"]
    put = k.PutSecret(members["Name"], members["SecretString"].encode(), token)
    return {"VersionId": kms.call(put).version}


def _put_secret_value(kms, members):
    # Only into a secret that is there.
    kms.call(k.GetSecret(members["SecretId"]))
    return _create_secret(kms, {**members, "Name": members["SecretId"]})


def _get_secret_value(kms, members):
    found = kms.call(k.GetSecret(members["SecretId"]))
    return {"VersionId": found.version, "SecretString": found.value.expose().decode()}


USES = {
    "GenerateDataKey": _generate_data_key,
    "Decrypt": _decrypt,
    "CreateSecret": _create_secret,
    "PutSecretValue": _put_secret_value,
    "GetSecretValue": _get_secret_value,
}
