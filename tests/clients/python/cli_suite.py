"""The AWS CLI: a handful of commands, as a person types them."""

import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

AWS = pathlib.Path(sys.executable).with_name("aws")
COUNTS = {"commands": 0}


class Cli(unittest.TestCase):
    def aws(self, *words):
        COUNTS["commands"] += 1
        # No configuration of the person who runs this may reach the test.
        nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        return subprocess.run(
            [sys.executable, AWS, *words, "--output", "json"],
            capture_output=True,
            check=False,
            env={**os.environ, **nowhere},
        )

    def answer(self, *words):
        done = self.aws(*words)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return json.loads(done.stdout or b"null")

    def refused(self, name, *words):
        done = self.aws(*words)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(f"({name})", done.stderr.decode())

    def test_kms(self):
        made = self.answer("kms", "create-key", "--description", "from the command line")
        key = made["KeyMetadata"]["KeyId"]
        self.answer("kms", "create-alias", "--alias-name", "alias/cli", "--target-key-id", key)
        with tempfile.TemporaryDirectory() as folder:
            plain, blob = (pathlib.Path(folder, name) for name in ("plain", "blob"))
            plain.write_bytes(b"attack at \x00 dawn")
            context = ("--encryption-context", "tenant=Zoë,n=1")
            sealed = self.answer(
                "kms", "encrypt", "--key-id", "alias/cli", "--plaintext", f"fileb://{plain}", *context
            )
            blob.write_bytes(base64.b64decode(sealed["CiphertextBlob"]))
            of = ("kms", "decrypt", "--ciphertext-blob", f"fileb://{blob}")
            opened = self.answer(*of, *context)
            self.assertEqual(base64.b64decode(opened["Plaintext"]), plain.read_bytes())
            self.refused("InvalidCiphertextException", *of)
        data_key = self.answer(
            "kms", "generate-data-key", "--key-id", key, "--key-spec", "AES_256"
        )
        self.assertEqual(len(base64.b64decode(data_key["Plaintext"])), 32)
        described = self.answer("kms", "describe-key", "--key-id", "alias/cli")
        self.assertEqual(described["KeyMetadata"]["KeyId"], key)
        keys = self.answer("kms", "list-keys", "--page-size", "1")["Keys"]
        self.assertIn(key, [entry["KeyId"] for entry in keys])
        self.answer("kms", "disable-key", "--key-id", key)
        of = ("kms", "generate-data-key", "--key-id", key, "--key-spec", "AES_256")
        self.refused("DisabledException", *of)
        window = ("--pending-window-in-days", "7")
        gone = self.answer("kms", "schedule-key-deletion", "--key-id", key, *window)
        self.assertEqual(gone["KeyState"], "PendingDeletion")

    def test_signatures(self):
        spec = ("--key-spec", "ECC_NIST_P256", "--key-usage", "SIGN_VERIFY")
        key = self.answer("kms", "create-key", *spec)["KeyMetadata"]["KeyId"]
        with tempfile.TemporaryDirectory() as folder:
            message, signature = (pathlib.Path(folder, name) for name in ("message", "signature"))
            message.write_bytes(b"\x00 release 1.0")
            algorithm = ("--key-id", key, "--signing-algorithm", "ECDSA_SHA_256")
            of = (*algorithm, "--message", f"fileb://{message}")
            signed = self.answer("kms", "sign", *of)["Signature"]
            signature.write_bytes(base64.b64decode(signed))
            signed = ("--signature", f"fileb://{signature}")
            self.assertEqual(self.answer("kms", "verify", *of, *signed)["SignatureValid"], True)
            message.write_bytes(b"\x00 release 2.0")
            self.refused("KMSInvalidSignatureException", "kms", "verify", *of, *signed)

    def test_secrets(self):
        value = json.dumps({"user": "zoë", "password": "\U0001f511"})
        named = ("--name", "cli/db", "--secret-string", value)
        made = self.answer("secretsmanager", "create-secret", *named)
        of = ("--secret-id", "cli/db")
        got = self.answer("secretsmanager", "get-secret-value", *of)
        self.assertEqual((got["SecretString"], got["ARN"]), (value, made["ARN"]))
        self.answer("secretsmanager", "put-secret-value", *of, "--secret-string", "2")
        got = self.answer("secretsmanager", "get-secret-value", *of)
        self.assertEqual(got["SecretString"], "2")
        listed = self.answer("secretsmanager", "list-secrets")["SecretList"]
        self.assertIn("cli/db", [entry["Name"] for entry in listed])
        self.answer("secretsmanager", "delete-secret", *of, "--force-delete-without-recovery")
        self.refused("ResourceNotFoundException", "secretsmanager", "get-secret-value", *of)


if __name__ == "__main__":
    program = unittest.main(exit=False, verbosity=1)
    print(f"aws cli: {COUNTS['commands']} commands")
    sys.exit(0 if program.result.wasSuccessful() else 1)
