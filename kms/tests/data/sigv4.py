"""Makes sigv4.json: requests as botocore sends them, signed by botocore.

    pip install botocore
    python3 kms/tests/data/sigv4.py > kms/tests/data/sigv4.json

Nothing is sent: each request is caught on its way out. The access key is AWS's example.
"""

import base64
import datetime
import json
import sys

import botocore.auth
import botocore.session
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from botocore.credentials import Credentials

ACCESS_KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW = datetime.datetime(2026, 11, 22)
botocore.auth.get_current_datetime = lambda *_, **__: NOW


def case(name, service, headers, body, host):
    pairs = [[k, v.decode() if isinstance(v, bytes) else v] for k, v in headers]
    return {
        "name": name,
        "service": service,
        "host": host,
        "headers": [[k, v] for k, v in pairs if k.lower() != "host"],
        "body": base64.b64encode(body).decode(),
    }


def plain(name, service, target, host, body, token=None, extra=()):
    """A bare request through the signer alone."""
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "Host": host,
        "X-Amz-Target": target,
        **dict(extra),
    }
    request = AWSRequest("POST", f"https://{host}/", headers=headers, data=body.encode())
    signer = botocore.auth.SigV4Auth(Credentials(ACCESS_KEY, SECRET, token), service, "us-east-1")
    signer.add_auth(request)
    return case(name, service, request.headers.items(), body.encode(), host)


def called(name, service, endpoint, operation, **arguments):
    """What a client sends for an operation."""
    sent = {}

    def catch(request, **_):
        sent["request"] = request
        return AWSResponse(request.url, 200, {}, type("Raw", (), {"stream": lambda *_: [b"{}"]})())

    session = botocore.session.Session()
    session.set_credentials(ACCESS_KEY, SECRET)
    client = session.create_client(
        service,
        region_name="us-east-1",
        endpoint_url=endpoint,
        config=Config(user_agent="made-up/1.0", retries={"total_max_attempts": 1}),
    )
    client.meta.events.register(f"before-send.{service}", catch)
    getattr(client, operation)(**arguments)
    request = sent["request"]
    # What a socket adds: the host, without the port that is the scheme's own.
    scheme, host = endpoint.split("://")
    host = host.removesuffix({"http": ":80", "https": ":443"}[scheme])
    return case(name, service, request.headers.items(), request.body or b"", host)


def main():
    kms, secrets = "kms", "secretsmanager"
    context = {"b": "2", "a": "1"}
    spoken = '{"KeyId":"alias/a","Plaintext":"aGVsbG8=","EncryptionContext":{"b":"2","a":"1"}}'
    cases = [
        plain("list keys", kms, "TrentService.ListKeys", "kms.example.test", "{}"),
        plain("session token", kms, "TrentService.ListKeys", "kms.example.test", "{}", "tok"),
        plain("port", kms, "TrentService.Encrypt", "127.0.0.1:8443", spoken),
        plain("secrets", secrets, "secretsmanager.ListSecrets", "kms.example.test", "{}"),
        plain(
            "blanks",
            kms,
            "TrentService.ListKeys",
            "kms.example.test",
            "{}",
            extra=[("X-Amz-Meta", "  two   words  "), ("X-Amz-Empty", "")],
        ),
        plain("no body", kms, "TrentService.ListKeys", "kms.example.test", ""),
    ]
    for endpoint in ["http://127.0.0.1:8443", "https://kms.example.test", "http://localhost:80"]:
        at = endpoint.split("://")[0]
        cases += [
            called(f"{at} create key", kms, endpoint, "create_key", Description="Übung ✓"),
            called(
                f"{at} data key",
                kms,
                endpoint,
                "generate_data_key",
                KeyId="alias/a",
                KeySpec="AES_256",
                EncryptionContext=context,
            ),
            called(
                f"{at} encrypt",
                kms,
                endpoint,
                "encrypt",
                KeyId="alias/a",
                Plaintext=b"\0\xff",
                EncryptionContext=context,
            ),
            called(f"{at} list", kms, endpoint, "list_keys"),
            called(
                f"{at} sign",
                kms,
                endpoint,
                "sign",
                KeyId="alias/s",
                Message=b"m" * 4096,
                SigningAlgorithm="ECDSA_SHA_256",
            ),
            called(
                f"{at} put secret",
                secrets,
                endpoint,
                "put_secret_value",
                SecretId="db/pass word",
                SecretString="x",
                ClientRequestToken="0" * 32,
            ),
            called(f"{at} random", kms, endpoint, "generate_random", NumberOfBytes=1),
        ]
    for index, made in enumerate(cases):
        made["name"] = f"{index}: {made['name']}"
    head = {
        "about": f"made by sigv4.py with botocore {botocore.__version__}",
        "access_key": ACCESS_KEY,
        "secret": SECRET,
        "time": NOW.strftime("%Y%m%dT%H%M%SZ"),
    }
    # One case on one line, so that a difference is seen.
    fields = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in head.items())
    lines = ",\n".join(json.dumps(made) for made in cases)
    sys.stdout.write(f'{{\n{fields},\n"cases": [\n{lines}\n]\n}}\n')


if __name__ == "__main__":
    main()
